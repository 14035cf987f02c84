"""How a scheduler weighs: a profile for each `schedulerName`, as kube-scheduler's configuration has it.

`read_profiles` takes what KubeSchedulerConfiguration says. What Roost cannot do is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from roost.api.values import Object

DEFAULT_NAME: Final = "default-scheduler"
API_VERSION: Final = "kubescheduler.config.k8s.io/v1"
KIND: Final = "KubeSchedulerConfiguration"

FIT, BALANCED, IMAGES = "NodeResourcesFit", "NodeResourcesBalancedAllocation", "ImageLocality"
TAINTS, AFFINITY = "TaintToleration", "NodeAffinity"
SPREAD, NEIGHBOURS = "PodTopologySpread", "InterPodAffinity"
PREEMPTION = "DefaultPreemption"

#: What each score counts.
WEIGHTS: Final[Mapping[str, int]] = {
    FIT: 1, BALANCED: 1, IMAGES: 1, TAINTS: 3, AFFINITY: 2, SPREAD: 2, NEIGHBOURS: 2,
}  # fmt: skip
#: Filters that can be left out; the others keep pods from failing on their node.
OPTIONAL_FILTERS: Final = frozenset(
    ("NodeUnschedulable", "NodePorts", FIT, TAINTS, AFFINITY, SPREAD, NEIGHBOURS)
)
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


@dataclass(frozen=True, slots=True)
class Profile:
    """See the module."""

    name: str = DEFAULT_NAME
    percentage: int = 0  # of nodes to find before choosing; 0: by the size of the cluster
    weights: Mapping[str, int] = field(default_factory=lambda: WEIGHTS)  # 0: off
    without: frozenset[str] = frozenset()  # filters that are off, and PREEMPTION
    packs: bool = False  # prefer full nodes instead of empty ones
    added_affinity: Object = field(default_factory=dict)  # nodeAffinity of all pods
    hard_affinity_weight: int = 1
    spreads: bool = True  # pods without constraints of their own

    @property
    def added_terms(self) -> list[Object]:
        """The node selector terms that all pods must match one of; empty: any node."""
        found: list[Object] | None
        found = (self.added_affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms")
        return found or []

    @property
    def added_preferences(self) -> list[Object]:
        """[{weight, preference}] of all pods."""
        return self.added_affinity.get(_PREFERRED) or []


def read_profiles(config: Object) -> tuple[Profile, ...]:
    """Return the profiles of a KubeSchedulerConfiguration.

    Raises ValueError, whose text names the field.
    """
    if (config.get("apiVersion"), config.get("kind")) != (API_VERSION, KIND):
        raise ValueError(f"apiVersion and kind must be {API_VERSION} and {KIND}")
    percentage = _percentage(config, "")
    profiles = []
    for at, body in enumerate(config.get("profiles") or ({},)):
        path = f"profiles[{at}]"
        profile = Profile(body.get("schedulerName") or DEFAULT_NAME, percentage)
        if "percentageOfNodesToScore" in body:
            profile = replace(profile, percentage=_percentage(body, f"{path}."))
        profile = _plugins(profile, body.get("plugins") or {}, f"{path}.plugins")
        for number, one in enumerate(body.get("pluginConfig") or ()):
            profile = _arguments(profile, one, f"{path}.pluginConfig[{number}]")
        profiles.append(profile)
    names = [profile.name for profile in profiles]
    for at, name in enumerate(names):
        if name in names[:at]:
            raise ValueError(f'profiles[{at}].schedulerName: Duplicate value: "{name}"')
    return tuple(profiles)


def _percentage(body: Object, path: str) -> int:
    value = body.get("percentageOfNodesToScore") or 0
    if not isinstance(value, int) or not 0 <= value <= 100:
        raise ValueError(
            f"{path}percentageOfNodesToScore: Invalid value: {value}: not in valid range [0-100]"
        )
    return value


def _switches(plugins: Object, path: str) -> Iterator[tuple[str, str, Object | None, str]]:
    """Return (point, plugin, what enables it or None, path): what is disabled comes first."""
    known = ("multiPoint", "filter", "score", "postFilter")
    for point, body in plugins.items():
        if point not in known:
            raise ValueError(f"{path}.{point}: not supported, only {', '.join(known)}")
        for one in body.get("disabled") or ():
            yield point, one["name"], None, f"{path}.{point}.disabled"
        for one in body.get("enabled") or ():
            yield point, one["name"], one, f"{path}.{point}.enabled"


def _plugins(profile: Profile, plugins: Object, path: str) -> Profile:
    weights, without = dict(profile.weights), set(profile.without)
    for point, plugin, enabled, where in _switches(plugins, path):
        filters, scores = _parts(point, plugin, where, switched_off=enabled is None)
        if enabled is None:
            weights.update(dict.fromkeys(scores, 0))
            without |= filters
        else:
            without -= filters
            for name in scores:
                weights[name] = enabled.get("weight") or weights[name] or WEIGHTS[name]
    return replace(profile, weights=weights, without=frozenset(without))


def _parts(
    point: str, plugin: str, where: str, *, switched_off: bool
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the (filters, scores) that a name stands for at a point."""
    filters = OPTIONAL_FILTERS if point in ("multiPoint", "filter") else frozenset()
    filters |= {PREEMPTION} if point in ("multiPoint", "postFilter") else set()
    scores = frozenset(WEIGHTS) if point in ("multiPoint", "score") else frozenset()
    if plugin == "*":
        if switched_off and point in ("multiPoint", "filter"):
            raise ValueError(f"{where}: not all filters can be left out; name those that shall be")
        return frozenset(filters), scores
    if plugin not in filters | scores:
        raise ValueError(f"{where}: {plugin} cannot be switched here")
    return frozenset(filters & {plugin}), scores & {plugin}


def _arguments(profile: Profile, body: Object, path: str) -> Profile:
    name, args = body.get("name"), dict(body.get("args") or {})
    for described in ("apiVersion", "kind"):
        args.pop(described, None)
    read = {
        AFFINITY: _affinity_arguments,
        NEIGHBOURS: _neighbour_arguments,
        FIT: _fit_arguments,
        SPREAD: _spread_arguments,
    }.get(name or "")
    if read is None:
        raise ValueError(f"{path}: arguments of {name} are not supported")
    changes = read(args, f"{path}.args")
    for left in args:
        raise ValueError(f"{path}.args.{left}: not supported")
    return replace(profile, **changes)


def _affinity_arguments(args: Object, path: str) -> dict[str, Any]:
    added = args.pop("addedAffinity", None) or {}
    for name in added:
        if name not in (_REQUIRED, _PREFERRED):
            raise ValueError(f"{path}.addedAffinity.{name}: not supported")
    return {"added_affinity": added}


def _neighbour_arguments(args: Object, path: str) -> dict[str, Any]:
    weight = args.pop("hardPodAffinityWeight", 1)
    if not isinstance(weight, int) or not 0 <= weight <= 100:
        raise ValueError(
            f"{path}.hardPodAffinityWeight: Invalid value: {weight}: not in valid range [0-100]"
        )
    return {"hard_affinity_weight": weight}


def _fit_arguments(args: Object, path: str) -> dict[str, Any]:
    strategy = dict(args.pop("scoringStrategy", None) or {})
    kind = strategy.pop("type", "LeastAllocated")
    resources = strategy.pop("resources", None) or ()
    usual = {(one["name"], one.get("weight", 1)) for one in resources}
    if usual and usual != {("cpu", 1), ("memory", 1)}:
        raise ValueError(f"{path}.scoringStrategy.resources: only cpu and memory with weight 1")
    if kind not in ("LeastAllocated", "MostAllocated") or strategy:
        raise ValueError(
            f"{path}.scoringStrategy.type: {kind} is not supported, only LeastAllocated and "
            "MostAllocated"
        )
    return {"packs": kind == "MostAllocated"}


def _spread_arguments(args: Object, path: str) -> dict[str, Any]:
    kind = args.pop("defaultingType", "System")
    if args.pop("defaultConstraints", None):
        raise ValueError(f"{path}.defaultConstraints: not supported, but an empty list is")
    return {"spreads": kind == "System"}
