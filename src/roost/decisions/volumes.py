"""Claims, volumes and classes of storage: what fits what. Pure.

The controller that binds claims and the scheduler must find the same volume for a claim, so the rules
are here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from roost.api.quantity import compare, parse
from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.decisions.affinity import term_matches
from roost.decisions.meta import annotations_of, deleting, labels_of, name_of, namespace_of, uid_of
from roost.decisions.resources import PERSISTENT_VOLUME_CLAIMS

BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
STORAGE_PROVISIONER = "volume.kubernetes.io/storage-provisioner"
BETA_STORAGE_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
NO_PROVISIONER = "kubernetes.io/no-provisioner"

_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_DEFAULT_MARKS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
#: The provisioner of `roost up`, and the finalizer of its volumes.
LOCAL_PATH = "roost.dev/local-path"
#: The annotation of a node that says below which folder it keeps such volumes.
LOCAL_PATH_ROOT = "roost.dev/local-path"


def class_of(obj: Object) -> str:
    """Return the storage class of a claim or volume, "" if it has none."""
    annotated = annotations_of(obj).get(_BETA_CLASS)
    return annotated if annotated is not None else obj["spec"].get("storageClassName") or ""


def has_class(claim: Object) -> bool:
    """Say whether a claim names a class, which may be the empty one."""
    named = claim["spec"].get("storageClassName") is not None
    return named or _BETA_CLASS in annotations_of(claim)


def is_default(storage_class: Object) -> bool:
    """Say whether a storage class is marked as the default."""
    own = annotations_of(storage_class)
    return any(own.get(mark) == "true" for mark in _DEFAULT_MARKS)


def default_class(classes: Iterable[Object]) -> Object | None:
    """Return the class marked as default: the newest, then the first by name."""
    marked = sorted((c for c in classes if is_default(c)), key=name_of)
    marked.sort(key=lambda c: str(c["metadata"].get("creationTimestamp", "")), reverse=True)
    return marked[0] if marked else None


def waits_for_consumer(storage_class: Object | None) -> bool:
    """Say whether claims of a class are bound only when a pod needs them."""
    return bool((storage_class or {}).get("volumeBindingMode") == "WaitForFirstConsumer")


def phase_of(obj: Object) -> str:
    phase: str = (obj.get("status") or {}).get("phase") or ""
    return phase


def is_bound(claim: Object) -> bool:
    """Say whether a claim has its volume for good."""
    return bool(claim["spec"].get("volumeName")) and phase_of(claim) == "Bound"


def request_of(claim: Object) -> str:
    """Return how much storage a claim asks for, as a quantity."""
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    return str(requests.get("storage", "0"))


def capacity_of(volume: Object) -> str:
    """Return the size of a volume, as a quantity."""
    return str((volume["spec"].get("capacity") or {}).get("storage", "0"))


def claimed_by(volume: Object, claim: Object) -> bool:
    """Say whether a volume is meant for this claim: by its reference, whose uid may be missing."""
    reference = volume["spec"].get("claimRef")
    if reference is None:
        return False
    if (reference.get("namespace", ""), reference.get("name")) != (
        namespace_of(claim), name_of(claim),
    ):  # fmt: skip
        return False
    return not reference.get("uid") or reference["uid"] == uid_of(claim)


def modes_differ(claim: Object, volume: Object) -> bool:
    """Say whether one is a file system and the other a block device."""
    return _mode(claim) != _mode(volume)


def _mode(obj: Object) -> str:
    return obj["spec"].get("volumeMode") or "Filesystem"


def _attributes(obj: Object) -> str:
    return obj["spec"].get("volumeAttributesClassName") or ""


def _offers_access(volume: Object, claim: Object) -> bool:
    wanted = claim["spec"].get("accessModes") or ()
    return set(wanted) <= set(volume["spec"].get("accessModes") or ())


def misfit(volume: Object, claim: Object) -> str:
    """Return why a claim cannot have the volume that it names, "" if it can."""
    if deleting(volume):
        return f'the volume is marked for deletion "{name_of(volume)}"'
    if compare(capacity_of(volume), request_of(claim)) < 0:
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if _attributes(volume) != _attributes(claim):
        return "volumeAttributesClassName does not match"
    if modes_differ(claim, volume):
        return "incompatible volumeMode"
    if not _offers_access(volume, claim):
        return "incompatible accessMode"
    return ""


def reaches(volume: Object, labels: Mapping[str, str], node: str) -> bool:
    """Say whether a volume can be used on a node."""
    required = (volume["spec"].get("nodeAffinity") or {}).get("required")
    terms: Iterable[Object] = (required or {}).get("nodeSelectorTerms") or ()
    return required is None or any(term_matches(term, labels, node) for term in terms)


def best_match(
    claim: Object,
    volumes: Iterable[Object],
    reachable: Callable[[Object], bool] | None = None,
    *,
    only_reserved: bool = False,
) -> Object | None:
    """Return the volume for a claim: the one reserved for it, else the smallest that fits.

    Of several those with the fewest access modes come first. `reachable` restricts them to one node (the
    scheduler's); `only_reserved` leaves out what nobody has reserved.
    """
    wanted = parse(request_of(claim))
    selector = claim["spec"].get("selector")
    matches = label_selector(selector).matches if selector is not None else None
    found = []
    for volume in volumes:
        if volume["spec"].get("claimRef") is not None and not claimed_by(volume, claim):
            continue
        size = parse(capacity_of(volume))
        if size < wanted or modes_differ(claim, volume) or deleting(volume):
            continue
        if _attributes(claim) != _attributes(volume) or not _offers_access(volume, claim):
            continue
        near = reachable is None or reachable(volume)
        if claimed_by(volume, claim):
            return volume if near else None
        if only_reserved or not near or phase_of(volume) != "Available":
            continue
        if matches is not None and not matches(labels_of(volume)):
            continue
        if class_of(volume) == class_of(claim):
            modes = len(volume["spec"].get("accessModes") or ())
            found.append((modes, size, name_of(volume), volume))
    return min(found, key=lambda one: one[:3])[3] if found else None


def claim_reference(claim: Object) -> Object:
    """Return the claimRef by which a volume belongs to a claim."""
    reference = {
        "kind": "PersistentVolumeClaim",
        "apiVersion": PERSISTENT_VOLUME_CLAIMS.api_version,
        "namespace": namespace_of(claim),
        "name": name_of(claim),
        "uid": uid_of(claim),
        "resourceVersion": claim["metadata"].get("resourceVersion", ""),
    }
    return {key: value for key, value in reference.items() if value}
