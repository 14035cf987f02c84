"""The declaration of the job controller, and which pods it makes and deletes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from roost.api.errors import StatusError
from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.controllers.job import facts, policies
from roost.controllers.job.facts import FINALIZER, INDEX
from roost.controllers.job.status import Tally, conclusion, deadline, new_status, tally
from roost.decisions import conditions
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
from roost.decisions.pods import early_rank
from roost.decisions.resources import JOBS, PODS
from roost.decisions.templates import pod_from

BURST = 500
FIRST_BACKOFF_S = 10.0
LAST_BACKOFF_S = 600.0
_MANAGER = "kubernetes.io/job-controller"
_NAME_LABEL = "batch.kubernetes.io/job-name"
_BY_JOB = "held for job"


@dataclass(frozen=True, slots=True)
class View:
    """A Job, its pods, and pods it may adopt."""

    job: Object
    owned: tuple[Object, ...]
    orphans: tuple[Object, ...]
    now: float


@dataclass(frozen=True, slots=True)
class Left:
    """Pods that are still held for a Job that is gone: nobody will count them."""

    pods: tuple[Object, ...]


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
    if isinstance(view, Left):
        return Plan(tuple(_untrack(pod) for pod in view.pods))  # the watch brings us back
    job = view.job
    if facts.is_finished(job) or deleting(job):
        return Plan(tuple(_untrack(pod) for pod in view.owned if facts.tracked(pod)))
    owner = Owner(JOBS, "Job", job, PODS)
    selector = label_selector(job["spec"].get("selector"))
    claimed = claim(owner, selector, view.owned, view.orphans, FINALIZER)
    if claimed.actions:
        return Plan(claimed.actions)  # what is adopted comes back by the watch
    pods = claimed.kept
    counts = tally(job, pods)
    end = conclusion(job, counts, view.now)
    actions: list[Action] = [_untrack(pod) for pod in counts.release]
    wakes = [deadline(job)]
    if end is not None:
        actions += _delete(view, counts.active, keep_tracking=True)
    elif job["spec"].get("suspend"):
        actions += _delete(view, counts.active, keep_tracking=False)
    made: list[Action] = []
    if end is None and not job["spec"].get("suspend"):
        managed, wake_at = _manage(view, pods, counts)
        made = list(managed)
        wakes.append(wake_at)
    actions += [action for action in made if not isinstance(action, Create)]
    actions += _conclude(view, counts, end)
    # Last: what is refused (by a quota, in a namespace that ends) must not keep from counting.
    actions += [action for action in made if isinstance(action, Create)]
    later = [at for at in wakes if at is not None and at > view.now]
    return Plan(tuple(actions), min(later, default=None))


def _conclude(view: View, counts: Tally, end: tuple[str, str, str] | None) -> Iterable[Action]:
    job, old = view.job, view.job.get("status") or {}
    status, over = new_status(job, counts, end, view.now)
    if status == {k: v for k, v in old.items() if v or k in status}:
        return
    yield Update(JOBS, {**job, "status": status}, "status")
    regarding = object_reference(JOBS, "Job", job)
    if over and end is not None:
        kind, reason, message = end
        if kind == "FailureTarget":
            yield warning(regarding, reason, message)
        else:
            yield normal(regarding, "Completed", "Job completed")
    was = conditions.is_true(old.get("conditions"), "Suspended")
    now = conditions.is_true(status.get("conditions"), "Suspended")
    if now and not was:
        yield normal(regarding, "Suspended", "Job suspended")
    if was and not now:
        yield normal(regarding, "Resumed", "Job resumed")


def _manage(
    view: View, pods: Sequence[Object], counts: Tally
) -> tuple[Iterable[Action], float | None]:
    job, spec = view.job, view.job["spec"]
    active, parallelism = len(counts.active), spec.get("parallelism", 1)
    completions = spec.get("completions")
    if facts.indexed(job):
        left = completions - len(counts.done_indexes) - len(counts.failed_indexes)
        wanted = min(max(left, 0), parallelism)
    elif completions is None:
        wanted = active if counts.succeeded > 0 else parallelism
    else:
        wanted = min(max(completions - counts.succeeded, 0), parallelism)
    surplus = active - wanted
    if surplus > 0:
        ranked = sorted(counts.active, key=early_rank)
        return _delete(view, ranked[:surplus], keep_tracking=False), None
    missing = -surplus
    if facts.replaces_only_failed(job):
        missing -= counts.terminating
    if missing <= 0:
        return (), None
    if spec.get("backoffLimitPerIndex") is not None:
        return _create_by_index(view, pods, counts, min(missing, BURST))
    until = _backed_off_until(job, pods, counts)
    if until > view.now:
        return (), until
    return _create(view, pods, counts, min(missing, BURST)), None


def _backed_off_until(job: Object, pods: Iterable[Object], counts: Tally) -> float:
    """Return until when failures since the last success delay new pods."""
    ended = list(pods)
    last_success = max((facts.ended_at(p) for p in ended if facts.succeeded(p)), default=0.0)
    times = [at for p in ended if facts.failed(job, p) and (at := facts.ended_at(p)) > last_success]
    if not times or not counts.failed:
        return 0.0
    delay_s = min(FIRST_BACKOFF_S * (1 << min(len(times) - 1, 16)), LAST_BACKOFF_S)
    return max(times) + delay_s


def _create(
    view: View,
    pods: Sequence[Object],
    counts: Tally,
    missing: int,
    later: Collection[int] = (),
) -> Iterable[Action]:
    """Return new pods, none of them for an index of `later`."""
    job = view.job
    regarding = object_reference(JOBS, "Job", job)
    event = normal(regarding, "SuccessfulCreate", "Created pod: {name}")
    base = pod_from(job["spec"]["template"], job, controller_reference(JOBS, "Job", job))
    finalizers = [*(base["metadata"].get("finalizers") or ()), FINALIZER]
    base = {**base, "metadata": {**base["metadata"], "finalizers": finalizers}}
    if not facts.indexed(job):
        return [Create(PODS, base, announce=event)] * missing
    chosen = [i for i in _free_indexes(job, pods, counts) if i not in later][:missing]
    before = facts.last_failures(job, pods) if chosen else {}
    return [
        Create(PODS, _with_index(base, job, index, before.get(index)), announce=event)
        for index in chosen
    ]


def _create_by_index(
    view: View, pods: Sequence[Object], counts: Tally, missing: int
) -> tuple[Iterable[Action], float | None]:
    """Make pods for indexes whose own failures do not delay them; say when the next may be made."""
    job = view.job
    due: dict[int, float] = {}
    for index, pod in facts.last_failures(job, pods).items():
        tries = int(policies.retry_annotations(job, pod)[facts.INDEX_FAILURES])
        tries += facts.retries(pod, facts.INDEX_IGNORED)
        delay_s = min(FIRST_BACKOFF_S * (1 << min(max(tries - 1, 0), 16)), LAST_BACKOFF_S)
        due[index] = facts.ended_at(pod) + delay_s
    free = _free_indexes(job, pods, counts)
    later = {index for index in free if due.get(index, 0.0) > view.now}
    made = _create(view, pods, counts, missing, later)
    return made, min((due[index] for index in later), default=None)


def _free_indexes(job: Object, pods: Iterable[Object], counts: Tally) -> list[int]:
    """Return the indexes that want a pod, in order."""
    taken = counts.done_indexes | counts.failed_indexes
    still = counts.active if not facts.replaces_only_failed(job) else [
        pod for pod in pods if not facts.succeeded(pod) and not facts.failed(job, pod)
    ]  # fmt: skip
    taken |= {index for pod in still if (index := facts.index_of(pod)) is not None}
    return [i for i in range(job["spec"]["completions"]) if i not in taken]


def _with_index(base: Object, job: Object, index: int, before: Object | None) -> Object:
    metadata, spec = base["metadata"], base["spec"]
    text = str(index)
    variable = {
        "name": "JOB_COMPLETION_INDEX",
        "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{INDEX}']"}},
    }

    def told(containers: Iterable[Object]) -> list[Object]:
        return [
            c
            if any(v["name"] == variable["name"] for v in c.get("env") or ())
            else {**c, "env": [*(c.get("env") or ()), variable]}
            for c in containers
        ]

    groups = {name: told(spec[name]) for name in ("containers", "initContainers") if spec.get(name)}
    return {
        **base,
        "metadata": {
            **metadata,
            "generateName": f"{name_of(job)}-{text}-",
            "labels": {**(metadata.get("labels") or {}), INDEX: text},
            "annotations": {
                **(metadata.get("annotations") or {}),
                INDEX: text,
                **policies.retry_annotations(job, before),
            },
        },
        "spec": {**spec, **groups, "hostname": spec.get("hostname") or f"{name_of(job)}-{text}"},
    }


def _delete(view: View, pods: Iterable[Object], *, keep_tracking: bool) -> Iterable[Action]:
    """Delete pods; those that must not count as failures lose their finalizer first."""
    regarding = object_reference(JOBS, "Job", view.job)
    for pod in pods:
        if not keep_tracking and facts.tracked(pod):
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
)
