"""What an access review may ask: one thing, about somebody, with selectors that make sense."""

from __future__ import annotations

from typing import Any

from roost.api import names
from roost.api.errors import Cause
from roost.api.validation.causes import Causes, Structure
from roost.api.values import Object

_ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
_NOT_BOTH = "cannot be specified in combination with resourceAttributes"
_NOBODY = "at least one of user or group must be specified"
_MATCH_NAMESPACE = "must match metadata.namespace"
_DISALLOWED = "disallowed on this kind of request"
_NOT_RAW_TOO = "may not specified at the same time as requirements"
_NEEDS_VALUES = "must be specified when `operator` is 'In' or 'NotIn'"
_NO_VALUES = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
_RESOURCE = "spec.resourceAttributes"
#: What a client can say in metadata, in the order in which it is shown.
_METADATA = (
    "name", "generateName", "namespace", "resourceVersion", "generation", "labels", "annotations",
    "ownerReferences", "finalizers", "managedFields",
)  # fmt: skip


def subject_faults(body: Object) -> list[Cause]:
    """Return what is wrong with a SubjectAccessReview."""
    causes = Causes()
    _asked(body.get("spec") or {}, causes, somebody=True)
    _bare(body.get("metadata") or {}, "must be empty", causes)
    return causes


def self_faults(body: Object) -> list[Cause]:
    """Return what is wrong with a SelfSubjectAccessReview."""
    causes = Causes()
    _asked(body.get("spec") or {}, causes, somebody=False)
    _bare(body.get("metadata") or {}, "must be empty", causes)
    return causes


def local_faults(body: Object, namespace: str) -> list[Cause]:
    """Return what is wrong with a LocalSubjectAccessReview in a namespace."""
    causes, spec = Causes(), body.get("spec") or {}
    _asked(spec, causes, somebody=True)
    metadata = {k: v for k, v in (body.get("metadata") or {}).items() if k != "namespace"}
    if any(metadata.get(key) for key in _METADATA[:-1]):
        _bare({**metadata, "namespace": namespace}, "must be empty except for namespace", causes)
    asked = spec.get("resourceAttributes")
    if asked is not None and (asked.get("namespace") or "") != namespace:
        causes.invalid(f"{_RESOURCE}.namespace", asked.get("namespace") or "", _MATCH_NAMESPACE)
    paths = spec.get("nonResourceAttributes")
    if paths is not None:
        causes.invalid("spec.nonResourceAttributes", _shown_path(paths), _DISALLOWED)
    return causes


def _bare(metadata: Object, text: str, causes: Causes) -> None:
    shown = Structure((key, metadata[key]) for key in _METADATA if metadata.get(key))
    if not set(shown) - {"managedFields"}:
        return
    for key in ("labels", "annotations"):
        if key in shown:
            shown[key] = _in_order(shown[key])
    if "managedFields" in shown:
        shown["managedFields"] = [
            {key: _in_order(value) for key, value in entry.items()}
            for entry in shown["managedFields"]
        ]
    causes.invalid("metadata", shown, text)


def _in_order(value: Any) -> Any:
    """Return a value with its maps in the order of their keys."""
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return value


def _asked(spec: Object, causes: Causes, *, somebody: bool) -> None:
    resource, paths = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and paths is not None:
        causes.invalid("spec.nonResourceAttributes", _shown_path(paths), _NOT_BOTH)
    if resource is None and paths is None:
        causes.invalid(_RESOURCE, None, _ONE_OF)
    if somebody and not (spec.get("user") or spec.get("groups")):
        causes.invalid("spec.user", "", _NOBODY)
    for key in ("fieldSelector", "labelSelector"):
        selector = (resource or {}).get(key)
        if selector is not None:
            _selector(selector, f"{_RESOURCE}.{key}", key == "labelSelector", causes)


def _shown_path(paths: Object) -> Structure:
    return Structure(Path=paths.get("path") or "", Verb=paths.get("verb") or "")


def _selector(selector: Object, path: str, labels: bool, causes: Causes) -> None:
    raw, requirements = selector.get("rawSelector") or "", selector.get("requirements") or []
    if raw and requirements:
        causes.invalid(f"{path}.rawSelector", raw, _NOT_RAW_TOO)
    if not raw and not requirements:
        text = f"when {path} is specified, requirements or rawSelector is required"
        causes.required(f"{path}.requirements", text)
    for index, one in enumerate(requirements):
        _requirement(one, f"{path}.requirements[{index}]", labels, causes)


def _requirement(one: Object, path: str, labels: bool, causes: Causes) -> None:
    """Check one requirement; an operator that is not known may be one of a newer client."""
    key, operator, values = (
        one.get("key") or "",
        one.get("operator") or "",
        one.get("values") or [],
    )
    if not labels and not key:
        causes.required(f"{path}.key", "must be specified")
    if operator in ("In", "NotIn") and not values:
        causes.required(f"{path}.values", _NEEDS_VALUES)
    if operator in ("Exists", "DoesNotExist") and values:
        causes.forbidden(f"{path}.values", _NO_VALUES)
    if labels:
        causes.faults(f"{path}.key", key, names.check_qualified_name(key))
        for index, value in enumerate(values):
            causes.faults(f"{path}.values[{index}]", value, names.check_label_value(value))
