"""Columns of custom resources, from `additionalPrinterColumns` and their JSON paths.

The paths are those of kubectl without `{}`: members, `['quoted']` members, indices, slices, `[*]`,
several of them (`[0,2]`), whatever is below (`..name`), and filters that ask for a member or compare
one with a literal (`[?(@.type=="Ready")]`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, TypeAlias

from roost.api.columns.cells import AGE, NAME, UNKNOWN, since
from roost.api.depth import guarded
from roost.api.kind import Column
from roost.api.numerals import whole
from roost.api.values import Object, Value

Step: TypeAlias = Callable[[list[Value]], list[Value]]

_loads = guarded(json.loads)
_TOKEN = re.compile(
    r"""\.?\['((?:[^'\\]|\\.)*)'\]|\.?\["((?:[^"\\]|\\.)*)"\]"""  # ['member']
    r"""|\.?\[\?\(\s*@\.([^=!<>\s]+)\s*(==|!=|<=|>=|<|>)\s*(.+?)\s*\)\]"""  # [?(@.a=="b")]
    r"""|\.?\[\?\(\s*@\.([^=!<>\s()]+)\s*\)\]"""  # [?(@.a)]
    r"""|\.?\[(\*|-?[0-9]*(?::-?[0-9]*){0,2})\]"""  # [*], [0], [1:3], [0:9:2]
    r"""|\.?\[([^\[\]]+,[^\[\]]+)\]"""  # [0,2], ['a','b']
    r"""|\.\.((?:[^.\[\\]|\\.)+|(?=\[))"""  # ..member, ..[0]
    r"""|\.(\*)|\.((?:[^.\[\\]|\\.)+)"""  # .*, .member
)
#: From which power of ten on Go prints a number with an exponent.
_EXPONENT_FROM = 6
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _member(name: str) -> Step:
    name = re.sub(r"\\(.)", r"\1", name)
    return lambda values: [v[name] for v in values if isinstance(v, dict) and name in v]


def _children(values: list[Value]) -> list[Value]:
    out: list[Value] = []
    for value in values:
        if isinstance(value, dict):
            out += value.values()
        elif isinstance(value, list):
            out += value
    return out


def _place(text: str) -> int:
    number = whole(text)
    if number is None:
        raise ValueError(f"no index: {text}")
    return number


def _slice(text: str) -> Step:
    if text in {"*", ""}:
        return _children
    if ":" in text:
        cut = slice(*(_place(part) if part else None for part in text.split(":")))
        if cut.step is not None and cut.step <= 0:
            raise ValueError("step must be > 0")
        return lambda values: [item for v in values if isinstance(v, list) for item in v[cut]]
    index = _place(text)

    def item(values: list[Value]) -> list[Value]:
        return [v[index] for v in values if isinstance(v, list) and -len(v) <= index < len(v)]

    return item


def _below(values: list[Value]) -> list[Value]:
    """Return all that has something in it, from the values downwards."""
    out: list[Value] = []
    waiting = values[::-1]  # not by recursion: a value may be deeper than that goes
    while waiting:
        value = waiting.pop()
        children = _children([value])
        if children:
            out.append(value)
            waiting += reversed(children)
    return out


def _union(text: str) -> Step:
    """Return the step that takes what several take, in their order."""
    steps: list[Step] = []
    for part in map(str.strip, text.split(",")):
        quoted = len(part) > 1 and part[0] == part[-1] and part[0] in "'\""
        steps.append(_member(part[1:-1]) if quoted else _slice(part))
    return lambda values: [item for step in steps for item in step(values)]


def _having(path: str) -> Step:
    inner = compile_path(f".{path}")
    return lambda values: [item for item in _children(values) if inner(item)]


def _filter(path: str, operator: str, literal: str) -> Step:
    inner = compile_path(f".{path}")
    text = f'"{literal[1:-1]}"' if literal[:1] == "'" else literal
    try:
        wanted = _loads(text)
    except ValueError:
        raise ValueError(f"invalid literal in filter: {literal}") from None
    compare = _COMPARE[operator]

    def holds(item: Value) -> bool:
        found = inner(item)
        try:
            return bool(found) and compare(found[0], wanted)
        except TypeError:
            return False

    return lambda values: [item for item in _children(values) if holds(item)]


def _step(match: re.Match[str]) -> Step:
    (
        single, double, member, operator, literal, present, index, several, below, star, plain
    ) = match.groups()  # fmt: skip
    if operator is not None:
        return _filter(member, operator, literal)
    if present is not None:
        return _having(present)
    if index is not None:
        return _slice(index)
    if several is not None:
        return _union(several)
    if star is not None:
        return _children
    if below is not None:
        then = _children if below == "*" else _member(below)
        return (lambda values: then(_below(values))) if below else _below
    return _member(next(part for part in (single, double, plain) if part is not None))


def compile_path(path: str) -> Callable[[Value], list[Value]]:
    """Return the function from a value to what a path finds in it; raise ValueError for a bad path."""
    text = path.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    text = text.removeprefix("$")
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"unrecognised path at {text[position:]!r}")
        steps.append(_step(match))
        position = match.end()

    def find(value: Value) -> list[Value]:
        found = [value]
        for step in steps:
            found = step(found)
        return found

    return find


def _shown(value: Value) -> str:
    """Return what a column of text shows, which Go prints."""
    if value is None:
        return "<no value>"
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return _printed(value)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def _printed(value: float) -> str:
    """Return a number as Go's %v does: the fewest digits, and an exponent from a million on."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)  # JSON has no infinities
    power = len(digits) + exponent - 1
    if -4 <= power < _EXPONENT_FROM:
        return f"{value:.{max(0, -exponent)}f}"
    text = "".join(map(str, digits))
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{'-' if sign else ''}{text[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02d}"


def _typed(kind: str, value: Value, now: float) -> Value:
    """Return the cell of a value in a column that is not text; None if it is of another type."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "integer":
        return int(value) if number else None
    if kind == "number":
        return value if number else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind == "date" and isinstance(value, str):
        age = since(value, now)
        return "<invalid>" if age == UNKNOWN and value else age
    return None


def _cell(path: str, kind: str) -> Callable[[Object, float], Any]:
    find = compile_path(path)

    def cell(value: Object, now: float) -> Any:
        found = find(value)
        if not found:
            return None
        return _shown(found[0]) if kind == "string" else _typed(kind, found[0], now)

    return cell


_DEFAULT_AGE = Column("Age", AGE.cell, "date", description=AGE.description)


def custom_columns(printed: Iterable[Object] | None) -> tuple[Column, ...]:
    """Return the columns of a version of a CustomResourceDefinition.

    `printed` is its additionalPrinterColumns; without any there is the age. At a JSON path that cannot
    be read the columns end.
    """
    columns = [NAME]
    for item in printed or ():
        path = item["jsonPath"]
        try:
            cell = _cell(path, item.get("type", "string"))
        except ValueError:
            return tuple(columns)
        text = f"Custom resource definition column (in JSONPath format): {path}"
        columns.append(
            Column(
                item["name"],
                cell,
                item.get("type", "string"),
                item.get("format", ""),
                item.get("priority", 0),
                item.get("description") or text,
            )
        )
    return tuple(columns) if len(columns) > 1 else (NAME, _DEFAULT_AGE)
