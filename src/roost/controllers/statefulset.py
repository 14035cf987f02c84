"""StatefulSet: pods with names, in order, each with its own claims.

One step per decision where order matters (OrderedReady): what comes next waits for what was before it to
be ready. Updates go from the highest ordinal down to the partition.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from roost.api.errors import AlreadyExists, StatusError
from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.controllers.claimretention import claim_owner
from roost.controllers.statefulpods import ending_claims, identity_of, missing_claims, pod_of
from roost.decisions.claims import (
    BY_CONTROLLER,
    Claim,
    Owner,
    claim,
    matching_owners,
    orphans,
    owned,
)
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
    delete,
    deleting,
    key_of,
    labels_of,
    name_of,
    namespace_of,
    normal,
    object_reference,
    ref_of,
    uid_of,
    warning,
)
from roost.decisions.plan import Action, Create, Delete, Patch, Plan, Update
from roost.decisions.pods import available, finished, next_available, phase_of, ready
from roost.decisions.resources import (
    CONTROLLER_REVISIONS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    STATEFUL_SETS,
)
from roost.decisions.revisions import POD_LABEL, Found, History, adoption, find, history, surplus


@dataclass(frozen=True, slots=True)
class View:
    """A StatefulSet, its pods and revisions, pods it may adopt, and the claims in its namespace."""

    stateful_set: Object
    owned: tuple[Object, ...]
    orphans: tuple[Object, ...]
    revisions: Found
    claims: tuple[Object, ...]
    now: float


def view(caches: Caches, key: Key, now: float) -> View | None:
    """Collect what a decision on the StatefulSet `key` rests on."""
    stateful_set = caches[STATEFUL_SETS].get(*key)
    if stateful_set is None:
        return None
    pods = caches[PODS]
    selector = label_selector(stateful_set["spec"].get("selector"))
    free = [pod for pod in orphans(pods, stateful_set, selector)
            if ordinal_of(stateful_set, pod) is not None]  # fmt: skip
    prefixes = tuple(
        f"{template['metadata']['name']}-{key.name}-"
        for template in stateful_set["spec"].get("volumeClaimTemplates") or ()
    )
    found = caches[PERSISTENT_VOLUME_CLAIMS].all(key.namespace) if prefixes else ()
    claims = tuple(claim for claim in found if name_of(claim).startswith(prefixes))
    known = caches[CONTROLLER_REVISIONS]
    revisions = find(known, stateful_set, owned(known, stateful_set), selector)
    return View(stateful_set, owned(pods, stateful_set), tuple(free), revisions, claims, now)


def ordinal_of(stateful_set: Object, pod: Object) -> int | None:
    """Return the ordinal in a pod's name, None if it is not the name of one of the set's pods."""
    parent, _, number = name_of(pod).rpartition("-")
    return int(number) if parent == name_of(stateful_set) and number.isdecimal() else None


class _Step:
    """One decision: what is, and what to do."""

    def __init__(self, view: View, pods: Sequence[Object], past: History) -> None:
        self.view = view
        self.set = view.stateful_set
        self.spec = self.set["spec"]
        self.past = past
        self.start: int = (self.spec.get("ordinals") or {}).get("start", 0)
        self.end: int = self.start + self.spec.get("replicas", 1)
        self.pods = {at: pod for pod in pods if (at := ordinal_of(self.set, pod)) is not None}
        status = self.set.get("status") or {}
        known = {name_of(revision): revision for revision in past.revisions}
        self.current = known.get(status.get("currentRevision", ""), past.update)
        self.in_order = self.spec.get("podManagementPolicy") != "Parallel"
        self.min_ready_s: int = self.spec.get("minReadySeconds", 0)
        self.regarding = object_reference(STATEFUL_SETS, "StatefulSet", self.set)
        strategy = self.spec.get("updateStrategy") or {}
        self.rolls: bool = strategy.get("type", "RollingUpdate") == "RollingUpdate"
        self.rolling = strategy.get("rollingUpdate") or {}

    def healthy(self, pod: Object) -> bool:
        if phase_of(pod) != "Running" or deleting(pod) or not ready(pod):
            return False
        return available(pod, self.min_ready_s, self.view.now)

    def actions(self) -> Iterator[Action]:
        """Return what to do now; stops where the next step has to wait."""
        yield from self.retention()
        for ordinal in range(self.start, self.end):
            waits = yield from self._replica(ordinal)
            if waits and self.in_order:
                return
        condemned = sorted((at for at in self.pods if not self._wanted(at)), reverse=True)
        first_broken = min((at for at in self.pods if not self.healthy(self.pods[at])), default=-1)
        for ordinal in condemned:
            pod = self.pods[ordinal]
            waits = not self.healthy(pod) and ordinal != first_broken
            if self.in_order and (deleting(pod) or waits):
                return
            if not deleting(pod):
                yield from self._remove(pod)
            if self.in_order:
                return
        if self.rolls:
            yield from self._roll()

    def _replica(self, ordinal: int) -> Generator[Action, None, bool]:
        """Yield what one replica needs now; return whether the next in order has to wait for it."""
        pod = self.pods.get(ordinal)
        if pod is None:
            if not self._stale(ordinal):  # else the claims of the pod before it go first
                yield from self._make(ordinal)
            return True
        if finished(pod):
            if not deleting(pod):
                yield from self._recreate(pod)
            return True
        if phase_of(pod) == "Pending" and not deleting(pod):
            yield from missing_claims(self.set, ordinal, self.view.claims)
        if self.in_order and not self.healthy(pod):
            return True
        yield from self._identify(ordinal, pod)
        return False

    def _identify(self, ordinal: int, pod: Object) -> Iterator[Action]:
        """Give a pod back the labels that say who it is."""
        wanted = identity_of(self.set, ordinal)
        if wanted.items() <= labels_of(pod).items():
            return
        metadata = {"uid": uid_of(pod), "labels": {**labels_of(pod), **wanted}}
        yield Patch(ref_of(PODS, pod), {"metadata": metadata})
        text = f"update Pod {name_of(pod)} in StatefulSet {name_of(self.set)} successful"
        yield normal(self.regarding, "SuccessfulUpdate", text)

    def retention(self) -> Iterator[Action]:
        """Return what makes the claims belong to whom the retention policy wants."""
        if not self.spec.get("volumeClaimTemplates"):
            return
        claims = {name_of(claim): claim for claim in self.view.claims}
        for ordinal, pod in self.pods.items():
            condemned = not self._wanted(ordinal)
            for template in self.spec["volumeClaimTemplates"]:
                found = claims.get(f"{template['metadata']['name']}-{name_of(pod)}")
                if found is not None:
                    yield from claim_owner(self.set, pod, found, condemned=condemned)

    def _stale(self, ordinal: int) -> bool:
        """Say whether a claim of an ordinal without a pod still belongs to a pod, and so goes."""
        name = f"{name_of(self.set)}-{ordinal}"
        wanted = {
            f"{t['metadata']['name']}-{name}" for t in self.spec.get("volumeClaimTemplates") or ()
        }
        return any(
            reference["kind"] == "Pod" and reference["name"] == name
            for claim in self.view.claims
            if name_of(claim) in wanted
            for reference in claim["metadata"].get("ownerReferences") or ()
        )

    def _wanted(self, ordinal: int) -> bool:
        return self.start <= ordinal < self.end

    def _roll(self) -> Iterator[Action]:
        """Replace the last pod that is not of the update, once all behind it are well."""
        least = self.start + (self.rolling.get("partition") or 0)
        digest = name_of(self.past.update)
        for ordinal in range(self.end - 1, least - 1, -1):
            pod = self.pods.get(ordinal)
            if pod is None or finished(pod):
                return
            if labels_of(pod).get(POD_LABEL) != digest and not deleting(pod):
                yield from self._remove(pod)
                return
            if not self.healthy(pod):
                return

    def _make(self, ordinal: int) -> Iterator[Action]:
        name = f"{name_of(self.set)}-{ordinal}"
        ending = ending_claims(self.set, ordinal, self.view.claims)
        if ending:
            why = ", ".join(f"pvc {claim} is being deleted" for claim in ending)
            why = f"[{why}]" if len(ending) > 1 else why
            text = f"create Pod {name} in StatefulSet {name_of(self.set)} failed error: {why}"
            yield warning(self.regarding, "FailedCreate", text)
            return
        yield from missing_claims(self.set, ordinal, self.view.claims)
        text = f"create Pod {name} in StatefulSet {name_of(self.set)} successful"
        event = normal(self.regarding, "SuccessfulCreate", text)
        pod = pod_of(self.set, ordinal, self._revision_for(ordinal))
        yield Create(PODS, pod, announce=event)

    def _revision_for(self, ordinal: int) -> Object:
        if not self.rolls:
            return self.past.update
        if "partition" in self.rolling:
            old = ordinal < self.start + self.rolling["partition"]
        else:
            replicas = (self.set.get("status") or {}).get("currentReplicas", 0)
            old = ordinal < self.start + replicas
        return self.current if old else self.past.update

    def _recreate(self, pod: Object) -> Iterator[Action]:
        failed = phase_of(pod) == "Failed"
        reason = "RecreatingFailedPod" if failed else "RecreatingTerminatedPod"
        what = "failed" if failed else "terminated"
        where = f"{namespace_of(self.set)}/{name_of(self.set)}"
        text = f"StatefulSet {where} is recreating {what} Pod {name_of(pod)}"
        yield (
            warning(self.regarding, reason, text)
            if failed
            else normal(self.regarding, reason, text)
        )
        yield from self._remove(pod)

    def _remove(self, pod: Object) -> Iterator[Action]:
        yield delete(PODS, pod)
        text = f"delete Pod {name_of(pod)} in StatefulSet {name_of(self.set)} successful"
        yield normal(self.regarding, "SuccessfulDelete", text)

    def report(self) -> Iterator[Action]:
        """Write the status, if it is not as the pods are now."""
        status = self.status()
        if status != (self.set.get("status") or {}):
            yield Update(STATEFUL_SETS, {**self.set, "status": status}, "status")

    def collision(self) -> Update:
        """Count that the name of a new revision is taken: the next one is another."""
        status = dict(self.set.get("status") or {})
        status["collisionCount"] = status.get("collisionCount", 0) + 1
        return Update(STATEFUL_SETS, {**self.set, "status": status}, "status")

    def status(self) -> Object:
        """Return the status as the pods are now."""
        old = self.set.get("status") or {}
        current, update = name_of(self.current), name_of(self.past.update)
        pods = list(self.pods.values())
        here = [pod for pod in pods if not deleting(pod)]
        digests = [labels_of(pod).get(POD_LABEL) for pod in here]
        ready_pods = [p for p in pods if phase_of(p) == "Running" and ready(p)]
        counts: Object = {
            "observedGeneration": self.set["metadata"].get("generation", 0),
            "replicas": len(pods),
            "readyReplicas": len(ready_pods),
            "availableReplicas": sum(
                available(p, self.min_ready_s, self.view.now) for p in ready_pods
            ),
            "currentReplicas": digests.count(current),
            "updatedReplicas": digests.count(update),
            "currentRevision": current,
            "updateRevision": update,
            "collisionCount": old.get("collisionCount", 0),
        }
        wanted = self.spec.get("replicas", 1)
        complete = counts["updatedReplicas"] == counts["readyReplicas"] == wanted == len(pods)
        if self.rolls and complete:
            counts["currentRevision"], counts["currentReplicas"] = update, wanted
        if old.get("conditions"):
            counts["conditions"] = old["conditions"]
        kept = ("replicas", "collisionCount", "availableReplicas")
        return {key: value for key, value in counts.items() if value or key in kept}


def reconcile(view: View) -> Plan:
    """Decide the next step and the status."""
    stateful_set = view.stateful_set
    claimed = _claim(view)
    selector = label_selector(stateful_set["spec"].get("selector"))
    adopted = adoption(STATEFUL_SETS, "StatefulSet", stateful_set, view.revisions, selector)
    if claimed.actions or adopted:
        return Plan((*claimed.actions, *adopted))  # what is adopted comes back by the watch
    past = _history(view)
    step = _Step(view, claimed.kept, past)
    if deleting(stateful_set):
        return Plan(tuple(step.report()))
    if past.collides:
        return Plan((step.collision(),))
    actions: list[Action] = [*past.actions, *step.actions(), *step.report()]
    status = step.status()
    live = {labels_of(pod).get(POD_LABEL, "") for pod in claimed.kept}
    live |= {name_of(past.update), status["currentRevision"]}
    limit = stateful_set["spec"].get("revisionHistoryLimit", 10)
    actions += surplus(past.revisions, live, limit)
    wake_at = next_available(claimed.kept, step.min_ready_s, view.now)
    return Plan(tuple(actions), wake_at)


def refused(view: View, action: Action, error: StatusError) -> Plan:
    """Tell why a pod could not be made or deleted, and how many there are all the same."""
    step = _Step(view, _claim(view).kept, _history(view))
    owner, why, told = name_of(view.stateful_set), error.message, []
    if isinstance(error, AlreadyExists):
        return Plan(tuple(step.report()))
    if isinstance(action, Create) and action.resource == PERSISTENT_VOLUME_CLAIMS:
        verb, claim_name = "create", name_of(action.object)
        name = f"{owner}-{claim_name.rpartition('-')[2]}"
        told.append(
            f"create Claim {claim_name} for Pod {name} in StatefulSet {owner} failed error: {why}"
        )
        why = f"failed to create PVC {claim_name}: {why}"
    elif isinstance(action, Create) and action.resource == PODS:
        verb, name = "create", name_of(action.object)
    elif isinstance(action, Delete | Patch) and action.ref.resource == PODS:
        verb, name = "delete" if isinstance(action, Delete) else "update", action.ref.name
    else:
        return Plan()
    told.append(f"{verb} Pod {name} in StatefulSet {owner} failed error: {why}")
    events = (warning(step.regarding, f"Failed{verb.capitalize()}", text) for text in told)
    return Plan((*events, *step.report()))


def _claim(view: View) -> Claim:
    owner = Owner(STATEFUL_SETS, "StatefulSet", view.stateful_set, PODS)
    selector = label_selector(view.stateful_set["spec"].get("selector"))

    def is_ours(pod: Object) -> bool:
        return ordinal_of(view.stateful_set, pod) is not None

    return claim(owner, selector, view.owned, view.orphans, member=is_ours)


def _history(view: View) -> History:
    stateful_set = view.stateful_set
    collisions = (stateful_set.get("status") or {}).get("collisionCount", 0)
    return history(STATEFUL_SETS, "StatefulSet", stateful_set, view.revisions, collisions)


def _pod_keys(pod: Object, caches: Caches) -> Iterable[Key]:
    if controller_of(pod) is not None:
        return _owner_keys(pod, caches)
    return matching_owners(caches, STATEFUL_SETS, namespace_of(pod), labels_of(pod))


def _claim_keys(claim: Object, caches: Caches) -> Iterable[Key]:
    """A claim that a pod owned, or that ends, is perhaps gone: its set may make that pod again."""
    if deleting(claim):
        for one in caches[STATEFUL_SETS].all(namespace_of(claim)):
            templates = one["spec"].get("volumeClaimTemplates") or ()
            prefixes = (f"{t['metadata']['name']}-{name_of(one)}-" for t in templates)
            if name_of(claim).startswith(tuple(prefixes)):
                yield key_of(one)
    for reference in claim["metadata"].get("ownerReferences") or ():
        if reference["kind"] == "Pod":
            for one in caches[STATEFUL_SETS].all(namespace_of(claim)):
                if reference["name"].rpartition("-")[0] == name_of(one):
                    yield key_of(one)


_owner_keys = owner_keys("StatefulSet", "apps")

CONTROLLER = Controller(
    name="statefulset-controller",
    watches=(
        Watch(STATEFUL_SETS, own_key),
        Watch(PODS, _pod_keys, {BY_CONTROLLER: by_controller}),
        Watch(CONTROLLER_REVISIONS, _owner_keys, {BY_CONTROLLER: by_controller}),
        Watch(PERSISTENT_VOLUME_CLAIMS, _claim_keys),
    ),
    view=view,
    reconcile=reconcile,
    refused=refused,
)
