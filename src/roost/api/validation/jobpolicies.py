"""Rules for when a Job has failed or succeeded before its time."""

from __future__ import annotations

import re

from roost.api import names
from roost.api.numerals import natural
from roost.api.validation.causes import Causes
from roost.api.values import Object

_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_RULES_MAX = 20
_VALUES_MAX = 255
_EXIT_CODE_MAX = 255
_STATUSES = ("False", "True", "Unknown")
_SUCCESS_RULES_MAX = 20
_INDEXES_MAX_BYTES = 64 * 1024
_ONE_OF = "specifying one of OnExitCodes and OnPodConditions is required"
_is_interval = re.compile(r"[0-9]+(-[0-9]+)?").fullmatch


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
    for index, pattern in enumerate(conditions or ()):
        here = f"{path}.onPodConditions[{index}]"
        kind = pattern.get("type") or ""
        causes.faults(f"{here}.type", kind, names.check_qualified_name(kind))
        status = pattern.get("status") or ""
        if not status:
            causes.required(f"{here}.status", 'valid values: ["False" "True" "Unknown"]')
        elif status not in _STATUSES:
            causes.not_supported(f"{here}.status", status, _STATUSES)
    if codes is None and not conditions:
        causes.invalid(path, rule, _ONE_OF)
    if codes is not None and conditions:
        text = "specifying both OnExitCodes and OnPodConditions is not supported"
        causes.invalid(path, rule, text)


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
        causes.invalid(where, codes, "at least one value is required")
    elif len(codes) > _VALUES_MAX:
        causes.too_many(where, len(codes), _VALUES_MAX)
    seen: set[int] = set()
    ordered = True
    for index, code in enumerate(codes):
        if code < 0 or code > _EXIT_CODE_MAX:
            text = f"must be less than or equal to {_EXIT_CODE_MAX}"
            rule = "must be greater than or equal to 0" if code < 0 else text
            causes.invalid(f"{where}[{index}]", code, rule)
        elif operator == "In" and code == 0:
            causes.invalid(f"{where}[{index}]", code, "must not be 0 for the In operator")
        if code in seen:
            causes.duplicate(f"{where}[{index}]", code)
        seen.add(code)
        ordered = ordered and (not index or codes[index - 1] < code or codes[index - 1] == code)
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
    completions = spec.get("completions") or 0
    for index, rule in enumerate(rules):
        here = f"{path}.rules[{index}]"
        count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
        if count is None and indexes is None:
            text = "at least one of succeededCount or succeededIndexes must be specified"
            causes.required(here, text)
        total = _indexes(indexes, completions, f"{here}.succeededIndexes", causes)
        if count is not None:
            if count <= 0:
                causes.invalid(
                    f"{here}.succeededCount", count, "must be greater than or equal to 1"
                )
            if count > completions:
                text = (
                    f"must be less than or equal to {completions} "
                    "(the number of specified completions)"
                )
                causes.invalid(f"{here}.succeededCount", count, text)
            if indexes is not None and total and count > total:
                text = (
                    f"must be less than or equal to {total} "
                    "(the number of indexes in the specified succeededIndexes field)"
                )
                causes.invalid(f"{here}.succeededCount", count, text)


def _indexes(text: str | None, completions: int, path: str, causes: Causes) -> int:
    """Check a list such as 0,2-5 and return how many indexes it has."""
    if not text:
        return 0
    if len(text) > _INDEXES_MAX_BYTES:
        causes.too_long(path, _INDEXES_MAX_BYTES)
        return 0
    total, last = 0, -1
    for part in text.split(","):
        if not _is_interval(part):
            fault = f'cannot convert string to integer for index: "{part}"'
            causes.invalid(path, text, f"error parsing succeededIndexes: {fault}")
            return 0
        start, _, end = part.partition("-")
        first, final = natural(start) or 0, natural(end or start) or 0
        if first <= last or final < first or final >= completions:
            causes.invalid(path, text, f"error parsing succeededIndexes: invalid interval {part}")
            return 0
        total += final - first + 1
        last = final
    return total
