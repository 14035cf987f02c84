"""Lists, sets and optional values: the library of Kubernetes for lists, and the extensions of CEL."""

from __future__ import annotations

from typing import Any

from roost.api.cel.functions.declare import Declarations
from roost.api.cel.functions.operators import add_durations, add_ints, add_uints
from roost.api.cel.values import NONE, Duration, EvaluationError, Optional, equal, map_key

declarations = Declarations()
_add = declarations.add
_ORDERED = ("int", "uint", "double", "bool", "string", "bytes", "timestamp", "duration")
_SUMMED = ("int", "uint", "double", "duration")


@_add(*(f"list({a}) . isSorted() bool" for a in _ORDERED), cost="each")
def is_sorted(items: Any) -> bool:
    return all(not items[place + 1] < items[place] for place in range(len(items) - 1))


@_add("list(int) . sum() int", cost="each")
def sum_ints(items: Any) -> int:
    total = 0
    for item in items:
        total = add_ints(total, item)
    return total


@_add("list(uint) . sum() uint", cost="each")
def sum_uints(items: Any) -> int:
    total: int = add_uints(0, 0)
    for item in items:
        total = add_uints(total, item)
    return total


@_add("list(double) . sum() double", cost="each")
def sum_doubles(items: Any) -> float:
    return float(sum(items))


@_add("list(duration) . sum() duration", cost="each")
def sum_durations(items: Any) -> Any:
    total = Duration(0)
    for item in items:
        total = add_durations(total, item)
    return total


@_add(*(f"list({a}) . min() {a}" for a in _ORDERED), cost="each")
def least(items: Any) -> Any:
    if not items:
        raise EvaluationError("min called on empty list")
    return min(items)


@_add(*(f"list({a}) . max() {a}" for a in _ORDERED), cost="each")
def greatest(items: Any) -> Any:
    if not items:
        raise EvaluationError("max called on empty list")
    return max(items)


@_add("list(A) . indexOf(A) int", cost="each")
def index_of(items: Any, value: Any) -> int:
    return next((place for place, item in enumerate(items) if equal(item, value)), -1)


@_add("list(A) . lastIndexOf(A) int", cost="each")
def last_index_of(items: Any, value: Any) -> int:
    return next(
        (place for place in range(len(items) - 1, -1, -1) if equal(items[place], value)), -1
    )


@_add("list(A) . slice(int, int) list(A)", cost="each")
def slice_of(items: Any, start: int, end: int) -> list[Any]:
    if start < 0 or end < 0:
        raise EvaluationError(f"cannot slice({start}, {end}), negative indexes not supported")
    if start > end:
        raise EvaluationError(
            f"cannot slice({start}, {end}), start index must be less than or equal to end index"
        )
    if end > len(items):
        raise EvaluationError(f"cannot slice({start}, {end}), list is length {len(items)}")
    return list(items[start:end])


@_add("list(A) . distinct() list(A)", cost="square")
def distinct(items: Any) -> list[Any]:
    kept: list[Any] = []
    for item in items:
        if not any(equal(item, other) for other in kept):
            kept.append(item)
    return kept


@_add("list(A) . reverse() list(A)", cost="each")
def reverse(items: Any) -> list[Any]:
    return list(reversed(items))


@_add(*(f"list({a}) . sort() list({a})" for a in _ORDERED), cost="each")
def sort(items: Any) -> list[Any]:
    return sorted(items)


@_add(
    "list(list(A)) . flatten() list(A)",
    "list(dyn) . flatten(int) list(dyn)",
    cost="each",
)
def flatten(items: Any, depth: int = 1) -> list[Any]:
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    out: list[Any] = []
    for item in items:
        if isinstance(item, list | tuple) and depth > 0:
            out.extend(flatten(item, depth - 1))
        else:
            out.append(item)
    return out


@_add("lists.range(int) list(int)", cost="constant")
def range_of(count: int) -> list[int]:
    if count > 100_000:
        raise EvaluationError(f"lists.range: {count} is too many")
    return list(range(max(count, 0)))


def _within(value: Any, items: Any) -> bool:
    return any(equal(value, item) for item in items)


@_add("sets.contains(list(A), list(A)) bool", cost="product")
def sets_contains(items: Any, parts: Any) -> bool:
    return all(_within(part, items) for part in parts)


@_add("sets.equivalent(list(A), list(A)) bool", cost="product")
def sets_equivalent(left: Any, right: Any) -> bool:
    return bool(sets_contains(left, right) and sets_contains(right, left))


@_add("sets.intersects(list(A), list(A)) bool", cost="product")
def sets_intersects(left: Any, right: Any) -> bool:
    return any(_within(item, right) for item in left)


@_add("optional.of(A) optional(A)")
def optional_of(value: Any) -> Optional:
    return Optional(present=True, value=value)


@_add("optional.none() optional(A)")
def optional_none() -> Optional:
    return NONE


def _is_zero(value: Any) -> bool:
    if value is None or isinstance(value, bool | int | float | str | bytes | list | tuple | dict):
        return not value
    return isinstance(value, Duration) and value.ns == 0


@_add("optional.ofNonZeroValue(A) optional(A)")
def optional_of_non_zero(value: Any) -> Optional:
    return NONE if _is_zero(value) else Optional(present=True, value=value)


@_add("optional(A) . hasValue() bool")
def has_value(value: Optional) -> bool:
    return value.present


@_add("optional(A) . value() A")
def value_of(value: Optional) -> Any:
    if not value.present:
        raise EvaluationError("optional.none() dereference")
    return value.value


@_add(
    "optional.unwrap(list(optional(A))) list(A)",
    "list(optional(A)) . unwrapOpt() list(A)",
    cost="each",
)
def unwrap(items: Any) -> list[Any]:
    return [item.value for item in items if item.present]


@_add("list(A) . first() optional(A)")
def first(items: Any) -> Optional:
    return Optional(present=True, value=items[0]) if items else NONE


@_add("list(A) . last() optional(A)")
def last(items: Any) -> Optional:
    return Optional(present=True, value=items[-1]) if items else NONE


@_add("_[?_](list(A), int) optional(A)", "_[?_](optional(list(A)), int) optional(A)")
def optional_index(items: Any, index: int) -> Optional:
    if isinstance(items, Optional):
        return optional_index(items.value, index) if items.present else NONE
    return Optional(present=True, value=items[index]) if 0 <= index < len(items) else NONE


@_add("_[?_](map(A, B), A) optional(B)", "_[?_](optional(map(A, B)), A) optional(B)")
def optional_key(entries: Any, key: Any) -> Optional:
    if isinstance(entries, Optional):
        return optional_key(entries.value, key) if entries.present else NONE
    name = map_key(key)
    return Optional(present=True, value=entries[name]) if name in entries else NONE


@_add("_[_](optional(list(A)), int) optional(A)")
def index_of_optional(items: Optional, index: int) -> Optional:
    return optional_index(items.value, index) if items.present else NONE


@_add("_[_](optional(map(A, B)), A) optional(B)")
def key_of_optional(entries: Optional, key: Any) -> Any:
    return optional_key(entries, key)
