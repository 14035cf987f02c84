"""The columns of apps, batch, autoscaling, policy and scheduling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from roost.api.columns.cells import (
    AGE,
    NAME,
    NONE,
    UNKNOWN,
    UNSET,
    at,
    containers_columns,
    count,
    described,
    duration_text,
    get,
    labels_text,
    seconds_of,
    selector_text,
    since,
    truth,
)
from roost.api.kind import Column
from roost.api.selectors import label_selector
from roost.api.values import Object


def _ready(value: Object, _: float) -> str:
    have, wanted = get(value, "status", "readyReplicas"), get(value, "spec", "replicas")
    return f"{have or 0}/{wanted or 0}"


def _deployment_selector(value: Object, _: float) -> str:
    try:
        return str(label_selector(get(value, "spec", "selector")))
    except ValueError:
        return "<invalid>"


def _selector(definition: str, *path: str) -> Column:
    return Column("Selector", lambda v, _: selector_text(get(v, *path)), priority=1,
                  description=described(f"{definition}.selector"))  # fmt: skip


DEPLOYMENTS = (
    NAME,
    Column("Ready", _ready, description="Number of the pod with ready state"),
    Column("Up-to-date", at("status", "updatedReplicas", default=0),
           description=described("apps.v1.DeploymentStatus.updatedReplicas")),
    Column("Available", at("status", "availableReplicas", default=0),
           description=described("apps.v1.DeploymentStatus.availableReplicas")),
    AGE,
    *containers_columns("spec", "template"),
    Column("Selector", _deployment_selector, priority=1,
           description=described("apps.v1.DeploymentSpec.selector")),
)  # fmt: skip

REPLICA_SETS = (
    NAME,
    Column("Desired", at("spec", "replicas", default=0), "integer",
           description=described("apps.v1.ReplicaSetSpec.replicas")),
    Column("Current", at("status", "replicas", default=0), "integer",
           description=described("apps.v1.ReplicaSetStatus.replicas")),
    Column("Ready", at("status", "readyReplicas", default=0), "integer",
           description=described("apps.v1.ReplicaSetStatus.readyReplicas")),
    AGE,
    *containers_columns("spec", "template"),
    _selector("apps.v1.ReplicaSetSpec", "spec", "selector"),
)  # fmt: skip

STATEFUL_SETS = (
    NAME,
    Column("Ready", _ready, description="Number of the pod with ready state"),
    AGE,
    *containers_columns("spec", "template"),
)


def _daemons(name: str, field: str) -> Column:
    return Column(name, at("status", field, default=0), "integer",
                  description=described(f"apps.v1.DaemonSetStatus.{field}"))  # fmt: skip


DAEMON_SETS = (
    NAME,
    _daemons("Desired", "desiredNumberScheduled"),
    _daemons("Current", "currentNumberScheduled"),
    _daemons("Ready", "numberReady"),
    _daemons("Up-to-date", "updatedNumberScheduled"),
    _daemons("Available", "numberAvailable"),
    Column("Node Selector",
           lambda v, _: labels_text(get(v, "spec", "template", "spec", "nodeSelector")),
           description=described("core.v1.PodSpec.nodeSelector")),
    AGE,
    *containers_columns("spec", "template"),
    _selector("apps.v1.DaemonSetSpec", "spec", "selector"),
)  # fmt: skip


def _controller(value: Object, _: float) -> str:
    for owner in get(value, "metadata", "ownerReferences") or ():
        if owner.get("controller"):
            group = owner.get("apiVersion", "").rpartition("/")[0]
            kind = owner.get("kind", "") + (f".{group}" if group else "")
            return f"{kind.lower()}/{owner.get('name')}"
    return NONE


CONTROLLER_REVISIONS = (
    NAME,
    Column("Controller", _controller, description="Controller of the object"),
    Column("Revision", at("revision", default=0),
           description=described("apps.v1.ControllerRevision.revision")),
    AGE,
)  # fmt: skip


def _job_status(job: Object, _: float) -> str:
    true = {c.get("type") for c in get(job, "status", "conditions") or ()
            if c.get("status") == "True"}  # fmt: skip
    for name in ("Complete", "Failed"):
        if name in true:
            return name
    if get(job, "metadata", "deletionTimestamp"):
        return "Terminating"
    return next((name for name in ("Suspended", "FailureTarget") if name in true), "Running")


def _completions(job: Object, _: float) -> str:
    done = get(job, "status", "succeeded") or 0
    wanted = get(job, "spec", "completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallel = get(job, "spec", "parallelism") or 0
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _job_duration(job: Object, now: float) -> str:
    start = seconds_of(get(job, "status", "startTime"))
    if start is None:
        return ""
    end = seconds_of(get(job, "status", "completionTime"))
    return duration_text((now if end is None else end) - start)


JOBS = (
    NAME,
    Column("Status", _job_status, description="Status of the job."),
    Column("Completions", _completions, description=described("batch.v1.JobStatus.succeeded")),
    Column("Duration", _job_duration, description="Time required to complete the job."),
    AGE,
    *containers_columns("spec", "template"),
    _selector("batch.v1.JobSpec", "spec", "selector"),
)


def _last_schedule(value: Object, now: float) -> str:
    time = get(value, "status", "lastScheduleTime")
    return since(time, now) if time else NONE


CRON_JOBS = (
    NAME,
    Column("Schedule", at("spec", "schedule"),
           description=described("batch.v1.CronJobSpec.schedule")),
    Column("Timezone", at("spec", "timeZone", default=NONE),
           description=described("batch.v1.CronJobSpec.timeZone")),
    Column("Suspend", lambda v, _: truth(get(v, "spec", "suspend")), "boolean",
           description=described("batch.v1.CronJobSpec.suspend")),
    Column("Active", count("status", "active"), "integer",
           description=described("batch.v1.CronJobStatus.active")),
    Column("Last Schedule", _last_schedule,
           description=described("batch.v1.CronJobStatus.lastScheduleTime")),
    AGE,
    *containers_columns("spec", "jobTemplate", "spec", "template"),
    Column("Selector",
           lambda v, _: selector_text(get(v, "spec", "jobTemplate", "spec", "selector")) or NONE,
           priority=1, description=described("batch.v1.JobSpec.selector")),
)  # fmt: skip

_METRICS_MAX = 2
_SOURCES = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}


def _metric(spec: Object, status: Object) -> str:
    source = _SOURCES.get(spec.get("type", ""))
    if source is None:
        return "<unknown type>"
    target = get(spec, source, "target") or {}
    current = get(status, source, "current") or {}
    # What was measured, but not in this way, is shown as Go shows a pointer that is none.
    absent = UNKNOWN if get(status, source) is None else "<nil>"
    if source in {"resource", "containerResource"}:
        prefix = f"{get(spec, source, 'name')}: "
        if target.get("averageValue") is not None:
            return f"{prefix}{current.get('averageValue', absent)}/{target['averageValue']}"
        used, wanted = current.get("averageUtilization"), target.get("averageUtilization")
        shown = UNKNOWN if used is None else f"{used}%"
        return f"{prefix}{shown}/" + ("<auto>" if wanted is None else f"{wanted}%")
    if source == "pods":
        return f"{current.get('averageValue', absent)}/{target.get('averageValue', '0')}"
    if target.get("averageValue") is not None:
        return f"{current.get('averageValue', UNKNOWN)}/{target['averageValue']} (avg)"
    return f"{current.get('value', absent)}/{target.get('value', '0')}"


def _targets(scaler: Object, _: float) -> str:
    spec, status = scaler.get("spec") or {}, scaler.get("status") or {}
    metrics: Sequence[Any] = spec.get("metrics") or ()
    if not metrics:
        return NONE
    currents = status.get("currentMetrics") or ()
    listed = [
        _metric(metric, currents[index] if index < len(currents) else {})
        for index, metric in enumerate(metrics)
    ]
    text = ", ".join(listed[:_METRICS_MAX])
    surplus = len(listed) - _METRICS_MAX
    return f"{text} + {surplus} more..." if surplus > 0 else text


def _reference(scaler: Object, _: float) -> str:
    target = get(scaler, "spec", "scaleTargetRef") or {}
    return f"{target.get('kind', '')}/{target.get('name', '')}"


def _least(scaler: Object, _: float) -> str:
    least = get(scaler, "spec", "minReplicas")
    return UNSET if least is None else str(least)


_HPA = "autoscaling.v2.HorizontalPodAutoscaler"
HORIZONTAL_POD_AUTOSCALERS = (
    NAME,
    Column("Reference", _reference, description=described(f"{_HPA}Spec.scaleTargetRef")),
    Column("Targets", _targets, description=described(f"{_HPA}Spec.metrics")),
    Column("MinPods", _least, description=described(f"{_HPA}Spec.minReplicas")),
    Column("MaxPods", at("spec", "maxReplicas", default=0),
           description=described(f"{_HPA}Spec.maxReplicas")),
    Column("Replicas", at("status", "currentReplicas", default=0),
           description=described(f"{_HPA}Status.currentReplicas")),
    AGE,
)  # fmt: skip


def _amount(field: str) -> Any:
    def cell(value: Object, _: float) -> str:
        amount = get(value, "spec", field)
        return "N/A" if amount is None else str(amount)

    return cell


POD_DISRUPTION_BUDGETS = (
    NAME,
    Column("Min Available", _amount("minAvailable"),
           description="The minimum number of pods that must be available."),
    Column("Max Unavailable", _amount("maxUnavailable"),
           description="The maximum number of pods that may be unavailable."),
    Column("Allowed Disruptions", at("status", "disruptionsAllowed", default=0), "integer",
           description="Calculated number of pods that may be disrupted at this time."),
    AGE,
)  # fmt: skip

PRIORITY_CLASSES = (
    NAME,
    Column("Value", at("value", default=0), "integer",
           description=described("scheduling.v1.PriorityClass.value")),
    Column("Global-Default", at("globalDefault", default=False), "boolean",
           description=described("scheduling.v1.PriorityClass.globalDefault")),
    AGE,
    Column("PreemptionPolicy", at("preemptionPolicy"),
           description=described("scheduling.v1.PriorityClass.preemptionPolicy")),
)  # fmt: skip
