"""What a server shows of itself: its own health checks, and the metrics of its store, feed and flows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from roost.apiserver import keys
from roost.apiserver.exposition import Family, gauge
from roost.apiserver.health import READYZ
from roost.apiserver.metrics import build_info

if TYPE_CHECKING:
    from roost.apiserver.server import ApiServer

#: Start hooks that are done when `run` has loaded everything, by their names in the real server.
_HOOKS = (
    "start-apiserver-admission-initializer",
    "generic-apiserver-start-informers",
    "priority-and-fairness-filter",
    "storage-object-count-tracker-hook",
    "start-service-ip-repair-controllers",
)


def inspect(api: ApiServer, release: str) -> Callable[[], None]:
    """Register what a server shows; returns what is to be called once everything is loaded."""
    health = api.health
    # Checks are known to monitoring by these names, whatever the store is.
    health.add("etcd", api.core.store.fault)
    health.add("etcd-readiness", api.core.store.fault, (READYZ,))
    steps = [health.step("informer-sync", (READYZ,)), *(health.hook(name) for name in _HOOKS)]

    def loaded() -> None:
        for done in steps:
            done()

    def families() -> Iterator[Family]:
        text = "The revision of the newest visible change."
        yield gauge("roost_store_revision", text, api.core.store.revision())
        yield from _watches(api)
        yield _services(api)
        yield from api.attempts.families(api.auditor)

    async def stored() -> tuple[Family, ...]:
        return await _objects(api)

    api.metrics.sources += [build_info(release), families, api.flows.families, api.health.families]
    api.metrics.queries.append(stored)
    return loaded


def _services(api: ApiServer) -> Family:
    """Show which APIServices nobody answers for."""
    found = dict.fromkeys(api.group_versions(), False) | api.remotes.unavailable()
    return Family(
        "aggregator_unavailable_apiservice", "gauge",
        "Gauge of APIServices which are marked as unavailable broken down by APIService name.",
        ("name",),
        sorted(((f"{version}.{group}",), int(gone)) for (group, version), gone in found.items()),
    )  # fmt: skip


async def _objects(api: ApiServer) -> tuple[Family, ...]:
    """Count what is stored; a page of one says how many there are."""
    samples: dict[tuple[str, ...], float] = {}
    for kind in api.registry.kinds():
        if (kind.group, kind.plural, "") in api.core.handlers:
            continue
        page = await api.core.store.list(keys.prefix_of(kind), limit=1)
        samples[kind.group, kind.plural] = len(page.records) + page.remaining
    counted = sorted(samples.items())
    text = (
        "Number of stored objects at the time of last check split by kind. In case of a fetching"
        " error, the value will be -1."
    )
    deprecated = f"[DEPRECATED, consider using apiserver_resource_objects instead] {text}"
    return (
        Family("apiserver_resource_objects", "gauge", text, ("group", "resource"), counted),
        Family(
            "apiserver_storage_objects", "gauge", deprecated, ("resource",),
            [((f"{name}.{group}" if group else name,), n) for (group, name), n in counted],
        ),
    )  # fmt: skip


def _watches(api: ApiServer) -> Iterator[Family]:
    """Show who watches and what was sent to them, by what is stored."""
    groups = {keys.prefix_of(kind): kind for kind in api.registry.kinds()}
    watching: list[tuple[tuple[str, ...], float]] = []
    sent: list[tuple[tuple[str, ...], float]] = []
    for prefix, watchers, events in api.feed.counts():
        kind = groups.get(prefix)
        if kind is None:
            continue
        labels = ("apiserver", kind.group, kind.plural, "cluster", "", "WATCH", kind.version)
        watching.append((labels, watchers))
        sent.append(((kind.group, kind.plural, kind.version), events))
    yield Family(
        "apiserver_longrunning_requests", "gauge",
        "Gauge of all active long-running apiserver requests broken out by verb, group, version,"
        " resource, scope and component. Not all requests are tracked this way.",
        ("component", "group", "resource", "scope", "subresource", "verb", "version"), watching,
    )  # fmt: skip
    yield Family(
        "apiserver_watch_events_total", "counter",
        "Number of events sent in watch clients", ("group", "resource", "version"), sent,
    )  # fmt: skip
