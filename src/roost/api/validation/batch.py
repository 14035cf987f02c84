"""Rules for Jobs and CronJobs."""

from __future__ import annotations

from collections.abc import Iterator

from roost.api import names
from roost.api.kind import Change
from roost.api.strategies.batch import generated_labels
from roost.api.strategies.strategy import take
from roost.api.validation import goform, jobstatus, podwarnings
from roost.api.validation.causes import IMMUTABLE, Causes
from roost.api.validation.domains import domain_prefixed_path
from roost.api.validation.jobpolicies import failure_policy, success_policy
from roost.api.validation.rules import Rules
from roost.api.validation.schedules import fault_of, is_time_zone
from roost.api.validation.selectors import label_selector, shown_selector
from roost.api.validation.templates import MISMATCH, matches, pod_template
from roost.api.values import Object

_INDEXED = "requires indexed completion mode"
_INDEXED_MAX = 100_000
_PARALLEL_MAX = 10_000
_CRON_NAME_MAX = 52
_HARD_TO_TRACK = (
    "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than "
    "10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
)
_ZONED = (
    "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see "
    "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
)
_COUNTS = (
    "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit",
    "ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes",
)  # fmt: skip
#: What never changes, and how it is shown where it is a structure.
_FIXED: tuple[tuple[str, goform.Shape | None], ...] = (
    ("completionMode", None),
    ("podFailurePolicy", goform.FAILURE_POLICY),
    ("backoffLimitPerIndex", None),
    ("managedBy", None),
    ("successPolicy", goform.SUCCESS_POLICY),
)
#: What of a template may change while its Job is suspended and has not started.
_DIRECTIVES = ("nodeSelector", "tolerations", "schedulingGates")


def job_spec(spec: Object, path: str, causes: Causes) -> None:
    """Check what a Job and the template of a CronJob have in common."""
    for key in _COUNTS:
        causes.not_negative(f"{path}.{key}", spec.get(key))
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        causes.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    manager = spec.get("managedBy")
    if manager is not None:
        domain_prefixed_path(manager, f"{path}.managedBy", causes)
        if len(manager) > names.LABEL_MAX_BYTES:
            causes.too_long(f"{path}.managedBy", names.LABEL_MAX_BYTES)
    _completion(spec, path, causes)
    if spec.get("podFailurePolicy") is not None:
        failure_policy(spec, f"{path}.podFailurePolicy", causes)
    success = spec.get("successPolicy")
    if success is not None:
        if spec.get("completionMode") == "Indexed":
            success_policy(spec, f"{path}.successPolicy", causes)
        else:
            shown = goform.SUCCESS_POLICY.show(success)
            causes.invalid(f"{path}.successPolicy", shown, _INDEXED)
    _replacement(spec, path, causes)
    template = spec.get("template") or {}
    pod_template(template, f"{path}.template", causes)
    _restart(spec, template, f"{path}.template.spec.restartPolicy", causes)


def _completion(spec: Object, path: str, causes: Causes) -> None:
    mode, completions = spec.get("completionMode"), spec.get("completions")
    failed, parallelism = spec.get("maxFailedIndexes"), spec.get("parallelism") or 0
    per_index = spec.get("backoffLimitPerIndex")
    if mode not in (None, "NonIndexed", "Indexed"):
        causes.not_supported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"))
    if mode == "Indexed":
        if completions is None:
            causes.required(f"{path}.completions", "when completion mode is Indexed")
        if parallelism > _INDEXED_MAX:
            text = f"must be less than or equal to {_INDEXED_MAX} when completion mode is Indexed"
            causes.invalid(f"{path}.parallelism", parallelism, text)
        if completions is not None and failed is not None and failed > completions:
            text = "must be less than or equal to completions"
            causes.invalid(f"{path}.maxFailedIndexes", failed, text)
        if failed is not None and failed > _INDEXED_MAX:
            text = f"must be less than or equal to {_INDEXED_MAX}"
            causes.invalid(f"{path}.maxFailedIndexes", failed, text)
        if completions is not None and completions > _INDEXED_MAX and per_index is not None:
            _many(failed, parallelism, path, causes)
    else:
        for key, value in (("backoffLimitPerIndex", per_index), ("maxFailedIndexes", failed)):
            if value is not None:
                causes.invalid(f"{path}.{key}", value, _INDEXED)


def _many(failed: int | None, parallelism: int, path: str, causes: Causes) -> None:
    """Check a job of very many indexes, of which each may fail for itself."""
    text = (
        f"must be less than or equal to {_PARALLEL_MAX} when completions are above "
        f"{_INDEXED_MAX} and used with backoff limit per index"
    )
    if failed is None:
        wanted = f"must be specified when completions is above {_INDEXED_MAX}"
        causes.required(f"{path}.maxFailedIndexes", wanted)
    if parallelism > _PARALLEL_MAX:
        causes.invalid(f"{path}.parallelism", parallelism, text)
    if failed is not None and failed > _PARALLEL_MAX:
        causes.invalid(f"{path}.maxFailedIndexes", failed, text)


def _replacement(spec: Object, path: str, causes: Causes) -> None:
    policy = spec.get("podReplacementPolicy")
    if policy is None:
        return
    known = ("Failed",) if spec.get("podFailurePolicy") else ("Failed", "TerminatingOrFailed")
    if policy not in known:
        causes.not_supported(f"{path}.podReplacementPolicy", policy, known)


def _restart(spec: Object, template: Object, path: str, causes: Causes) -> None:
    policy = (template.get("spec") or {}).get("restartPolicy")
    if policy in (None, "", "Always"):
        causes.required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        causes.not_supported(path, policy, ("OnFailure", "Never"))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        text = 'only "Never" is supported when podFailurePolicy is specified'
        causes.invalid(path, policy, text)


def _job(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    if change.old is None:
        _generated(change.object, spec, causes)
    job_spec(spec, "spec", causes)
    selector = spec.get("selector")
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    before = len(causes)
    if selector is None:
        causes.required("spec.selector")
    else:
        label_selector(selector, "spec.selector", causes)
    if len(causes) == before and not matches(selector or {}, labels or {}):
        causes.invalid("spec.template.metadata.labels", labels, MISMATCH)


def _generated(job: Object, spec: Object, causes: Causes) -> None:
    """Check that selector and labels are the generated ones, unless they are the user's."""
    if spec.get("manualSelector") or spec.get("selector") is None:
        return
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    expected = generated_labels(job)
    if not (job.get("metadata") or {}).get("uid"):
        causes.required("metadata.uid")
    order = ("controller-uid", "job-name", *(key for key in expected if "/" in key))
    for key in order:
        where, value = f"spec.template.metadata.labels[{key}]", expected[key]
        if key not in labels:
            causes.required(where, f"must be '{value}'")
        elif labels[key] != value:
            causes.invalid(where, labels, f"must be '{value}'")
    if not matches(spec["selector"], expected):
        text = "`selector` not auto-generated"
        causes.invalid("spec.selector", shown_selector(spec["selector"]), text)


def _create(change: Change, causes: Causes) -> None:
    spec, name = change.object.get("spec") or {}, change.object["metadata"].get("name") or ""
    number = spec.get("completions") or 0
    if spec.get("completionMode") == "Indexed" and number > 0:
        pod = f"{name}-{number - 1}"
        if names.check_label(pod):
            text = f"will not able to create pod with invalid DNS label: {pod}"
            causes.invalid("metadata.name", name, text)


def _update(change: Change, causes: Causes) -> None:
    old = change.old or {}
    spec, before = change.object.get("spec") or {}, old.get("spec") or {}
    _completions(spec, before, causes)
    selector = spec.get("selector")
    if selector != before.get("selector"):
        causes.unchanged("spec.selector", shown_selector(selector), before.get("selector"))
    _template(spec, before, old, causes)
    for key, shape in _FIXED:
        new = spec.get(key)
        if new != before.get(key):
            shown = shape.show(new) if shape is not None and new is not None else new
            causes.invalid(f"spec.{key}", shown, IMMUTABLE)


def _completions(spec: Object, before: Object, causes: Causes) -> None:
    new = spec.get("completions")
    if new == before.get("completions"):
        return
    if spec.get("completionMode") != "Indexed":
        causes.unchanged("spec.completions", new, before.get("completions"))
    elif new is not None and new != spec.get("parallelism"):
        text = "can only be modified in tandem with spec.parallelism"
        causes.invalid("spec.completions", new, text)


def _template(spec: Object, before: Object, old: Object, causes: Causes) -> None:
    """Check the pod template: while a Job rests, some of it may still change."""
    new, had = spec.get("template") or {}, before.get("template") or {}
    if new == had:
        return
    if not _rests(before, old.get("status") or {}):
        causes.invalid("spec.template", goform.pod_template(new), IMMUTABLE)
        return
    pod, wanted = dict(had.get("spec") or {}), new.get("spec") or {}
    _directed(pod, wanted)
    _resourced(pod, wanted)
    if pod != wanted:
        causes.invalid("spec.template.spec", goform.pod_spec(wanted), IMMUTABLE)


def _rests(spec: Object, status: Object) -> bool:
    """Tell whether a Job is suspended and has no pods that its template could still concern."""
    marked = any(
        one.get("type") == "Suspended" and one.get("status") == "True"
        for one in status.get("conditions") or ()
    )
    idle = not status.get("active") and (marked or not status.get("startTime"))
    return bool(spec.get("suspend")) and idle


def _directed(pod: Object, new: Object) -> None:
    """Let the directives of scheduling be the new ones; of the affinities only that to nodes."""
    for key in _DIRECTIVES:
        take(pod, new, key)
    affinity, wanted = dict(pod.get("affinity") or {}), new.get("affinity")
    take(affinity, wanted or {}, "nodeAffinity")
    if affinity or wanted is not None:
        pod["affinity"] = affinity
    else:
        pod.pop("affinity", None)


def _resourced(pod: Object, new: Object) -> None:
    """Let the resources of containers be the new ones."""
    for key in ("containers", "initContainers"):
        mine, wanted = pod.get(key) or [], new.get(key) or []
        if mine and len(mine) == len(wanted):
            pod[key] = [
                _with_resources(one, other) if one.get("name") == other.get("name") else one
                for one, other in zip(mine, wanted, strict=True)
            ]


def _with_resources(container: Object, other: Object) -> Object:
    found = dict(container)
    take(found, other, "resources")
    return found


def _cron_job(change: Change, causes: Causes) -> None:
    spec = change.object.get("spec") or {}
    schedule, zone = spec.get("schedule") or "", spec.get("timeZone")
    if not schedule:
        causes.required("spec.schedule")
    else:
        _schedule(schedule, zone, change, causes)
    causes.not_negative("spec.startingDeadlineSeconds", spec.get("startingDeadlineSeconds"))
    if zone is not None:
        _time_zone(zone, "spec.timeZone", causes)
    policies = ("Allow", "Forbid", "Replace")
    causes.one_of("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), policies)
    job = (spec.get("jobTemplate") or {}).get("spec") or {}
    job_spec(job, "spec.jobTemplate.spec", causes)
    if job.get("selector") is not None:
        text = "`selector` will be auto-generated"
        causes.invalid("spec.jobTemplate.spec.selector", shown_selector(job["selector"]), text)
    if job.get("manualSelector"):
        where = "spec.jobTemplate.spec.manualSelector"
        causes.not_supported(where, value=True, supported=("nil", "false"))
    for key in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        causes.not_negative(f"spec.{key}", spec.get(key))


def _schedule(schedule: str, zone: str | None, change: Change, causes: Causes) -> None:
    fault = fault_of(schedule)
    if fault:
        causes.invalid("spec.schedule", schedule, fault)
    if "TZ" not in schedule:
        return
    had = ((change.old or {}).get("spec") or {}).get("schedule") or ""
    if "TZ" not in had:
        text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        causes.invalid("spec.schedule", schedule, text)
    elif zone is not None:
        text = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        causes.invalid("spec.schedule", schedule, text)


def _time_zone(zone: str, path: str, causes: Causes) -> None:
    if not zone:
        causes.invalid(path, zone, "timeZone must be nil or non-empty string")
    elif zone.lower() == "local":
        text = (
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        )
        causes.invalid(path, zone, text)
    elif not is_time_zone(zone):
        causes.invalid(path, zone, f"unknown time zone {zone}")


def _cron_create(change: Change, causes: Causes) -> None:
    name = change.object["metadata"].get("name") or ""
    if len(name) > _CRON_NAME_MAX:
        text = f"must be no more than {_CRON_NAME_MAX} characters"
        causes.invalid("metadata.name", name, text)


def _warn_indexed(spec: Object, path: str) -> Iterator[str]:
    number, parallelism = spec.get("completions") or 0, spec.get("parallelism") or 0
    indexed = spec.get("completionMode") == "Indexed"
    if indexed and number > _INDEXED_MAX and parallelism > _PARALLEL_MAX:
        yield f"{path}: {_HARD_TO_TRACK}"


def _warn(change: Change) -> None:
    podwarnings.of_name(change)
    if not podwarnings.same_generation(change):
        change.warnings.extend(_warn_indexed(change.object.get("spec") or {}, "spec"))
    podwarnings.at_template(change, "spec", "template")


def _cron_warn(change: Change) -> None:
    podwarnings.of_name(change)
    spec = change.object.get("spec") or {}
    if not podwarnings.same_generation(change):
        job = (spec.get("jobTemplate") or {}).get("spec") or {}
        change.warnings.extend(_warn_indexed(job, "spec.jobTemplate.spec"))
    podwarnings.at_template(change, "spec", "jobTemplate", "spec", "template")
    if change.old is not None and "TZ" in (spec.get("schedule") or ""):
        change.warnings.append(_ZONED)


JOB = Rules(
    always=_job,
    create=_create,
    update=_update,
    status=jobstatus.status,
    warn=_warn,
    whole=False,
    before=True,
)
CRON_JOB = Rules(always=_cron_job, create=_cron_create, warn=_cron_warn, whole=False)
