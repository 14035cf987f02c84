"""Rules for claims of devices: resource claims, their templates and device classes."""

from __future__ import annotations

from roost.api import names
from roost.api.kind import Change
from roost.api.validation import claimstatus
from roost.api.validation.causes import IMMUTABLE, NOT_POSITIVE, Causes, Structure
from roost.api.validation.claimstatus import request_names, request_reference
from roost.api.validation.deviceparts import (
    config,
    each,
    fully_qualified,
    label,
    name_of,
    selectors,
    tolerations,
)
from roost.api.validation.goform import Shape, of, shape, structure
from roost.api.validation.resources import is_extended
from roost.api.validation.rules import Rules
from roost.api.values import Object

_REQUESTS_MAX = 32
_CHOICES_MAX = 8
_MODES = ("All", "ExactCount")
_ONE_KIND = "exactly one of `exactly` or `firstAvailable` is required"
_ONE_ATTRIBUTE = (
    'exactly one of "matchAttribute" or "distinctAttribute" is required, '
    "but multiple fields are set"
)

_SELECTOR: Shape = shape(("CEL=cel", *of(shape(("Expression", "")))))
_TOLERATION: Shape = shape(
    ("Key", ""), ("Operator", ""), ("Value", ""), ("Effect", ""), "TolerationSeconds"
)
_CAPACITY: Shape = shape("Requests")
_EXACT: Shape = shape(
    ("DeviceClassName", ""), ("Selectors", *of(_SELECTOR)), ("AllocationMode", ""), ("Count", 0),
    "AdminAccess", ("Tolerations", *of(_TOLERATION)), ("Capacity", *of(_CAPACITY)),
)  # fmt: skip
_SUB: Shape = shape(
    ("Name", ""), ("DeviceClassName", ""), ("Selectors", *of(_SELECTOR)), ("AllocationMode", ""),
    ("Count", 0), ("Tolerations", *of(_TOLERATION)), ("Capacity", *of(_CAPACITY)),
)  # fmt: skip
_REQUEST: Shape = shape(("Name", ""), ("Exactly", *of(_EXACT)), ("FirstAvailable", *of(_SUB)))
_CLAIM: Shape = shape(
    ("Devices", *structure(shape(
        ("Requests", *of(_REQUEST)),
        ("Constraints", *of(shape("Requests", "MatchAttribute", "DistinctAttribute"))),
        ("Config", *of(shape("Requests", ("Opaque", *of(shape(("Driver", ""), "Parameters")))))),
    ))),
)  # fmt: skip


def claim_spec(spec: Object, path: str, causes: Causes) -> None:
    """Check the spec of a claim."""
    devices, path = spec.get("devices") or {}, f"{path}.devices"
    known = request_names(devices)

    def reference(name: str, where: str, found: Causes) -> None:
        request_reference(name, known, where, found)

    def named(value: Object, where: str, found: Causes) -> None:
        values = value.get("requests") or []
        each(values, _REQUESTS_MAX, reference, f"{where}.requests", found, str)

    def constraint(value: Object, where: str, found: Causes) -> None:
        named(value, where, found)
        _constraint(value, where, found)

    def told(value: Object, where: str, found: Causes) -> None:
        named(value, where, found)
        config(value, where, found)

    requests = devices.get("requests") or []
    each(requests, _REQUESTS_MAX, _request, f"{path}.requests", causes, name_of)
    constraints = devices.get("constraints") or []
    each(constraints, _REQUESTS_MAX, constraint, f"{path}.constraints", causes)
    each(devices.get("config") or [], _REQUESTS_MAX, told, f"{path}.config", causes)


def _request(request: Object, path: str, causes: Causes) -> None:
    label(name_of(request), f"{path}.name", causes)
    exactly, choices = request.get("exactly"), request.get("firstAvailable") or []
    if exactly is None and not choices:
        causes.required(path, _ONE_KIND)
    elif exactly is not None and choices:
        causes.invalid(path, None, f"{_ONE_KIND}, but multiple fields are set")
    elif exactly is not None:
        _device(exactly, f"{path}.exactly", causes)
    else:
        each(choices, _CHOICES_MAX, _choice, f"{path}.firstAvailable", causes, name_of)


def _choice(choice: Object, path: str, causes: Causes) -> None:
    label(name_of(choice), f"{path}.name", causes)
    _device(choice, path, causes)


def _device(value: Object, path: str, causes: Causes) -> None:
    name = value.get("deviceClassName") or ""
    if not name:
        causes.required(f"{path}.deviceClassName")
    else:
        causes.faults(f"{path}.deviceClassName", name, names.check_subdomain(name))
    selectors(value.get("selectors") or [], f"{path}.selectors", causes)
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
    tolerations(value.get("tolerations") or [], f"{path}.tolerations", causes)


def _constraint(value: Object, path: str, causes: Causes) -> None:
    same, distinct = value.get("matchAttribute"), value.get("distinctAttribute")
    if same is not None:
        fully_qualified(same, f"{path}.matchAttribute", causes)
    elif distinct is not None:
        fully_qualified(distinct, f"{path}.distinctAttribute", causes)
    else:
        causes.required(path, _ONE_ATTRIBUTE)


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
    if new != old:
        meta = Structure(sorted((new.get("metadata") or {}).items(), reverse=True))
        shown = Structure(**meta, Spec=_CLAIM.show(new.get("spec") or {}))
        causes.invalid("spec", shown, IMMUTABLE)


def _class(change: Change, causes: Causes) -> None:
    spec, before = change.object.get("spec") or {}, (change.old or {}).get("spec") or {}
    chosen = spec.get("selectors") or []
    if change.old is None or chosen != (before.get("selectors") or []):
        selectors(chosen, "spec.selectors", causes)
    each(spec.get("config") or [], _REQUESTS_MAX, config, "spec.config", causes)
    name = spec.get("extendedResourceName")
    if name is not None and not is_extended(name):
        text = "must be a valid extended resource name"
        causes.invalid("spec.extendedResourceName", name, text)


RESOURCE_CLAIM = Rules(create=_claim, update=_claim_update, status=claimstatus.status)
RESOURCE_CLAIM_TEMPLATE = Rules(create=_template, update=_template_update, whole=False)
DEVICE_CLASS = Rules(always=_class, namespaced=False)
