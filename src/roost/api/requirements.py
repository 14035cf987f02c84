"""One requirement on labels, and the text in which clients write many of them.

The text form is that of kubectl's `-l`: `a=b,c!=d,e in (f,g),!h,i>1`. What cannot be read raises
ValueError with the words of the real server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from roost.api.names import check_label_value, check_qualified_name

_BINARY_OPERATORS = ("in", "notin", "=", "==", "!=", "gt", "lt")
_SHOWN = {"gt": ">", "lt": "<", "in": " in ", "notin": " notin "}
_INTEGER = re.compile(r"[+-]?[0-9]+")


def _integer(text: str) -> int | None:
    """Return the int64 that a label stands for, None if it is none."""
    if not _INTEGER.fullmatch(text) or len(text) > 20:
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement; `operator` is in, notin, =, ==, !=, gt, lt, exists or !."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        operator = self.operator
        if operator in {"=", "==", "in"}:
            return value is not None and value in self.values
        if operator in {"!=", "notin"}:
            return value is None or value not in self.values
        if operator == "exists":
            return value is not None
        if operator == "!":
            return value is None
        have = None if value is None else _integer(value)
        wanted = _integer(self.values[0])
        if have is None or wanted is None:
            return False
        return have > wanted if operator == "gt" else have < wanted

    def __str__(self) -> str:
        if self.operator == "exists":
            return self.key
        if self.operator == "!":
            return f"!{self.key}"
        text = ",".join(sorted(self.values))
        if self.operator in {"in", "notin"}:
            text = f"({text})"
        return f"{self.key}{_SHOWN.get(self.operator, self.operator)}{text}"


def _fault(path: str, value: Any, text: str) -> str:
    return f"{path}: Invalid value: {json.dumps(value, ensure_ascii=False)}: {text}"


def _check_key(path: str, key: str) -> list[str]:
    faults = check_qualified_name(key)
    return [_fault(path, key, "; ".join(faults))] if faults else []


def checked_requirement(key: str, operator: str, values: Iterable[str]) -> Requirement:
    """Return a checked requirement; raise ValueError."""
    values = tuple(values)
    faults = _check_key("key", key)
    if operator in {"in", "notin"} and not values:
        faults.append(
            _fault("values", [], "for 'in', 'notin' operators, values set can't be empty")
        )
    elif operator in {"exists", "!"} and values:
        text = "values set must be empty for exists and does not exist"
        faults.append(_fault("values", list(values), text))
    elif operator in {"gt", "lt"}:
        text = "for 'Gt', 'Lt' operators, the value must be an integer"
        faults += [
            _fault(f"values[{index}]", value, text)
            for index, value in enumerate(values)
            if _integer(value) is None
        ]
    for index, value in enumerate(values):
        if wrong := check_label_value(value):
            faults.append(_fault(f"values[{index}][{key}]", value, "; ".join(wrong)))
    if faults:
        unique = list(dict.fromkeys(faults))
        raise ValueError(unique[0] if len(unique) == 1 else f"[{', '.join(unique)}]")
    return Requirement(key, operator, values)


_SPECIAL = frozenset("=!(),><")
_SYMBOLS = frozenset((")", ",", "!", "==", "=", ">", "<", "!=", "("))
_WORD = re.compile(r"[^\s=!(),><]+")
_END = ("end", "")


def _tokens(text: str) -> list[tuple[str, str]]:
    """Return (kind, literal) of each token; kind is the literal itself, or id, end, error."""
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        letter = text[position]
        if letter in " \t\r\n":
            position += 1
        elif letter in _SPECIAL:
            size = 2 if text[position : position + 2] in _SYMBOLS else 1
            literal = text[position : position + size]
            tokens.append((literal, literal))
            position += size
        else:
            match = _WORD.match(text, position)
            literal = match.group() if match else letter
            tokens.append((literal if literal in {"in", "notin"} else "id", literal))
            position += len(literal)
    tokens.append(_END)
    return tokens


class _Parser:
    """Recursive descent over the tokens, with the real server's complaints."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._position = 0

    def _peek(self) -> tuple[str, str]:
        """Return the next token where `in` and `notin` are words like others."""
        if self._position >= len(self._tokens):
            return _END
        kind, literal = self._tokens[self._position]
        return ("id" if kind in {"in", "notin"} else kind), literal

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        self._position += 1
        return token

    def parse(self) -> tuple[Requirement, ...]:
        found: list[Requirement] = []
        while True:
            kind, literal = self._peek()
            if kind == "end":
                break
            if kind not in {"id", "!"}:
                raise ValueError(f"found '{literal}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except ValueError as error:
                raise ValueError(f"unable to parse requirement: {error}") from None
            kind, literal = self._take()
            if kind == "end":
                break
            if kind != ",":
                raise ValueError(f"found '{literal}', expected: ',' or 'end of string'")
            kind, literal = self._peek()
            if kind not in {"id", "!"}:
                raise ValueError(f"found '{literal}', expected: identifier after ','")
        return tuple(sorted(found, key=attrgetter("key")))

    def _requirement(self) -> Requirement:
        kind, key = self._take()
        absent = kind == "!"
        if absent:
            kind, key = self._take()
        if kind != "id":
            raise ValueError(f"found '{key}', expected: identifier")
        if faults := _check_key("<nil>", key):
            raise ValueError(faults[0])
        if absent:  # nothing but a comma or the end may follow, which the caller looks at
            return checked_requirement(key, "!", ())
        if self._peek()[0] in {"end", ","}:
            return checked_requirement(key, "exists", ())
        kind, literal = self._tokens[self._position]
        self._position += 1
        operator = {">": "gt", "<": "lt"}.get(kind, kind)
        if operator not in _BINARY_OPERATORS:
            expected = ", ".join(_BINARY_OPERATORS)
            raise ValueError(f"found '{literal}', expected: {expected}")
        values = self._set() if operator in {"in", "notin"} else self._value()
        return checked_requirement(key, operator, sorted(values))

    def _value(self) -> set[str]:
        if self._peek()[0] in {"end", ","}:
            return {""}
        kind, literal = self._take()
        if kind != "id":
            raise ValueError(f"found '{literal}', expected: identifier")
        return {literal}

    def _set(self) -> set[str]:
        kind, literal = self._take()
        if kind != "(":
            raise ValueError(f"found '{literal}' expected: '('")
        kind, literal = self._peek()
        if kind == ")":
            self._take()
            return {""}
        if kind not in {"id", ","}:
            raise ValueError(f"found '{literal}', expected: ',', ')' or identifier")
        values = self._members()
        self._take()
        return values

    def _members(self) -> set[str]:
        values: set[str] = set()
        while True:
            kind, literal = self._take()
            following, next_literal = self._peek()
            if kind == "id":
                values.add(literal)
                if following == ")":
                    return values
                if following != ",":
                    raise ValueError(f"found '{next_literal}', expected: ',' or ')'")
            elif kind == ",":
                if not values or following in {",", ")"}:
                    values.add("")
                if following == ")":
                    return values
            else:
                raise ValueError(f"found '{literal}', expected: ',', or identifier")


def parse_requirements(text: str) -> tuple[Requirement, ...]:
    """Return the requirements of a text, sorted by key; raise ValueError."""
    return _Parser(text).parse()
