"""Rules for persistent volumes, storage classes and CSI."""

from __future__ import annotations

import posixpath

from roost.api import names
from roost.api.kind import Change
from roost.api.quantity import parse, to_int
from roost.api.validation import paths
from roost.api.validation.causes import IMMUTABLE, NOT_POSITIVE, Causes
from roost.api.validation.claims import (
    CLASS_ANNOTATION,
    CLASS_ATTRIBUTE,
    VOLUME_MODES,
    access_modes,
)  # fmt: skip
from roost.api.validation.differences import difference
from roost.api.validation.goform import VOLUME_AFFINITY
from roost.api.validation.podwarnings import NODE_LABELS, of_term
from roost.api.validation.rules import Rules
from roost.api.validation.selectors import node_selector
from roost.api.validation.volumesources import (
    COMMON,
    ISCSI_NAME_MAX,
    ISCSI_NAME_TOO_LONG,
    SourceRule,
    cinder,
    csi_driver_name,
    iscsi,
    needs,
    one_source,
    secret_ref,
    storage_os,
)  # fmt: skip
from roost.api.validation.volumewarnings import of_persistent_source
from roost.api.values import Object

_RECLAIM = ("Delete", "Recycle", "Retain")
_ORDER = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd",
    "quobyte", "cephfs", "iscsi", "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume",
    "photonPersistentDisk", "portworxVolume", "azureDisk", "scaleIO", "local", "storageos", "csi",
)  # fmt: skip
_CSI_SECRETS = (
    "controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef",
    "nodeExpandSecretRef",
)  # fmt: skip
_PARAMETERS_MAX_BYTES = 256 * 1024
_PARAMETERS_MAX = 512
_RECYCLE = (
    "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "
    "Instead, the recommended approach is to use dynamic provisioning."
)


def _local(value: Object, path: str, causes: Causes) -> None:
    where = value.get("path")
    if not where:
        causes.required(f"{path}.path")
    else:
        paths.no_backsteps(where, f"{path}.path", causes)


def _csi(value: Object, path: str, causes: Causes) -> None:
    csi_driver_name(value.get("driver") or "", f"{path}.driver", causes)
    if not value.get("volumeHandle"):
        causes.required(f"{path}.volumeHandle")
    for key in _CSI_SECRETS:
        reference = value.get(key)
        if reference is None:
            continue
        name, namespace = reference.get("name"), reference.get("namespace")
        if not name:
            causes.required(f"{path}.{key}.name")
        else:
            causes.faults(f"{path}.{key}.name", name, names.check_subdomain(name))
        if not namespace:
            causes.required(f"{path}.{key}.namespace")
        else:
            causes.faults(f"{path}.{key}.namespace", namespace, names.check_label(namespace))


def _namespaced(rule: SourceRule) -> SourceRule:
    """Return a source's rule for persistent volumes, whose secrets are in some namespace."""

    def with_namespace(value: Object, path: str, causes: Causes) -> None:
        rule({key: value[key] for key in value if key != "secretRef"}, path, causes)
        secret_ref(value, path, causes, namespaced=True)

    return with_namespace


def _azure_file(value: Object, path: str, causes: Causes) -> None:
    needs("secretName", "shareName")(value, path, causes)
    if value.get("secretNamespace") == "":
        causes.required(f"{path}.secretNamespace")


def _glusterfs(value: Object, path: str, causes: Causes) -> None:
    needs("endpoints", "path")(value, path, causes)
    namespace, where = value.get("endpointsNamespace"), f"{path}.endpointsNamespace"
    if namespace == "":
        text = "if the endpointnamespace is set, it must be a valid namespace name"
        causes.invalid(where, namespace, text)
    elif namespace is not None:
        causes.faults(where, namespace, names.check_label(namespace))


def _iscsi(value: Object, path: str, causes: Causes) -> None:
    iscsi(value, path, causes, persistent=True)


_RULES: dict[str, SourceRule] = {
    **COMMON,
    "glusterfs": _glusterfs,
    "iscsi": _iscsi,
    "cinder": _namespaced(cinder),
    "storageos": _namespaced(storage_os),
    "azureFile": _azure_file,
    "local": _local,
    "csi": _csi,
}


def _volume(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    modes = spec.get("accessModes") or []
    if not modes:
        causes.required("spec.accessModes")
    access_modes(modes, "spec.accessModes", causes)
    _capacity(spec.get("capacity") or {}, causes)
    policy = spec.get("persistentVolumeReclaimPolicy")
    if policy and policy not in _RECLAIM:
        causes.not_supported("spec.persistentVolumeReclaimPolicy", policy, _RECLAIM)
    affinity = spec.get("nodeAffinity")
    if affinity is not None:
        if affinity.get("required") is not None:
            node_selector(affinity["required"], "spec.nodeAffinity.required", causes)
        else:
            text = "must specify required node constraints"
            causes.required("spec.nodeAffinity.required", text)
    one_source(spec, _ORDER, _RULES, "spec", causes)
    _iscsi_name_length(change.object, spec.get("iscsi") or {}, causes)
    if spec.get("local") is not None and affinity is None:
        causes.required("spec.nodeAffinity", "Local volume requires node affinity")
    _volume_rest(spec, policy, causes)


_NOT_INLINE = "may not be specified in the context of inline volumes"


def inline_volume(spec: Object, path: str, causes: Causes) -> None:
    """Check the spec of a volume that has no object: of a driver, and nothing that a claim needs."""
    if spec.get("claimRef") is not None:
        causes.forbidden(f"{path}.claimRef", _NOT_INLINE)
    if spec.get("capacity"):
        causes.forbidden(f"{path}.capacity", _NOT_INLINE)
    if spec.get("csi") is None:
        causes.required(f"{path}.csi", "has to be specified in the context of inline volumes")
    modes = spec.get("accessModes") or []
    if not modes:
        causes.required(f"{path}.accessModes")
    access_modes(modes, f"{path}.accessModes", causes)
    if spec.get("persistentVolumeReclaimPolicy") not in {None, "", "Retain"}:
        text = "may only be Retain in the context of inline volumes"
        causes.forbidden(f"{path}.persistentVolumeReclaimPolicy", text)
    if spec.get("nodeAffinity") is not None:
        causes.forbidden(f"{path}.nodeAffinity", _NOT_INLINE)
    one_source(spec, _ORDER, _RULES, path, causes)
    if spec.get("storageClassName"):
        causes.forbidden(f"{path}.storageClassName", _NOT_INLINE)
    if spec.get("volumeMode") not in {None, "Filesystem"}:
        text = "may not specify volumeMode other than Filesystem in the context of inline volumes"
        causes.forbidden(f"{path}.volumeMode", text)


def _iscsi_name_length(volume: Object, source: Object, causes: Causes) -> None:
    name, portal = volume["metadata"].get("name") or "", source.get("targetPortal") or ""
    if source.get("initiatorName") is not None and len(f"{name}:{portal}") > ISCSI_NAME_MAX:
        causes.invalid("spec.iscsi.targetportal", portal, ISCSI_NAME_TOO_LONG)


def _capacity(capacity: Object, causes: Causes) -> None:
    if not capacity:
        causes.required("spec.capacity")
    if "storage" not in capacity or len(capacity) > 1:
        causes.not_supported("spec.capacity", capacity or None, ("storage",))
    for name, value in sorted(capacity.items()):
        where = f"spec.capacity[{name}]"
        if parse(value) < 0:
            causes.invalid(where, to_int(value), "must be a valid resource quantity")
        if parse(value) <= 0:
            causes.invalid(where, value, NOT_POSITIVE)


def _volume_rest(spec: Object, policy: str | None, causes: Causes) -> None:
    where = (spec.get("hostPath") or {}).get("path")
    if where and posixpath.normpath(where) == "/" and policy == "Recycle":
        text = "may not be 'recycle' for a hostPath mount of '/'"
        causes.forbidden("spec.persistentVolumeReclaimPolicy", text)
    name = spec.get("storageClassName")
    if name:
        causes.faults("spec.storageClassName", name, names.check_subdomain(name))
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        causes.not_supported("spec.volumeMode", mode, VOLUME_MODES)
    name = spec.get("volumeAttributesClassName")
    if name is not None:
        where = "spec.volumeAttributesClassName"
        if not name:
            causes.required(where, "an empty string is disallowed")
        else:
            causes.faults(where, name, names.check_subdomain(name))
        if spec.get("csi") is None:
            text = "has to be specified when using volumeAttributesClassName"
            causes.required("spec.csi", text)


def _volume_update(change: Change, causes: Causes) -> None:
    spec, before = change.object.get("spec") or {}, (change.old or {}).get("spec") or {}

    def sources(value: Object) -> Object:
        return {key: value[key] for key in _ORDER if value.get(key) is not None}

    new, old = sources(spec), sources(before)
    expand = "controllerExpandSecretRef"
    if new.get("csi") and old.get("csi") and expand not in old["csi"]:
        new["csi"] = {key: value for key, value in new["csi"].items() if key != expand}
    if new != old:
        where = "spec.persistentvolumesource"
        text = f"{where} is immutable after creation"
        causes.forbidden(where, text + difference(old, new))
    if spec.get("volumeMode") != before.get("volumeMode"):
        causes.invalid("volumeMode", spec.get("volumeMode"), IMMUTABLE)
    affinity = before.get("nodeAffinity")
    if affinity is not None and spec.get("nodeAffinity") != affinity:
        text = f"{IMMUTABLE}, except for updating from beta label to GA"
        wanted = spec.get("nodeAffinity")
        shown = None if wanted is None else VOLUME_AFFINITY.show(wanted)
        causes.invalid("nodeAffinity", shown, text)
    had = before.get("volumeAttributesClassName")
    if had is not None and spec.get("volumeAttributesClassName") is None:
        text = "update from non-nil value to nil is forbidden"
        causes.forbidden("spec.volumeAttributesClassName", text)


def _volume_warnings(change: Change) -> None:
    spec = change.object.get("spec") or {}
    warnings = change.warnings
    if CLASS_ANNOTATION in ((change.object.get("metadata") or {}).get("annotations") or ()):
        warnings.append(f"metadata.annotations[{CLASS_ANNOTATION}]: {CLASS_ATTRIBUTE}")
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        warnings.append(_RECYCLE)
    required = (spec.get("nodeAffinity") or {}).get("required") or {}
    for index, term in enumerate(required.get("nodeSelectorTerms") or ()):
        where = f"spec.nodeAffinity.required.nodeSelectorTerms[{index}]"
        warnings.extend(of_term(term, where))
    warnings.extend(of_persistent_source(spec))


def _class_warnings(change: Change) -> None:
    for index, term in enumerate(change.object.get("allowedTopologies") or ()):
        for at, expression in enumerate(term.get("matchLabelExpressions") or ()):
            advice = NODE_LABELS.get(expression.get("key"))
            if advice:
                path = f"allowedTopologies[{index}].matchLabelExpressions[{at}].key"
                change.warnings.append(f"{path}: {advice}")


def _class(change: Change, causes: Causes) -> None:
    value = change.object
    _provisioner(value.get("provisioner") or "", "provisioner", causes)
    _parameters(value.get("parameters") or {}, causes)
    policies = ("Delete", "Retain")
    if value.get("reclaimPolicy") and value["reclaimPolicy"] not in policies:
        causes.not_supported("reclaimPolicy", value["reclaimPolicy"], policies)
    modes = ("Immediate", "WaitForFirstConsumer")
    mode = value.get("volumeBindingMode")
    if mode is None:
        causes.required("volumeBindingMode")
    elif mode not in modes:
        causes.not_supported("volumeBindingMode", mode, modes)
    _topologies(value.get("allowedTopologies") or [], causes)


def _provisioner(name: str, path: str, causes: Causes) -> None:
    if not name:
        causes.required(path)
    else:
        causes.faults(path, name.lower(), names.check_qualified_name(name.lower()))


def _parameters(values: Object, causes: Causes, *, needed: bool = False) -> None:
    if len(values) > _PARAMETERS_MAX:
        causes.too_long("parameters", _PARAMETERS_MAX)
        return
    for key in sorted(values):
        if not key:
            causes.invalid("parameters", key, "field can not be empty.")
    if sum(len(key) + len(text) for key, text in values.items()) > _PARAMETERS_MAX_BYTES:
        causes.too_long("parameters", _PARAMETERS_MAX_BYTES)
    if needed and not values:
        causes.required("parameters", "must contain at least one key/value pair")


def _topologies(terms: list[Object], causes: Causes) -> None:
    seen: list[Object] = []
    for index, term in enumerate(terms):
        path, keys = f"allowedTopologies[{index}]", set()
        for at, requirement in enumerate(term.get("matchLabelExpressions") or ()):
            here, key = f"{path}.matchLabelExpressions[{at}]", requirement.get("key") or ""
            values = requirement.get("values") or []
            if not values:
                causes.required(f"{here}.values")
            for place, value in enumerate(values):
                if value in values[:place]:
                    causes.duplicate(f"{here}.values[{place}]", value)
            causes.faults(f"{here}.key", key, names.check_qualified_name(key))
            if key in keys:
                causes.duplicate(f"{here}.key", key)
            keys.add(key)
        wanted = {
            requirement.get("key"): set(requirement.get("values") or ())
            for requirement in term.get("matchLabelExpressions") or ()
        }
        if wanted in seen:
            causes.duplicate(f"{path}.matchLabelExpressions", "")
        seen.append(wanted)


def _class_update(change: Change, causes: Causes) -> None:
    new, old = change.object, change.old or {}
    for key in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"):
        unset = "" if key == "provisioner" else None
        causes.unchanged(key, new.get(key, unset), old.get(key, unset))


def _attributes_class(change: Change, causes: Causes) -> None:
    _provisioner(change.object.get("driverName") or "", "driverName", causes)
    _parameters(change.object.get("parameters") or {}, causes, needed=True)


def _attributes_class_update(change: Change, causes: Causes) -> None:
    new, old = change.object, change.old or {}
    for key in ("driverName", "parameters"):
        if new.get(key) != old.get(key):
            causes.forbidden(key, f"updates to {key} are forbidden.")


PERSISTENT_VOLUME = Rules(
    always=_volume, update=_volume_update, warn=_volume_warnings, namespaced=False, before=True
)
STORAGE_CLASS = Rules(
    always=_class, update=_class_update, warn=_class_warnings, namespaced=False, before=True
)
VOLUME_ATTRIBUTES_CLASS = Rules(
    always=_attributes_class, update=_attributes_class_update, namespaced=False
)
