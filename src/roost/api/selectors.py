"""Label selectors and field selectors: which objects a request, a Service or a controller means.

Both are frozen values, made once and matched often. A text that cannot be read raises ValueError with
the words of the real server (which answers 400 with them).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any

from roost.api.requirements import Requirement, checked_requirement, parse_requirements

__all__ = [
    "ALL_FIELDS",
    "EVERYTHING",
    "NOTHING",
    "FieldSelector",
    "FieldTerm",
    "LabelSelector",
    "Requirement",
    "field_not_known",
    "field_not_supported",
    "label_selector",
    "labels_equal",
    "parse_fields",
    "parse_labels",
]


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


@lru_cache(maxsize=1024)
def parse_labels(text: str) -> LabelSelector:
    """Read the `labelSelector` of a request; raise ValueError with the real server's words."""
    requirements = parse_requirements(text)
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
        checked_requirement(key, "=", (value,))
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    for expression in selector.get("matchExpressions") or ():
        operator = expression.get("operator", "")
        if operator not in _OBJECT_OPERATORS:
            raise ValueError(f'"{operator}" is not a valid label selector operator')
        found.append(
            checked_requirement(
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
                raise ValueError("invalid field selector: invalid escape sequence: \\")
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
