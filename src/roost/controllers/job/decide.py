"""The declaration of the job controller, and which pods it makes and deletes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from roost.api.errors import NAMESPACE_ENDS, StatusError
from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.controllers.job import facts
from roost.controllers.job.accounting import Tally, outflow, tally
from roost.controllers.job.backoff import Record, delay_s, updated
from roost.controllers.job.facts import FINALIZER
from roost.controllers.job.pods import pod_of, pod_of_index
from roost.controllers.job.status import End, conclusion, deadline, new_status
from roost.decisions import conditions
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
    delete,
    deleting,
    labels_of,
    name_of,
    namespace_of,
    normal,
    object_reference,
    ref_of,
    uid_of,
    version_of,
    warning,
)
from roost.decisions.plan import NOTHING, Action, Create, Delete, Patch, Plan, Update
from roost.decisions.pods import early_rank, finished
from roost.decisions.resources import JOBS, PODS

BURST = 500
_MANAGER = "kubernetes.io/job-controller"
_NAME_LABEL = "batch.kubernetes.io/job-name"
_BY_JOB = "held for job"


@dataclass(frozen=True, slots=True)
class View:
    """A Job, its pods, pods it may adopt, and its failures so far."""

    job: Object
    owned: tuple[Object, ...]
    orphans: tuple[Object, ...]
    now: float
    record: Record = field(default_factory=Record)


@dataclass(frozen=True, slots=True)
class Left:
    """Pods that are still held for a Job that is gone: nobody will count them."""

    pods: tuple[Object, ...]
    record: Record = field(default_factory=Record)


def _told(view: View | Left, told: Told) -> View | Left:
    return replace(view, record=told.memory or Record())


def view(caches: Caches, key: Key, now: float) -> View | Left | None:
    """Collect what a decision on the Job `key` rests on."""
    job = caches[JOBS].get(*key)
    if job is not None and job["spec"].get("managedBy", _MANAGER) != _MANAGER:
        return None
    left = tuple(_left(caches, key, job))
    if left:
        return Left(left)
    if job is None:
        return None
    selector = label_selector(job["spec"].get("selector"))
    return View(job, owned(caches[PODS], job), orphans(caches[PODS], job, selector), now)


def _left(caches: Caches, key: Key, job: Object | None) -> Iterable[Object]:
    for pod in caches[PODS].by(_BY_JOB, f"{key.namespace}/{key.name}"):
        owner = controller_of(pod)
        if owner is None:
            gone = not any(matching_owners(caches, JOBS, key.namespace, labels_of(pod)))
        else:
            gone = job is None or uid_of(job) != owner["uid"]
        if gone:
            yield pod


def reconcile(view: View | Left) -> Plan:
    """Decide which pods to count, make, delete and adopt, and what the status is."""
    if isinstance(view, Left):  # the watch brings us back
        return Plan(tuple(_untrack(pod) for pod in view.pods), remember=view.record)
    job = view.job
    if facts.is_finished(job):
        return Plan(tuple(_untrack(pod) for pod in view.owned if facts.tracked(pod)))
    owner = Owner(JOBS, "Job", job, PODS)
    selector = label_selector(job["spec"].get("selector"))
    claimed = claim(owner, selector, view.owned, view.orphans, FINALIZER)
    if claimed.actions:  # what is adopted comes back by the watch
        return Plan(claimed.actions, remember=view.record)
    pods = claimed.kept
    counts = tally(job, pods)
    end = conclusion(job, pods, counts, view.now)
    flow = outflow(job, counts, end.kind)
    record = updated(job, counts.leaving, view.record)
    removed = _surplus(job, counts, end)
    made, wake_at = _missing(view, counts, record) if not (end.kind or removed) else ([], None)
    actions: list[Action] = [_untrack(pod) for pod in flow.release]
    # Those that a failing Job still runs have failed: they are held until they are noted.
    held = end.kind == "FailureTarget"
    freed = {uid_of(pod) for pod in flow.release}
    actions += _delete(job, removed, freed, held=held)
    status, over = new_status(job, counts, flow, end, removed, view.now)
    actions += _report(job, status, end, over)
    actions += made  # last: what is refused (by a quota) must not keep from counting
    later = [at for at in (deadline(job), wake_at) if at is not None and at > view.now]
    memory = record if record.seen or record.failures else None
    return Plan(tuple(actions), min(later, default=None), remember=memory)


def _report(job: Object, status: Object, end: End, over: bool) -> Iterable[Action]:
    """Write the status if it says anything new, and tell of it."""
    old = job.get("status") or {}
    if status == {k: v for k, v in old.items() if v or k in status}:
        return
    yield Update(JOBS, {**job, "status": status}, "status")
    regarding = object_reference(JOBS, "Job", job)
    if over and end.kind == "FailureTarget":
        yield warning(regarding, end.reason, end.message)
    elif over:
        if status.get("succeeded", 0) > job["spec"].get("completions", math.inf):
            text = "Too many succeeded pods running after completion count reached"
            yield warning(regarding, "TooManySucceededPods", text)
        yield normal(regarding, "Completed", "Job completed")
    was = conditions.is_true(old.get("conditions"), "Suspended")
    now = conditions.is_true(status.get("conditions"), "Suspended")
    if now and not was:
        yield normal(regarding, "Suspended", "Job suspended")
    if was and not now:
        yield normal(regarding, "Resumed", "Job resumed")


def _wanted(job: Object, counts: Tally) -> int:
    """Return how many pods shall be active."""
    spec = job["spec"]
    completions: int | None = spec.get("completions")
    parallelism: int = spec.get("parallelism", 1)
    if completions is None:
        return len(counts.active) if counts.succeeded > 0 else parallelism
    return min(max(completions - counts.succeeded, 0), parallelism)


def _surplus(job: Object, counts: Tally, end: End) -> list[Object]:
    """Return the active pods to delete: all at the end, else the least advanced."""
    if end.kind:
        return list(counts.active)
    if deleting(job):
        return []
    if job["spec"].get("suspend"):
        return list(counts.active)
    count = len(counts.active) - _wanted(job, counts)
    misplaced, left = _by_index(job, counts.active)
    further = max(count - len(misplaced), 0)
    if further:
        misplaced += sorted(left, key=early_rank)[:further]
    return misplaced[:BURST]


def _by_index(job: Object, pods: Sequence[Object]) -> tuple[list[Object], list[Object]]:
    """Part the pods that double an index, or have none that the Job has, from the others."""
    if not facts.indexed(job):
        return [], list(pods)
    misplaced: list[Object] = []
    of_index: dict[int | None, list[Object]] = {}
    for pod in pods:
        here = (
            of_index.setdefault(facts.index_of(pod), []) if facts.in_range(job, pod) else misplaced
        )
        here.append(pod)
    left: list[Object] = []
    for same in of_index.values():
        *doubles, best = sorted(same, key=early_rank) if len(same) > 1 else same
        misplaced += doubles
        left.append(best)
    return misplaced, left


def _missing(view: View, counts: Tally, record: Record) -> tuple[Sequence[Action], float | None]:
    """Return the pods to make, and when to look again if failures delay them."""
    job = view.job
    if job["spec"].get("suspend") or deleting(job):
        return [], None
    count = _wanted(job, counts) - len(counts.active)
    if facts.replaces_only_failed(job):
        count -= counts.terminating
    if count <= 0:
        return [], None
    by_index = job["spec"].get("backoffLimitPerIndex") is not None
    if not by_index and record.until_s > view.now:
        return [], record.until_s
    regarding = object_reference(JOBS, "Job", job)
    event = normal(regarding, "SuccessfulCreate", "Created pod: {name}")
    count = min(count, BURST)
    if not facts.indexed(job):
        return [Create(PODS, pod_of(job), announce=event)] * count, None
    due = {
        index: facts.ended_at(pod) + delay_s(facts.tries(pod) + 1)
        for index, pod in counts.held.items()
    }
    chosen = _free_indexes(job, counts)[:count]
    ready = [index for index in chosen if due.get(index, 0.0) <= view.now]
    made = [
        Create(PODS, pod_of_index(job, index, counts.held.get(index)), announce=event)
        for index in ready
    ]
    return made, min((due[index] for index in chosen if index not in ready), default=None)


def _free_indexes(job: Object, counts: Tally) -> list[int]:
    """Return the indexes that want a pod, in order."""
    taken = counts.done_indexes | counts.failed_indexes | facts.indexes_of(counts.active)
    if facts.replaces_only_failed(job):
        taken |= facts.indexes_of(pod for pod in counts.leaving if not finished(pod))
    return [i for i in range(job["spec"]["completions"]) if i not in taken]


def _delete(
    job: Object, pods: Iterable[Object], freed: Collection[str], *, held: bool
) -> Iterable[Action]:
    """Delete pods; those that must not count as failures lose their finalizer first, once."""
    regarding = object_reference(JOBS, "Job", job)
    for pod in pods:
        if not held and facts.tracked(pod) and uid_of(pod) not in freed:
            yield _untrack(pod)
        yield delete(PODS, pod)
        yield normal(regarding, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}")


def _untrack(pod: Object) -> Patch:
    kept = [f for f in pod["metadata"].get("finalizers") or () if f != FINALIZER]
    metadata = {
        "uid": uid_of(pod),
        "resourceVersion": version_of(pod),
        "finalizers": kept or None,
    }
    return Patch(ref_of(PODS, pod), {"metadata": metadata})


def refused(view: View | Left, action: Action, error: StatusError) -> Plan:
    """Tell why a pod could not be made or deleted."""
    if isinstance(view, Left) or not isinstance(action, Create | Delete):
        return NOTHING
    if error.has_cause(NAMESPACE_ENDS):
        return NOTHING
    reason = "FailedCreate" if isinstance(action, Create) else "FailedDelete"
    what = "creating" if isinstance(action, Create) else "deleting"
    regarding = object_reference(JOBS, "Job", view.job)
    return Plan((warning(regarding, reason, f"Error {what}: {error.message}"),))


def _pod_keys(pod: Object, caches: Caches) -> Iterable[Key]:
    if controller_of(pod) is not None:
        return _owner_keys(pod, caches)
    keys = set(matching_owners(caches, JOBS, namespace_of(pod), labels_of(pod)))
    return keys | {Key(*job.split("/")) for job in _holding(pod)}


def _holding(pod: Object) -> Iterable[str]:
    """Return namespace/name of the Job for which a pod is held."""
    if not facts.tracked(pod):
        return ()
    owner = controller_of(pod)
    if owner is not None:
        is_job = owner["kind"] == "Job" and owner["apiVersion"].startswith("batch/")
        return (f"{namespace_of(pod)}/{owner['name']}",) if is_job else ()
    name = labels_of(pod).get(_NAME_LABEL)
    return (f"{namespace_of(pod)}/{name}",) if name else ()


_owner_keys = owner_keys("Job", "batch")

CONTROLLER: Controller[View | Left] = Controller(
    name="job-controller",
    watches=(
        Watch(JOBS, own_key),
        Watch(PODS, _pod_keys, {BY_CONTROLLER: by_controller, _BY_JOB: _holding}),
    ),
    view=view,
    reconcile=reconcile,
    refused=refused,
    inquiry=Inquiry(lambda _view: (), _told),
)
