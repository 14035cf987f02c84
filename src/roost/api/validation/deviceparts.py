"""Rules for what claims, classes and slices of devices have in common: names, selectors, taints."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from roost.api import names
from roost.api.cel.devices import LENGTH_MAX_BYTES, selector_fault
from roost.api.validation.causes import Causes
from roost.api.validation.volumesources import csi_driver_name
from roost.api.values import Object

SELECTORS_MAX = 32
_POOL_MAX_BYTES = 253
_ID_MAX_BYTES = 32
_BINDING_MAX = 4
_EFFECTS = ("NoExecute", "NoSchedule", "None")
_PARAMETERS_MAX_BYTES = 10 * 1024
_is_uuid = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_FORM_OF_UID = (
    "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with "
    "lowercase hexadecimal characters"
)


def each(
    values: list[Any],
    limit: int,
    check: Callable[[Any, str, Causes], None],
    path: str,
    causes: Causes,
    key: Callable[[Any], Any] | None = None,
) -> None:
    """Check a list of bounded length; with a `key`, no two elements may have the same."""
    if 0 <= limit < len(values):
        causes.too_many(path, len(values), limit)
        return
    for index, value in enumerate(values):
        check(value, f"{path}[{index}]", causes)
    if key is None:
        return
    seen: list[Any] = []
    for index, value in enumerate(values):
        if key(value) in seen:
            causes.duplicate(f"{path}[{index}]", key(value))
        seen.append(key(value))


def name_of(value: Object) -> str:
    """Return the name of an element, "" for none."""
    return value.get("name") or ""


def label(text: str, path: str, causes: Causes) -> None:
    """Check the name of a request, a device or a counter."""
    causes.faults(path, text, names.check_label(text))


def label_key(text: str, path: str, causes: Causes) -> None:
    """Check the key of a taint or the type of a condition."""
    causes.faults(path, text, names.check_qualified_name(text))


def pool_name(name: str, path: str, causes: Causes) -> None:
    """Check the name of a pool: subdomains with slashes between."""
    if not name:
        causes.required(path)
        return
    if len(name) > _POOL_MAX_BYTES:
        causes.too_long(path, _POOL_MAX_BYTES)
    for part in name.split("/"):
        causes.faults(path, part, names.check_subdomain(part))


def uid(text: str, path: str, causes: Causes) -> None:
    """Check a UUID."""
    if _is_uuid(text):
        return
    if _is_uuid(text.lower()):
        causes.invalid(path, text, _FORM_OF_UID)
    elif len(text) not in (32, 36, 38, 45):
        causes.invalid(path, text, f"error validating uid: invalid UUID length: {len(text)}")
    else:
        causes.invalid(path, text, "error validating uid: invalid UUID format")


def qualified(name: str, path: str, causes: Causes) -> None:
    """Check the name of an attribute or a capacity, with or without a domain."""
    parts = name.split("/")
    if len(parts) == 1:
        _identifier(name, path, causes)
    elif len(parts) == 2:
        domain, rest = parts
        if not domain:
            causes.invalid(path, "", "the domain must not be empty")
        else:
            csi_driver_name(domain, path, causes)
        if not rest:
            causes.invalid(path, "", "the name must not be empty")
        else:
            _identifier(rest, path, causes)


def fully_qualified(name: str, path: str, causes: Causes) -> None:
    """Check the name of an attribute that must say its domain."""
    qualified(name, path, causes)
    if "/" not in name:
        text = "a fully qualified name must be a domain and a name separated by a slash"
        causes.invalid(path, name, text)


def _identifier(text: str, path: str, causes: Causes) -> None:
    if len(text) > _ID_MAX_BYTES:
        causes.too_long(path, _ID_MAX_BYTES)
    causes.faults(path, text, names.check_c_identifier(text))


def selector(value: Object, path: str, causes: Causes) -> None:
    """Check an expression that chooses devices."""
    cel = value.get("cel")
    if cel is None:
        causes.required(f"{path}.cel")
        return
    where, expression = f"{path}.cel.expression", cel.get("expression") or ""
    if len(expression.encode()) > LENGTH_MAX_BYTES:
        causes.too_long(where, LENGTH_MAX_BYTES)
        return
    fault, costly = selector_fault(expression)
    if fault:
        causes.invalid(where, expression, fault)
    elif costly:
        causes.forbidden(where, "too complex, exceeds cost limit")


def selectors(values: list[Object], path: str, causes: Causes) -> None:
    """Check the expressions that choose devices."""
    each(values, SELECTORS_MAX, selector, path, causes)


def config(value: Object, path: str, causes: Causes) -> None:
    """Check what a driver is told about devices."""
    opaque = value.get("opaque")
    if opaque is None:
        causes.required(f"{path}.opaque")
        return
    csi_driver_name(opaque.get("driver") or "", f"{path}.opaque.driver", causes)
    raw(opaque.get("parameters"), f"{path}.opaque.parameters", _PARAMETERS_MAX_BYTES, causes)


def raw(value: Any, path: str, limit_bytes: int, causes: Causes) -> None:
    """Check an object that only a driver understands."""
    if value is None:
        causes.required(path)
    elif len(msgspec.json.encode(value)) > limit_bytes:
        causes.too_long(path, limit_bytes)
    elif not isinstance(value, dict):
        causes.invalid(path, "<value omitted>", "must be a valid JSON object")


def toleration(value: Object, path: str, causes: Causes) -> None:
    """Check which taints of devices a request tolerates."""
    key, text = value.get("key") or "", value.get("value") or ""
    operator, effect = value.get("operator") or "", value.get("effect") or ""
    if key:
        label_key(key, f"{path}.key", causes)
    if operator == "Exists":
        if text:
            causes.invalid(f"{path}.value", text, "must be empty for operator `Exists`")
    elif operator == "Equal":
        causes.faults(f"{path}.value", text, names.check_label_value(text))
    else:
        causes.one_of(f"{path}.operator", operator, ("Equal", "Exists"))
    if effect and effect not in _EFFECTS:
        causes.not_supported(f"{path}.effect", effect, _EFFECTS)


def tolerations(values: list[Object], path: str, causes: Causes) -> None:
    """Check all of them."""
    each(values, -1, toleration, path, causes)


def taint(value: Object, path: str, causes: Causes) -> None:
    """Check a taint of a device."""
    label_key(value.get("key") or "", f"{path}.key", causes)
    text = value.get("value") or ""
    if text:
        causes.faults(f"{path}.value", text, names.check_label_value(text))
    causes.one_of(f"{path}.effect", value.get("effect"), _EFFECTS)


def binding(value: Object, path: str, causes: Causes) -> None:
    """Check the conditions that a pod waits for before it is bound."""
    good, bad = "bindingConditions", "bindingFailureConditions"
    awaited, failures = value.get(good) or [], value.get(bad) or []
    each(awaited, _BINDING_MAX, label_key, f"{path}.{good}", causes)
    each(failures, _BINDING_MAX, label_key, f"{path}.{bad}", causes)
    for index, name in enumerate(awaited):
        if name in awaited[:index]:
            causes.duplicate(f"{path}.{good}[{index}]", name)
    for index, name in enumerate(failures):
        here = f"{path}.{bad}[{index}]"
        if name in failures[:index]:
            causes.duplicate(here, name)
        if name in awaited:
            causes.invalid(here, name, f"{bad} must not overlap with {good}")
    if failures and not awaited:
        causes.invalid(f"{path}.{good}", None, f"{good} are required to use {bad}")
    if awaited and not failures:
        causes.invalid(f"{path}.{bad}", None, f"{bad} are required to use {good}")
