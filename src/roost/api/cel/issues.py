"""What is wrong with an expression, told as cel-go tells it: place, text, and the line with a mark
under it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Issue:
    """A complaint about the text at `at` (in characters from its start)."""

    at: int
    message: str


#: How many complaints are told, as in cel-go.
_TOLD = 100
#: Longer lines are not shown beside a complaint, in characters.
_LINE_MAX = 4000


class CompileError(Exception):
    """An expression that is no good; str() is the whole text for the user."""

    def __init__(self, source: str, issues: list[Issue]) -> None:
        self.issues = tuple(sorted(issues, key=lambda issue: issue.at))
        told = [_shown(source, issue) for issue in self.issues[:_TOLD]]
        if len(issues) > _TOLD:
            told.append(f"... {len(issues) - _TOLD} more errors were truncated")
        super().__init__("\n".join(told))


def _shown(source: str, issue: Issue) -> str:
    before = source[: issue.at]
    line = before.count("\n")
    column = issue.at - (before.rfind("\n") + 1)
    place = f"ERROR: <input>:{line + 1}:{column + 1}: {issue.message}"
    text = source.split("\n")[line].replace("\t", " ")
    if len(text) > _LINE_MAX:
        return place  # nobody finds a place in such a line, and a hundred of them fill an answer
    return f"{place}\n | {text}\n | {'.' * column}^"
