"""The node's resource use as stats/v1alpha1 Summary, from what runtimes measure. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from roost.api.values import Object
from roost.decisions.meta import stamp
from roost.node import podspec
from roost.node.facts import PodFacts
from roost.runtimes.port import Usage

_NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Measured:
    """The use of one container, with the use before it to tell the rate by; times in epoch seconds."""

    usage: Usage
    at: float
    before: Usage | None = None
    before_at: float = 0.0

    def cores_nano(self) -> int | None:
        """Return cpu use now, in billionths of a core; None while it cannot be told."""
        if self.before is None or self.at <= self.before_at:
            return None
        spent = max(0.0, self.usage.cpu_seconds - self.before.cpu_seconds)
        return int(spent / (self.at - self.before_at) * _NANO)


def _stats(measured: Iterable[Measured], now: float) -> Object:
    every = list(measured)
    at = stamp(now)
    rates = [rate for one in every if (rate := one.cores_nano()) is not None]
    cpu: Object = {
        "time": at,
        "usageCoreNanoSeconds": int(sum(one.usage.cpu_seconds for one in every) * _NANO),
    }
    if rates or not every:
        cpu["usageNanoCores"] = sum(rates)
    working_set = sum(one.usage.memory_working_set_bytes for one in every)
    return {
        "cpu": cpu,
        "memory": {
            "time": at,
            "workingSetBytes": working_set,
            "usageBytes": working_set,
            "rssBytes": sum(one.usage.memory_rss_bytes for one in every),
        },
    }


def pod_stats(pod: Object, facts: PodFacts, measured: Mapping[str, Measured], now: float) -> Object:
    """Return PodStats of one pod; `measured` by container id."""
    namespace, name = podspec.name_of(pod)
    containers = []
    inside = []
    for _, container in podspec.containers(pod):
        seen = facts.container(container["name"]).seen
        one = measured.get(seen.id) if seen is not None and seen.live else None
        if seen is None or one is None:
            continue
        inside.append(one)
        started = stamp(seen.started_at)
        containers.append({"name": container["name"], "startTime": started, **_stats([one], now)})
    return {
        "podRef": {"name": name, "namespace": namespace, "uid": podspec.uid(pod)},
        "startTime": stamp(facts.started_at),
        "containers": containers,
        **_stats(inside, now),
    }


def summary(
    node_name: str, started_at: float, pods: list[Object], measured: Iterable[Measured], now: float
) -> Object:
    """Return the Summary; `measured` is what the node uses: its machine, or all of its containers."""
    return {
        "node": {
            "nodeName": node_name,
            "startTime": stamp(started_at),
            **_stats(measured, now),
        },
        "pods": pods,
    }
