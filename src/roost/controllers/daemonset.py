"""DaemonSet: one pod on every node that should have it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from roost.api.errors import NAMESPACE_ENDS, StatusError
from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.controllers.daemonpods import (
    is_updated,
    placement,
    pod_of,
    target_of,
    tolerations_of,
)
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
from roost.decisions.plan import NOTHING, Action, Create, Delete, Plan, Update
from roost.decisions.pods import available, finished, next_available, node_of, phase_of, ready
from roost.decisions.resources import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from roost.decisions.revisions import POD_LABEL, Found, History, adoption, digest_of, find, history

BURST = 250
#: How long a node rests after its daemon pod failed, at first and at most.
FIRST_REST_S = 1.0
LAST_REST_S = 900.0


@dataclass(frozen=True, slots=True)
class View:
    """A DaemonSet, its pods and revisions, pods it may adopt, and all nodes."""

    daemon_set: Object
    owned: tuple[Object, ...]
    orphans: tuple[Object, ...]
    revisions: Found
    nodes: tuple[Object, ...]
    now: float
    #: "generation/node" -> (when a failed pod was last deleted there, how long that delays the next).
    failures: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def _told(view: View, told: Told) -> View:
    return replace(view, failures=told.memory or {})


def view(caches: Caches, key: Key, now: float) -> View | None:
    """Collect what a decision on the DaemonSet `key` rests on."""
    daemon_set = caches[DAEMON_SETS].get(*key)
    if daemon_set is None:
        return None
    selector = label_selector(daemon_set["spec"].get("selector"))
    revisions = caches[CONTROLLER_REVISIONS]
    return View(
        daemon_set,
        owned(caches[PODS], daemon_set),
        orphans(caches[PODS], daemon_set, selector),
        find(revisions, daemon_set, owned(revisions, daemon_set), selector),
        tuple(caches[NODES].all()),
        now,
    )


class _Step:
    """One decision: pods by node, and what to do."""

    def __init__(self, view: View, pods: Iterable[Object], update: Object) -> None:
        self.view = view
        self.set = view.daemon_set
        self.spec = self.set["spec"]
        self.update = update
        self.by_node: dict[str, list[Object]] = {}
        here = (pod for pod in pods if not (finished(pod) and deleting(pod)))
        for pod in sorted(here, key=lambda p: (not node_of(p), created_at(p), name_of(p))):
            self.by_node.setdefault(target_of(pod), []).append(pod)
        template: Object = self.spec["template"]["spec"]
        tolerations = tolerations_of(template)
        self.places = {name_of(one): placement(template, tolerations, one) for one in view.nodes}
        known = view.failures.items()
        self.failures = {node: one for node, one in known if view.now < one[0] + 2 * LAST_REST_S}
        self.wakes: list[float] = []
        self.wanted = [node for node, (runs, _) in self.places.items() if runs]
        self.strategy: Object = self.spec.get("updateStrategy") or {}
        self.rolling: Object = self.strategy.get("rollingUpdate") or {}
        self.rolls = self.strategy.get("type", "RollingUpdate") == "RollingUpdate"
        self.surges = self.rolls and self.rolling.get("maxSurge", 0) not in {0, "0%"}
        self.min_ready_s = self.spec.get("minReadySeconds", 0)
        self.regarding = object_reference(DAEMON_SETS, "DaemonSet", self.set)

    def _share(self, value: int | str) -> int:
        """Return a number of nodes that may be written as a part of all, rounded up."""
        if isinstance(value, str):
            return -(-int(value.rstrip("%")) * len(self.wanted) // 100)
        return value

    def _is_updated(self, pod: Object) -> bool:
        return is_updated(self.set, self.update, pod)

    def actions(self) -> list[Action]:
        """Return which pods to make and delete."""
        missing: list[str] = []
        gone: list[Object] = []
        failed: list[Object] = []
        for node, (runs, stays) in self.places.items():
            pods = self.by_node.get(node, [])
            if not stays:
                gone += pods
                continue
            here = [pod for pod in pods if not deleting(pod)]
            kept = [pod for pod in here if not finished(pod)]
            over = [pod for pod in here if finished(pod)]
            may_go = [pod for pod in over if self._may_go(node, pod)]
            failed += may_go
            rests = len(may_go) < len(over)
            if runs and not (kept or rests if self.surges else pods):
                missing.append(node)
            gone += self._beside(kept) if self.surges else kept[1:]
        gone += [
            pod
            for node, pods in self.by_node.items()
            if node not in self.places
            for pod in pods
            if not node_of(pod)
        ]
        gone = [pod for pod in gone if not deleting(pod)]
        if self.rolls and not (missing or gone or failed):
            gone, missing = self._surging() if self.surges else (self._outdated(), [])
        removed = [*failed, *gone][:BURST]
        return [*self._told_failed(failed), *self._remove(removed), *self._make(missing)]

    def _pairs(self) -> Iterable[tuple[str, Object | None, Object | None, bool]]:
        """Yield nodes with their new and old pod, or neither and true if there are several of a kind."""
        for node in dict.fromkeys([*self.wanted, *(n for n in self.by_node if n in self.places)]):
            pods = [pod for pod in self.by_node.get(node, []) if not deleting(pod)]
            new = [pod for pod in pods if self._is_updated(pod)]
            old = [pod for pod in pods if not self._is_updated(pod)]
            if len(new) > 1 or len(old) > 1:
                yield node, None, None, True
            else:
                yield node, new[0] if new else None, old[0] if old else None, False

    def _outdated(self) -> list[Object]:
        """Return the pods that an update replaces now."""
        limit = self._share(self.rolling.get("maxUnavailable", 1))
        limit = max(limit, 1)  # nothing at all would never end
        down = 0
        broken: list[Object] = []
        fine: list[Object] = []
        for _, new, old, _ in self._pairs():
            if old is not None and new is None:
                (fine if self._available(old) else broken).append(old)
                down += not self._available(old)
            else:
                down += new is None or old is not None or not self._available(new)
        return [*broken, *fine[: max(limit - down, 0)]]

    def _may_go(self, node: str, pod: Object) -> bool:
        """Say whether a pod that ended may be deleted now: kubelets that refuse pods get rest."""
        if phase_of(pod) != "Failed":
            return True
        mark = f"{(self.set.get('status') or {}).get('observedGeneration', 0)}/{node}"
        last, delay_s = self.failures.get(mark, (0.0, 0.0))
        if last + delay_s > self.view.now:
            self.wakes.append(last + delay_s)
            return False
        again = last and self.view.now < last + 2 * LAST_REST_S
        self.failures[mark] = (
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
        """Return the pods whose replacements are available, and the nodes that get a replacement.

        What may only stay on its node goes once more pods are available than are wanted.
        """
        replaced: list[Object] = []
        staying: list[Object] = []
        must: list[str] = []
        may: list[str] = []
        under_way = up = 0
        for node, new, old, crowded in self._pairs():
            runs, _ = self.places[node]
            oldest = old or new
            up += oldest is not None and self._available(oldest)
            if old is None:
                under_way += crowded
            elif new is not None:
                replaced += [old] if self._available(new) else []
                under_way += not self._available(new)
            elif self._available(old):
                (may.append(node) if runs else staying.append(old))
            else:
                (must.append(node) if runs else replaced.append(old))
        most = self._share(self.rolling.get("maxSurge", 0))
        replaced += staying[: max(up - len(self.wanted), 0)]
        return replaced, [*must, *may[: max(most - under_way, 0)]]

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
        event = normal(self.regarding, "SuccessfulCreate", "Created pod: {name}")
        for node in nodes[:BURST]:
            yield Create(PODS, pod_of(self.set, self.update, node), announce=event)

    def collision(self) -> Update:
        """Count that the name of a new revision is taken: the next one is another."""
        status = dict(self.set.get("status") or {})
        status["collisionCount"] = status.get("collisionCount", 0) + 1
        return Update(DAEMON_SETS, {**self.set, "status": status}, "status")

    def status(self) -> Object:
        """Return the counts as they are now."""
        counts = dict.fromkeys(
            ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled",
             "numberReady", "updatedNumberScheduled", "numberAvailable"), 0,
        )  # fmt: skip
        for node, (runs, _) in self.places.items():
            pods = self.by_node.get(node, [])
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


def reconcile(view: View) -> Plan:
    """Decide which pods to make, replace and delete, and what the status is."""
    daemon_set = view.daemon_set
    if deleting(daemon_set):
        return NOTHING
    owner = Owner(DAEMON_SETS, "DaemonSet", daemon_set, PODS)
    selector = label_selector(daemon_set["spec"].get("selector"))
    claimed = claim(owner, selector, view.owned, view.orphans)
    adopted = adoption(DAEMON_SETS, "DaemonSet", daemon_set, view.revisions, selector)
    if claimed.actions or adopted:
        # What is adopted comes back by the watch.
        return Plan((*claimed.actions, *adopted), remember=dict(view.failures) or None)
    old = daemon_set.get("status") or {}
    collisions = old.get("collisionCount", 0)
    past = history(DAEMON_SETS, "DaemonSet", daemon_set, view.revisions, collisions)
    step = _Step(view, claimed.kept, past.update)
    if past.collides:
        return Plan((step.collision(),), remember=step.failures or None)
    managed = list(step.actions())
    actions = [*past.actions, *(a for a in managed if not isinstance(a, Create))]
    status = step.status()
    if status != {k: v for k, v in old.items() if v or k in status}:
        actions.append(Update(DAEMON_SETS, {**daemon_set, "status": status}, "status"))
    used = {labels_of(pod).get(POD_LABEL) for pod in claimed.kept}
    actions += _forgotten(past, used, daemon_set["spec"].get("revisionHistoryLimit", 10))
    # Last: what is refused (by a quota, in a namespace that ends) must not keep from counting.
    actions += [action for action in managed if isinstance(action, Create)]
    wakes = [next_available(claimed.kept, step.min_ready_s, view.now), *step.wakes]
    wake_at = min((at for at in wakes if at is not None), default=None)
    return Plan(tuple(actions), wake_at, remember=step.failures or None)


def _forgotten(past: History, used: Collection[str | None], limit: int) -> Iterable[Action]:
    """Return the deletions of old revisions beyond `limit`, the oldest that no pod uses."""
    old = [revision for revision in past.revisions if revision is not past.update]
    idle = [revision for revision in old if digest_of(revision) not in used]
    return (delete(CONTROLLER_REVISIONS, one) for one in idle[: max(len(old) - limit, 0)])


def refused(view: View, action: Action, error: StatusError) -> Plan:
    """Tell why a pod could not be made or deleted."""
    if isinstance(action, Create) and action.resource == PODS:
        reason, what = "FailedCreate", "creating"
    elif isinstance(action, Delete) and action.ref.resource == PODS:
        reason, what = "FailedDelete", "deleting"
    else:
        return NOTHING
    if error.has_cause(NAMESPACE_ENDS):
        return NOTHING
    regarding = object_reference(DAEMON_SETS, "DaemonSet", view.daemon_set)
    return Plan((warning(regarding, reason, f"Error {what}: {error.message}"),))


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
