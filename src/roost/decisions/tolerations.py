"""Taints of nodes and what pods tolerate. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from roost.api.values import Object

NO_SCHEDULE = "NoSchedule"
PREFER_NO_SCHEDULE = "PreferNoSchedule"
NO_EXECUTE = "NoExecute"


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def tolerates(toleration: Object, taint: Object) -> bool:
    """Say whether one toleration covers one taint."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    if operator == "Equal":
        return bool(toleration.get("value", "") == taint.get("value", ""))
    mine, theirs = _integer(toleration.get("value", "")), _integer(taint.get("value", ""))
    if mine is None or theirs is None:
        return False
    return theirs > mine if operator == "Gt" else operator == "Lt" and theirs < mine


def tolerated(tolerations: Iterable[Object], taint: Object) -> bool:
    return any(tolerates(toleration, taint) for toleration in tolerations)


def first_untolerated(
    tolerations: Sequence[Object], taints: Iterable[Object], effects: Collection[str]
) -> Object | None:
    """Return the first taint of one of these effects that nothing tolerates."""
    for taint in taints:
        if taint.get("effect", "") in effects and not tolerated(tolerations, taint):
            return taint
    return None
