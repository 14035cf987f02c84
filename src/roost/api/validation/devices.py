"""Rules for claims of devices: resource claims, their templates, device classes and slices."""

from __future__ import annotations

from roost.api import names
from roost.api.kind import Change
from roost.api.validation.causes import IMMUTABLE, NOT_POSITIVE, Causes
from roost.api.validation.goform import Shape, of, shape, structure
from roost.api.validation.rules import Rules
from roost.api.validation.volumesources import csi_driver_name
from roost.api.values import Object

_REQUESTS_MAX = 32
_MODES = ("All", "ExactCount")
_NOT_A_REQUEST = (
    "must be the name of a request in the claim or the name of a request and a subrequest "
    "separated by '/'"
)
_ONE_KIND = "exactly one of `exactly` or `firstAvailable` is required"
_ONE_ATTRIBUTE = (
    'exactly one of "matchAttribute" or "distinctAttribute" is required, '
    "but multiple fields are set"
)
_POOL_MAX_BYTES = 253

_EXACT: Shape = shape(
    ("DeviceClassName", ""), "Selectors", ("AllocationMode", ""), ("Count", 0), "AdminAccess",
    "Tolerations", "Capacity",
)  # fmt: skip
_SUB: Shape = shape(
    ("Name", ""), ("DeviceClassName", ""), "Selectors", ("AllocationMode", ""), ("Count", 0),
    "Tolerations", "Capacity",
)  # fmt: skip
_CLAIM: Shape = shape(
    ("Devices", *structure(shape(
        ("Requests", *of(shape(("Name", ""), ("Exactly", *of(_EXACT)), ("FirstAvailable", *of(_SUB))))),
        "Constraints", "Config",
    ))),
)  # fmt: skip


def claim_spec(spec: Object, path: str, causes: Causes) -> None:
    """Check the spec of a claim."""
    devices, path = spec.get("devices") or {}, f"{path}.devices"
    requests = devices.get("requests") or []
    known = _request_names(requests)
    if len(requests) > _REQUESTS_MAX:
        causes.too_many(f"{path}.requests", len(requests), _REQUESTS_MAX)
    for index, request in enumerate(requests):
        here = f"{path}.requests[{index}]"
        _request(request, here, causes)
        if any(other.get("name") == request.get("name") for other in requests[:index]):
            causes.duplicate(here, request.get("name"))
    for key in ("constraints", "config"):
        values = devices.get(key) or []
        if len(values) > _REQUESTS_MAX:
            causes.too_many(f"{path}.{key}", len(values), _REQUESTS_MAX)
        for index, value in enumerate(values):
            here = f"{path}.{key}[{index}]"
            for at, name in enumerate(value.get("requests") or ()):
                if name not in known:
                    causes.invalid(f"{here}.requests[{at}]", name, _NOT_A_REQUEST)
            if key == "constraints":
                _constraint(value, here, causes)
            else:
                _config(value, here, causes)


def _request_names(requests: list[Object]) -> set[str]:
    known: set[str] = set()
    for request in requests:
        name = request.get("name") or ""
        known.add(name)
        known.update(f"{name}/{sub.get('name')}" for sub in request.get("firstAvailable") or ())
    return known


def _request(request: Object, path: str, causes: Causes) -> None:
    name = request.get("name") or ""
    causes.faults(f"{path}.name", name, names.check_label(name))
    exactly, choices = request.get("exactly"), request.get("firstAvailable") or []
    if exactly is None and not choices:
        causes.required(path, _ONE_KIND)
    elif exactly is not None and choices:
        text = f"{_ONE_KIND}, but multiple fields are set"
        causes.invalid(path, None, text)
    elif exactly is not None:
        _device(exactly, f"{path}.exactly", causes)
    else:
        for index, choice in enumerate(choices):
            here, sub = f"{path}.firstAvailable[{index}]", choice.get("name") or ""
            causes.faults(f"{here}.name", sub, names.check_label(sub))
            _device(choice, here, causes)
            if any(other.get("name") == sub for other in choices[:index]):
                causes.duplicate(here, sub)


def _device(value: Object, path: str, causes: Causes) -> None:
    name = value.get("deviceClassName") or ""
    if not name:
        causes.required(f"{path}.deviceClassName")
    else:
        causes.faults(f"{path}.deviceClassName", name, names.check_subdomain(name))
    for index, selector in enumerate(value.get("selectors") or ()):
        if selector.get("cel") is None:
            causes.required(f"{path}.selectors[{index}].cel")
    mode, count = value.get("allocationMode"), value.get("count") or 0
    if mode == "All":
        if count:
            text = "must not be specified when allocationMode is 'All'"
            causes.invalid(f"{path}.count", count, text)
    elif mode == "ExactCount":
        if count <= 0:
            causes.invalid(f"{path}.count", count, NOT_POSITIVE)
    else:
        causes.not_supported(f"{path}.allocationMode", mode or "", _MODES)


def _constraint(value: Object, path: str, causes: Causes) -> None:
    if value.get("matchAttribute") is None and value.get("distinctAttribute") is None:
        causes.required(path, _ONE_ATTRIBUTE)


def _config(value: Object, path: str, causes: Causes) -> None:
    opaque = value.get("opaque")
    if opaque is None:
        causes.required(path, "exactly one field must be specified")
        return
    csi_driver_name(opaque.get("driver") or "", f"{path}.opaque.driver", causes)
    if opaque.get("parameters") is None:
        causes.required(f"{path}.opaque.parameters")


def _claim(change: Change, causes: Causes) -> None:
    claim_spec(change.object.get("spec") or {}, "spec", causes)


def _claim_update(change: Change, causes: Causes) -> None:
    new, old = change.object.get("spec") or {}, (change.old or {}).get("spec") or {}
    if new != old:
        causes.invalid("spec", _CLAIM.show(new), IMMUTABLE)


def _template(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    meta = spec.get("metadata") or {}
    causes.extend(names.check_annotations(meta.get("annotations"), "spec.metadata.annotations"))
    causes.extend(names.check_labels(meta.get("labels"), "spec.metadata.labels"))
    claim_spec(spec.get("spec") or {}, "spec.spec", causes)


def _template_update(change: Change, causes: Causes) -> None:
    new, old = change.object.get("spec") or {}, (change.old or {}).get("spec") or {}
    causes.unchanged("spec", new, old)


def _class(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    for index, selector in enumerate(spec.get("selectors") or ()):
        if selector.get("cel") is None:
            causes.required(f"spec.selectors[{index}].cel")
    for index, value in enumerate(spec.get("config") or ()):
        _config(value, f"spec.config[{index}]", causes)


def _slice(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    csi_driver_name(spec.get("driver") or "", "spec.driver", causes)
    pool = spec.get("pool") or {}
    name = pool.get("name") or ""
    if not name:
        causes.required("spec.pool.name")
    else:
        if len(name) > _POOL_MAX_BYTES:
            causes.too_long("spec.pool.name", _POOL_MAX_BYTES)
        for part in name.split("/"):
            causes.faults("spec.pool.name", part, names.check_subdomain(part))
    if (pool.get("resourceSliceCount") or 0) <= 0:
        number = pool.get("resourceSliceCount") or 0
        causes.invalid("spec.pool.resourceSliceCount", number, NOT_POSITIVE)
    causes.not_negative("spec.pool.generation", pool.get("generation"))
    taken: set[str] = set()
    for index, device in enumerate(spec.get("devices") or ()):
        path, device_name = f"spec.devices[{index}]", device.get("name") or ""
        causes.faults(f"{path}.name", device_name, names.check_label(device_name))
        if device_name in taken:
            causes.duplicate(path, device_name)
        taken.add(device_name)


RESOURCE_CLAIM = Rules(create=_claim, update=_claim_update)
RESOURCE_CLAIM_TEMPLATE = Rules(create=_template, update=_template_update)
DEVICE_CLASS = Rules(always=_class, namespaced=False)
RESOURCE_SLICE = Rules(always=_slice, namespaced=False)
