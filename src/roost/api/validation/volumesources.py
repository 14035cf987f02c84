"""Rules for the sources that volumes of pods and persistent volumes have in common.

A source is a function from its value and path to causes. Old in-tree sources differ only in which
fields they must have: those are rows of a table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from roost.api import names
from roost.api.validation import paths
from roost.api.validation.causes import Causes
from roost.api.values import Object

SourceRule: TypeAlias = Callable[[Object, str, Causes], None]

FILE_MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate",
    "Socket",
)  # fmt: skip
_ISCSI_NAME = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9\-.]+)(:[^,;*&$|\s]+)$"),
    "eui": re.compile(r"^eui.[A-Za-z0-9]{16}$"),
    "naa": re.compile(r"^naa.[A-Za-z0-9]{32}$"),
}
_ISCSI_FORMAT = "must be valid format"
_ISCSI_FORMATS = "must be valid format starting with iqn, eui, or naa"
ISCSI_NAME_MAX = 64
ISCSI_NAME_TOO_LONG = (
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters "
    "if iscsi.initiatorName is specified."
)
_DRIVER_MAX = 63


def needs(*fields: str) -> SourceRule:
    """Return the rule of a source that only must have some fields."""

    def rule(value: Object, path: str, causes: Causes) -> None:
        for field in fields:
            if not value.get(field):
                causes.required(f"{path}.{field}")

    return rule


def mode(value: Object, key: str, path: str, causes: Causes) -> None:
    """Check permissions of files, if they are given."""
    found = value.get(key)
    if found is not None and not 0 <= found <= 0o777:
        causes.invalid(f"{path}.{key}", found, FILE_MODE)


def host_path(value: Object, path: str, causes: Causes) -> None:
    """Check a path of the node."""
    where = value.get("path")
    if not where:
        causes.required(f"{path}.path")
        return
    paths.no_backsteps(where, f"{path}.path", causes)
    kind = value.get("type")
    if kind is not None and kind not in _HOST_PATH_TYPES:
        causes.not_supported(f"{path}.type", kind, _HOST_PATH_TYPES)


def nfs(value: Object, path: str, causes: Causes) -> None:
    """Check an NFS share."""
    needs("server", "path")(value, path, causes)
    paths.absolute(value.get("path") or "", f"{path}.path", causes)


def partitioned(name: str) -> SourceRule:
    """Return the rule of a cloud disk with a name and a partition."""

    def rule(value: Object, path: str, causes: Causes) -> None:
        if not value.get(name):
            causes.required(f"{path}.{name}")
        number = value.get("partition") or 0
        if not 0 <= number <= 255:
            causes.invalid(f"{path}.partition", number, names.out_of_range(1, 255))

    return rule


def _lun(value: Object, path: str, causes: Causes) -> None:
    number = value.get("lun") or 0
    if not 0 <= number <= 255:
        causes.invalid(f"{path}.lun", number, names.out_of_range(0, 255))


def iscsi(value: Object, path: str, causes: Causes, *, persistent: bool = False) -> None:
    """Check an iSCSI target; that of a `persistent` volume is in other words."""
    if not value.get("targetPortal"):
        causes.required(f"{path}.targetPortal")
    unknown = _ISCSI_FORMAT if persistent else _ISCSI_FORMATS
    if not value.get("iqn"):
        causes.required(f"{path}.iqn")
    else:
        _iscsi_name(value["iqn"], f"{path}.iqn", unknown, causes)
    _lun(value, path, causes)
    reference = value.get("secretRef")
    chap = value.get("chapAuthDiscovery") or value.get("chapAuthSession")
    if chap and reference is None:
        causes.required(f"{path}.secretRef")
    if persistent:
        secret_ref(value, path, causes, namespaced=False)
    if value.get("initiatorName") is not None:
        _iscsi_name(value["initiatorName"], f"{path}.initiatorname", unknown, causes)


def _iscsi_name(name: str, path: str, unknown: str, causes: Causes) -> None:
    pattern = _ISCSI_NAME.get(name[:3])
    if pattern is None:
        causes.invalid(path, name, unknown)
    elif not pattern.search(name):
        causes.invalid(path, name, _ISCSI_FORMAT)


def fc(value: Object, path: str, causes: Causes) -> None:
    """Check a Fibre Channel target."""
    targets, wwids = value.get("targetWWNs"), value.get("wwids")
    if not targets and not wwids:
        text = "must specify either targetWWNs or wwids, but not both"
        causes.required(f"{path}.targetWWNs", text)
    if targets and wwids:
        text = "targetWWNs and wwids can not be specified simultaneously"
        causes.invalid(f"{path}.targetWWNs", targets, text)
    if targets:
        if value.get("lun") is None:
            causes.required(f"{path}.lun", "lun is required if targetWWNs is specified")
        else:
            _lun(value, path, causes)


def flocker(value: Object, path: str, causes: Causes) -> None:
    """Check a Flocker dataset."""
    name, uid = value.get("datasetName"), value.get("datasetUUID")
    if not name and not uid:
        causes.required(path, "one of datasetName and datasetUUID is required")
    if name and uid:
        text = "datasetName and datasetUUID can not be specified simultaneously"
        causes.invalid(path, "resource", text)
    if name and "/" in name:
        causes.invalid(f"{path}.datasetName", name, "must not contain '/'")


def quobyte(value: Object, path: str, causes: Causes) -> None:
    """Check a Quobyte volume."""
    text = "must be a host:port pair or multiple pairs separated by commas"
    registry = value.get("registry") or ""
    if not registry:
        causes.required(f"{path}.registry", text)
    elif len(value.get("tenant") or "") >= 65:
        rule = "must be a UUID and may not exceed a length of 64 characters"
        causes.required(f"{path}.tenant", rule)
    else:
        for pair in registry.split(","):
            if not _is_host_and_port(pair):
                causes.invalid(f"{path}.registry", registry, text)
    if not value.get("volume"):
        causes.required(f"{path}.volume")


def _is_host_and_port(text: str) -> bool:
    """Tell whether Go splits a text into host and port: one colon, or brackets before the last."""
    host, colon, _ = text.rpartition(":")
    if host.startswith("["):
        return bool(colon) and host.endswith("]") and "]" not in host[:-1]
    return bool(colon) and not set(":[]") & set(host)


def flex_volume(value: Object, path: str, causes: Causes) -> None:
    """Check a FlexVolume; Kubernetes' own domains are not for options."""
    if not value.get("driver"):
        causes.required(f"{path}.driver")
    for key in sorted(value.get("options") or {}):
        domain = "." + key.partition("/")[0].lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            text = "kubernetes.io and k8s.io namespaces are reserved"
            causes.invalid(f"{path}.options[{key}]", key, text)


_CACHING = ("None", "ReadOnly", "ReadWrite")
_DISKS = ("Dedicated", "Managed", "Shared")
_MANAGED_URI = (
    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/"
    "{disk-id}"
)
_BLOB_URI = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"


def azure_disk(value: Object, path: str, causes: Causes) -> None:
    """Check an Azure disk."""
    needs("diskName", "diskURI")(value, path, causes)
    caching, kind = value.get("cachingMode"), value.get("kind")
    if caching is not None and caching not in _CACHING:
        causes.not_supported(f"{path}.cachingMode", caching, _CACHING)
    if kind is not None and kind not in _DISKS:
        causes.not_supported(f"{path}.kind", kind, _DISKS)
    uri = value.get("diskURI") or ""
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        causes.not_supported(f"{path}.diskURI", uri, (_MANAGED_URI,))
    if kind is not None and kind != "Managed" and not uri.startswith("https://"):
        causes.not_supported(f"{path}.diskURI", uri, (_BLOB_URI,))


def secret_ref(value: Object, path: str, causes: Causes, *, namespaced: bool) -> None:
    """Check a reference to a secret: `namespaced` where it must say which namespace."""
    reference = value.get("secretRef")
    if reference is not None:
        if not reference.get("name"):
            causes.required(f"{path}.secretRef.name")
        if namespaced and not reference.get("namespace"):
            causes.required(f"{path}.secretRef.namespace")


def storage_os(value: Object, path: str, causes: Causes) -> None:
    """Check a StorageOS volume."""
    name = value.get("volumeName")
    if not name:
        causes.required(f"{path}.volumeName")
    else:
        causes.faults(f"{path}.volumeName", name, names.check_label(name))
    namespace = value.get("volumeNamespace")
    if namespace:
        causes.faults(f"{path}.volumeNamespace", namespace, names.check_label(namespace))
    secret_ref(value, path, causes, namespaced=False)


def cinder(value: Object, path: str, causes: Causes) -> None:
    """Check an OpenStack volume."""
    if not value.get("volumeID"):
        causes.required(f"{path}.volumeID")
    secret_ref(value, path, causes, namespaced=False)


def csi_driver_name(name: str, path: str, causes: Causes) -> None:
    """Check the name of a CSI driver."""
    if not name:
        causes.required(path)
    if len(name) > _DRIVER_MAX:
        causes.too_long(path, _DRIVER_MAX)
    causes.faults(path, name, names.check_subdomain(name.lower()))


#: Sources with nothing of their own: key -> rule.
COMMON: dict[str, SourceRule] = {
    "hostPath": host_path,
    "gcePersistentDisk": partitioned("pdName"),
    "awsElasticBlockStore": partitioned("volumeID"),
    "nfs": nfs,
    "iscsi": iscsi,
    "glusterfs": needs("endpoints", "path"),
    "flocker": flocker,
    "rbd": needs("monitors", "image"),
    "cinder": cinder,
    "cephfs": needs("monitors"),
    "quobyte": quobyte,
    "fc": fc,
    "flexVolume": flex_volume,
    "azureFile": needs("secretName", "shareName"),
    "vsphereVolume": needs("volumePath"),
    "photonPersistentDisk": needs("pdID"),
    "portworxVolume": needs("volumeID"),
    "azureDisk": azure_disk,
    "storageos": storage_os,
    "scaleIO": needs("gateway", "system", "volumeName"),
}
#: Where the real server's path of a source is not its name: (if it is one too many, its own).
PATHS: dict[str, tuple[str, str]] = {
    "gcePersistentDisk": ("gcePersistentDisk", "persistentDisk"),
    "cephfs": ("cephFS", "cephfs"),
    "downwardAPI": ("downwarAPI", "downwardAPI"),
}


def one_source(
    value: Object, order: tuple[str, ...], rules: dict[str, SourceRule], path: str, causes: Causes
) -> None:
    """Check that there is exactly one source, and that one by its rule."""
    given = [key for key in value if key in rules and value[key] is not None]
    if not given:
        causes.required(path, "must specify a volume type")
        return
    if len(given) > 1:
        given.sort(key=order.index)
    first, *others = given
    _, own = PATHS.get(first, (first, first))
    rules[first](value[first], f"{path}.{own}", causes)
    for key in others:
        extra, _ = PATHS.get(key, (key, key))
        causes.forbidden(f"{path}.{extra}", "may not specify more than 1 volume type")
