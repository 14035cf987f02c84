"""Answers metrics.k8s.io/v1beta1 by asking the nodes, each at most once in a few seconds.

Nobody is asked before somebody wants to know. A node that does not answer in time is left out of lists,
as in the real metrics server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from roost.api.errors import BadRequest, StatusError, not_found
from roost.api.kind import Resource
from roost.api.selectors import LabelSelector, parse_labels
from roost.api.values import Object
from roost.apiserver import failures
from roost.apiserver.admission.port import Lookup
from roost.apiserver.aggregation.merging import Elsewhere
from roost.apiserver.aggregation.remote import Fetcher
from roost.apiserver.encoding import encode, pretty_json
from roost.apiserver.messages import Answer, Proxy, Request
from roost.apiserver.negotiation import wants_pretty
from roost.apiserver.nodemetrics.figures import (
    RESOURCES,
    has_rates,
    listed,
    node_metrics,
    pod_metrics,
    pods_of,
)
from roost.apiserver.requestinfo import RequestInfo
from roost.apiserver.streams import NODES, PODS, kubelet_address

GROUP: Final = "metrics.k8s.io"
VERSION: Final = "v1beta1"
METRICS: Final = Resource(GROUP, VERSION, "nodes")
_FRESH_S: Final = 10.0
#: A rate needs two looks; the second follows the first after so long.
_SECOND_LOOK_S: Final = 1.0
_AT_ONCE: Final = 16


class NodeMetrics:
    """The API of metrics. `present` says whether there is a node: without, there is no such API."""

    def __init__(self, lookup: Lookup, fetcher: Fetcher, now: Callable[[], str]) -> None:
        self._lookup = lookup
        self._fetcher = fetcher
        self._now = now
        self._summaries: dict[str, tuple[float, Object]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._asking: dict[str, asyncio.Lock] = {}
        self.present = False

    def elsewhere(self) -> Elsewhere:
        """Return how discovery shows this API."""
        return Elsewhere(GROUP, VERSION, RESOURCES, 100, 100)

    async def answer(self, info: RequestInfo, request: Request, query: dict[str, str]) -> Answer:
        """Answer a request for a resource of this group; raises StatusError."""
        if info.resource not in ("nodes", "pods") or info.subresource:
            raise failures.no_such_path()
        if info.verb not in ("get", "list"):
            raise failures.method_not_allowed()
        value = await (self._nodes if info.resource == "nodes" else self._pods)(info, query)
        agent = request.headers.get("user-agent", "")
        return Answer(200, pretty_json(value) if wants_pretty(query, agent) else encode(value))

    async def _nodes(self, info: RequestInfo, query: dict[str, str]) -> Object:
        labels = _labels(query)
        nodes = [
            node
            for node in await self._lookup.list(NODES)
            if info.name in ("", node["metadata"]["name"])
            and labels.matches(node["metadata"].get("labels"))
        ]
        summaries = await self._ask(nodes)
        now = self._now()
        found = [
            metrics
            for node in nodes
            if (summary := summaries.get(node["metadata"]["name"])) is not None
            and (metrics := node_metrics(node, summary, now)) is not None
        ]
        return _one_or_all(info, "NodeMetrics", found)

    async def _pods(self, info: RequestInfo, query: dict[str, str]) -> Object:
        labels = _labels(query)
        wanted = info.name or _named(query)
        pods = [
            pod
            for pod in await self._lookup.list(PODS, info.namespace)
            if wanted in ("", pod["metadata"]["name"])
            and labels.matches(pod["metadata"].get("labels"))
            and pod["spec"].get("nodeName")
        ]
        names = {pod["spec"]["nodeName"] for pod in pods}
        nodes = [n for n in await self._lookup.list(NODES) if n["metadata"]["name"] in names]
        figures: dict[tuple[str, str], Object] = {}
        for summary in (await self._ask(nodes)).values():
            figures.update(pods_of(summary))
        now = self._now()
        found = []
        for pod in pods:
            stats = figures.get((pod["metadata"]["namespace"], pod["metadata"]["name"]))
            metrics = None if stats is None else pod_metrics(pod, stats, now)
            if metrics is not None:
                found.append(metrics)
        return _one_or_all(info, "PodMetrics", found)

    # -- asking nodes

    async def _ask(self, nodes: Iterable[Object]) -> dict[str, Object]:
        """Return the summaries of those nodes that have one."""
        found: dict[str, Object] = {}

        async def ask(node: Object) -> None:
            name = node["metadata"]["name"]
            async with self._asking.setdefault(name, asyncio.Lock()), self._slots:
                summary = await self._summary(name, node)
            if summary is not None:
                found[name] = summary

        async with asyncio.TaskGroup() as tasks:
            for node in nodes:
                tasks.create_task(ask(node))
        return found

    async def _summary(self, name: str, node: Object) -> Object | None:
        now = asyncio.get_running_loop().time()
        for gone in [key for key, (until, _) in self._summaries.items() if until <= now]:
            del self._summaries[gone]
            if gone != name:
                self._asking.pop(gone, None)
        known = self._summaries.get(name)
        if known is not None:
            return known[1]
        summary = await self._fetch(node)
        if summary is not None and not has_rates(summary):
            await asyncio.sleep(_SECOND_LOOK_S)
            summary = await self._fetch(node)
        if summary is not None and has_rates(summary):
            self._summaries[name] = (now + _FRESH_S, summary)
        return summary

    async def _fetch(self, node: Object) -> Object | None:
        try:
            host, port = kubelet_address(node)
            place = Proxy("https", host, port, "/stats/summary", kubelet=True)
            code, summary = await self._fetcher.fetch(place, "application/json")
        except (StatusError, OSError, TimeoutError, ValueError):
            return None  # a node that is down is left out
        return summary if code == 200 and isinstance(summary, dict) else None


def _one_or_all(info: RequestInfo, kind: str, found: list[Object]) -> Object:
    if info.verb == "list":
        return listed(kind, found)
    if not found:
        raise not_found(GROUP, info.resource, info.name)
    return found[0]


def _labels(query: dict[str, str]) -> LabelSelector:
    try:
        return parse_labels(query.get("labelSelector", ""))
    except ValueError as error:
        raise BadRequest(str(error)) from error


def _named(query: dict[str, str]) -> str:
    """Return the only name that a field selector lets through, "" for any."""
    field, _, value = query.get("fieldSelector", "").partition("=")
    return value.removeprefix("=") if field == "metadata.name" else ""
