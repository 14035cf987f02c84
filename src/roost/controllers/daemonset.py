"""DaemonSet: one pod on every node that should have it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from roost.api.errors import StatusError
from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.decisions.affinity import node_matches
from roost.decisions.asking import Inquiry, Told
from roost.decisions.claims import BY_CONTROLLER, Owner, claim, matching_owners, orphans, owned
from roost.decisions.controller import (
    Caches,
    Controller,
    Key,
    Watch,
    controller_of,
    own_key,
    owner_keys,
)
from roost.decisions.meta import (
    by_controller,
    controller_reference,
    created_at,
    delete,
    deleting,
    labels_of,
    name_of,
    namespace_of,
    normal,
    object_reference,
    warning,
)
from roost.decisions.plan import Action, Create, Plan, Update
from roost.decisions.pods import available, finished, next_available, node_of, phase_of, ready
from roost.decisions.resources import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from roost.decisions.revisions import POD_LABEL, digest_of, history, surplus
from roost.decisions.templates import pod_from
from roost.decisions.tolerations import NO_EXECUTE, NO_SCHEDULE, first_untolerated

BURST = 250
#: How long a node rests after its daemon pod failed, at first and at most.
FIRST_REST_S = 1.0
LAST_REST_S = 900.0
GENERATION_LABEL = "pod-template-generation"
_NODE_TAINT = "node.kubernetes.io/"


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


@dataclass(frozen=True, slots=True)
class View:
    """A DaemonSet, its pods and revisions, pods it may adopt, and all nodes."""

    daemon_set: Object
    owned: tuple[Object, ...]
    orphans: tuple[Object, ...]
    revisions: tuple[Object, ...]
    nodes: tuple[Object, ...]
    now: float
    #: Node -> (when a failed pod was last deleted there, how long that delays the next).
    failures: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def _told(view: View, told: Told) -> View:
    return replace(view, failures=told.memory or {})


def view(caches: Caches, key: Key, now: float) -> View | None:
    """Collect what a decision on the DaemonSet `key` rests on."""
    daemon_set = caches[DAEMON_SETS].get(*key)
    if daemon_set is None:
        return None
    selector = label_selector(daemon_set["spec"].get("selector"))
    return View(
        daemon_set,
        owned(caches[PODS], daemon_set),
        orphans(caches[PODS], daemon_set, selector),
        owned(caches[CONTROLLER_REVISIONS], daemon_set),
        tuple(caches[NODES].all()),
        now,
    )


def _tolerations(spec: Object) -> list[Object]:
    extra = list(_TOLERATIONS)
    if spec.get("hostNetwork"):
        extra.append(_tolerates("network-unavailable", NO_SCHEDULE))
    known = spec.get("tolerations") or []
    return [*known, *(item for item in extra if item not in known)]


def placement(daemon_set: Object, node: Object) -> tuple[bool, bool]:
    """Return whether a pod should be made on the node, and whether one there may stay."""
    spec = daemon_set["spec"]["template"]["spec"]
    if spec.get("nodeName") not in (None, "", name_of(node)):
        return False, False
    if not node_matches(spec, labels_of(node), name_of(node)):
        return False, False
    tolerations = _tolerations(spec)
    taints = (node.get("spec") or {}).get("taints") or ()
    runs = first_untolerated(tolerations, taints, (NO_SCHEDULE, NO_EXECUTE)) is None
    stays = first_untolerated(tolerations, taints, (NO_EXECUTE,)) is None
    return runs, stays


def target_of(pod: Object) -> str:
    """Return the node of a pod: where it is, or where it has to go."""
    if node_of(pod):
        return node_of(pod)
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for one in term.get("matchFields") or ():
            if one["key"] == "metadata.name" and len(one.get("values") or ()) == 1:
                name: str = one["values"][0]
                return name
    return ""


class _Step:
    """One decision: pods by node, and what to do."""

    def __init__(self, view: View, pods: Iterable[Object], update: Object) -> None:
        self.view = view
        self.set = view.daemon_set
        self.spec = self.set["spec"]
        self.update = update
        self.by_node: dict[str, list[Object]] = {}
        for pod in sorted(pods, key=lambda p: (created_at(p), name_of(p))):
            self.by_node.setdefault(target_of(pod), []).append(pod)
        self.places = {name_of(node): placement(self.set, node) for node in view.nodes}
        known = view.failures.items()
        self.failures = {node: one for node, one in known if view.now < one[0] + 2 * LAST_REST_S}
        self.wakes: list[float] = []
        self.wanted = [node for node, (runs, _) in self.places.items() if runs]
        self.strategy: Object = self.spec.get("updateStrategy") or {}
        self.surge = self._share((self.strategy.get("rollingUpdate") or {}).get("maxSurge", 0))
        self.min_ready_s = self.spec.get("minReadySeconds", 0)
        self.regarding = object_reference(DAEMON_SETS, "DaemonSet", self.set)

    def _share(self, value: int | str) -> int:
        """Return a number of nodes that may be written as a part of all, rounded up."""
        if isinstance(value, str):
            return -(-int(value.rstrip("%")) * len(self.wanted) // 100)
        return value

    def _is_updated(self, pod: Object) -> bool:
        return labels_of(pod).get(POD_LABEL) == digest_of(self.update)

    def actions(self) -> list[Action]:
        """Return which pods to make and delete."""
        missing: list[str] = []
        gone: list[Object] = []
        failed: list[Object] = []
        for node, (runs, stays) in self.places.items():
            pods = self.by_node.get(node, [])
            living = [pod for pod in pods if not finished(pod)]
            ended = [pod for pod in pods if finished(pod) and not deleting(pod)]
            if not stays:
                gone += living
                continue
            failed += [pod for pod in ended if self._may_go(node, pod)]
            if runs and not pods:
                missing.append(node)
            kept = sorted(
                (p for p in living if not deleting(p)),
                key=lambda p: (not node_of(p), created_at(p), name_of(p)),
            )
            gone += self._beside(kept) if self.surge else kept[1:]
        gone += [
            pod
            for node, pods in self.by_node.items()
            if node not in self.places
            for pod in pods
            if not node_of(pod)
        ]
        gone = [pod for pod in gone if not deleting(pod)]
        if not missing and not gone:
            gone, missing = self._surging() if self.surge else (self._outdated(), [])
        return [*self._told_failed(failed), *self._remove([*failed, *gone]), *self._make(missing)]

    def _outdated(self) -> list[Object]:
        """Return the pods that an update replaces now."""
        if self.strategy.get("type", "RollingUpdate") != "RollingUpdate":
            return []
        limit = self._share((self.strategy.get("rollingUpdate") or {}).get("maxUnavailable", 1))
        limit = max(limit, 1)  # nothing at all would never end
        down = 0
        broken: list[Object] = []
        fine: list[Object] = []
        for node in self.wanted:
            pods = [pod for pod in self.by_node.get(node, []) if not deleting(pod)]
            is_up = any(self._available(pod) for pod in pods)
            down += not is_up
            for pod in pods:
                if not self._is_updated(pod):
                    (fine if is_up else broken).append(pod)
        return [*broken, *fine[: max(limit - down, 0)]]

    def _may_go(self, node: str, pod: Object) -> bool:
        """Say whether a pod that ended may be deleted now: kubelets that refuse pods get rest."""
        if phase_of(pod) != "Failed":
            return True
        last, delay_s = self.failures.get(node, (0.0, 0.0))
        if last + delay_s > self.view.now:
            self.wakes.append(last + delay_s)
            return False
        again = last and self.view.now < last + 2 * LAST_REST_S
        self.failures[node] = (
            self.view.now, min(delay_s * 2, LAST_REST_S) if again else FIRST_REST_S,
        )  # fmt: skip
        return True

    def _beside(self, pods: list[Object]) -> list[Object]:
        """Return those of a node's pods that must go while pods may be made beside old ones.

        The oldest of each kind stay, as long as the old one is ready and the new one not available.
        """
        new = [pod for pod in pods if self._is_updated(pod)]
        old = [pod for pod in pods if not self._is_updated(pod)]
        extra = [*new[1:], *old[1:]]
        if new and old and (not ready(old[0]) or self._available(new[0])):
            extra.append(old[0])
        return extra

    def _surging(self) -> tuple[list[Object], list[str]]:
        """Return the pods whose replacements are available, and the nodes that get a replacement."""
        if self.strategy.get("type", "RollingUpdate") != "RollingUpdate":
            return [], []
        replaced: list[Object] = []
        must: list[str] = []
        may: list[str] = []
        count = 0
        for node in self.wanted:
            pods = [pod for pod in self.by_node.get(node, []) if not deleting(pod)]
            new = [pod for pod in pods if self._is_updated(pod)]
            old = [pod for pod in pods if not self._is_updated(pod)]
            if not old:
                continue
            if not new:
                (may if self._available(old[0]) else must).append(node)
            elif self._available(new[0]):
                replaced += old
            else:
                count += 1
        return replaced, [*must, *may[: max(self.surge - count, 0)]]

    def _available(self, pod: Object) -> bool:
        return available(pod, self.min_ready_s, self.view.now)

    def _told_failed(self, pods: Iterable[Object]) -> Iterable[Action]:
        for pod in pods:
            where = f"{namespace_of(pod)}/{name_of(pod)} on node {node_of(pod)}"
            if phase_of(pod) == "Failed":
                text = f"Found failed daemon pod {where}, will try to kill it"
                yield warning(self.regarding, "FailedDaemonPod", text)
            else:
                text = f"Found succeeded daemon pod {where}, will try to delete it"
                yield normal(self.regarding, "SucceededDaemonPod", text)

    def _remove(self, pods: list[Object]) -> Iterable[Action]:
        yield from (delete(PODS, pod) for pod in pods)
        for pod in pods:
            text = f"Deleted pod: {name_of(pod)}"
            yield normal(self.regarding, "SuccessfulDelete", text)

    def _make(self, nodes: list[str]) -> Iterable[Action]:
        owner = controller_reference(DAEMON_SETS, "DaemonSet", self.set)
        base = pod_from(self.spec["template"], self.set, owner)
        labels = {**(base["metadata"].get("labels") or {}), POD_LABEL: digest_of(self.update)}
        generation = (self.set["metadata"].get("annotations") or {}).get(
            "deprecated.daemonset.template.generation"
        )
        if generation:
            labels[GENERATION_LABEL] = generation
        metadata = {**base["metadata"], "labels": labels}
        event = normal(self.regarding, "SuccessfulCreate", "Created pod: {name}")
        for node in nodes[:BURST]:
            spec = {
                **base["spec"],
                "affinity": _pinned(base["spec"].get("affinity") or {}, node),
                "tolerations": _tolerations(base["spec"]),
            }
            yield Create(PODS, {**base, "metadata": metadata, "spec": spec}, announce=event)

    def status(self) -> Object:
        """Return the counts as they are now."""
        counts = dict.fromkeys(
            ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled",
             "numberReady", "updatedNumberScheduled", "numberAvailable"), 0,
        )  # fmt: skip
        for node, (runs, _) in self.places.items():
            pods = [pod for pod in self.by_node.get(node, []) if not finished(pod)]
            if not runs:
                counts["numberMisscheduled"] += bool(pods)
                continue
            counts["desiredNumberScheduled"] += 1
            if pods:
                oldest = pods[0]
                counts["currentNumberScheduled"] += 1
                counts["numberReady"] += ready(oldest)
                counts["numberAvailable"] += ready(oldest) and self._available(oldest)
                counts["updatedNumberScheduled"] += self._is_updated(oldest)
        counts["numberUnavailable"] = counts["desiredNumberScheduled"] - counts["numberAvailable"]
        counts["observedGeneration"] = self.set["metadata"].get("generation", 0)
        old = self.set.get("status") or {}
        more = {k: old[k] for k in ("conditions", "collisionCount") if k in old}
        kept = (
            "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
        )  # fmt: skip
        return {k: v for k, v in {**counts, **more}.items() if v or k in kept}


def _pinned(affinity: Object, node: str) -> Object:
    """Return the affinity with every required term bound to one node."""
    here = {"key": "metadata.name", "operator": "In", "values": [node]}
    node_affinity = affinity.get("nodeAffinity") or {}
    field = "requiredDuringSchedulingIgnoredDuringExecution"
    terms = (node_affinity.get(field) or {}).get("nodeSelectorTerms") or [{}]
    pinned = [{**term, "matchFields": [here]} for term in terms]
    return {**affinity, "nodeAffinity": {**node_affinity, field: {"nodeSelectorTerms": pinned}}}


def reconcile(view: View) -> Plan:
    """Decide which pods to make, replace and delete, and what the status is."""
    daemon_set = view.daemon_set
    owner = Owner(DAEMON_SETS, "DaemonSet", daemon_set, PODS)
    selector = label_selector(daemon_set["spec"].get("selector"))
    claimed = claim(owner, selector, view.owned, view.orphans)
    if claimed.actions:
        # What is adopted comes back by the watch.
        return Plan(claimed.actions, remember=dict(view.failures) or None)
    old = daemon_set.get("status") or {}
    past = history(
        DAEMON_SETS, "DaemonSet", daemon_set, view.revisions, old.get("collisionCount", 0)
    )
    step = _Step(view, claimed.kept, past.update)
    actions: list[Action] = []
    managed: list[Action] = []
    if not deleting(daemon_set):
        managed = list(step.actions())
        actions += [*past.actions, *(a for a in managed if not isinstance(a, Create))]
    status = step.status()
    if status != {k: v for k, v in old.items() if v or k in status}:
        actions.append(Update(DAEMON_SETS, {**daemon_set, "status": status}, "status"))
    used = {labels_of(pod).get(POD_LABEL) for pod in claimed.kept}
    live = [name_of(r) for r in past.revisions if digest_of(r) in used or r is past.update]
    if not deleting(daemon_set):
        limit = daemon_set["spec"].get("revisionHistoryLimit", 10)
        actions += surplus(past.revisions, live, limit)
    # Last: what is refused (by a quota, in a namespace that ends) must not keep from counting.
    actions += [action for action in managed if isinstance(action, Create)]
    wakes = [next_available(claimed.kept, step.min_ready_s, view.now), *step.wakes]
    wake_at = min((at for at in wakes if at is not None), default=None)
    return Plan(tuple(actions), wake_at, remember=step.failures or None)


def refused(view: View, action: Action, error: StatusError) -> Plan:
    """Tell why a pod could not be made."""
    if not isinstance(action, Create) or action.resource != PODS:
        return Plan()
    regarding = object_reference(DAEMON_SETS, "DaemonSet", view.daemon_set)
    return Plan((warning(regarding, "FailedCreate", f"Error creating: {error.message}"),))


def _pod_keys(pod: Object, caches: Caches) -> Iterable[Key]:
    if controller_of(pod) is not None:
        return _owner_keys(pod, caches)
    return matching_owners(caches, DAEMON_SETS, namespace_of(pod), labels_of(pod))


def _node_keys(_node: Object, caches: Caches) -> Iterable[Key]:
    return [Key(namespace_of(ds), name_of(ds)) for ds in caches[DAEMON_SETS].all()]


_owner_keys = owner_keys("DaemonSet", "apps")

CONTROLLER = Controller(
    name="daemonset-controller",
    watches=(
        Watch(DAEMON_SETS, own_key),
        Watch(NODES, _node_keys),
        Watch(PODS, _pod_keys, {BY_CONTROLLER: by_controller}),
        Watch(CONTROLLER_REVISIONS, _owner_keys, {BY_CONTROLLER: by_controller}),
    ),
    view=view,
    reconcile=reconcile,
    refused=refused,
    inquiry=Inquiry(lambda _view: (), _told),
)
