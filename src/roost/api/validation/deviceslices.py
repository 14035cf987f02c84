"""Rules for resource slices: which devices a driver has, where, and what each of them offers."""

from __future__ import annotations

import re
from typing import Any

from roost.api import names
from roost.api.kind import Change
from roost.api.validation.capacities import request_policy
from roost.api.validation.causes import NOT_POSITIVE, Causes
from roost.api.validation.deviceparts import (
    binding,
    each,
    label,
    name_of,
    pool_name,
    qualified,
    taint,
)
from roost.api.validation.goform import Shape, shape
from roost.api.validation.rules import Rules
from roost.api.validation.selectors import node_selector
from roost.api.validation.volumesources import csi_driver_name
from roost.api.values import Object

_DEVICES_MAX = 128
_DEVICES_MAX_ADVANCED = 64
_ENTRIES_MAX = 32
_TAINTS_MAX = 16
_SETS_MAX = 8
_CONSUMED_MAX = 2
_VALUE_MAX_BYTES = 64
_KEY_SHOWN_MAX = 63 + 1 + 32
_ONE_PLACE = (
    "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
)
_ONE_PLACE_EACH = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when "
    "`perDeviceNodeSelection` is set to true in the ResourceSlice spec"
)
_NO_PLACE_EACH = (
    "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set "
    "to true in the ResourceSlice spec"
)
_NUMBER = r"(0|[1-9]\d*)"
_PRE = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_is_version = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_PRE}(\.{_PRE})*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
).fullmatch
_ATTRIBUTE: Shape = shape(
    "IntValue=int", "BoolValue=bool", "StringValue=string", "VersionValue=version"
)


def _slice(change: Change, causes: Causes) -> None:
    spec, old = change.object.get("spec") or {}, (change.old or {}).get("spec")
    csi_driver_name(spec.get("driver") or "", "spec.driver", causes)
    _pool(spec.get("pool") or {}, "spec.pool", causes)
    if old is not None:
        new_pool, old_pool = spec.get("pool") or {}, old.get("pool") or {}
        causes.unchanged("spec.pool.name", new_pool.get("name") or "", old_pool.get("name"))
        causes.unchanged("spec.driver", spec.get("driver") or "", old.get("driver"))
        causes.unchanged("spec.nodeName", spec.get("nodeName"), old.get("nodeName"))
    _place(spec, causes)
    devices = spec.get("devices") or []
    if spec.get("sharedCounters") and devices:
        causes.invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed")
    advanced = any(device.get("taints") or device.get("consumesCounters") for device in devices)
    before = {name_of(device): device for device in (old or {}).get("devices") or ()}

    def device(value: Object, path: str, found: Causes) -> None:
        _device(value, before.get(name_of(value)), spec, path, found)

    limit = _DEVICES_MAX_ADVANCED if advanced else _DEVICES_MAX
    each(devices, limit, device, "spec.devices", causes, name_of)
    shared = spec.get("sharedCounters") or []
    each(shared, _SETS_MAX, _counter_set, "spec.sharedCounters", causes, name_of)


def _pool(pool: Object, path: str, causes: Causes) -> None:
    pool_name(pool.get("name") or "", f"{path}.name", causes)
    number = pool.get("resourceSliceCount") or 0
    if number <= 0:
        causes.invalid(f"{path}.resourceSliceCount", number, NOT_POSITIVE)
    generation = pool.get("generation") or 0
    if generation < 0:
        text = "must be greater than or equal to zero"
        causes.invalid(f"{path}.generation", generation, text)


def _place(spec: Object, causes: Causes) -> None:
    """Check where the devices of a slice are: exactly one way to say it."""
    given = []
    node, selector = spec.get("nodeName"), spec.get("nodeSelector")
    if node == "":
        text = "must be either unset or set to a non-empty string"
        causes.invalid("spec.nodeName", node, text)
    elif node is not None:
        given.append("`nodeName`")
        causes.faults("spec.nodeName", node, names.check_subdomain(node))
    if selector is not None:
        given.append("`nodeSelector`")
        node_selector(selector, "spec.nodeSelector", causes)
        terms = selector.get("nodeSelectorTerms") or []
        if len(terms) != 1:
            path = "spec.nodeSelector.nodeSelectorTerms"
            causes.invalid(path, terms or None, "must have exactly one node selector term")
    for key in ("allNodes", "perDeviceNodeSelection"):
        if spec.get(key):
            given.append(f"`{key}`")
        elif spec.get(key) is not None:
            causes.invalid(f"spec.{key}", spec[key], "must be either unset or set to true")
    if not given:
        causes.required("spec", _ONE_PLACE)
    elif len(given) > 1:
        shown = f"{{{', '.join(given)}}}"
        causes.invalid("spec", shown, f"{_ONE_PLACE}, but multiple fields are set")


def _counter_set(value: Object, path: str, causes: Causes) -> None:
    _named_counters(value, "name", path, causes)


def _named_counters(value: Object, key: str, path: str, causes: Causes) -> None:
    name, counters = value.get(key) or "", value.get("counters") or {}
    if not name:
        causes.required(f"{path}.{key}")
    else:
        label(name, f"{path}.{key}", causes)
    if not counters:
        causes.required(f"{path}.counters")
    elif len(counters) > _ENTRIES_MAX:
        causes.too_many(f"{path}.counters", len(counters), _ENTRIES_MAX)
    else:
        for counter in sorted(counters):
            label(counter, f"{path}.counters", causes)


def _consumption(value: Object, path: str, causes: Causes) -> None:
    _named_counters(value, "counterSet", path, causes)


def _device(value: Object, old: Object | None, spec: Object, path: str, causes: Causes) -> None:
    label(name_of(value), f"{path}.name", causes)
    attributes, capacity = value.get("attributes") or {}, value.get("capacity") or {}
    if len(attributes) + len(capacity) > _ENTRIES_MAX:
        text = f"the total number of attributes and capacities must not exceed {_ENTRIES_MAX}"
        causes.invalid(path, len(attributes) + len(capacity), text)
    for key in sorted(attributes):
        qualified(key, f"{path}.attributes", causes)
        _attribute(attributes[key], f"{path}.attributes[{_shortened(key)}]", causes)
    if old is None or capacity != (old.get("capacity") or {}):
        many = bool(value.get("allowMultipleAllocations"))
        for key in sorted(capacity):
            qualified(key, f"{path}.capacity", causes)
            here = f"{path}.capacity[{_shortened(key)}].requestPolicy"
            _policy(capacity[key], here, causes, many=many)
    taints = value.get("taints") or []
    if old is None or taints != (old.get("taints") or []):
        each(taints, _TAINTS_MAX, taint, f"{path}.taints", causes)
    consumed = value.get("consumesCounters") or []
    each(
        consumed, _CONSUMED_MAX, _consumption, f"{path}.consumesCounters", causes,
        lambda one: one.get("counterSet") or "",
    )  # fmt: skip
    _place_of_device(value, path, causes, each_says=bool(spec.get("perDeviceNodeSelection")))
    binding(value, path, causes)


def _policy(capacity: Object, path: str, causes: Causes, *, many: bool) -> None:
    policy = capacity.get("requestPolicy")
    if policy is None:
        return
    if not many:
        causes.forbidden(path, "allowMultipleAllocations must be true")
    else:
        request_policy(str(capacity.get("value") or "0"), policy, path, causes)


def _shortened(key: str) -> str:
    if len(key) <= _KEY_SHOWN_MAX:
        return key
    rest = _KEY_SHOWN_MAX - 3
    return f"{key[: (rest + 1) // 2]}...{key[len(key) - rest // 2 :]}"


def _attribute(value: Object, path: str, causes: Causes) -> None:
    text, version = value.get("string"), value.get("version")
    if text is not None and len(text) > _VALUE_MAX_BYTES:
        causes.too_long(f"{path}.string", _VALUE_MAX_BYTES)
    if version is not None:
        if not _is_version(version):
            rule = "must be a string compatible with semver.org spec 2.0.0"
            causes.invalid(f"{path}.version", version, rule)
        if len(version) > _VALUE_MAX_BYTES:
            causes.too_long(f"{path}.version", _VALUE_MAX_BYTES)
    given = sum(value.get(key) is not None for key in ("bool", "int", "string", "version"))
    if given != 1:
        shown: Any = _ATTRIBUTE.show(value) if given else ""
        causes.invalid(path, shown, "exactly one value must be specified")


def _place_of_device(value: Object, path: str, causes: Causes, *, each_says: bool) -> None:
    node, selector, everywhere = (
        value.get(key) for key in ("nodeName", "nodeSelector", "allNodes")
    )
    if not each_says:
        if node is not None or selector is not None or everywhere is not None:
            causes.invalid(path, None, _NO_PLACE_EACH)
        return
    given = []
    if node == "":
        causes.invalid(f"{path}.nodeName", node, "must not be empty")
    elif node is not None:
        given.append("`nodeName`")
        causes.faults(f"{path}.nodeName", node, names.check_subdomain(node))
    if selector is not None:
        given.append("`nodeSelector`")
        node_selector(selector, f"{path}.nodeSelector", causes)
    if everywhere:
        given.append("`allNodes`")
    elif everywhere is not None:
        causes.invalid(f"{path}.allNodes", everywhere, "must be either unset or set to true")
    if not given:
        causes.required(path, _ONE_PLACE_EACH)
    elif len(given) > 1:
        causes.invalid(path, f"{{{', '.join(given)}}}", _ONE_PLACE_EACH)


RESOURCE_SLICE = Rules(always=_slice, namespaced=False, whole=False)
