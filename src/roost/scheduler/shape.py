"""What scheduling needs to know about a pod, compiled once for all pods of one form.

Pods of one template differ in name only, so they share a Shape, and what was found out about a node
for one of them holds for the next as long as the node has not changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from roost.api.selectors import LabelSelector, Requirement, label_selector
from roost.api.values import Object
from roost.decisions import requests
from roost.decisions.affinity import preferred_terms, required_terms
from roost.decisions.controller import Key, controller_of
from roost.decisions.meta import deleting, labels_of, namespace_of, uid_of
from roost.scheduler.profile import DEFAULT_NAME

_KEPT = 2048


@dataclass(frozen=True, slots=True)
class SpreadConstraint:
    """A topologySpreadConstraint."""

    topology_key: str
    max_skew: int
    hard: bool
    selector: LabelSelector
    min_domains: int
    honour_affinity: bool
    honour_taints: bool


@dataclass(frozen=True, slots=True)
class Term:
    """A pod (anti-)affinity term; `namespaces` None asks for `namespace_selector` only."""

    topology_key: str
    selector: LabelSelector
    namespaces: frozenset[str]
    namespace_selector: LabelSelector | None
    weight: int = 0


@dataclass(slots=True, eq=False)
class Shape:
    """See the module. Compared by identity."""

    namespace: str
    labels: dict[str, str]
    owner_uid: str
    spec: Object
    priority: int
    requests: requests.Amounts
    scored_cpu: int
    scored_memory: int
    tolerations: Sequence[Object]
    ports: tuple[tuple[str, str, int], ...]
    images: tuple[str, ...]
    spread: tuple[SpreadConstraint, ...] = ()
    affinity: tuple[Term, ...] = ()
    anti_affinity: tuple[Term, ...] = ()
    prefers: tuple[Term, ...] = ()  # weights below 0 for anti-affinity
    required_nodes: Sequence[Object] | None = None
    preferred_nodes: Sequence[Object] = ()
    claims: tuple[str, ...] = ()
    made_for_pod: frozenset[str] = frozenset()  # those of `claims` that its ephemeral volumes get
    disks: tuple[Object, ...] = ()  # volumes that one pod at a time may write
    only_on: frozenset[str] | None = None  # the names of the nodes that matchFields leave over
    devices: tuple[tuple[str, str], ...] = ()  # resourceClaims: (name in the pod, claim or "")
    never_preempts: bool = False
    scheduler: str = DEFAULT_NAME
    asks_nothing: bool = False


@dataclass(slots=True, eq=False)
class PodInfo:
    """A pod as the scheduler sees it; `counts` is false while it is being deleted."""

    key: Key
    uid: str
    pod: Object
    shape: Shape
    counts: bool = True


#: Volumes of the days before claims, which disagree on who may use them together.
DISKS = ("gcePersistentDisk", "awsElasticBlockStore", "iscsi", "rbd")


def _claims(pod: Object) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the names of all claims, and of those that are made for this pod."""
    names: list[str] = []
    made: set[str] = set()
    for volume in pod["spec"].get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            names.append(volume["persistentVolumeClaim"]["claimName"])
        elif "ephemeral" in volume:
            names.append(f"{pod['metadata']['name']}-{volume['name']}")
            made.add(names[-1])
    return tuple(names), frozenset(made)


def _devices(pod: Object) -> Iterable[tuple[str, str]]:
    """Return the resource claims of a pod; "" where one is still to be made."""
    wanted = pod["spec"].get("resourceClaims") or ()
    statuses = (pod.get("status") or {}).get("resourceClaimStatuses") or () if wanted else ()
    made = {one["name"]: one.get("resourceClaimName") for one in statuses}
    for one in wanted:
        if one.get("resourceClaimName"):
            yield one["name"], one["resourceClaimName"]
        elif one["name"] not in made:
            yield one["name"], ""
        elif made[one["name"]]:  # a template that needed no claim has none
            yield one["name"], made[one["name"]]


def _images(spec: Object) -> tuple[str, ...]:
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    volumes = (v["image"] for v in spec.get("volumes") or () if v.get("image"))
    return tuple(
        [c.get("image", "") for c in containers] + [v.get("reference", "") for v in volumes]
    )


def _only_on(terms: Sequence[Object] | None) -> frozenset[str] | None:
    """Return the nodes that all terms name; None if some term names none."""
    if terms is None:
        return None
    names: set[str] = set()
    for term in terms:
        listed = [
            frozenset(one.get("values") or ())
            for one in term.get("matchFields") or ()
            if one["key"] == "metadata.name" and one["operator"] == "In"
        ]
        if not listed:
            return None
        names |= frozenset.intersection(*listed)
    return frozenset(names) if terms else None


def _ports(spec: Object) -> Iterable[tuple[str, str, int]]:
    sidecars = (c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always")
    for container in (*(spec.get("containers") or ()), *sidecars):
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield port.get("hostIP") or "0.0.0.0", port.get("protocol", "TCP"), port["hostPort"]  # noqa: S104 - compared, not bound


def _extended(selector: LabelSelector, term: Object, labels: dict[str, str]) -> LabelSelector:
    """Add matchLabelKeys and mismatchLabelKeys."""
    extra = [
        Requirement(key, operator, (labels[key],))
        for name, operator in (("matchLabelKeys", "="), ("mismatchLabelKeys", "notin"))
        for key in term.get(name) or ()
        if key in labels
    ]
    if not extra or selector.nothing:
        return selector
    return LabelSelector((*selector.requirements, *extra))


def _spread(spec: Object, labels: dict[str, str]) -> Iterable[SpreadConstraint]:
    for item in spec.get("topologySpreadConstraints") or ():
        yield SpreadConstraint(
            item["topologyKey"],
            item["maxSkew"],
            item["whenUnsatisfiable"] == "DoNotSchedule",
            _extended(label_selector(item.get("labelSelector")), item, labels),
            item.get("minDomains") or 1,
            item.get("nodeAffinityPolicy", "Honor") == "Honor",
            item.get("nodeTaintsPolicy", "Ignore") == "Honor",
        )


def _term(term: Object, namespace: str, labels: dict[str, str], weight: int = 0) -> Term:
    listed = frozenset(term.get("namespaces") or ())
    asked = term.get("namespaceSelector")
    if not listed and asked is None:
        listed = frozenset((namespace,))
    return Term(
        term["topologyKey"],
        _extended(label_selector(term.get("labelSelector")), term, labels),
        listed,
        None if asked is None else label_selector(asked),
        weight,
    )


def _terms(pod: Object, which: str) -> tuple[tuple[Term, ...], tuple[Term, ...]]:
    """Return the (required, preferred) terms of podAffinity or podAntiAffinity."""
    affinity = (pod["spec"].get("affinity") or {}).get(which) or {}
    namespace, labels = namespace_of(pod), labels_of(pod)
    sign = -1 if which == "podAntiAffinity" else 1
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    return (
        tuple(_term(term, namespace, labels) for term in required),
        tuple(
            _term(item["podAffinityTerm"], namespace, labels, sign * item["weight"])
            for item in preferred
        ),
    )


def compile_shape(pod: Object) -> Shape:
    """Return the shape of one pod."""
    spec, labels = pod["spec"], labels_of(pod)
    owner = controller_of(pod)
    asked = requests.pod_requests(pod)
    cpu, memory = requests.scored_requests(pod)
    affinity, prefers = _terms(pod, "podAffinity")
    anti_affinity, avoids = _terms(pod, "podAntiAffinity")
    claims, made_for_pod = _claims(pod)
    required = required_terms(spec)
    return Shape(
        namespace=namespace_of(pod),
        labels=labels,
        owner_uid=owner["uid"] if owner is not None else "",
        spec=spec,
        priority=spec.get("priority") or 0,
        requests={name: value for name, value in asked.items() if value},
        scored_cpu=cpu,
        scored_memory=memory,
        tolerations=spec.get("tolerations") or (),
        ports=tuple(_ports(spec)),
        images=_images(spec),
        spread=tuple(_spread(spec, labels)),
        affinity=affinity,
        anti_affinity=anti_affinity,
        prefers=prefers + avoids,
        required_nodes=required,
        preferred_nodes=preferred_terms(spec),
        claims=claims,
        made_for_pod=made_for_pod,
        disks=tuple(v for v in spec.get("volumes") or () if any(kind in v for kind in DISKS)),
        only_on=_only_on(required),
        devices=tuple(_devices(pod)),
        scheduler=spec.get("schedulerName") or DEFAULT_NAME,
        never_preempts=spec.get("preemptionPolicy") == "Never",
        asks_nothing=not any(asked.values()),
    )


_SPEC_FIELDS = (
    "affinity", "nodeSelector", "overhead", "preemptionPolicy", "priority", "resources",
    "schedulerName", "tolerations", "topologySpreadConstraints",
)  # fmt: skip
_CONTAINER_FIELDS = ("image", "ports", "resources", "restartPolicy")


_VOLUME_FIELDS = ("persistentVolumeClaim", "image", *DISKS)


def _volume_parts(volumes: Iterable[Object], pod: str) -> list[object]:
    parts: list[object] = []
    for volume in volumes:
        if "ephemeral" in volume:
            parts.append((pod, volume["name"]))  # its claim is this pod's alone
        else:
            parts.extend((f, volume[f]) for f in _VOLUME_FIELDS if f in volume)
    return parts


def _signature(pod: Object) -> str:
    """Return a text that is equal for pods of one shape."""
    spec, metadata = pod["spec"], pod["metadata"]
    owner = controller_of(pod)
    parts = [spec.get(name) for name in _SPEC_FIELDS]
    parts += [
        [[c.get(f) for f in _CONTAINER_FIELDS] for c in spec.get(group) or ()]
        for group in ("containers", "initContainers")
    ]
    parts.append(_volume_parts(spec.get("volumes") or (), metadata["name"]))
    if spec.get("resourceClaims"):
        parts.append(tuple(_devices(pod)))
    if spec.get("nodeName") and (held := requests.held(pod)):
        parts.append(held)
    uid = owner["uid"] if owner is not None else ""
    return repr((metadata.get("namespace"), metadata.get("labels"), uid, parts))


@dataclass(slots=True)
class Shapes:
    """The shapes in use; forgets all when there are too many, which costs time and nothing else."""

    _known: dict[str, Shape] = field(default_factory=dict)

    def info(self, pod: Object) -> PodInfo:
        """Return what scheduling needs to know about a pod."""
        signature = _signature(pod)
        shape = self._known.get(signature)
        if shape is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            shape = self._known[signature] = compile_shape(pod)
        key = Key(pod["metadata"].get("namespace", ""), pod["metadata"]["name"])
        return PodInfo(key, uid_of(pod), pod, shape, not deleting(pod))
