"""Which types fit which: parameters of a signature are bound as its arguments are looked at."""

from __future__ import annotations

from dataclasses import replace

from roost.api.cel.types import DYN, Type, is_dyn

_NULLABLE = frozenset(["object", "opaque", "timestamp", "duration"])
Bound = dict[str, Type]


def resolved(of: Type, bound: Bound) -> Type:
    """With all that is known about its parameters."""
    if of.kind == "param":
        known = bound.get(of.name)
        return of if known is None else resolved(known, bound)
    if not of.params:
        return of
    return replace(of, params=tuple(resolved(one, bound) for one in of.params))


def closed(of: Type) -> Type:
    """With dyn for what nothing is known of."""
    if of.kind == "param":
        return DYN
    return replace(of, params=tuple(map(closed, of.params))) if of.params else of


def fresh(of: Type, number: int) -> Type:
    """With parameters that belong to this one use of a signature."""
    if of.kind == "param":
        return replace(of, name=f"{of.name}#{number}")
    return replace(of, params=tuple(fresh(one, number) for one in of.params)) if of.params else of


def fits(wanted: Type, given: Type, bound: Bound) -> bool:
    """Whether a value of the one type is good for the other; binds parameters on the way."""
    wanted, given = resolved(wanted, bound), resolved(given, bound)
    if wanted.kind == "param":
        if given != wanted:
            bound[wanted.name] = given
        return True
    if given.kind == "param":
        bound[given.name] = wanted
        return True
    if is_dyn(wanted) or is_dyn(given):
        return True
    if given.kind == "null" and wanted.kind in _NULLABLE:
        return True
    if wanted.kind == "null" and given.kind in _NULLABLE:
        return True
    if wanted.kind != given.kind or wanted.name != given.name:
        return False
    if wanted.kind == "type":
        return True
    return len(wanted.params) == len(given.params) and all(
        fits(one, other, bound) for one, other in zip(wanted.params, given.params, strict=True)
    )
