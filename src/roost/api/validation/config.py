"""Rules for ConfigMaps, Secrets, service accounts, namespaces and nodes."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64

import msgspec

from roost.api import names
from roost.api.depth import guarded
from roost.api.kind import Change
from roost.api.names import check_config_key
from roost.api.schema.syntax import problem
from roost.api.validation import addresses, certificates, goform, resources, scheduling
from roost.api.validation.causes import WHOLE, Causes
from roost.api.validation.metadata import STANDARD_FINALIZERS
from roost.api.validation.rules import Rules
from roost.api.values import Object

_decode = guarded(msgspec.json.decode)
_SIZE_MAX = 1024 * 1024
_FROZEN = "field is immutable when `immutable` is set"
_REDACTED = "<secret contents redacted>"
_ACCOUNT = "kubernetes.io/service-account.name"
_UNQUALIFIED = "name is neither a standard finalizer name nor is it fully qualified"


def _size(encoded: str) -> int:
    """Return how many bytes a base64 text stands for."""
    return len(encoded) * 3 // 4 - encoded.count("=", -2)


def _config_map(change: Change, causes: Causes) -> None:
    data, binary = change.object.get("data") or {}, change.object.get("binaryData") or {}
    total = 0
    for key, value in data.items():
        causes.faults(f"data[{key}]", key, check_config_key(key))
        if key in binary:
            causes.invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        total += len(value) if value.isascii() else len(value.encode())
    for key, value in binary.items():
        causes.faults(f"binaryData[{key}]", key, check_config_key(key))
        total += _size(value)
    if total > _SIZE_MAX:
        causes.too_long(WHOLE, _SIZE_MAX)


def _frozen(change: Change, causes: Causes, keys: tuple[str, ...]) -> None:
    new, old = change.object, change.old or {}
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        causes.forbidden("immutable", _FROZEN)
    for key in keys:
        if (new.get(key) or {}) != (old.get(key) or {}):
            causes.forbidden(key, _FROZEN)


def _config_map_update(change: Change, causes: Causes) -> None:
    _frozen(change, causes, ("data", "binaryData"))


def _secret(change: Change, causes: Causes) -> None:
    value = change.object
    data, total = value.get("data") or {}, 0
    for key, encoded in data.items():
        causes.faults(f"data[{key}]", key, check_config_key(key))
        total += _size(encoded or "")
    if total > _SIZE_MAX:
        causes.too_long("data", _SIZE_MAX)
    _secret_type(value.get("type") or "", value, data, causes)


#: What secrets of a type must hold.
_NEEDED = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}


def _secret_type(kind: str, value: Object, data: Object, causes: Causes) -> None:
    if kind == "kubernetes.io/service-account-token":
        annotations = (value.get("metadata") or {}).get("annotations") or {}
        if not annotations.get(_ACCOUNT):
            causes.required(f"metadata.annotations[{_ACCOUNT}]")
    elif kind == "kubernetes.io/basic-auth":
        if "username" not in data and "password" not in data:
            causes.required("data[username]")
            causes.required("data[password]")
    elif kind == "kubernetes.io/ssh-auth" and not data.get("ssh-privatekey"):
        causes.required("data[ssh-privatekey]")
    for key in _NEEDED.get(kind, ()):
        if key not in data:
            causes.required(f"data[{key}]")
        elif kind != "kubernetes.io/tls":
            _json(data[key], f"data[{key}]", causes)


def _json(encoded: str, path: str, causes: Causes) -> None:
    try:
        text = b64decode(encoded or "")
    except NotBase64:
        return  # decoding has refused it already
    try:
        found = _decode(text)
    except msgspec.DecodeError:
        causes.invalid(path, _REDACTED, problem(text) or "")
        return
    if not isinstance(found, dict) and found is not None:
        kind = {list: "array", str: "string", bool: "bool"}.get(type(found), "number")
        fault = f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        causes.invalid(path, _REDACTED, fault)


def _secret_update(change: Change, causes: Causes) -> None:
    causes.unchanged("type", change.object.get("type"), (change.old or {}).get("type"))
    _frozen(change, causes, ("data",))


_ENFORCED = "kubernetes.io/enforce-mountable-secrets"
_SEPARATE = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"


def _secret_warnings(change: Change) -> None:
    """Warn about a TLS secret that no TLS server could use."""
    value = change.object
    if value.get("type") != "kubernetes.io/tls":
        return
    data = value.get("data") or {}
    if change.old is not None and data == (change.old.get("data") or {}):
        return
    fault = certificates.pair_fault(data.get("tls.crt") or "", data.get("tls.key") or "")
    if fault:
        change.warnings.append(fault)


def _namespace(change: Change, causes: Causes) -> None:
    for value in (change.object.get("spec") or {}).get("finalizers") or ():
        _finalizer(value, "spec.finalizers", causes)


def _finalizer(value: str, path: str, causes: Causes) -> None:
    causes.faults(path, value, names.check_qualified_name(value))
    if "/" not in value and value not in STANDARD_FINALIZERS:
        causes.invalid(path, value, _UNQUALIFIED)


def _finalize(change: Change, causes: Causes) -> None:
    for index, value in enumerate((change.object.get("spec") or {}).get("finalizers") or ()):
        _finalizer(value, f"spec.finalizers[{index}]", causes)


def _namespace_status(change: Change, causes: Causes) -> None:
    phase = (change.object.get("status") or {}).get("phase") or ""
    going = (change.object.get("metadata") or {}).get("deletionTimestamp")
    wanted, negation = ("Terminating", " not") if going else ("Active", "")
    if phase != wanted:
        text = f"may only be '{wanted}' if `deletionTimestamp` is{negation} empty"
        causes.invalid("status.Phase", phase, text)


def _node(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    if spec.get("taints"):
        scheduling.taints(spec["taints"], "metadata.taints", causes)
    _amounts(change, causes)
    ranges = spec.get("podCIDRs") or []
    for index, text in enumerate(ranges):
        addresses.ip_range(text, f"spec.podCIDRs[{index}]", causes)
    if len(ranges) > 1:
        versions = [found.version for found in map(addresses.parse_range, ranges) if found]
        if len(ranges) > 2 or len(versions) != len(set(versions)):
            text = "may specify no more than one CIDR for each IP family"
            causes.invalid("spec.podCIDRs", ranges, text)
        for index, value in enumerate(ranges):
            if value in ranges[:index]:
                causes.duplicate(f"spec.podCIDRs[{index}]", value)


def _amounts(change: Change, causes: Causes) -> None:
    status = change.object.get("status") or {}
    for key in ("capacity", "allocatable"):
        for name, value in sorted((status.get(key) or {}).items()):
            resources.quantity(name, value, f"status.{key}.{name}", causes)


def _node_update(change: Change, causes: Causes) -> None:
    spec, before = change.object.get("spec") or {}, (change.old or {}).get("spec") or {}
    _amounts(change, causes)
    _node_addresses(change, causes)
    new, old = spec.get("podCIDRs") or [], before.get("podCIDRs") or []
    fixed = 'node updates may not change {} except from "" to valid'
    if old and len(new) != len(old):
        causes.forbidden("spec.podCIDRs", fixed.format("podCIDR"))
    else:
        for mine, had in zip(new, old, strict=False):
            if mine != had:
                causes.forbidden("spec.podCIDRs", fixed.format("podCIDR"))
    provider = before.get("providerID")
    if provider and provider != spec.get("providerID"):
        causes.forbidden("spec.providerID", fixed.format("providerID"))
    if spec.get("taints"):
        scheduling.taints(spec["taints"], "metadata.taints", causes)
    if spec.get("externalID") != before.get("externalID"):
        causes.forbidden("spec.externalID", "may not be updated")


def _node_addresses(change: Change, causes: Causes) -> None:
    seen: list[Object] = []
    status = change.object.get("status") or {}
    for index, address in enumerate(status.get("addresses") or ()):
        if address in seen:
            causes.duplicate(f"status.addresses[{index}]", goform.NODE_ADDRESS.show(address))
        seen.append(address)


def _node_warnings(change: Change) -> None:
    spec = change.object.get("spec") or {}
    if spec.get("configSource") is not None:
        change.warnings.append("spec.configSource: the feature is no longer supported")
    if spec.get("externalID"):
        text = "this field is deprecated, and is unused by Kubernetes"
        change.warnings.append(f"spec.externalID: {text}")
    for index, value in enumerate(spec.get("podCIDRs") or ()):
        change.warnings.extend(addresses.range_advice(value, f"spec.podCIDRs[{index}]"))


def _account_warnings(change: Change) -> None:
    annotations = (change.object.get("metadata") or {}).get("annotations") or {}
    if _ENFORCED in annotations:
        change.warnings.append(f"metadata.annotations[{_ENFORCED}]: {_SEPARATE}")


CONFIG_MAP = Rules(always=_config_map, update=_config_map_update)
SECRET = Rules(always=_secret, update=_secret_update, warn=_secret_warnings)
SERVICE_ACCOUNT = Rules(warn=_account_warnings)
NAMESPACE = Rules(
    create=_namespace,
    status=_namespace_status,
    others={"finalize": _finalize},
    namespaced=False,
    name_rule="label",
    whole=False,
)
NODE = Rules(
    create=_node,
    update=_node_update,
    status=_node_update,
    warn=_node_warnings,
    namespaced=False,
    whole=False,
)
