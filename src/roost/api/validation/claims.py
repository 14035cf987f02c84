"""Rules for persistent volume claims and the templates of claims."""

from __future__ import annotations

from roost.api import names
from roost.api.kind import Change
from roost.api.quantity import compare, parse, to_int
from roost.api.validation import resources
from roost.api.validation.causes import IMMUTABLE, NOT_POSITIVE, Causes
from roost.api.validation.differences import difference
from roost.api.validation.rules import Rules
from roost.api.validation.selectors import label_selector
from roost.api.validation.volumewarnings import of_claim_spec
from roost.api.values import Object

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
CLASS_ATTRIBUTE = 'deprecated since v1.8; use "storageClassName" attribute instead'
_RESIZING = (
    "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizePending",
    "NodeResizeInProgress", "NodeResizeInfeasible",
)  # fmt: skip
_EXCLUSIVE = "may not use ReadWriteOncePod with other access modes"
_FIXED = (
    "spec is immutable after creation except resources.requests and "
    "volumeAttributesClassName for bound claims"
)


def access_modes(modes: list[str], path: str, causes: Causes) -> None:
    """Check how a volume may be mounted."""
    for mode in modes:
        if mode not in ACCESS_MODES:
            causes.not_supported(path, mode, ACCESS_MODES)
    known = {mode for mode in modes if mode in ACCESS_MODES}
    if "ReadWriteOncePod" in known and len(known) > 1:
        causes.forbidden(path, _EXCLUSIVE)


def claim_spec(spec: Object, path: str, causes: Causes) -> None:
    """Check the spec of a claim."""
    if not spec.get("accessModes"):
        causes.required(f"{path}.accessModes", "at least 1 access mode is required")
    label_selector(spec.get("selector"), f"{path}.selector", causes)
    access_modes(spec.get("accessModes") or [], f"{path}.accessModes", causes)
    where = f"{path}.resources[storage]"
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if size is None:
        causes.required(where)
    elif parse(size) <= 0:
        causes.invalid(where, size, NOT_POSITIVE)
    else:
        resources.quantity("storage", size, where, causes)
    name = spec.get("storageClassName")
    if name:
        causes.faults(f"{path}.storageClassName", name, names.check_subdomain(name))
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        causes.not_supported(f"{path}.volumeMode", mode, VOLUME_MODES)
    _sources(spec, path, causes)
    name = spec.get("volumeAttributesClassName")
    if name:
        causes.faults(f"{path}.volumeAttributesClassName", name, names.check_subdomain(name))


def _sources(spec: Object, path: str, causes: Causes) -> None:
    first, second = spec.get("dataSource"), spec.get("dataSourceRef")
    if first is not None:
        _source(first, f"{path}.dataSource", causes)
    if second is not None:
        _source(second, f"{path}.dataSourceRef", causes)
        namespace = second.get("namespace")
        if namespace:
            faults = names.check_label(namespace)
            causes.faults(f"{path}.dataSourceRef.namespace", namespace, faults)
    if first is None or second is None:
        return
    if second.get("namespace"):
        text = "may not be specified when dataSourceRef.namespace is specified"
        causes.invalid(path, f"{path}.dataSource", text)
    elif any(first.get(key) != second.get(key) for key in ("apiGroup", "kind", "name")):
        causes.invalid(path, f"{path}.dataSource", "must match dataSourceRef")


def _source(value: Object, path: str, causes: Causes) -> None:
    for key in ("name", "kind"):
        if not value.get(key):
            causes.required(f"{path}.{key}")
    group, kind = value.get("apiGroup") or "", value.get("kind") or ""
    if not group and kind != "PersistentVolumeClaim":
        text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        causes.invalid(path, kind, text)
    if group:
        causes.faults(f"{path}.apiGroup", group, names.check_subdomain(group))


def claim_template(template: Object, path: str, causes: Causes) -> None:
    """Check a template of a claim: of its metadata only labels and annotations may be set."""
    meta = template.get("metadata") or {}
    causes.extend(names.check_annotations(meta.get("annotations"), f"{path}.metadata.annotations"))
    causes.extend(names.check_labels(meta.get("labels"), f"{path}.metadata.labels"))
    for key, value in meta.items():
        if value and key not in ("labels", "annotations"):
            causes.forbidden(f"{path}.metadata.{key}", "cannot be set")
    claim_spec(template.get("spec") or {}, f"{path}.spec", causes)


def _claim(change: Change, causes: Causes) -> None:
    claim_spec(change.object.get("spec") or {}, "spec", causes)


def _update(change: Change, causes: Causes) -> None:
    new, old = change.object, change.old or {}
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    _class_annotation(new, old, causes)
    fixed, was = _what_is_fixed(new, spec, before), _what_is_fixed(old, before, before)
    if fixed != was:
        causes.forbidden("spec", _FIXED + difference(was, fixed))
    size, had = _size(spec), _size(before)
    capacity = ((old.get("status") or {}).get("capacity") or {}).get("storage", "0")
    if compare(size, had) < 0 and compare(size, capacity) <= 0:
        text = "field can not be less than status.capacity"
        causes.forbidden("spec.resources.requests.storage", text)
    if spec.get("volumeMode") != before.get("volumeMode"):
        causes.invalid("volumeMode", spec.get("volumeMode"), IMMUTABLE)
    _class_of_attributes(spec, before, causes)


def _class_annotation(new: Object, old: Object, causes: Causes) -> None:
    """Refuse another class in the annotation; a field may take over what the annotation said."""
    mine, had = (
        ((one.get("metadata") or {}).get("annotations") or {}).get(CLASS_ANNOTATION)
        for one in (new, old)
    )
    name, before = ((one.get("spec") or {}).get("storageClassName") for one in (new, old))
    moved = had is not None and before is None and name == had and mine in (None, had)
    if not moved and (mine or "") != (had or ""):
        causes.invalid(f"metadata.annotations.{CLASS_ANNOTATION}", mine or "", IMMUTABLE)


def _class_of_attributes(spec: Object, before: Object, causes: Causes) -> None:
    key = "volumeAttributesClassName"
    name, had = spec.get(key), before.get(key)
    if name != had and had is not None:
        if name is None:
            causes.forbidden(f"spec.{key}", "update from non-nil value to nil is forbidden")
        elif not name:
            text = "update from non-nil value to an empty string is forbidden"
            causes.forbidden(f"spec.{key}", text)


def _size(spec: Object) -> str:
    found: str = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "0")
    return found


def _what_is_fixed(claim: Object, spec: Object, before: Object) -> Object:
    """Return the spec without what an update may change."""
    fixed = dict(spec)
    if not before.get("volumeName"):
        fixed.pop("volumeName", None)
    if before.get("storageClassName") is None and fixed.get("storageClassName") is not None:
        fixed.pop("storageClassName")
    if (claim.get("status") or {}).get("phase") == "Bound":
        wanted = dict(fixed.get("resources") or {})
        requests = dict(wanted.get("requests") or {})
        requests.pop("storage", None)
        wanted["requests"] = requests
        fixed["resources"] = wanted
        fixed.pop("volumeAttributesClassName", None)
    return fixed


def _status(change: Change, causes: Causes) -> None:
    status = change.object.get("status") or {}
    for name, value in sorted((status.get("capacity") or {}).items()):
        _not_negative(value, f"status.capacity[{name}]", causes)
    path = "status.allocatedResourceStatus"
    for name, state in sorted((status.get("allocatedResourceStatuses") or {}).items()):
        _resource_key(name, path, causes)
        if state not in _RESIZING:
            causes.not_supported(path, name, sorted(_RESIZING))
    path = "status.allocatedResources"
    for name, value in sorted((status.get("allocatedResources") or {}).items()):
        before = len(causes)
        _resource_key(name, path, causes)
        if len(causes) == before:
            _not_negative(value, f"{path}[{name}]", causes)


def _not_negative(value: str, path: str, causes: Causes) -> None:
    if parse(value) < 0:
        causes.invalid(path, to_int(value), "must be a valid resource quantity")


def _resource_key(name: str, path: str, causes: Causes) -> None:
    faults = names.check_qualified_name(name)
    causes.faults(path, name, faults)
    if not faults and resources.is_native(name) and name != "storage":
        causes.not_supported(path, name, ("storage",))


def _warn(change: Change) -> None:
    if CLASS_ANNOTATION in ((change.object.get("metadata") or {}).get("annotations") or ()):
        change.warnings.append(f"metadata.annotations[{CLASS_ANNOTATION}]: {CLASS_ATTRIBUTE}")
    change.warnings.extend(of_claim_spec(change.object.get("spec") or {}, "spec"))


PERSISTENT_VOLUME_CLAIM = Rules(
    always=_claim, update=_update, status=_status, warn=_warn, before=True
)
