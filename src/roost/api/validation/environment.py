"""Rules for environment variables, and for references to fields, keys and resources."""

from __future__ import annotations

import re
from collections.abc import Collection

from roost.api import names
from roost.api.quantity import is_zero
from roost.api.validation import paths
from roost.api.validation.causes import Causes
from roost.api.values import Object

#: Fields that a variable can have.
ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName",
    "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
#: Fields that a file of a volume can have.
VOLUME_FIELDS = (
    "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace",
    "metadata.uid",
)  # fmt: skip
_DOWNWARD = frozenset((*ENV_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "status.phase"))
_RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory",
    "requests.cpu", "requests.ephemeral-storage", "requests.memory",
)  # fmt: skip
_HUGE = ("limits.hugepages-", "requests.hugepages-")
_SIZES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_SUBSCRIPT = re.compile(r"^(.+)\['(.*)'\]$")
_ONE_SOURCE = (
    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, "
    "`secretKeyRef` or `fileKeyRef`"
)
_MANY_SOURCES = "may not have more than one field specified at a time"


def variables(values: list[Object], path: str, causes: Causes) -> None:
    """Check the variables of a container."""
    for index, variable in enumerate(values):
        name = variable.get("name")
        if not name:
            causes.required(f"{path}[{index}].name")
        else:
            causes.faults(f"{path}[{index}].name", name, names.check_env_name(name))
        if variable.get("valueFrom") is not None:
            _value_from(variable, f"{path}[{index}].valueFrom", causes)


def _value_from(variable: Object, path: str, causes: Causes) -> None:
    source = variable["valueFrom"]
    number = 0
    if source.get("fieldRef") is not None:
        number += 1
        field_ref(source["fieldRef"], ENV_FIELDS, f"{path}.fieldRef", causes)
    if source.get("resourceFieldRef") is not None:
        number += 1
        resource_ref(source["resourceFieldRef"], f"{path}.resourceFieldRef", causes)
    for name in ("configMapKeyRef", "secretKeyRef"):
        if source.get(name) is not None:
            number += 1
            _key_ref(source[name], f"{path}.{name}", causes)
    if source.get("fileKeyRef") is not None:
        number += 1
        _file_key_ref(source["fileKeyRef"], f"{path}.fileKeyRef", causes)
    if not number:
        causes.invalid(path, "", _ONE_SOURCE)
    elif variable.get("value"):
        causes.invalid(path, "", "may not be specified when `value` is not empty")
    elif number > 1:
        causes.invalid(path, "", _MANY_SOURCES)


def field_ref(value: Object, fields: Collection[str], path: str, causes: Causes) -> None:
    """Check a reference to a field of the pod; `fields` are those that may be named here."""
    version, field = value.get("apiVersion") or "", value.get("fieldPath") or ""
    if not version:
        causes.required(f"{path}.apiVersion")
        return
    if not field:
        causes.required(f"{path}.fieldPath")
        return
    match = _SUBSCRIPT.match(field)
    base = match.group(1) if match else field
    if version != "v1":
        text = f"error converting fieldPath: unsupported pod version: {version}"
        causes.invalid(f"{path}.fieldPath", field, text)
    elif base not in _DOWNWARD and base != "spec.host":
        text = f"error converting fieldPath: field label not supported: {base}"
        causes.invalid(f"{path}.fieldPath", field, text)
    elif match:
        key = match.group(2)
        if base == "metadata.annotations":
            causes.faults(path, key.lower(), names.check_qualified_name(key.lower()))
        elif base == "metadata.labels":
            causes.faults(path, key, names.check_qualified_name(key))
        else:
            causes.invalid(path, base, "does not support subscript")
    elif field not in fields and field != "spec.host":
        causes.not_supported(f"{path}.fieldPath", field, fields)


def resource_ref(value: Object, path: str, causes: Causes, *, volume: bool = False) -> None:
    """Check a reference to a resource of a container; a volume must name the container."""
    name = value.get("resource") or ""
    if volume and not value.get("containerName"):
        causes.required(f"{path}.containerName")
    elif not name:
        causes.required(f"{path}.resource")
    elif name not in _RESOURCES and not name.startswith(_HUGE):
        causes.not_supported(f"{path}.resource", name, _RESOURCES)
    _divisor(name, value.get("divisor"), f"{path}.divisor", causes)


def _divisor(name: str, divisor: str | None, path: str, causes: Causes) -> None:
    if divisor is None or is_zero(divisor):
        return
    kind = name.partition(".")[2]
    if kind == "cpu":
        if divisor not in ("1m", "1"):
            text = "only divisor's values 1m and 1 are supported with the cpu resource"
            causes.invalid(path, name, text)
        return
    words = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}
    if name.startswith(_HUGE):
        words[kind] = "hugepages"
    if kind in words and divisor not in _SIZES:
        listed = ", ".join(_SIZES)
        text = f"only divisor's values {listed} are supported with the {words[kind]} resource"
        causes.invalid(path, name, text)


def _key_ref(value: Object, path: str, causes: Causes) -> None:
    name, key = value.get("name") or "", value.get("key") or ""
    causes.faults(f"{path}.name", name, names.check_subdomain(name))
    if not key:
        causes.required(f"{path}.key")
    else:
        causes.faults(f"{path}.key", key, names.check_config_key(key))


def _file_key_ref(value: Object, path: str, causes: Causes) -> None:
    if not value.get("key"):
        causes.required(f"{path}.key")
    else:
        causes.faults(f"{path}.key", value["key"], names.check_env_name(value["key"]))
    if not value.get("volumeName"):
        causes.required(f"{path}.volumeName")
    else:
        found = value["volumeName"]
        causes.faults(f"{path}.volumeName", found, names.check_label(found))
    if not value.get("path"):
        causes.required(f"{path}.path")
    else:
        paths.not_reserved(value["path"], f"{path}.path", causes)


def sources(values: list[Object], path: str, causes: Causes) -> None:
    """Check envFrom: whole ConfigMaps and Secrets as variables."""
    for index, source in enumerate(values):
        here, prefix = f"{path}[{index}]", source.get("prefix")
        if prefix:
            causes.faults(f"{here}.prefix", prefix, names.check_env_name(prefix))
        number = 0
        for kind in ("configMapRef", "secretRef"):
            reference = source.get(kind)
            if reference is None:
                continue
            number += 1
            name = reference.get("name")
            if not name:
                causes.required(f"{here}.{kind}.name")
            else:
                causes.faults(f"{here}.{kind}.name", name, names.check_subdomain(name))
        if not number:
            causes.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif number > 1:
            causes.invalid(path, "", _MANY_SOURCES)
