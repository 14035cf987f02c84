"""The accounting of a Job: every pod is counted exactly once, whatever fails in between.

A pod that ended is first noted by its uid in uncountedTerminatedPods; when that is written, its
finalizer is removed; when that is seen, the uid turns into a count. A pod that succeeded for an index is
noted by the index alone. With backoffLimitPerIndex the last failed pod of an index is held until its
successor is there, which carries on the count of the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from roost.api.values import Object
from roost.controllers.job import facts, policies
from roost.decisions.meta import deleting, uid_of
from roost.decisions.pods import active as is_active
from roost.decisions.pods import finished

#: So many pods are noted in one write at most: the status stays below 20 KB.
_PER_WRITE = 500


@dataclass(frozen=True, slots=True)
class Tally:
    """What the pods of a Job amount to, counted and uncounted together."""

    active: tuple[Object, ...]
    #: The others: they have ended, or are being deleted.
    leaving: tuple[Object, ...]
    terminating: int
    succeeded: int
    failed: int
    #: All pods that count as failed, whether accounted for or not.
    failures: tuple[Object, ...]
    done_indexes: frozenset[int]
    failed_indexes: frozenset[int]
    #: Index -> the failed pod that is held until its successor is there.
    held: Mapping[int, Object]


@dataclass(frozen=True, slots=True)
class Outflow:
    """How counted pods leave: what to note now, what is counted, and what to let go."""

    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    succeeded: int = 0
    failed: int = 0
    release: tuple[Object, ...] = ()
    #: Is nothing left to note or to let go?
    settled: bool = True
    done_indexes: frozenset[int] = field(default_factory=frozenset)


def tally(job: Object, pods: Sequence[Object]) -> Tally:
    """Count the pods of a Job."""
    status = job.get("status") or {}
    noted_good, noted_bad = facts.uncounted(job)
    noted = noted_good | noted_bad
    active: list[Object] = []
    leaving: list[Object] = []
    for pod in pods:
        (active if is_active(pod) else leaving).append(pod)
    uncounted = [p for p in leaving if facts.tracked(p) and facts.in_range(job, p)]
    failures = tuple(p for p in leaving if facts.failed(job, p))
    tracked_failures = [p for p in uncounted if facts.failed(job, p)]
    fresh = [p for p in tracked_failures if uid_of(p) not in noted]
    done, lost = frozenset[int](), frozenset[int]()
    if facts.indexed(job):
        done = _persisted(job) | facts.indexes_of(p for p in uncounted if facts.succeeded(p))
        known = _in_range(job, facts.parse_indexes(status.get("failedIndexes", "")))
        lost = frozenset(policies.failed_indexes(job, tracked_failures, known) - done)
        succeeded = len(done)
    else:
        good = [p for p in uncounted if facts.succeeded(p) and uid_of(p) not in noted]
        succeeded = status.get("succeeded", 0) + len(noted_good) + len(good)
    held: Mapping[int, Object] = {}
    if job["spec"].get("backoffLimitPerIndex") is not None:
        held = _held(tracked_failures, done | lost | facts.indexes_of(active))
    return Tally(
        active=tuple(active),
        leaving=tuple(leaving),
        terminating=sum(not finished(p) for p in leaving),
        succeeded=succeeded,
        failed=status.get("failed", 0)
        + len(noted_bad)
        + sum(policies.counts(job, p) for p in fresh),
        failures=failures,
        done_indexes=done,
        failed_indexes=lost,
        held=held,
    )


def _in_range(job: Object, indexes: Iterable[int]) -> set[int]:
    """Leave out indexes that a Job that became smaller has no more."""
    limit = job["spec"]["completions"]
    return {index for index in indexes if index < limit}


def _persisted(job: Object) -> frozenset[int]:
    written = (job.get("status") or {}).get("completedIndexes", "")
    return frozenset(_in_range(job, facts.parse_indexes(written)))


def _held(failures: Iterable[Object], settled: Iterable[int]) -> dict[int, Object]:
    """Return the last failed pod of each index that has to be tried again."""
    found: dict[int, Object] = {}
    over = set(settled)
    for pod in failures:
        index = facts.index_of(pod)
        if index is None or index in over:
            continue
        known = found.get(index)
        later = known is None or (
            facts.tries(known) <= facts.tries(pod) and facts.ended_at(known) <= facts.ended_at(pod)
        )
        if later:
            found[index] = pod
    return found


def outflow(job: Object, counts: Tally, ending: str) -> Outflow:
    """Say which pods to note, to count and to let go.

    `ending` is FailureTarget, SuccessCriteriaMet or "": when a Job fails, all that still run have
    failed; when it succeeds, they do not count.
    """
    status = job.get("status") or {}
    noted_good, noted_bad = facts.uncounted(job)
    indexed, persisted = facts.indexed(job), frozenset[int]()
    every = bool(ending) or deleting(job)
    pods: Sequence[Object] = (*counts.active, *counts.leaving) if every else counts.leaving
    if indexed:
        persisted = _persisted(job)
        pods = sorted(pods, key=_index_or_less)
    waiting = {uid_of(p) for p in pods if facts.tracked(p)}
    good = [uid for uid in noted_good if uid in waiting]
    bad = [uid for uid in noted_bad if uid in waiting]
    held = set() if every else {uid_of(p) for p in counts.held.values()}
    release: list[Object] = []
    new_indexes: set[int] = set()
    full = False
    for pod in pods:
        uid = uid_of(pod)
        ended = facts.succeeded(pod) or facts.failed(job, pod)
        if uid not in waiting or uid in held or not (ended or every):
            continue
        if full:
            break
        index = facts.index_of(pod)
        if facts.succeeded(pod) and uid not in noted_bad:
            if not indexed and uid not in noted_good:
                good.append(uid)
            elif indexed and index is not None and _counts_now(job, index, persisted):
                new_indexes.add(index)
            else:
                release.append(pod)
        elif _fails(job, pod, ending) and uid not in noted_bad:
            bad.append(uid)
        else:
            release.append(pod)
        full = len(new_indexes) + len(good) + len(bad) >= _PER_WRITE
    done = persisted | new_indexes
    return Outflow(
        tuple(sorted(good)),
        tuple(sorted(bad)),
        len(done) if indexed else status.get("succeeded", 0) + len(noted_good - waiting),
        status.get("failed", 0) + len(noted_bad - waiting),
        tuple(release),
        settled=not (good or bad or new_indexes or release),
        done_indexes=done,
    )


def _index_or_less(pod: Object) -> int:
    index = facts.index_of(pod)
    return -1 if index is None else index


def _counts_now(job: Object, index: int, persisted: frozenset[int]) -> bool:
    return index < job["spec"]["completions"] and index not in persisted


def _fails(job: Object, pod: Object, ending: str) -> bool:
    """Say whether a pod that leaves counts as failed."""
    failed = facts.failed(job, pod) or (ending == "FailureTarget" and not facts.succeeded(pod))
    return failed and facts.in_range(job, pod) and policies.counts(job, pod)
