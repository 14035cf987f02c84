"""Finished Jobs go when their ttlSecondsAfterFinished has passed."""

from __future__ import annotations

from dataclasses import dataclass

from roost.api.values import Object
from roost.controllers.job.facts import is_finished
from roost.decisions.controller import Caches, Controller, Key, Watch, own_key
from roost.decisions.meta import deleting, ref_of, seconds_of, version_of
from roost.decisions.plan import NOTHING, Delete, Plan
from roost.decisions.resources import JOBS


@dataclass(frozen=True, slots=True)
class View:
    """A finished Job with a time to live."""

    job: Object
    now: float


def finished_at(job: Object) -> float:
    """Return when the Job completed or failed, in epoch seconds."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition.get("type") in {"Complete", "Failed"} and condition.get("status") == "True":
            return seconds_of(condition.get("lastTransitionTime"))
    return 0.0


def view(caches: Caches, key: Key, now: float) -> View | None:
    """Return the Job, if it has to go some day."""
    job = caches[JOBS].get(*key)
    if job is None or deleting(job) or not is_finished(job):
        return None
    return View(job, now) if job["spec"].get("ttlSecondsAfterFinished") is not None else None


def reconcile(view: View) -> Plan:
    """Delete the Job, with what it owns, when its time has come."""
    end = finished_at(view.job) + view.job["spec"]["ttlSecondsAfterFinished"]
    if end > view.now:
        return Plan(wake_at=end)
    if not finished_at(view.job):
        return NOTHING
    ref, version = ref_of(JOBS, view.job), version_of(view.job)
    return Plan((Delete(ref, propagation="Foreground", resource_version=version),))


CONTROLLER = Controller(
    name="ttl-after-finished-controller",
    watches=(Watch(JOBS, own_key),),
    view=view,
    reconcile=reconcile,
)
