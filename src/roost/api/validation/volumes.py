"""Rules for the volumes of pods."""

from __future__ import annotations

from roost.api import names
from roost.api.quantity import parse
from roost.api.validation import claims, environment, paths
from roost.api.validation.causes import Causes
from roost.api.validation.selectors import label_selector
from roost.api.validation.volumesources import (
    COMMON,
    ISCSI_NAME_MAX,
    ISCSI_NAME_TOO_LONG,
    SourceRule,
    csi_driver_name,
    mode,
    needs,
    one_source,
)  # fmt: skip
from roost.api.values import Object

_ORDER = (
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs",
    "iscsi", "glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte",
    "downwardAPI", "fc", "flexVolume", "configMap", "azureFile", "vsphereVolume",
    "photonPersistentDisk", "portworxVolume", "azureDisk", "storageos", "projected", "scaleIO",
    "csi", "ephemeral", "image",
)  # fmt: skip
_TOKEN_MIN_S = 600
_TOKEN_MAX_S = 1 << 32
_TWICE = "conflicting duplicate paths"


def _empty_dir(value: Object, path: str, causes: Causes) -> None:
    limit = value.get("sizeLimit")
    if limit is not None and parse(limit) < 0:
        text = "SizeLimit field must be a valid resource quantity"
        causes.forbidden(f"{path}.sizeLimit", text)


def _git_repo(value: Object, path: str, causes: Causes) -> None:
    if not value.get("repository"):
        causes.required(f"{path}.repository")
    paths.descending(value.get("directory") or "", f"{path}.directory", causes)


def _key(item: Object, path: str, causes: Causes) -> None:
    if not item.get("key"):
        causes.required(f"{path}.key")
    if not item.get("path"):
        causes.required(f"{path}.path")
    paths.not_reserved(item.get("path") or "", f"{path}.path", causes)
    mode(item, "mode", path, causes)


def _from_keys(name: str) -> SourceRule:
    def rule(value: Object, path: str, causes: Causes) -> None:
        if not value.get(name):
            causes.required(f"{path}.{name}")
        mode(value, "defaultMode", path, causes)
        for index, item in enumerate(value.get("items") or ()):
            _key(item, f"{path}.items[{index}]", causes)

    return rule


def _downward(value: Object, path: str, causes: Causes) -> None:
    mode(value, "defaultMode", path, causes)
    for item in value.get("items") or ():
        _downward_file(item, path, causes)


def _downward_file(item: Object, path: str, causes: Causes) -> None:
    if not item.get("path"):
        causes.required(f"{path}.path")
    paths.not_reserved(item.get("path") or "", f"{path}.path", causes)
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        environment.field_ref(field, environment.VOLUME_FIELDS, f"{path}.fieldRef", causes)
        if resource is not None:
            text = "fieldRef and resourceFieldRef can not be specified simultaneously"
            causes.invalid(path, "resource", text)
    elif resource is not None:
        environment.resource_ref(resource, f"{path}.resourceFieldRef", causes, volume=True)
    else:
        causes.required(path, "one of fieldRef and resourceFieldRef is required")
    mode(item, "mode", path, causes)


def _projected(value: Object, path: str, causes: Causes) -> None:
    mode(value, "defaultMode", path, causes)
    taken: set[str] = set()
    for index, source in enumerate(value.get("sources") or ()):
        here = f"{path}.sources[{index}]"
        number = 0
        for kind in ("secret", "configMap"):
            if source.get(kind) is not None:
                number += 1
                _projected_keys(source[kind], f"{here}.{kind}", path, taken, causes)
        if source.get("downwardAPI") is not None:
            number += 1
            for item in source["downwardAPI"].get("items") or ():
                _downward_file(item, f"{here}.downwardAPI", causes)
                _take(item.get("path"), item.get("path") or "", path, taken, causes)
        if source.get("serviceAccountToken") is not None:
            number += 1
            _token(source["serviceAccountToken"], f"{here}.serviceAccountToken", path, causes)
        if source.get("clusterTrustBundle") is not None:
            number += 1
            bundle = source["clusterTrustBundle"]
            _trust_bundle(bundle, f"{here}.clusterTrustBundle", causes)
            _take(bundle.get("path") or "", bundle.get("path") or "", path, taken, causes)
        if source.get("podCertificate") is not None:
            number += 1
        if number > 1:
            causes.forbidden(here, "may not specify more than 1 volume type per source")


def _projected_keys(value: Object, path: str, volume: str, taken: set[str], causes: Causes) -> None:
    name = value.get("name") or ""
    if not name:
        causes.required(f"{path}.name")
    for index, item in enumerate(value.get("items") or ()):
        _key(item, f"{path}.items[{index}]", causes)
        _take(item.get("path"), name, volume, taken, causes)


def _take(where: str | None, shown: str, path: str, taken: set[str], causes: Causes) -> None:
    if where and where in taken:
        causes.invalid(path, shown, _TWICE)
    elif where:
        taken.add(where)


def _token(value: Object, path: str, volume: str, causes: Causes) -> None:
    lifetime = value.get("expirationSeconds") or 0
    if lifetime < _TOKEN_MIN_S:
        text = "may not specify a duration less than 10 minutes"
        causes.invalid(f"{path}.expirationSeconds", lifetime, text)
    if lifetime > _TOKEN_MAX_S:
        text = "may not specify a duration larger than 2^32 seconds"
        causes.invalid(f"{path}.expirationSeconds", lifetime, text)
    if not value.get("path"):
        causes.required(f"{volume}.path")
    else:
        paths.not_reserved(value["path"], f"{volume}.path", causes)


def _trust_bundle(value: Object, path: str, causes: Causes) -> None:
    name, signer = value.get("name"), value.get("signerName")
    if name is not None and signer is not None:
        causes.invalid(path, value, "only one of name and signerName may be used")
    elif name is not None:
        if name == "":
            causes.required(f"{path}.name", "must be a valid object name")
        if value.get("labelSelector") is not None:
            text = "labelSelector must be unset if name is specified"
            causes.invalid(f"{path}.labelSelector", value["labelSelector"], text)
    elif signer is not None:
        if signer == "":
            causes.required(f"{path}.signerName", "must be a valid signer name")
        label_selector(value.get("labelSelector"), f"{path}.labelSelector", causes)
    else:
        causes.required(path, "either name or signerName must be specified")
    if not value.get("path"):
        causes.required(f"{path}.path")
    paths.not_reserved(value.get("path") or "", f"{path}.path", causes)


def _csi(value: Object, path: str, causes: Causes) -> None:
    csi_driver_name(value.get("driver") or "", f"{path}.driver", causes)
    reference = value.get("nodePublishSecretRef")
    if reference is not None:
        name = reference.get("name")
        if not name:
            causes.required(f"{path}.nodePublishSecretRef.name")
        else:
            causes.faults(f"{path}.name", name, names.check_subdomain(name))


def _ephemeral(value: Object, path: str, causes: Causes) -> None:
    template = value.get("volumeClaimTemplate")
    if template is None:
        causes.required(f"{path}.volumeClaimTemplate")
    else:
        claims.claim_template(template, f"{path}.volumeClaimTemplate", causes)


def _image(value: Object, path: str, causes: Causes) -> None:
    policies = ("Always", "IfNotPresent", "Never")
    causes.one_of(f"{path}.pullPolicy", value.get("pullPolicy"), policies)


_RULES: dict[str, SourceRule] = {
    **COMMON,
    "emptyDir": _empty_dir,
    "gitRepo": _git_repo,
    "secret": _from_keys("secretName"),
    "configMap": _from_keys("name"),
    "persistentVolumeClaim": needs("claimName"),
    "downwardAPI": _downward,
    "projected": _projected,
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": _image,
}


def volumes(
    values: list[Object], pod_name: str | None, path: str, causes: Causes
) -> dict[str, Object]:
    """Check a pod's volumes and return the valid ones by name.

    `pod_name` is None for templates; of a pod it is part of the names of ephemeral claims.
    """
    made = {
        f"{pod_name}-{volume.get('name')}"
        for volume in values
        if pod_name and volume.get("ephemeral") is not None
    }
    valid: dict[str, Object] = {}
    for index, volume in enumerate(values):
        here, name = f"{path}[{index}]", volume.get("name") or ""
        before = len(causes)
        image = volume.get("image")
        if pod_name is not None and image is not None and not image.get("reference"):
            causes.required(f"{here}.image.reference")
        one_source(volume, _ORDER, _RULES, here, causes)
        _iscsi_name_length(volume.get("iscsi") or {}, name, here, causes)
        if pod_name and name and volume.get("ephemeral") is not None:
            claim = f"{pod_name}-{name}"
            for fault in names.check_subdomain(claim):
                causes.invalid(f"{here}.name", name, f'PVC name "{claim}": {fault}')
        if not name:
            causes.required(f"{here}.name")
        else:
            causes.faults(f"{here}.name", name, names.check_label(name))
        if name in valid:
            causes.duplicate(f"{here}.name", name)
        if len(causes) == before:
            valid[name] = volume
        source = volume.get("persistentVolumeClaim")
        if made and source is not None and source.get("claimName") in made:
            text = "must not reference a PVC that gets created for an ephemeral volume"
            where = f"{here}.persistentVolumeClaim.claimName"
            causes.invalid(where, source["claimName"], text)
    return valid


def _iscsi_name_length(source: Object, name: str, path: str, causes: Causes) -> None:
    portal = source.get("targetPortal") or ""
    if source.get("initiatorName") is not None and len(f"{name}:{portal}") > ISCSI_NAME_MAX:
        causes.invalid(f"{path}.name", name, ISCSI_NAME_TOO_LONG)
