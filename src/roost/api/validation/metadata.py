"""Rules for metadata, which every kind shares."""

from __future__ import annotations

from roost.api import names
from roost.api.patches.managed import MANAGER_MAX_BYTES
from roost.api.validation.causes import Causes, Structure
from roost.api.values import Object

STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_UNQUALIFIED = "name is neither a standard finalizer name nor is it fully qualified"
_IMMUTABLE_META = (
    "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds",
)  # fmt: skip
_REFERENCE = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
_SUBRESOURCE_MAX_BYTES = 256


def on_create(
    meta: Object,
    causes: Causes,
    *,
    namespaced: bool = True,
    name_rule: str = "subdomain",
    strict_finalizers: bool = True,
) -> None:
    """Check the metadata of a whole object. `strict_finalizers`: see `finalizers`."""
    prefix, name = meta.get("generateName"), meta.get("name")
    if prefix:
        causes.faults("metadata.generateName", prefix, names.check_generate_name(name_rule, prefix))
    if not name:
        causes.required("metadata.name", "name or generateName is required")
    else:
        causes.faults("metadata.name", name, names.check_name(name_rule, name))
    namespace = meta.get("namespace")
    if namespaced:
        if not namespace:
            causes.required("metadata.namespace")
        else:
            causes.faults("metadata.namespace", namespace, _check_namespace(namespace))
    elif namespace:
        causes.forbidden("metadata.namespace", "not allowed on this type")
    causes.not_negative("metadata.generation", meta.get("generation"))
    marks(meta, causes)
    finalizers(meta.get("finalizers") or (), causes)
    managed_fields(meta, causes)
    if strict_finalizers:
        for index, value in enumerate(meta.get("finalizers") or ()):
            if "/" not in value and value not in STANDARD_FINALIZERS:
                causes.invalid(f"metadata.finalizers[{index}]", value, _UNQUALIFIED)


def _check_namespace(name: str) -> list[str]:
    return names.check_label(name)


def marks(meta: Object, causes: Causes) -> None:
    """Check labels, annotations and owners."""
    if meta.get("labels"):
        causes.extend(names.check_labels(meta["labels"]))
    if meta.get("annotations"):
        causes.extend(names.check_annotations(meta["annotations"]))
    if meta.get("ownerReferences"):
        owners(meta["ownerReferences"], causes)


def owners(references: list[Object], causes: Causes) -> None:
    """Check owner references: complete, and at most one controller."""
    path = "metadata.ownerReferences"
    controller = ""
    for reference in references:
        version = reference.get("apiVersion") or ""
        if version.count("/") > 1 or not version.rpartition("/")[2]:
            causes.invalid(f"{path}.apiVersion", version, "version must not be empty")
        for key in ("kind", "name", "uid"):
            if not reference.get(key):
                causes.invalid(f"{path}.{key}", reference.get(key) or "", "must not be empty")
        if (version, reference.get("kind")) == ("v1", "Event"):
            shape = _reference(reference)
            causes.invalid(path, shape, "/v1, Kind=Event is disallowed from being an owner")
        if reference.get("controller"):
            this = f"{reference.get('kind')}/{reference.get('name')}"
            if controller:
                causes.invalid(
                    path,
                    [_reference(one) for one in references],
                    "Only one reference can have Controller set to true. "
                    f'Found "true" in references for {controller} and {this}',
                )
            else:
                controller = this


def _reference(value: Object) -> Structure:
    return Structure((key, value[key]) for key in _REFERENCE if value.get(key) is not None)


def finalizers(values: list[str] | tuple[str, ...], causes: Causes) -> None:
    """Check the names of finalizers; core kinds want more, see `strict_finalizers`."""
    path = "metadata.finalizers"
    for value in values:
        causes.faults(path, value, names.check_qualified_name(value))
    if "orphan" in values and "foregroundDeletion" in values:
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        causes.invalid(path, list(values), text)


def managed_fields(meta: Object, causes: Causes) -> None:
    """Check who owns which fields."""
    for index, entry in enumerate(meta.get("managedFields") or ()):
        path = f"metadata.managedFields[{index}]"
        operation, manager = entry.get("operation") or "", entry.get("manager") or ""
        if operation not in ("Apply", "Update"):
            causes.invalid(f"{path}.operation", operation, "must be `Apply` or `Update`")
        if entry.get("fieldsType") not in (None, "", "FieldsV1"):
            causes.invalid(f"{path}.fieldsType", entry["fieldsType"], "must be `FieldsV1`")
        field_manager(manager, f"{path}.manager", causes)
        if len((entry.get("subresource") or "").encode()) > _SUBRESOURCE_MAX_BYTES:
            causes.too_long(f"{path}.subresource", _SUBRESOURCE_MAX_BYTES)


def field_manager(manager: str, path: str, causes: Causes) -> None:
    """Refuse a name that is too long or has letters that cannot be printed."""
    if len(manager.encode()) > MANAGER_MAX_BYTES:
        causes.too_long(path, MANAGER_MAX_BYTES)
    position = 0
    for letter in manager:
        if not letter.isprintable():
            text = f"invalid character U+{ord(letter):04X} (at position {position})"
            causes.invalid(path, manager, text)
        position += len(letter.encode())


def on_update(meta: Object, old: Object, causes: Causes) -> None:
    """Check what an update does to metadata."""
    if old.get("deletionTimestamp"):
        _no_new_finalizers(meta, old, causes)
    if not meta.get("resourceVersion"):
        text = "must be specified for an update"
        causes.invalid("metadata.resourceVersion", meta.get("resourceVersion") or "", text)
    if (meta.get("generation") or 0) < (old.get("generation") or 0):
        number = meta.get("generation") or 0
        causes.invalid("metadata.generation", number, "must not be decremented")
    for key in _IMMUTABLE_META:
        if meta.get(key) != old.get(key):
            causes.unchanged(f"metadata.{key}", meta.get(key), old.get(key))
    marks(meta, causes)
    managed_fields(meta, causes)


def _no_new_finalizers(meta: Object, old: Object, causes: Causes) -> None:
    before = set(old.get("finalizers") or ())
    extra = [value for value in meta.get("finalizers") or () if value not in before]
    if extra:
        shape = "[" + ", ".join(f'"{value}"' for value in sorted(extra)) + "]"
        causes.forbidden(
            "metadata.finalizers",
            "no new finalizers can be added if the object is being deleted, "
            f"found new finalizers []string{{{shape[1:-1]}}}",
        )
