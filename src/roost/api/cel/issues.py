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


class CompileError(Exception):
    """An expression that is no good; str() is the whole text for the user."""

    def __init__(self, source: str, issues: list[Issue]) -> None:
        self.issues = tuple(sorted(issues, key=lambda issue: issue.at))
        super().__init__("\n".join(_shown(source, issue) for issue in self.issues))


def _shown(source: str, issue: Issue) -> str:
    before = source[: issue.at]
    line = before.count("\n")
    column = issue.at - (before.rfind("\n") + 1)
    text = source.split("\n")[line].replace("\t", " ")
    return f"ERROR: <input>:{line + 1}:{column + 1}: {issue.message}\n | {text}\n | {'.' * column}^"
