"""What a call may cost at most, beside what its arguments cost, and how large its result may be.

The rules are those of cel-go and of Kubernetes' library. What is not named here costs one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from roost.api.cel.sizes import PATTERN_LETTER, UNBOUNDED, Size, added, part, times
from roost.api.cel.types import Type

_ADDRESS: Final = Size(4, 16)
#: The size of a pattern behind a named format.
_FORMAT_PATTERN: Final = 128
_FORMAT_MAX: Final = 64
_ORDERS: Final = ("_<_", "_<=_", "_>_", "_>=_")


@dataclass(frozen=True, slots=True)
class Asked:
    """A call: the types and sizes of its arguments (the target first), and of a list's elements."""

    function: str
    member: bool
    params: tuple[Type, ...]
    sizes: tuple[Size, ...]
    element: Size
    #: The number that a literal third argument is.
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A cost, and the size of the result where a rule knows it."""

    cost: int
    size: Size | None = None


def estimate(call: Asked) -> Answer:
    """Return what a call costs with one signature of its function."""
    rules = _METHODS if call.member else _FUNCTIONS
    rule = rules.get(call.function)
    found = None if rule is None else rule(call)
    return Answer(1) if found is None else found


def _is_text(call: Asked, place: int = 0) -> bool:
    return call.params[place].kind in ("string", "bytes")


def _looked_through(call: Asked) -> Answer:
    """Look at each element of a list, or at each letter of a text."""
    if call.params[0].kind != "list":
        return Answer(call.sizes[0].letters())
    inner = call.params[0].params[0].kind
    each = added(1, call.element.letters()) if inner in ("string", "bytes") else 1
    return Answer(times(call.sizes[0].most, each))


def _same_text(call: Asked) -> Answer:
    return Answer(call.sizes[0].letters(), call.sizes[0])


def _replaced(call: Asked) -> Answer:
    text, old, new = call.sizes[:3]
    if old.least == 0:
        count, kept = added(text.most, 1), text.most
    elif new.most <= old.least:
        count, kept = 0, text.most
    else:
        count, kept = part(text.most, 1 / old.least), 0
    size = Size(0, added(times(count, new.most), kept))
    return Answer(part(text.most, 0.2), size)


def _split(call: Asked) -> Answer:
    most = call.sizes[0].most if call.limit is None else call.limit % (UNBOUNDED + 1)
    return Answer(part(call.sizes[0].most, 0.2), Size(0, most))


def _joined(call: Asked) -> Answer:
    items = call.sizes[0]
    size = items.by(call.element)
    if len(call.sizes) > 1:
        gaps = Size(max(items.least - 1, 0), max(items.most - 1, 0))
        size = size.plus(call.sizes[1].by(gaps))
    return Answer(size.letters(), size)


def _pattern_cost(call: Asked) -> int:
    letters = call.sizes[0].plus(Size.of(1)).letters()
    return times(letters, call.sizes[1].letters(PATTERN_LETTER))


def _found(call: Asked) -> Answer:
    return Answer(_pattern_cost(call), Size(0, call.sizes[0].most))


def _contains(call: Asked) -> Answer:
    return Answer(times(call.sizes[0].letters(), call.sizes[1].letters()))


def _contains_address(call: Asked) -> Answer:
    cost = _ADDRESS.plus(_ADDRESS).letters()
    return Answer(added(cost, call.sizes[1].letters() if _is_text(call, 1) else 0))


def _contains_network(call: Asked) -> Answer:
    cost = added(_contains_address(call).cost, added(_ADDRESS.letters(), 1))
    return Answer(cost)


def _validated(call: Asked) -> Answer:
    return Answer(part(call.sizes[1].letters(), _FORMAT_PATTERN * PATTERN_LETTER))


def _compared(call: Asked) -> Answer | None:
    """Two texts are read until they differ; other things are compared at once."""
    if not _is_text(call):
        return None
    return _same(call)


def _same(call: Asked) -> Answer:
    return Answer(part(min(call.sizes[0].most, call.sizes[1].most), 0.1))


def _equal(call: Asked) -> Answer:
    of = call.params[0]
    if of.kind == "opaque" and of == call.params[1]:
        if of.name == "kubernetes.NamedFormat":
            return Answer(part(_FORMAT_MAX, 0.1))
        if of.name == "kubernetes.URL":
            return Answer(call.sizes[1].letters())
        return Answer(1)
    return _same(call)


def _added(call: Asked) -> Answer | None:
    if call.params[0].kind not in ("string", "bytes", "list"):
        return None
    size = call.sizes[0].plus(call.sizes[1])
    return Answer(size.letters() if _is_text(call) else 1, size)


def _as_bytes(call: Asked) -> Answer | None:
    if call.params[0].kind != "string":
        return None
    return Answer(call.sizes[0].letters(), call.sizes[0].by(Size.of(4)))


def _as_text(call: Asked) -> Answer | None:
    if call.params[0].kind != "bytes":
        return None
    return Answer(call.sizes[0].letters(), Size(call.sizes[0].least // 4, call.sizes[0].most))


def _quoted(call: Asked) -> Answer:
    twice = call.sizes[0].by(Size.of(2)).plus(Size.of(2))
    return Answer(call.sizes[0].letters(), twice)


def _pairs(factor: int) -> Callable[[Asked], Answer]:
    """Compare each element of one list with each of another."""

    def cost(call: Asked) -> Answer:
        pairs = times(call.sizes[0].most, call.sizes[1].most)
        return Answer(added(times(pairs, factor), 1))

    return cost


def _copied(factor: int) -> Callable[[Asked], Answer]:
    """Make a list of the elements of another."""

    def cost(call: Asked) -> Answer:
        return Answer(added(times(call.sizes[0].most, factor), 10), Size(0, call.sizes[0].most))

    return cost


def _distinct(call: Asked) -> Answer:
    most = call.sizes[0].most
    return Answer(added(times(most, most), 10), Size(0, most))


_Rule = Callable[[Asked], Answer | None]
_METHODS: Final[dict[str, _Rule]] = {
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _looked_through),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _same_text),
    **dict.fromkeys(("startsWith", "endsWith"), lambda call: Answer(call.sizes[1].letters())),
    **dict.fromkeys(("find", "findAll"), _found),
    **dict.fromkeys(("slice", "reverse", "flatten"), _copied(1)),
    "sort": _copied(2),
    "distinct": _distinct,
    "replace": _replaced,
    "split": _split,
    "join": _joined,
    "matches": lambda call: Answer(_pattern_cost(call)),
    "contains": _contains,
    "containsIP": _contains_address,
    "containsCIDR": _contains_network,
    "validate": _validated,
    "format": lambda call: Answer(call.sizes[0].letters()),
    "check": lambda _call: Answer(350_000),
}
_FUNCTIONS: Final[dict[str, _Rule]] = {
    **dict.fromkeys(_ORDERS, _compared),
    **dict.fromkeys(("url", "jsonpatch.escapeKey"), _same_text),
    "_==_": _equal,
    "_!=_": _same,
    "_+_": _added,
    "@in": lambda call: Answer(call.sizes[1].most) if call.params[1].kind == "list" else None,
    "bytes": _as_bytes,
    "string": _as_text,
    "strings.quote": _quoted,
    "sets.contains": _pairs(1),
    "sets.intersects": _pairs(1),
    "sets.equivalent": _pairs(2),
}
