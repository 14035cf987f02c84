"""Rules for CSI drivers: what they can do, where they are, what is attached and what is free."""

from __future__ import annotations

from roost.api import names
from roost.api.kind import Change
from roost.api.quantity import parse
from roost.api.validation.causes import NEGATIVE, Causes
from roost.api.validation.goform import Shape, shape, structure
from roost.api.validation.podwarnings import NODE_LABELS, of_term
from roost.api.validation.rules import Rules
from roost.api.validation.selectors import label_selector
from roost.api.validation.storage import inline_volume
from roost.api.validation.volumesources import csi_driver_name
from roost.api.values import Object

_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_LIFECYCLES = ("Persistent", "Ephemeral")
_TOKEN_MIN_S = 600
_TOKEN_MAX_S = 1 << 32
_ALLOCATABLE_MIN_S = 10
_NODE_ID_MAX = 256
_METADATA_MAX_BYTES = 256 * 1024
_ERROR_MAX_BYTES = 1024
_ONE_SOURCE = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
_TOKENS_LOGGED = (
    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to "
    "true to prevent possible logging of tokens in volume attributes"
)
_DRIVER: Shape = shape(("Name", ""), ("NodeID=nodeID", ""), "TopologyKeys", "Allocatable")
_ATTACHMENT: Shape = shape(
    ("Attacher", ""),
    ("Source", *structure(shape("PersistentVolumeName", "InlineVolumeSpec"))),
    ("NodeName", ""),
)


def _driver(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    for key, shown in (
        ("attachRequired", "attachedRequired"),
        ("podInfoOnMount", "podInfoOnMount"),
        ("storageCapacity", "storageCapacity"),
    ):
        if spec.get(key) is None:
            causes.required(f"spec.{shown}")
    policy = spec.get("fsGroupPolicy")
    if policy is not None and policy not in _GROUP_POLICIES:
        causes.not_supported("spec.fsGroupPolicy", policy, _GROUP_POLICIES)
    _token_requests(spec.get("tokenRequests") or [], "spec.tokenRequests", causes)
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in _LIFECYCLES:
            causes.not_supported("spec.volumeLifecycleModes", mode, _LIFECYCLES)
    period = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period is not None and period < _ALLOCATABLE_MIN_S:
        text = f"must be greater than or equal to {_ALLOCATABLE_MIN_S} seconds"
        causes.invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, text)
    hidden = spec.get("serviceAccountTokenInSecrets")
    if hidden is not None and not spec.get("tokenRequests"):
        text = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        causes.invalid("spec.serviceAccountTokenInSecrets", hidden, text)


def _token_requests(values: list[Object], path: str, causes: Causes) -> None:
    audiences: set[str] = set()
    for index, request in enumerate(values):
        here, audience = f"{path}[{index}]", request.get("audience") or ""
        if audience in audiences:
            causes.duplicate(f"{here}.audience", audience)
            continue
        audiences.add(audience)
        seconds = request.get("expirationSeconds")
        if seconds is not None and seconds < _TOKEN_MIN_S:
            text = "may not specify a duration less than 10 minutes"
            causes.invalid(f"{here}.expirationSeconds", seconds, text)
        elif seconds is not None and seconds > _TOKEN_MAX_S:
            text = "may not specify a duration larger than 2^32 seconds"
            causes.invalid(f"{here}.expirationSeconds", seconds, text)


def _driver_update(change: Change, causes: Causes) -> None:
    spec, before = change.object.get("spec") or {}, (change.old or {}).get("spec") or {}
    for key, shown in (
        ("attachRequired", "attachedRequired"),
        ("volumeLifecycleModes", "volumeLifecycleModes"),
    ):
        causes.unchanged(f"spec.{shown}", spec.get(key), before.get(key))


def _driver_warnings(change: Change) -> None:
    spec = change.object.get("spec") or {}
    if spec.get("tokenRequests") and spec.get("serviceAccountTokenInSecrets") is None:
        change.warnings.append(_TOKENS_LOGGED)


def _drivers(change: Change) -> list[Object]:
    return (change.object.get("spec") or {}).get("drivers") or []


def _csi_node(change: Change, causes: Causes) -> None:
    seen: set[str] = set()
    for index, driver in enumerate(_drivers(change)):
        path, name = f"spec.drivers[{index}]", driver.get("name") or ""
        csi_driver_name(name, f"{path}.name", causes)
        node = driver.get("nodeID") or ""
        if not node:
            causes.required(f"{path}.nodeID")
        if len(node) > _NODE_ID_MAX:
            causes.invalid(f"{path}.nodeID", node, f"must be {_NODE_ID_MAX} characters or less")
        count = (driver.get("allocatable") or {}).get("count")
        causes.not_negative(f"{path}.allocatable.count", count)
        if name in seen:
            causes.duplicate(f"{path}.name", name)
        seen.add(name)
        keys = driver.get("topologyKeys") or []
        for at, key in enumerate(keys):
            if not key:
                causes.required(path)
            if key in keys[:at]:
                causes.duplicate(path, key)
            causes.faults(path, key, names.check_qualified_name(key))


def _csi_node_update(change: Change, causes: Causes) -> None:
    """A driver on a node stays as it was, but for how many volumes it can attach."""
    before = ((change.old or {}).get("spec") or {}).get("drivers") or []
    for old in before:
        for new in _drivers(change):
            mine, had = {**new, "allocatable": None}, {**old, "allocatable": None}
            if new.get("name") == old.get("name") and mine != had:
                causes.invalid("spec.drivers", _DRIVER.show(mine), "field is immutable")


def _attachment(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    attacher, source = spec.get("attacher") or "", spec.get("source") or {}
    name, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    if not attacher:
        causes.required("spec.attacher")
    if inline is None and name is None:
        causes.required("spec.source", _ONE_SOURCE)
    elif inline is not None and name is not None:
        causes.forbidden("spec.source", _ONE_SOURCE)
    elif name == "":
        text = "must specify non empty persistentVolumeName"
        causes.required("spec.source.persistentVolumeName", text)
    if inline is not None and name is None:
        inline_volume(inline, "spec.source.inlineVolumeSpec", causes)
    node = spec.get("nodeName") or ""
    causes.faults("spec.nodeName", node, names.check_subdomain(node))
    _attachment_status(change, causes)
    if change.old is None:
        csi_driver_name(attacher, "spec.attacher", causes)
        if name is not None:
            where = "spec.source.persistentVolumeName"
            causes.faults(where, name, names.check_subdomain(name))


def _attachment_status(change: Change, causes: Causes) -> None:
    status = change.object.get("status") or {}
    meta = status.get("attachmentMetadata") or {}
    if sum(len(key) + len(text) for key, text in meta.items()) > _METADATA_MAX_BYTES:
        causes.too_long("status.attachmentMetadata", _METADATA_MAX_BYTES)
    for key in ("attachError", "detachError"):
        error: Object = status.get(key) or {}
        if len(error.get("message") or "") > _ERROR_MAX_BYTES:
            causes.too_long(f"status.{key}.message", _METADATA_MAX_BYTES)
        code = error.get("errorCode")
        if code is not None and code < 0:
            text = names.out_of_range(0, 2**31 - 1)
            causes.invalid(f"status.{key}.errorCode", code, text)


def _attachment_update(change: Change, causes: Causes) -> None:
    new, old = change.object.get("spec") or {}, (change.old or {}).get("spec") or {}
    if new != old:
        causes.invalid("spec", _ATTACHMENT.show(new), "field is immutable")


def _capacity(change: Change, causes: Causes) -> None:
    value = change.object
    label_selector(value.get("nodeTopology"), "nodeTopology", causes)
    name = value.get("storageClassName") or ""
    causes.faults("storageClassName", name, names.check_subdomain(name))
    amount = value.get("capacity")
    if amount is not None and parse(amount) < 0:
        causes.invalid("capacity", amount, NEGATIVE)


def _capacity_update(change: Change, causes: Causes) -> None:
    new, old = change.object, change.old or {}
    for key in ("nodeTopology", "storageClassName"):
        unset = "" if key == "storageClassName" else None
        causes.unchanged(key, new.get(key, unset), old.get(key, unset))


def _capacity_warnings(change: Change) -> None:
    topology = change.object.get("nodeTopology") or {}
    change.warnings.extend(of_term(topology, "nodeTopology"))
    for key in sorted(topology.get("matchLabels") or ()):
        if key in NODE_LABELS:
            change.warnings.append(f"nodeTopology.matchLabels.{key}: {NODE_LABELS[key]}")


CSI_DRIVER = Rules(
    always=_driver,
    update=_driver_update,
    warn=_driver_warnings,
    namespaced=False,
    before=True,
    whole=False,
)
CSI_NODE = Rules(always=_csi_node, update=_csi_node_update, namespaced=False, before=True)
VOLUME_ATTACHMENT = Rules(
    always=_attachment,
    update=_attachment_update,
    status=_attachment,
    namespaced=False,
    before=True,
)
CSI_STORAGE_CAPACITY = Rules(
    always=_capacity, update=_capacity_update, warn=_capacity_warnings, before=True
)
