"""Conditions in a status: lists of {type, status, reason, message, times}, kept by type."""

from __future__ import annotations

from collections.abc import Iterable

from roost.api.values import Object


def find(conditions: Iterable[Object] | None, type: str) -> Object | None:
    """Return the condition of a type."""
    for condition in conditions or ():
        if condition.get("type") == type:
            return condition
    return None


def is_true(conditions: Iterable[Object] | None, type: str) -> bool:
    condition = find(conditions, type)
    return condition is not None and condition.get("status") == "True"


def make(type: str, status: str, reason: str, message: str, at: str, **more: str) -> Object:
    """Return a new condition whose lastTransitionTime is `at`; `more` are other fields."""
    condition: Object = {"type": type, "status": status}
    condition.update(more)
    condition["lastTransitionTime"] = at
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition


def put(conditions: Iterable[Object] | None, new: Object) -> list[Object]:
    """Return the list with `new` in it: in its old place, and with its old lastTransitionTime if
    the status is what it was."""
    result = list(conditions or ())
    for at, old in enumerate(result):
        if old.get("type") == new["type"]:
            if old.get("status") == new["status"] and "lastTransitionTime" in old:
                new = {**new, "lastTransitionTime": old["lastTransitionTime"]}
            result[at] = new
            return result
    result.append(new)
    return result


def without(conditions: Iterable[Object] | None, type: str) -> list[Object]:
    return [condition for condition in conditions or () if condition.get("type") != type]
