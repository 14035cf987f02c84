"""From the words of a script to the words of a command: variables, sums, field splitting, patterns.

Pure but for `Surroundings`: what variables hold, what commands print, which files there are.
"""

from __future__ import annotations

import ast
import fnmatch
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

from roost.simulation.workloads.script import (
    Output,
    Part,
    Script,
    Sum,
    Text,
    Unknown,
    Variable,
    Word,
)

_SPECIAL: Final = re.compile(r"([*?\[\]])")
_PATTERN: Final = re.compile(r"[*?\[]")
_NUMBERS: Final[Mapping[type, Callable[[int, int], int]]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}  # fmt: skip
_COMPARISONS: Final[Mapping[type, Callable[[int, int], bool]]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip


class Surroundings(Protocol):
    """What an expansion asks for."""

    def value(self, name: str) -> str | None:
        """Return a variable's or a special parameter's value; None: it is not set."""
        ...

    def arguments(self) -> list[str]:
        """Return $1 and the following."""
        ...

    def assign(self, name: str, value: str) -> None: ...

    async def printed(self, script: Script) -> str:
        """Run a script; return what it printed."""
        ...

    def names_in(self, folder: str) -> Iterable[str]:
        """Return the names of the files in a folder."""
        ...


async def expand(words: Iterable[Word], around: Surroundings) -> list[str]:
    """Return the words of a command; raises Unknown."""
    found: list[str] = []
    for word in words:
        for text, pattern in await _fields(word, around):
            found += _matching(text, pattern, around)
    return found


async def expand_one(word: Word, around: Surroundings) -> str:
    """Return a word as one text, neither split nor matched with files: of an assignment."""
    return "".join([await _text(part, around) for part in word])


async def expand_pattern(word: Word, around: Surroundings) -> str:
    """Return a word as a pattern, in which quoted signs stand for themselves."""
    made = []
    for part in word:
        text = await _text(part, around)
        quoted = getattr(part, "quoted", False)
        made.append(_SPECIAL.sub(r"[\1]", text) if quoted else text)
    return "".join(made)


async def _fields(word: Word, around: Surroundings) -> list[tuple[str, str]]:
    """Split a word where what it was replaced by has spaces: (text, the same as a pattern)."""
    fields: list[list[str]] = []
    open_field = False

    def add(text: str, *, literal: bool) -> None:
        nonlocal open_field
        if not open_field:
            fields.append(["", ""])
            open_field = True
        fields[-1][0] += text
        fields[-1][1] += _SPECIAL.sub(r"[\1]", text) if literal else text

    for part in word:
        if isinstance(part, Variable) and part.name == "@" and part.quoted:
            for index, one in enumerate(around.arguments()):
                open_field = open_field and index == 0
                add(one, literal=True)
            continue
        text = await _text(part, around)
        if isinstance(part, Text) or getattr(part, "quoted", False):
            add(text, literal=getattr(part, "quoted", False))
            continue
        pieces = text.split()
        if text[:1].isspace():
            open_field = False
        for index, piece in enumerate(pieces):
            open_field = open_field and index == 0
            add(piece, literal=False)
        if text[-1:].isspace():
            open_field = False
    return [(text, pattern) for text, pattern in fields]


async def _text(part: Part, around: Surroundings) -> str:
    match part:
        case Text(text):
            return text
        case Output(script):
            return (await around.printed(script)).rstrip("\n")
        case Sum(expression):
            return str(evaluate(await expand_one(expression, around), around.value))
        case Variable():
            return await _variable(part, around)
    raise TypeError(part)


async def _variable(part: Variable, around: Surroundings) -> str:
    value = around.value(part.name)
    if part.operator == "length":
        return str(len(value or ""))
    operator_ = part.operator.lstrip(":") if part.operator[:1] == ":" else part.operator
    missing = value is None or (part.operator.startswith(":") and not value)
    match operator_:
        case "":
            return value or ""
        case "-":
            return await expand_one(part.word, around) if missing else value or ""
        case "+":
            return "" if missing else await expand_one(part.word, around)
        case "=":
            if missing:
                value = await expand_one(part.word, around)
                around.assign(part.name, value)
            return value or ""
        case "?":
            if missing:
                raise Unknown(f"{part.name}: {await expand_one(part.word, around) or 'not set'}")
            return value or ""
        case _:
            pattern = await expand_pattern(part.word, around)
            return _trimmed(value or "", operator_, pattern)


def _trimmed(value: str, operator_: str, pattern: str) -> str:
    """Return a value without the part at its begin (#) or end (%) that fits a pattern."""
    cuts = list(range(len(value) + 1))
    if operator_ in ("##", "%"):
        cuts.reverse()
    for cut in cuts:
        part, rest = (
            (value[:cut], value[cut:]) if operator_[0] == "#" else (value[cut:], value[:cut])
        )
        if fnmatch.fnmatchcase(part, pattern):
            return rest
    return value


def _matching(text: str, pattern: str, around: Surroundings) -> list[str]:
    """Return the files that a pattern fits, or the text itself if there are none."""
    if not _PATTERN.search(text):
        return [text]
    found = ["/"] if text.startswith("/") else [""]
    steps = [one for one in pattern.split("/") if one]
    for number, step in enumerate(steps, 1):
        if number < len(steps) and not _PATTERN.search(step):
            found = [f"{folder}{step}/" for folder in found]
            continue
        found = [
            f"{folder}{name}/"
            for folder in found
            for name in around.names_in(folder or ".")
            if fnmatch.fnmatchcase(name, step) and (not name.startswith(".") or step[0] == ".")
        ]
    return [one.rstrip("/") for one in found] or [text]


def evaluate(text: str, value: Callable[[str], str | None]) -> int:
    """Return what a sum of whole numbers comes to; raises Unknown."""
    named = re.sub(r"[A-Za-z_]\w*", lambda m: value(m[0]) or "0", text)
    python = re.sub(r"(?<!/)/(?!/)", "//", named).replace("&&", " and ").replace("||", " or ")
    python = re.sub(r"!(?!=)", " not ", python)
    try:
        return int(_number(ast.parse(python.strip() or "0", mode="eval").body))
    except (SyntaxError, KeyError, TypeError) as error:
        raise Unknown(f"arithmetic: {text.strip()}") from error
    except ZeroDivisionError as error:
        raise Unknown("divide by zero") from error


def _number(node: Any) -> int:
    match node:
        case ast.Constant(value=int() as number):
            return number
        case ast.BinOp(left=left, op=op, right=right):
            return _NUMBERS[type(op)](_number(left), _number(right))
        case ast.UnaryOp(op=op, operand=operand):
            number = _number(operand)
            return int(not number) if isinstance(op, ast.Not) else -number
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return int(_COMPARISONS[type(op)](_number(left), _number(right)))
        case ast.BoolOp(op=op, values=values):
            truths = [bool(_number(one)) for one in values]
            return int(all(truths) if isinstance(op, ast.And) else any(truths))
    raise TypeError(node)
