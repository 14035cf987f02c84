"""Metrics of an autoscaler: which documents they are in, and the replicas that each calls for.

Documents come from metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io. What cannot be had
is told with the reason and the words of kube-controller-manager.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from roost.api.errors import NotFound, StatusError
from roost.api.kind import Resource
from roost.api.quantity import canonical, parse, to_millis
from roost.api.selectors import label_selector
from roost.api.values import Object
from roost.controllers.podautoscaler.replicas import (
    Figure,
    Measured,
    Proposal,
    Tolerances,
    Unknown,
    by_share,
    by_total,
    by_utilization,
    by_value,
    requests_of,
)
from roost.decisions.asking import Ask
from roost.decisions.gotext import go_selector
from roost.decisions.meta import seconds_of

_RESOURCE = "/apis/metrics.k8s.io/v1beta1"
_CUSTOM = ("/apis/custom.metrics.k8s.io/v1beta2", "/apis/custom.metrics.k8s.io/v1beta1")
_EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1"

Answers = Mapping[Ask, Object | StatusError]
#: The resource of (group, kind), as far as it is known.
Kinds = Callable[[str, str], Resource | None]


@dataclass(frozen=True, slots=True)
class Scope:
    """What all metrics of one autoscaler are about."""

    namespace: str
    selector: str  # of the pods, as text
    pods: tuple[Object, ...]
    spec_replicas: int
    status_replicas: int
    tolerances: Tolerances
    answers: Answers
    kinds: Kinds
    now: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What one metric says: replicas, in which words, and the status to show."""

    replicas: int
    name: str
    status: Object


class Unavailable(Exception):
    """A metric says nothing; `reason` is for the condition and the event, the text for both."""

    def __init__(self, reason: str, message: str, prefix: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.prefix = prefix  # with which the error goes on to the sum of all


def asks_of(metric: Object, scope: Scope) -> Iterable[Ask]:
    """Yield the documents that a metric is read from."""
    source = _source(metric)
    if metric["type"] in {"Resource", "ContainerResource"}:
        yield _resource_ask(scope)
    elif metric["type"] == "External":
        yield _external_ask(scope, source)
    else:
        asked = [_custom_ask(scope, metric["type"], source, base) for base in _CUSTOM]
        yield asked[0]
        if _absent(scope.answers.get(asked[0])):
            yield asked[1]


def read(metric: Object, scope: Scope) -> Reading:
    """Return what a metric says; raises Unavailable."""
    reader = _READERS.get(metric["type"])
    if reader is None:
        text = f'unknown metric source type "{metric["type"]}"'
        raise Unavailable("InvalidMetricSourceType", text, "")
    return reader(_source(metric), scope)


def _source(metric: Object) -> Object:
    kind: str = metric["type"]
    found: Object = metric.get(kind[:1].lower() + kind[1:]) or {}
    return found


def _labels(selector: Object | None) -> str:
    return str(label_selector(selector)) if selector else ""


def _query(**values: str) -> str:
    return urlencode({key: value for key, value in values.items() if value}, quote_via=quote)


def _resource_ask(scope: Scope) -> Ask:
    return Ask(
        f"{_RESOURCE}/namespaces/{scope.namespace}/pods", _query(labelSelector=scope.selector)
    )


def _external_ask(scope: Scope, source: Object) -> Ask:
    metric = source["metric"]
    return Ask(
        f"{_EXTERNAL}/namespaces/{scope.namespace}/{quote(metric['name'], safe='')}",
        _query(labelSelector=_labels(metric.get("selector"))),
    )


def _custom_ask(scope: Scope, type: str, source: Object, base: str) -> Ask:
    metric = source["metric"]
    name, labels = quote(metric["name"], safe=""), _labels(metric.get("selector"))
    within = f"{base}/namespaces/{scope.namespace}"
    if type == "Pods":
        query = _query(labelSelector=scope.selector, metricLabelSelector=labels)
        return Ask(f"{within}/pods/*/{name}", query)
    target = source["describedObject"]
    query = _query(metricLabelSelector=labels)
    if target["kind"] == "Namespace":
        return Ask(f"{within}/metrics/{name}", query)
    group = target.get("apiVersion", "").rpartition("/")[0]
    resource = scope.kinds(group, target["kind"])
    plural = resource.plural if resource is not None else target["kind"].lower() + "s"
    full = f"{plural}.{group}" if group else plural
    return Ask(f"{within}/{full}/{quote(target['name'], safe='')}/{name}", query)


def _absent(answer: Object | StatusError | None) -> bool:
    return isinstance(answer, NotFound)


def _items(answer: Object | StatusError | None, api: str, what: str) -> list[Object]:
    """Return the items of a list; raises Unknown with the words of the metrics' client."""
    if answer is None:
        raise Unknown(f"unable to fetch metrics from {api} metrics API: it was not asked")
    if isinstance(answer, StatusError):
        text = answer.message
        if not answer.details:  # a path that is not served: say what was wanted there
            text = f"{text} (get {what})"
        raise Unknown(f"unable to fetch metrics from {api} metrics API: {text}")
    items: list[Object] = answer.get("items") or []
    if not items:
        raise Unknown(f"no metrics returned from {api} metrics API")
    return items


_DURATION = re.compile(r"([0-9.]+)(h|m(?!s)|s|ms|us|µs|ns)")
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def _seconds(text: str | None) -> float:
    """Read a duration as Go writes it."""
    return sum(float(n) * _UNIT_S[unit] for n, unit in _DURATION.findall(text or ""))


# -- resources of pods


def _figures(scope: Scope, resource: str, container: str) -> dict[str, Figure]:
    found = {}
    for item in _items(scope.answers.get(_resource_ask(scope)), "resource", "pods.metrics.k8s.io"):
        name, used = item["metadata"]["name"], 0
        containers = item.get("containers") or []
        if container:
            containers = [one for one in containers if one["name"] == container]
            if not containers:
                raise Unknown(
                    f"container {container} not present in metrics for pod {scope.namespace}/{name}"
                )
        values = [(one.get("usage") or {}).get(resource) for one in containers]
        if any(value is None for value in values):
            continue  # a pod of which something is not known is not known
        used = sum(to_millis(value) for value in values if value is not None)
        found[name] = Figure(used, seconds_of(item.get("timestamp")), _seconds(item.get("window")))
    return found


def _resource(source: Object, scope: Scope) -> Reading:
    name = source["name"]
    try:
        replicas, words, current = _resource_proposal(source, scope, "")
    except Unknown as error:
        prefix = f"failed to get {name} resource metric value: "
        raise Unavailable("FailedGetResourceMetric", str(error), prefix) from error
    return Reading(
        replicas, words, {"type": "Resource", "resource": {"name": name, "current": current}}
    )


def _container_resource(source: Object, scope: Scope) -> Reading:
    name, container = source["name"], source["container"]
    try:
        replicas, words, current = _resource_proposal(source, scope, container)
    except Unknown as error:
        prefix = f"failed to get {container} container metric value: "
        raise Unavailable("FailedGetContainerResourceMetric", str(error), prefix) from error
    status = {"name": name, "container": container, "current": current}
    return Reading(replicas, words, {"type": "ContainerResource", "containerResource": status})


def _resource_proposal(source: Object, scope: Scope, container: str) -> tuple[int, str, Object]:
    """Return (replicas, in which words, current value)."""
    name, target = source["name"], source.get("target") or {}
    if target.get("averageValue") is None and target.get("averageUtilization") is None:
        raise Unknown(
            "invalid resource metric source: neither an average utilization target nor an average "
            "value (usage) target was set"
        )
    raw = target.get("averageValue") is not None
    try:
        try:
            figures = _figures(scope, name, container)
        except Unknown as error:
            raise Unknown(f"unable to get metrics for resource {name}: {error}") from error
        measured = Measured(scope.pods, figures, scope.now)
        if raw:
            value = to_millis(target["averageValue"])
            found = by_value(measured, name, value, scope.spec_replicas, scope.tolerances)
        else:
            found = by_utilization(
                measured,
                requests_of(scope.pods, name, container) if scope.pods else {},
                name,
                target["averageUtilization"],
                scope.spec_replicas,
                scope.tolerances,
            )
    except Unknown as error:
        kind = "usage" if raw else "utilization"
        raise Unknown(f"failed to get {name} {kind}: {error}") from error
    current: Object = {"averageValue": _quantity(found.usage)}
    if raw:
        return found.replicas, f"{name} resource", current
    current["averageUtilization"] = found.utilization
    return found.replicas, f"{name} resource utilization (percentage of request)", current


def _quantity(millis: int) -> str:
    return canonical(f"{millis}m")


# -- metrics of pods and of other objects


def _pods(source: Object, scope: Scope) -> Reading:
    name, reason = source["metric"]["name"], "FailedGetPodsMetric"
    try:
        values = {
            item["describedObject"]["name"]: Figure(
                _value(item), seconds_of(item.get("timestamp")), float(item.get("windowSeconds", 0))
            )
            for item in _custom(scope, "Pods", source)
        }
        measured = Measured(scope.pods, values, scope.now)
        target = to_millis(source["target"]["averageValue"])
        found = by_value(measured, "", target, scope.spec_replicas, scope.tolerances)
    except Unknown as error:
        text = str(error)
        if not scope.pods or text.startswith("did not"):
            pass
        else:
            text = f"unable to get metric {name}: {text}"
        raise Unavailable(reason, text, "failed to get pods metric value: ") from error
    status = {"metric": source["metric"], "current": {"averageValue": _quantity(found.usage)}}
    return Reading(found.replicas, f"pods metric {name}", {"type": "Pods", "pods": status})


def _custom(scope: Scope, type: str, source: Object) -> list[Object]:
    newer, older = (scope.answers.get(_custom_ask(scope, type, source, base)) for base in _CUSTOM)
    answer = older if _absent(newer) else newer
    return _items(answer, "custom", f"{source['metric']['name']}.custom.metrics.k8s.io")


def _value(item: Object) -> int:
    """Return a metric's value in thousandths, rounded up."""
    return to_millis(item["value"])


def _object(source: Object, scope: Scope) -> Reading:
    metric, target, described = source["metric"], source["target"], source["describedObject"]
    name, reason, prefix = metric["name"], "FailedGetObjectMetric", (
        "failed to get object metric value: "
    )  # fmt: skip
    try:
        used = _value(_custom(scope, "Object", source)[0])
    except Unknown as error:
        where = f"{scope.namespace} {described['name']}/{error}"
        text = f"unable to get metric {name}: {described['kind']} on {where}"
        raise Unavailable(reason, text, prefix) from error
    per_pod = target.get("averageValue") is not None
    words = f"{described['kind']} metric {name}"
    if per_pod:
        words = f"external metric {name}({go_selector(metric.get('selector'))})"
    try:
        found, current = _of_total(used, target, scope)
    except Unknown as error:
        raise Unavailable(reason, str(error), prefix) from error
    status = {"describedObject": described, "metric": metric, "current": current}
    return Reading(found.replicas, words, {"type": "Object", "object": status})


def _external(source: Object, scope: Scope) -> Reading:
    metric, target = source["metric"], source["target"]
    name, reason = metric["name"], "FailedGetExternalMetric"
    prefix = f"failed to get {name} external metric value: "
    selector = metric.get("selector")
    try:
        answer = scope.answers.get(_external_ask(scope, source))
        items = _items(answer, "external", f"{name}.external.metrics.k8s.io")
        used = sum(_value(item) for item in items)
        found, current = _of_total(used, target, scope)
    except Unknown as error:
        where = f"{scope.namespace}/{name}/{_labels(selector) or '<none>'}"
        text = f"unable to get external metric {where}: {error}"
        raise Unavailable(reason, text, prefix) from error
    words = f"external metric {name}({go_selector(selector)})"
    status = {"metric": metric, "current": current}
    return Reading(found.replicas, words, {"type": "External", "external": status})


def _of_total(used: int, target: Object, scope: Scope) -> tuple[Proposal, Object]:
    """Return the proposal for something that is not a pod, and the value to show."""
    if target.get("averageValue") is not None:
        goal = to_millis(target["averageValue"])
        found = by_share(used, goal, scope.status_replicas, scope.tolerances)
        return found, {"averageValue": _quantity(found.usage)}
    goal = to_millis(target["value"])
    found = by_total(used, goal, scope.spec_replicas, scope.pods, scope.tolerances)
    return found, {"value": _quantity(found.usage)}


def tolerances_of(behavior: Object | None) -> Tolerances:
    """Return the tolerances of an autoscaler."""

    def one(direction: str) -> float:
        written = ((behavior or {}).get(direction) or {}).get("tolerance")
        return 0.1 if written is None else float(parse(written))

    return Tolerances(down=one("scaleDown"), up=one("scaleUp"))


_READERS: Mapping[str, Callable[[Object, Scope], Reading]] = {
    "Resource": _resource,
    "ContainerResource": _container_resource,
    "Pods": _pods,
    "Object": _object,
    "External": _external,
}
