"""Rules for conditions in their general form (`metav1.Condition`)."""

from __future__ import annotations

import re

from roost.api import names
from roost.api.validation.causes import Causes
from roost.api.values import Object

_STATUSES = ("False", "True", "Unknown")
_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_REASON_MAX_BYTES = 1024
_MESSAGE_MAX_BYTES = 32 * 1024
_is_reason = re.compile(_REASON).fullmatch
_NO_REASON = names.breaks_pattern(
    "a condition reason must start with alphabetic character, optionally followed by a string of "
    "alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'",
    _REASON,
    "my_name",
    "MY_NAME",
    "MyName",
    "ReasonA,ReasonB",
    "ReasonA:ReasonB",
)


def conditions(values: list[Object], path: str, causes: Causes) -> None:
    """Check conditions: one of each type, each of them whole."""
    kinds = [value.get("type") or "" for value in values]
    for index, value in enumerate(values):
        if kinds[index] in kinds[:index]:
            causes.duplicate(f"{path}[{index}].type", kinds[index])
        _condition(value, f"{path}[{index}]", causes)


def _condition(value: Object, path: str, causes: Causes) -> None:
    kind, state = value.get("type") or "", value.get("status") or ""
    causes.faults(f"{path}.type", kind, names.check_qualified_name(kind))
    if state not in _STATUSES:
        causes.not_supported(f"{path}.status", state, _STATUSES)
    generation = value.get("observedGeneration") or 0
    if generation < 0:
        text = "must be greater than or equal to zero"
        causes.invalid(f"{path}.observedGeneration", generation, text)
    if not value.get("lastTransitionTime"):
        causes.required(f"{path}.lastTransitionTime", "must be set")
    reason = value.get("reason") or ""
    if not reason:
        causes.required(f"{path}.reason", "must be set")
    elif not _is_reason(reason):
        causes.invalid(f"{path}.reason", reason, _NO_REASON)
    if len(reason) > _REASON_MAX_BYTES:
        causes.too_long(f"{path}.reason", _REASON_MAX_BYTES)
    if len(value.get("message") or "") > _MESSAGE_MAX_BYTES:
        causes.too_long(f"{path}.message", _MESSAGE_MAX_BYTES)
