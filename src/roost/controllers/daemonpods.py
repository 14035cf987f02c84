"""Where a DaemonSet's pods go, and what is done to its template for that. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from roost.api.values import Object
from roost.decisions.affinity import node_matches
from roost.decisions.meta import annotations_of, controller_reference, labels_of, name_of
from roost.decisions.pods import node_of
from roost.decisions.resources import DAEMON_SETS
from roost.decisions.revisions import POD_LABEL, digest_of
from roost.decisions.templates import pod_from
from roost.decisions.tolerations import NO_EXECUTE, NO_SCHEDULE, first_untolerated

GENERATION_LABEL = "pod-template-generation"
_GENERATION = "deprecated.daemonset.template.generation"
_NODE_TAINT = "node.kubernetes.io/"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def _tolerates(taint: str, effect: str) -> Object:
    return {"key": f"{_NODE_TAINT}{taint}", "operator": "Exists", "effect": effect}


_TOLERATIONS = (
    _tolerates("not-ready", NO_EXECUTE),
    _tolerates("unreachable", NO_EXECUTE),
    _tolerates("disk-pressure", NO_SCHEDULE),
    _tolerates("memory-pressure", NO_SCHEDULE),
    _tolerates("pid-pressure", NO_SCHEDULE),
    _tolerates("unschedulable", NO_SCHEDULE),
)


def tolerations_of(spec: Object) -> list[Object]:
    """Return what a daemon pod tolerates: what its template says, and the states of its node."""
    extra = list(_TOLERATIONS)
    if spec.get("hostNetwork"):
        extra.append(_tolerates("network-unavailable", NO_SCHEDULE))
    known = list(spec.get("tolerations") or ())
    for one in extra:
        same = [at for at, other in enumerate(known) if _is_same(other, one)]
        for at in same:
            known[at] = one  # without its tolerationSeconds
        if not same:
            known.append(one)
    return known


def _is_same(one: Object, other: Object) -> bool:
    return all(
        one.get(key, "") == other.get(key, "") for key in ("key", "operator", "effect", "value")
    )


def placement(spec: Object, tolerations: Sequence[Object], node: Object) -> tuple[bool, bool]:
    """Return whether a pod should be made on the node, and whether one there may stay.

    `spec` is that of the template, `tolerations` are what `tolerations_of` says of it.
    """
    if spec.get("nodeName") not in (None, "", name_of(node)):
        return False, False
    if not node_matches(spec, labels_of(node), name_of(node)):
        return False, False
    taints = (node.get("spec") or {}).get("taints") or ()
    runs = first_untolerated(tolerations, taints, (NO_SCHEDULE, NO_EXECUTE)) is None
    stays = first_untolerated(tolerations, taints, (NO_EXECUTE,)) is None
    return runs, stays


def target_of(pod: Object) -> str:
    """Return the node of a pod: where it is, or where it has to go."""
    if node_of(pod):
        return node_of(pod)
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    for term in (affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or ():
        for one in term.get("matchFields") or ():
            if one["key"] == "metadata.name" and len(one.get("values") or ()) == 1:
                name: str = one["values"][0]
                return name
    return ""


def is_updated(daemon_set: Object, update: Object, pod: Object) -> bool:
    """Say whether a pod is of the revision `update`, or says that it is of its generation."""
    labels = labels_of(pod)
    generation = annotations_of(daemon_set).get(_GENERATION)
    return labels.get(POD_LABEL) == digest_of(update) or (
        generation is not None and labels.get(GENERATION_LABEL) == generation
    )


def pod_of(daemon_set: Object, update: Object, node: str) -> Object:
    """Return the pod of a node, which the scheduler can put nowhere else."""
    owner = controller_reference(DAEMON_SETS, "DaemonSet", daemon_set)
    base = pod_from(daemon_set["spec"]["template"], daemon_set, owner)
    labels = {**(base["metadata"].get("labels") or {}), POD_LABEL: digest_of(update)}
    generation = annotations_of(daemon_set).get(_GENERATION)
    if generation:
        labels[GENERATION_LABEL] = generation
    spec = {
        **base["spec"],
        "affinity": _pinned(base["spec"].get("affinity") or {}, node),
        "tolerations": tolerations_of(base["spec"]),
    }
    return {**base, "metadata": {**base["metadata"], "labels": labels}, "spec": spec}


def _pinned(affinity: Object, node: str) -> Object:
    """Return the affinity bound to one node: that it fits the other terms is known."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    required = {_REQUIRED: {"nodeSelectorTerms": [term]}}
    return {**affinity, "nodeAffinity": {**(affinity.get("nodeAffinity") or {}), **required}}
