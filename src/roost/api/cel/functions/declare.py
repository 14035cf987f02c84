"""How a function of CEL is declared: by its signature, as text, beside what carries it out.

`string.charAt(int) string` is a method, `size(list(A)) int` a function; a single capital letter
stands for any one type. `cost` names how the price of a call grows at run time: `constant` is 1, `scan`
a tenth of a text's length, `each` one for every element; roost.api.cel.prices has them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from roost.api.cel.types import Type, list_of, map_of, opaque, optional_of, param, type_of

_WORD = re.compile(r"[A-Za-z_.@][A-Za-z0-9_.]*")
_PLAIN = (
    "dyn",
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "null",
    "timestamp",
    "duration",
)
_BUILT: Mapping[str, Callable[..., Type]] = {
    "list": list_of, "map": map_of, "optional": optional_of, "type": type_of,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Overload:
    """One signature of a function. `cost` names its price."""

    name: str
    member: bool
    params: tuple[Type, ...]
    result: Type
    call: Callable[..., Any]
    cost: str = "constant"


Library = dict[str, list[Overload]]


class Declarations:
    """Collects the functions of one library."""

    def __init__(self) -> None:
        self.library: Library = {}

    def add(
        self, *signatures: str, cost: str = "constant"
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def declare(call: Callable[..., Any]) -> Callable[..., Any]:
            for signature in signatures:
                name, member, params, result = signature_of(signature)
                self.library.setdefault(name, []).append(
                    Overload(name, member, params, result, call, cost)
                )
            return call

        return declare


def merged(libraries: Iterable[Library]) -> Library:
    whole: Library = {}
    for library in libraries:
        for name, overloads in library.items():
            whole.setdefault(name, []).extend(overloads)
    return whole


def signature_of(text: str) -> tuple[str, bool, tuple[Type, ...], Type]:
    """Name, whether it is a method, parameters (the target first), and the type of the result."""
    target: Type | None = None
    head, sep, rest = text.partition(" . ")
    if sep:
        target, _ = _type(head, 0)
        text = rest
    at = text.index("(")
    name = text[:at]
    params = [] if target is None else [target]
    at += 1
    while text[at] != ")":
        one, at = _type(text, at)
        params.append(one)
        at += 2 if text[at] == "," else 0
    result, _ = _type(text, at + 2)
    return name, target is not None, tuple(params), result


def _type(text: str, at: int) -> tuple[Type, int]:
    found = _WORD.match(text, at)
    assert found is not None, text
    word, at = found[0], found.end()
    if word in _BUILT:
        at += 1
        params = []
        while text[at] != ")":
            one, at = _type(text, at)
            params.append(one)
            at += 2 if text[at] == "," else 0
        return _BUILT[word](*params), at + 1
    if word in _PLAIN:
        return Type(word), at
    return (param(word) if len(word) == 1 else opaque(word)), at
