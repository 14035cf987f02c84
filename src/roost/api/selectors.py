"""Label selectors and field selectors: which objects a request, a Service or a controller means.

Both are frozen values, made once and matched often. A text that cannot be read raises ValueError with
the words of the real server (which answers 400 with them).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
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


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All of the requirements must hold; `nothing` selects no object whatever they are."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    @property
    def empty(self) -> bool:
        """Does it select everything?"""
        return not self.requirements and not self.nothing

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Tell whether an object with these labels is selected."""
        if self.nothing:
            return False
        labels = labels or {}
        return all(requirement.matches(labels) for requirement in self.requirements)

    def exact(self, key: str) -> str | None:
        """Return the one value that the label must have, None if there is no such one."""
        for requirement in self.requirements:
            if requirement.key == key:
                single = requirement.operator in {"=", "==", "in"} and len(requirement.values) == 1
                return requirement.values[0] if single else None
        return None

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


EVERYTHING = LabelSelector()
NOTHING = LabelSelector(nothing=True)


def _fault(path: str, value: Any, text: str) -> str:
    return f"{path}: Invalid value: {json.dumps(value, ensure_ascii=False)}: {text}"


def _check_key(path: str, key: str) -> list[str]:
    faults = check_qualified_name(key)
    return [_fault(path, key, "; ".join(faults))] if faults else []


def _requirement(key: str, operator: str, values: Iterable[str]) -> Requirement:
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
        if self._peek()[0] in {"end", ","}:
            return _requirement(key, "!" if absent else "exists", ())
        # As in the real parser an operator may follow `!key`, and then the `!` is forgotten.
        kind, literal = self._tokens[self._position]
        self._position += 1
        operator = {">": "gt", "<": "lt"}.get(kind, kind)
        if operator not in _BINARY_OPERATORS:
            expected = ", ".join(_BINARY_OPERATORS)
            raise ValueError(f"found '{literal}', expected: {expected}")
        values = self._set() if operator in {"in", "notin"} else self._value()
        return _requirement(key, operator, sorted(values))

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


@lru_cache(maxsize=1024)
def parse_labels(text: str) -> LabelSelector:
    """Read the `labelSelector` of a request; raise ValueError with the real server's words."""
    requirements = _Parser(text).parse()
    return LabelSelector(requirements) if requirements else EVERYTHING


def labels_equal(labels: Mapping[str, str] | None) -> LabelSelector:
    """Return the selector of a plain map (as `spec.selector` of a Service): all must be equal."""
    return LabelSelector(
        tuple(Requirement(key, "=", (value,)) for key, value in sorted((labels or {}).items()))
    )


_OBJECT_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def label_selector(selector: Mapping[str, Any] | None) -> LabelSelector:
    """Return the selector of a LabelSelector object: None selects nothing, {} everything.

    Raises ValueError for what validation would refuse.
    """
    if selector is None:
        return NOTHING
    found = [
        _requirement(key, "=", (value,))
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    for expression in selector.get("matchExpressions") or ():
        operator = expression.get("operator", "")
        if operator not in _OBJECT_OPERATORS:
            raise ValueError(f'"{operator}" is not a valid label selector operator')
        found.append(
            _requirement(
                expression.get("key", ""),
                _OBJECT_OPERATORS[operator],
                expression.get("values") or (),
            )
        )
    return LabelSelector(tuple(sorted(found, key=attrgetter("key")))) if found else EVERYTHING


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """One term: the field must be equal to the value, or must not be."""

    field: str
    value: str
    equal: bool = True

    def __str__(self) -> str:
        return f"{self.field}{'=' if self.equal else '!='}{_escaped(self.value)}"


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All of the terms must hold."""

    terms: tuple[FieldTerm, ...] = ()

    @property
    def empty(self) -> bool:
        """Does it select everything?"""
        return not self.terms

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields named, for the server to refuse those that a kind does not offer."""
        return tuple(term.field for term in self.terms)

    def matches(self, value_of: Callable[[str], str | None]) -> bool:
        """Tell whether an object is selected; an absent field (None) is the empty text."""
        return all(((value_of(t.field) or "") == t.value) is t.equal for t in self.terms)

    def exact(self, field: str) -> str | None:
        """Return the value that the field must have, so that an index or a get can answer."""
        for term in self.terms:
            if term.equal and term.field == field:
                return term.value
        return None

    def __str__(self) -> str:
        return ",".join(map(str, self.terms))


ALL_FIELDS = FieldSelector()
_ESCAPES = {"\\": "\\\\", ",": "\\,", "=": "\\="}


def _escaped(value: str) -> str:
    return "".join(_ESCAPES.get(letter, letter) for letter in value)


def _unescaped(value: str) -> str:
    out: list[str] = []
    letters = iter(value)
    for letter in letters:
        if letter == "\\":
            following = next(letters, "")
            if not following:
                raise ValueError("invalid field selector: missing escape: \\")
            if following not in _ESCAPES:
                raise ValueError(f"invalid field selector: invalid escape sequence: \\{following}")
            out.append(following)
        elif letter in _ESCAPES:
            raise ValueError(f"invalid field selector: unescaped character in value: {ord(letter)}")
        else:
            out.append(letter)
    return "".join(out)


_TERM = re.compile(r"(?:[^,\\]|\\.|\\$)*", re.DOTALL)
_OPERATOR = re.compile(r"((?:[^=!\\]|\\.|!(?!=))*?)(!=|==|=)(.*)", re.DOTALL)


@lru_cache(maxsize=1024)
def parse_fields(text: str) -> FieldSelector:
    """Read the `fieldSelector` of a request; raise ValueError with the real server's words."""
    terms: list[FieldTerm] = []
    pieces: list[str] = []
    position = 0
    while position <= len(text):
        match = _TERM.match(text, position)
        piece = match.group() if match else ""
        pieces.append(piece)
        position += len(piece) + 1
    for piece in sorted(filter(None, pieces)):
        match = _OPERATOR.fullmatch(piece)
        if match is None:
            raise ValueError(f"invalid selector: '{text}'; can't understand '{piece}'")
        field, operator, value = match.groups()
        terms.append(FieldTerm(field, _unescaped(value), operator != "!="))
    return FieldSelector(tuple(terms)) if terms else ALL_FIELDS


def field_not_supported(field: str) -> str:
    """Return what is said of a field that pods, nodes and such do not offer for selection."""
    return f"field label not supported: {field}"


def field_not_known(field: str) -> str:
    """Return what is said of a field where only name and namespace are offered."""
    return (
        f"{json.dumps(field)} is not a known field selector: "
        'only "metadata.name", "metadata.namespace"'
    )
