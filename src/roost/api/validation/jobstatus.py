"""Rules for the status of a Job, which keep what finished Jobs say from contradicting itself.

Rule: a part that this change leaves alone is not judged again, so that Jobs of older servers stay
writable.
"""

from __future__ import annotations

from roost.api.kind import Change
from roost.api.validation.causes import Causes
from roost.api.validation.goform import UNCOUNTED_PODS
from roost.api.validation.jobpolicies import IndexFault, interval, intervals
from roost.api.values import Object

_CONDITIONS = "status.conditions"
_MET = "SuccessCriteriaMet"
_FINAL = ("Failed", "Complete", "FailureTarget")


class _Seen:
    """What a Job's status says, and which of it was said before."""

    def __init__(self, change: Change) -> None:
        self.status: Object = change.object.get("status") or {}
        self.old: Object = (change.old or {}).get("status") or {}

    def true(self, kind: str, *, before: bool = False) -> bool:
        """Tell whether a condition is true."""
        status = self.old if before else self.status
        return any(
            one.get("type") == kind and one.get("status") == "True"
            for one in status.get("conditions") or ()
        )

    def turned(self, *kinds: str) -> bool:
        """Tell whether one of these conditions is new or gone."""
        return any(self.true(kind) != self.true(kind, before=True) for kind in kinds)

    def changed(self, *keys: str) -> bool:
        """Tell whether one of these fields is another."""
        return any((self.status.get(k) or None) != (self.old.get(k) or None) for k in keys)

    def finished(self, *, before: bool = False) -> bool:
        """Tell whether the Job has ended."""
        return self.true("Complete", before=before) or self.true("Failed", before=before)

    def ended(self) -> bool:
        """Tell whether being finished is new or gone."""
        return self.finished() != self.finished(before=True)


def status(change: Change, causes: Causes) -> None:
    """Check a change of the status."""
    seen = _Seen(change)
    spec = change.object.get("spec") or {}
    for key in ("active", "succeeded", "failed", "ready", "terminating"):
        causes.not_negative(f"status.{key}", seen.status.get(key))
    _uncounted(seen.status.get("uncountedTerminatedPods") or {}, causes)
    _ending(seen, causes)
    _finished(seen, causes)
    _indexes(seen, spec, causes)
    pods = seen.status
    leaving = pods.get("terminating") or 0
    if leaving > 0 and seen.finished() and (seen.ended() or seen.changed("terminating")):
        text = "terminating>0 is invalid for finished job"
        causes.invalid("status.terminating", leaving, text)
    ready = pods.get("ready")
    if ready is not None and ready > (pods.get("active") or 0) and seen.changed("ready", "active"):
        causes.invalid("status.ready", ready, "cannot set more ready pods than active")
    for other in ("Failed", "FailureTarget"):
        if seen.true(_MET) and seen.true(other):
            causes.refused(_CONDITIONS, f"cannot set {_MET}=True and {other}=true conditions")
    if spec.get("successPolicy") is not None and seen.true("Complete") and not seen.true(_MET):
        text = f"cannot set Complete=True for Job with SuccessPolicy unless {_MET}=True"
        causes.refused(_CONDITIONS, text)
    _against_old(seen, spec, causes)


def _uncounted(uncounted: Object, causes: Causes) -> None:
    known: set[str] = set()
    for key in ("succeeded", "failed"):
        for index, uid in enumerate(uncounted.get(key) or ()):
            where = f"status.uncountedTerminatedPods.{key}[{index}]"
            if not uid:
                causes.invalid(where, uid, "must not be empty")
            elif uid in known:
                causes.duplicate(where, uid)
            known.add(uid)


def _ending(seen: _Seen, causes: Causes) -> None:
    """Check that conditions and the time of completion fit each other."""
    complete, failed = seen.true("Complete"), seen.true("Failed")
    start, end = seen.status.get("startTime"), seen.status.get("completionTime")
    where = "status.completionTime"
    if complete and failed and seen.turned("Complete", "Failed"):
        causes.refused(_CONDITIONS, "cannot set Complete=True and Failed=true conditions")
    if complete and seen.true("FailureTarget") and seen.turned("Complete", "FailureTarget"):
        causes.refused(_CONDITIONS, "cannot set Complete=True and FailureTarget=true conditions")
    if seen.turned("Complete") or seen.changed("completionTime"):
        if end is not None and not complete:
            text = "cannot set completionTime when there is no Complete=True condition"
            causes.invalid(where, end, text)
        if end is None and complete:
            causes.required(where, "completionTime is required for Complete jobs")
    # Both are UTC in the same form, so that the texts are in order.
    if start and end and end < start and seen.changed("startTime", "completionTime"):
        causes.invalid(where, end, "completionTime cannot be set before startTime")
    without = "cannot set {}=True condition without the {}=true condition"
    for kind, needed in (("Failed", "FailureTarget"), ("Complete", _MET)):
        if seen.true(kind) and not seen.true(needed) and seen.turned(kind, needed):
            causes.refused(_CONDITIONS, without.format(kind, needed))


def _finished(seen: _Seen, causes: Causes) -> None:
    """Check that nothing goes on in a Job that has ended."""
    if not seen.finished():
        return
    now, ended = seen.status, seen.ended()
    if (ended or seen.changed("active")) and (now.get("active") or 0) > 0:
        causes.invalid("status.active", now["active"], "active>0 is invalid for finished job")
    if (ended or seen.changed("startTime")) and now.get("startTime") is None:
        causes.required("status.startTime", "startTime is required for finished job")
    uncounted = now.get("uncountedTerminatedPods") or {}
    if (ended or seen.changed("uncountedTerminatedPods")) and any(uncounted.values()):
        text = "uncountedTerminatedPods needs to be empty for finished job"
        shown = UNCOUNTED_PODS.show(uncounted)
        causes.invalid("status.uncountedTerminatedPods", shown, text)


def _indexes(seen: _Seen, spec: Object, causes: Causes) -> None:
    completions, per_index = spec.get("completions"), spec.get("backoffLimitPerIndex")
    done, failed = seen.status.get("completedIndexes") or "", seen.status.get("failedIndexes")
    new_done, new_failed = seen.changed("completedIndexes"), seen.changed("failedIndexes")
    if new_done and completions is not None:
        _readable("completedIndexes", done, completions, causes)
    if new_failed and completions is not None and per_index is not None and failed is not None:
        _readable("failedIndexes", failed, completions, causes)
    if new_done and done and spec.get("completionMode") != "Indexed":
        text = "cannot set non-empty completedIndexes when non-indexed completion mode"
        causes.invalid("status.completedIndexes", done, text)
    if new_failed and failed is not None and per_index is None:
        text = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        causes.invalid("status.failedIndexes", failed, text)
    if (new_done or new_failed) and completions is not None and failed is not None:
        first = _overlap(done, failed, completions)
        if first is not None:
            text = f"failedIndexes and completedIndexes overlap at index: {first}"
            causes.invalid("status.failedIndexes", failed, text)


def _readable(key: str, text: str, completions: int, causes: Causes) -> None:
    try:
        intervals(text, completions)
    except IndexFault as fault:
        causes.invalid(f"status.{key}", text, f"error parsing {key}: {fault}")


def _overlap(done: str, failed: str, completions: int) -> int | None:
    """Return the first index that is in both lists; what cannot be read is left out."""
    sides: list[list[tuple[int, int]]] = []
    for text in (done, failed):
        found = []
        for part in text.split(",") if text else ():
            try:
                found.append(interval(part, completions))
            except IndexFault:
                continue  # said already, as a fault of the list itself
        sides.append(found)
    common = [
        max(first, start)
        for first, last in sides[0]
        for start, end in sides[1]
        if first <= end and start <= last
    ]
    return min(common, default=None)


def _against_old(seen: _Seen, spec: Object, causes: Causes) -> None:
    """Check what only goes one way."""
    for kind in _FINAL:
        if seen.true(kind, before=True) and not seen.true(kind):
            causes.refused(_CONDITIONS, f"cannot disable the terminal {kind}=True condition")
    elastic = spec.get("completionMode") == "Indexed"
    elastic = elastic and spec.get("completions") == spec.get("parallelism")
    for key in ("failed", "succeeded"):
        number = seen.status.get(key) or 0
        if number < (seen.old.get(key) or 0) and not (key == "succeeded" and elastic):
            causes.invalid(f"status.{key}", number, f"cannot decrease the {key} counter")
    end, was = seen.status.get("completionTime"), seen.old.get("completionTime")
    if end and was and end != was:
        causes.invalid("status.completionTime", end, "completionTime cannot be mutated")
    resumed = seen.true("Suspended", before=True) and not seen.true("Suspended")
    restarted = seen.old.get("startTime") and seen.changed("startTime") and not resumed
    if restarted and not spec.get("suspend"):
        text = "startTime cannot be removed for unsuspended job"
        causes.required("status.startTime", text)
    met, had = seen.true(_MET), seen.true(_MET, before=True)
    if had and not met:
        causes.refused(_CONDITIONS, f"cannot disable the {_MET}=True condition")
    if met and not had and seen.true("Complete", before=True):
        text = f"cannot set {_MET}=True for Job already has Complete=true conditions"
        causes.refused(_CONDITIONS, text)
