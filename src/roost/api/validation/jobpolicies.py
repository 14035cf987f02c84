"""Rules for when a Job has failed or succeeded before its time."""

from __future__ import annotations

from roost.api import names
from roost.api.numerals import whole
from roost.api.validation.causes import Causes, quoted
from roost.api.values import Object

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_RULES_MAX = 20
_VALUES_MAX = 255
_CONDITIONS_MAX = 20
_STATUSES = ("False", "True", "Unknown")
_SUCCESS_RULES_MAX = 20
_INDEXES_MAX_BYTES = 64 * 1024
_ONE_OF = "specifying one of OnExitCodes and OnPodConditions is required"


class IndexFault(ValueError):
    """A list of indexes cannot be read; the text says why."""


def failure_policy(spec: Object, path: str, causes: Causes) -> None:
    """Check what failures of pods mean for their Job."""
    rules = spec["podFailurePolicy"].get("rules") or []
    if len(rules) > _RULES_MAX:
        causes.too_many(f"{path}.rules", len(rules), _RULES_MAX)
    pod = (spec.get("template") or {}).get("spec") or {}
    containers = {
        one.get("name") for key in ("containers", "initContainers") for one in pod.get(key) or ()
    }
    for index, rule in enumerate(rules):
        _failure_rule(rule, spec, containers, f"{path}.rules[{index}]", causes)


def _failure_rule(
    rule: Object, spec: Object, containers: set[str | None], path: str, causes: Causes
) -> None:
    action = rule.get("action") or ""
    if not action:
        causes.required(f"{path}.action", f"valid values: {list(_ACTIONS)}".replace("'", '"'))
    elif action == "FailIndex":
        if spec.get("backoffLimitPerIndex") is None:
            text = "requires the backoffLimitPerIndex to be set"
            causes.invalid(f"{path}.action", action, text)
    elif action not in _ACTIONS:
        causes.not_supported(f"{path}.action", action, _ACTIONS)
    codes, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
    if codes is not None:
        _exit_codes(codes, containers, f"{path}.onExitCodes", causes)
    if conditions and len(conditions) > _CONDITIONS_MAX:
        causes.too_many(f"{path}.onPodConditions", len(conditions), _CONDITIONS_MAX)
    for index, pattern in enumerate(conditions or ()):
        here = f"{path}.onPodConditions[{index}]"
        kind = pattern.get("type") or ""
        causes.faults(f"{here}.type", kind, names.check_qualified_name(kind))
        status = pattern.get("status") or ""
        if not status:
            causes.required(f"{here}.status", 'valid values: ["False" "True" "Unknown"]')
        elif status not in _STATUSES:
            causes.not_supported(f"{here}.status", status, _STATUSES)
    if codes is not None and conditions:
        text = "specifying both OnExitCodes and OnPodConditions is not supported"
        causes.refused(path, text)
    if codes is None and not conditions:
        causes.refused(path, _ONE_OF)


def _exit_codes(value: Object, containers: set[str | None], path: str, causes: Causes) -> None:
    operator, codes = value.get("operator") or "", value.get("values") or []
    if not operator:
        causes.required(f"{path}.operator", 'valid values: ["In" "NotIn"]')
    elif operator not in ("In", "NotIn"):
        causes.not_supported(f"{path}.operator", operator, ("In", "NotIn"))
    name = value.get("containerName")
    if name is not None and name not in containers:
        text = "must be one of the container or initContainer names in the pod template"
        causes.invalid(f"{path}.containerName", name, text)
    where = f"{path}.values"
    if not codes:
        causes.invalid(where, value.get("values"), "at least one value is required")
    elif len(codes) > _VALUES_MAX:
        causes.too_many(where, len(codes), _VALUES_MAX)
    seen: set[int] = set()
    ordered = True
    for index, code in enumerate(codes):
        if operator == "In" and code == 0:
            causes.invalid(f"{where}[{index}]", code, "must not be 0 for the In operator")
        if code in seen:
            causes.duplicate(f"{where}[{index}]", code)
        seen.add(code)
        ordered = ordered and (not index or codes[index - 1] <= code)
    if not ordered:
        causes.invalid(where, codes, "must be ordered")


def success_policy(spec: Object, path: str, causes: Causes) -> None:
    """Check when enough indexes of a Job have succeeded."""
    rules = spec["successPolicy"].get("rules") or []
    if not rules:
        text = "at least one rules must be specified when the successPolicy is specified"
        causes.required(f"{path}.rules", text)
    if len(rules) > _SUCCESS_RULES_MAX:
        causes.too_many(f"{path}.rules", len(rules), _SUCCESS_RULES_MAX)
    for index, rule in enumerate(rules):
        _success_rule(rule, spec.get("completions"), f"{path}.rules[{index}]", causes)


def _success_rule(rule: Object, completions: int | None, path: str, causes: Causes) -> None:
    count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    if count is None and indexes is None:
        text = "at least one of succeededCount or succeededIndexes must be specified"
        causes.required(path, text)
    total = 0
    if indexes is not None:
        where = f"{path}.succeededIndexes"
        if len(indexes) > _INDEXES_MAX_BYTES:
            causes.too_long(where, _INDEXES_MAX_BYTES)
        try:
            total = sum(last - first + 1 for first, last in intervals(indexes, completions or 0))
        except IndexFault as fault:
            causes.invalid(where, indexes, f"error parsing succeededIndexes: {fault}")
    if count is None:
        return
    where = f"{path}.succeededCount"
    causes.not_negative(where, count)
    least = "must be less than or equal to"
    if completions is not None and count > completions:
        text = f"{least} {completions} (the number of specified completions)"
        causes.invalid(where, count, text)
    if indexes is not None and count > total:
        what = "(the number of indexes in the specified succeededIndexes field)"
        causes.invalid(where, count, f"{least} {total} {what}")


def intervals(text: str, completions: int) -> list[tuple[int, int]]:
    """Return the intervals of a list of indexes such as 0,2-5. Raises IndexFault."""
    found: list[tuple[int, int]] = []
    for part in text.split(",") if text else ():
        first, last = interval(part, completions)
        if found and found[-1][1] >= first:
            raise _disordered(found[-1][1], first)
        found.append((first, last))
    return found


def interval(part: str, completions: int) -> tuple[int, int]:
    """Return the first and the last of an interval of indexes. Raises IndexFault."""
    ends = part.split("-")
    if len(ends) > 2:
        raise IndexFault(
            f"the fragment {quoted(part)} violates the requirement that an index interval can "
            "have at most two parts separated by '-'"
        )
    first = _index(ends[0], completions)
    last = _index(ends[-1], completions)
    if len(ends) == 2 and first >= last:
        raise _disordered(first, last)
    return first, last


def _index(text: str, completions: int) -> int:
    number = whole(text)
    if number is None:
        raise IndexFault(f"cannot convert string to integer for index: {quoted(text)}")
    if number >= completions:
        raise IndexFault(f"too large index: {quoted(text)}")
    return number


def _disordered(before: int, after: int) -> IndexFault:
    return IndexFault(f"non-increasing order, previous: {before}, current: {after}")
