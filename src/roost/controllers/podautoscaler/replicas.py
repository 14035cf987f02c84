"""How many replicas a measured usage calls for. Usages are in thousandths, as MilliValue is.

Pods that have no figures yet, or are not ready, must not tip the scale: what they might use is
assumed so that a change is damped, and a change that would turn round is not made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from roost.api.quantity import to_millis
from roost.api.values import Object
from roost.decisions import conditions
from roost.decisions.meta import deleting, name_of, seconds_of
from roost.decisions.pods import phase_of, ready

#: For so long after a pod's start its cpu figures are looked at with suspicion.
CPU_INITIALIZATION_S = 300.0
#: A pod that was not ready for so long after its start never was.
INITIAL_READINESS_S = 30.0

NO_PODS = "no pods returned by selector while calculating replica count"
NO_FIGURES = "did not receive metrics for targeted pods (pods might be unready)"


class Unknown(Exception):
    """The number cannot be told; the text says why."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What one pod uses: on average over `window_s` until `at` (epoch seconds)."""

    value: int
    at: float
    window_s: float


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Which ratios of usage to target leave the replicas as they are."""

    down: float = 0.1
    up: float = 0.1

    def within(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True)
class Proposal:
    """A number of replicas; the usage it rests on, and that as part of the requests, in percent."""

    replicas: int
    usage: int
    utilization: int | None = None


@dataclass(frozen=True, slots=True)
class Groups:
    """Pods by how far their figures count."""

    ready: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


@dataclass(frozen=True, slots=True)
class Measured:
    """The pods of a target with their figures, at a time."""

    pods: tuple[Object, ...]
    figures: Mapping[str, Figure]
    now: float


def group(measured: Measured, resource: str) -> Groups:
    """Sort the pods; `resource` is "" for figures that are not of a resource."""
    count = 0
    unready, missing, ignored = set(), set(), set()
    for pod in measured.pods:
        name = name_of(pod)
        if deleting(pod) or phase_of(pod) == "Failed":
            ignored.add(name)
        elif phase_of(pod) == "Pending":
            unready.add(name)
        elif name not in measured.figures:
            missing.add(name)
        elif resource == "cpu" and _doubtful(pod, measured.figures[name], measured.now):
            unready.add(name)
        else:
            count += 1
    return Groups(count, frozenset(unready), frozenset(missing), frozenset(ignored))


def _doubtful(pod: Object, figure: Figure, now: float) -> bool:
    """Say whether a cpu figure may only show how the pod starts."""
    status = pod.get("status") or {}
    condition = conditions.find(status.get("conditions"), "Ready")
    started = seconds_of(status.get("startTime"))
    if condition is None or not started:
        return True
    changed = seconds_of(condition.get("lastTransitionTime"))
    not_ready = condition.get("status") == "False"
    if started + CPU_INITIALIZATION_S > now:
        return not_ready or figure.at < changed + figure.window_s
    return not_ready and started + INITIAL_READINESS_S > changed


def requests_of(pods: Iterable[Object], resource: str, container: str) -> dict[str, int]:
    """Return what each pod (or its one container) requests; raise Unknown if one does not say."""
    found = {}
    for pod in pods:
        spec = pod["spec"]
        whole = ((spec.get("resources") or {}).get("requests") or {}).get(resource)
        if whole is not None and not container:
            found[name_of(pod)] = to_millis(whole)
            continue
        sidecars = [
            c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"
        ]
        counted = [c for c in (*spec["containers"], *sidecars) if container in ("", c["name"])]
        if not counted:
            raise Unknown(f"container {container} not found in Pod {name_of(pod)}")
        total = 0
        for one in counted:
            asked = ((one.get("resources") or {}).get("requests") or {}).get(resource)
            if asked is None:
                raise Unknown(
                    f"missing request for {resource} in container {one['name']} "
                    f"of Pod {name_of(pod)}"
                )
            total += to_millis(asked)
        found[name_of(pod)] = total
    return found


def _utilization(
    values: Mapping[str, int], requests: Mapping[str, int], target: int
) -> tuple[float, int, int]:
    """Return (ratio to the target, percent of the requests, average usage)."""
    known = [name for name in values if name in requests]
    asked = sum(requests[name] for name in known)
    if not asked:
        raise Unknown("no metrics returned matched known pods")
    used = sum(values[name] for name in known)
    percent = used * 100 // asked
    return percent / target, percent, used // len(known)


def by_utilization(
    measured: Measured,
    requests: Mapping[str, int],
    resource: str,
    target: int,
    current: int,
    tolerances: Tolerances,
) -> Proposal:
    """Return the replicas for a target in percent of the requests."""
    groups, values = _usable(measured, resource)
    ratio, percent, average = _utilization(values, requests, target)
    fallback = max(100, target)
    assumed = {name: requests.get(name, 0) * fallback // 100 for name in groups.missing}

    def again(more: Mapping[str, int]) -> float:
        return _utilization({**values, **more}, requests, target)[0]

    replicas = _damped(_Case(groups, len(values), current, ratio, tolerances), assumed, again)
    return Proposal(replicas, average, percent)


def by_value(
    measured: Measured, resource: str, target: int, current: int, tolerances: Tolerances
) -> Proposal:
    """Return the replicas for a target of average usage."""
    groups, values = _usable(measured, resource)
    average = sum(values.values()) // len(values)
    assumed = dict.fromkeys(groups.missing, target)

    def again(more: Mapping[str, int]) -> float:
        all_values = {**values, **more}
        return sum(all_values.values()) // len(all_values) / target

    case = _Case(groups, len(values), current, average / target, tolerances)
    return Proposal(_damped(case, assumed, again), average)


def _usable(measured: Measured, resource: str) -> tuple[Groups, dict[str, int]]:
    if not measured.pods:
        raise Unknown(NO_PODS)
    groups = group(measured, resource)
    left_out = groups.ignored | groups.unready
    values = {n: f.value for n, f in measured.figures.items() if n not in left_out}
    if not values:
        raise Unknown(NO_FIGURES)
    return groups, values


@dataclass(frozen=True, slots=True)
class _Case:
    groups: Groups
    counted: int  # figures that count
    current: int
    ratio: float
    tolerances: Tolerances


def _damped(
    case: _Case, assumed: Mapping[str, int], again: Callable[[Mapping[str, int]], float]
) -> int:
    """Return the replicas; `assumed` is what missing pods may use when there is less to do, `again`
    gives the ratio with further figures."""
    groups, ratio = case.groups, case.ratio
    unready_matter = bool(groups.unready) and ratio > 1.0
    if not unready_matter and not groups.missing:
        if case.tolerances.within(ratio):
            return case.current
        return math.ceil(ratio * groups.ready)
    more: dict[str, int] = {}
    if ratio < 1.0:
        more.update(assumed)
    elif ratio > 1.0:
        more.update(dict.fromkeys(groups.missing, 0))
    if unready_matter:
        more.update(dict.fromkeys(groups.unready, 0))
    new = again(more)
    turned = (ratio < 1.0 < new) or (new < 1.0 < ratio)
    if case.tolerances.within(new) or turned:
        return case.current
    replicas = math.ceil(new * (case.counted + len(more)))
    if (new < 1.0 and replicas > case.current) or (new > 1.0 and replicas < case.current):
        return case.current
    return replicas


def by_total(
    usage: int, target: int, current: int, pods: Iterable[Object], tolerances: Tolerances
) -> Proposal:
    """Return the replicas for a target value of something that is not a pod."""
    ratio = usage / target
    if not current:
        return Proposal(math.ceil(ratio), usage)
    if tolerances.within(ratio):
        return Proposal(current, usage)
    known = tuple(pods)
    if not known:
        raise Unknown(f"unable to calculate ready pods: {NO_PODS}")
    count = sum(1 for pod in known if phase_of(pod) == "Running" and ready(pod))
    return Proposal(math.ceil(ratio * count), usage)


def by_share(usage: int, target: int, current: int, tolerances: Tolerances) -> Proposal:
    """Return the replicas for a target per pod of something that is not a pod."""
    replicas = current
    ratio = usage / (target * current) if current else math.inf
    if not tolerances.within(ratio):
        replicas = math.ceil(usage / target)
    return Proposal(replicas, math.ceil(usage / current) if current else usage)
