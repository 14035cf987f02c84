"""What the server counts about requests, cheaply, and shows at /metrics.

On the way of a request there is one lookup of a tuple and a few additions. Label values are only those
of the server itself: verbs, the kinds it serves, codes; what a client makes up is one of them, or
nothing. Everything else (store, flows, controllers, the process) is asked when somebody reads.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Final, TypeAlias

from roost.apiserver.exposition import CONTENT_TYPE, Family, text_of
from roost.apiserver.requestinfo import RequestInfo
from roost.ports.histogram import Histogram

__all__ = ["CONTENT_TYPE", "Metrics"]

#: Makes families when somebody reads; a query may have to wait for them.
Source: TypeAlias = Callable[[], Iterable[Family]]
AskedFor: TypeAlias = Callable[[], Awaitable[Iterable[Family]]]

_SECONDS: Final = (
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0,
    15.0, 20.0, 30.0, 45.0, 60.0,
)  # fmt: skip
_BYTES: Final = (1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9)
_LABELS: Final = ("component", "group", "resource", "scope", "subresource", "verb", "version")
_DRY: Final = ("component", "dry_run", *_LABELS[1:])
_COUNTED: Final = ("code", *_DRY)
#: With these codes requests end that are too many, or take too long.
_ENDED: Final = frozenset({"429", "504"})
_READING: Final = frozenset({"get", "list", "watch"})
_SIZED: Final = frozenset({"GET", "LIST"})
_VERBS: Final = {
    "get": "GET", "list": "LIST", "watch": "WATCH", "create": "POST", "update": "PUT",
    "patch": "PATCH", "delete": "DELETE", "deletecollection": "DELETECOLLECTION",
    "post": "POST", "put": "PUT", "head": "HEAD",
}  # fmt: skip
_HTTP_OTHERS: Final = "other"

_Key: TypeAlias = tuple[str, str, str, str, str, bool, bool, int, str]
_Found: TypeAlias = dict[tuple[str, ...], Histogram]


class _Series:
    """The numbers of requests that have everything in common."""

    __slots__ = ("bytes", "seconds", "waits")

    def __init__(self) -> None:
        self.seconds = Histogram(_SECONDS)
        #: What is to be added to these, so that they are without what others made the server wait.
        self.waits: Histogram | None = None
        self.bytes = Histogram(_BYTES)


class Metrics:
    """The counters of one server. `sources` and `queries` add what others count."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.queries: list[AskedFor] = []
        #: Deprecated resources that were asked for: group, release without it, resource, subresource
        #: and version.
        self.deprecated: dict[tuple[str, str, str, str, str], float] = {}
        self.mutating = 0
        self.reading = 0
        self._series: dict[_Key, _Series] = {}

    def answered(
        self, info: RequestInfo, known: bool, code: int, seconds: float, size_bytes: int,
        waited_s: float = 0.0,
    ) -> None:  # fmt: skip
        """Count one answer. `known` says that the path is of a kind and subresource that is served.

        Of its time, it waited so long for others: for its turn, for webhooks.
        """
        if known:
            key = (
                info.verb, info.group, info.version, info.resource, info.subresource,
                bool(info.namespace), bool(info.name), code, info.dry_run,
            )  # fmt: skip
        else:
            verb = info.verb if info.verb in _VERBS else ""
            key = (verb, "", "", "", _place(info), False, False, code, "")
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series()
        series.seconds.observe(seconds)
        series.bytes.observe(size_bytes)
        if waited_s:
            if series.waits is None:
                series.waits = Histogram(_SECONDS)
            series.waits.move(seconds, seconds - waited_s)

    def started(self, verb: str) -> bool:
        """Count a request that is being answered; give what this returns to `ended`."""
        if verb in _READING:
            self.reading += 1
            return True
        self.mutating += 1
        return False

    def ended(self, reading: bool) -> None:
        if reading:
            self.reading -= 1
        else:
            self.mutating -= 1

    async def text(self) -> bytes:
        """Return everything as text."""
        found = list(self._families())
        for query in self.queries:
            found.extend(await query())
        return text_of(found)

    def _families(self) -> Iterator[Family]:
        yield from self._requests()
        yield Family(
            "apiserver_current_inflight_requests", "gauge",
            "Maximal number of currently used inflight request limit of this apiserver per request"
            " kind in last second.",
            ("request_kind",),
            [(("mutating",), self.mutating), (("readOnly",), self.reading)],
        )  # fmt: skip
        yield Family(
            "apiserver_requested_deprecated_apis", "gauge",
            "Gauge of deprecated APIs that have been requested, broken out by API group, version,"
            " resource, subresource, and removed_release.",
            ("group", "removed_release", "resource", "subresource", "version"),
            sorted(self.deprecated.items()),
        )  # fmt: skip
        for source in self.sources:
            yield from source()

    def _requests(self) -> Iterator[Family]:
        totals: dict[tuple[str, ...], float] = {}
        ended: dict[tuple[str, ...], float] = {}
        seconds: _Found = {}
        own: _Found = {}
        sizes: _Found = {}
        for key, series in self._series.items():
            labels, code, dry_run = _shown(key)
            dry = (labels[0], dry_run, *labels[1:])
            counted = (code, *dry)
            totals[counted] = totals.get(counted, 0) + series.seconds.total()
            if code in _ENDED and labels[4] != "eviction":  # these are told to wait by budgets
                ended[code, *labels] = ended.get((code, *labels), 0) + series.seconds.total()
            seconds.setdefault(dry, Histogram(_SECONDS)).add(series.seconds)
            quick = own.setdefault(labels, Histogram(_SECONDS))
            quick.add(series.seconds)
            if series.waits is not None:
                quick.add(series.waits)
            if labels[5] in _SIZED:
                sizes.setdefault(labels, Histogram(_BYTES)).add(series.bytes)
        yield Family(
            "apiserver_request_total", "counter",
            "Counter of apiserver requests broken out for each verb, dry run value, group, version,"
            " resource, scope, component, and HTTP response code.",
            _COUNTED, sorted(totals.items()),
        )  # fmt: skip
        yield Family(
            "apiserver_request_terminations_total", "counter",
            "Number of requests which apiserver terminated in self-defense.",
            ("code", *_LABELS), sorted(ended.items()),
        )  # fmt: skip
        yield Family(
            "apiserver_request_duration_seconds", "histogram",
            "Response latency distribution in seconds for each verb, dry run value, group, version,"
            " resource, subresource, scope and component.",
            _DRY, sorted(seconds.items()),
        )  # fmt: skip
        yield Family(
            "apiserver_request_sli_duration_seconds", "histogram",
            "Response latency distribution (not counting webhook duration and priority & fairness"
            " queue wait times) in seconds for each verb, group, version, resource, subresource,"
            " scope and component.",
            _LABELS, sorted(own.items()),
        )  # fmt: skip
        yield Family(
            "apiserver_response_sizes", "histogram",
            "Response size distribution in bytes for each group, version, verb, resource,"
            " subresource, scope and component.",
            _LABELS, sorted(sizes.items()),
        )  # fmt: skip


def build_info(version: str) -> Source:
    """Return the source that says which version this is."""
    labels = ("git_version", "major", "minor", "platform")
    values = (version, "1", "36", "linux/amd64")
    family = Family(
        "kubernetes_build_info", "gauge",
        "A metric with a constant '1' value labeled by major, minor, git version, git commit, git"
        " tree state, build date, Go version, and compiler from which Kubernetes was built, and"
        " platform on which it is running.",
        labels, [(values, 1)],
    )  # fmt: skip
    return lambda: (family,)


def _place(info: RequestInfo) -> str:
    """Return what a path that is no resource is counted as: its first part, if it is one of ours."""
    first = info.path[1:].partition("/")[0]
    return f"/{first}" if first in _PLACES else ""


_PLACES: Final = frozenset(
    {"api", "apis", "healthz", "livez", "metrics", "openapi", "openid", "readyz", "version"}
)


def _shown(key: _Key) -> tuple[tuple[str, ...], str, str]:
    """Return the label values of a series, its code, and whether it was a dry run."""
    verb, group, version, resource, subresource, namespaced, named, code, dry_run = key
    scope = "" if not resource else "cluster"
    if named or (verb == "create" and resource):
        scope = "resource"
    elif namespaced:
        scope = "namespace"
    shown = _VERBS.get(verb, _HTTP_OTHERS)
    labels = ("apiserver", group, resource, scope, subresource, shown, version)
    return labels, str(code), dry_run
