"""How fast the API server is: over TLS, durable, the client beside it on the same machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.server import Server, running

Result = dict[str, Any]


def result(name: str, value: float, unit: str, **detail: Any) -> Result:
    return {"name": name, "value": round(value, 2), "unit": unit, "detail": detail}


def _best(measure: Callable[[int], Result], times: int, key: str) -> tuple[float, list[float]]:
    """Return the median of several measurements, and all of them."""
    values = [measure(turn)[key] for turn in range(times)]
    return sorted(values)[len(values) // 2], [round(value, 1) for value in values]


def get_pod() -> Iterator[Result]:
    with running() as server:
        server.namespace("small")
        server.load("create", "large-pod", "small", 50, 4)
        server.load("get", "pod", "small", 2000, 32)
        value, runs = _best(lambda _: server.load("get", "pod", "small", 20000, 32), 3, "per_s")
        yield result("get_pod_per_s", value, "1/s", connections=32, runs=runs)


def _list(server: Server, namespace: str, count: int, name: str, turns: int) -> Result:
    server.namespace(namespace)
    server.load("create", "large-pod", namespace, count, 32)
    found = server.load("list", namespace, turns)
    return result(name, found["p50_ms"], "ms", pods=count, worst_ms=round(found["max_ms"], 1))


def list_1k_pods() -> Iterator[Result]:
    with running() as server:
        yield _list(server, "p1k", 1000, "list_1k_pods_ms", 30)


def list_10k_pods() -> Iterator[Result]:
    with running() as server:
        yield _list(server, "p10k", 10000, "list_10k_pods_ms", 10)
        found = server.load("list", "p10k", 10)
        yield result("list_10k_first_byte_ms", found["first_byte_ms"], "ms", pods=10000)
        found = server.load("list", "p10k", 10, "gzip")
        yield result("list_10k_gzip_ms", found["p50_ms"], "ms", pods=10000)


def writes_of_pods() -> Iterator[Result]:
    """Create, patch and update pods: many at once, and one after the other."""
    with running() as server:
        server.namespace("warm")
        server.load("create", "pod", "warm", 500, 8)

        def create(turn: int) -> Result:
            server.namespace(f"p{turn}")
            return server.load("create", "pod", f"p{turn}", 2000, 32)

        value, runs = _best(create, 3, "per_s")
        yield result("create_pod_per_s", value, "1/s", connections=32, durable=True, runs=runs)
        server.namespace("large")
        found = server.load("create", "large-pod", "large", 2000, 32)
        yield result("create_large_pod_per_s", found["per_s"], "1/s", connections=32, durable=True)
        value, runs = _best(lambda _: server.load("patch", "p0", 1000, 4000, 32), 3, "per_s")
        yield result("patch_status_per_s", value, "1/s", connections=32, durable=True, runs=runs)
        value, runs = _best(lambda _: server.load("update", "p1", 1000, 3000, 32), 3, "per_s")
        yield result("update_per_s", value, "1/s", connections=32, durable=True, runs=runs)
        for kind in ("configmap", "pod"):
            server.namespace(kind)
            found = server.load("latency", kind, kind, 1000)
            yield result(
                f"create_{kind}_ms", found["p50_ms"], "ms", worst_ms=round(found["max_ms"], 1)
            )
        found = server.load("patch_latency", "p2", 1000, 1000)
        yield result("patch_status_ms", found["p50_ms"], "ms", worst_ms=round(found["max_ms"], 1))


def fifty_thousand_pods() -> Iterator[Result]:
    """What 50,000 pods cost in memory, and how long a server takes to start with them."""
    with running() as server:
        server.namespace("p50k")
        server.load("create", "large-pod", "p50k", 50000, 32)
        yield result("rss_50k_mb", server.rss_mb(), "MB", pods=50000)
        started = server.restart()
        yield result("start_50k_s", started, "s", pods=50000, rss_mb=round(server.rss_mb()))


def create_configmap() -> Iterator[Result]:
    with running() as server:
        server.namespace("warm")
        server.load("create", "configmap", "warm", 500, 8)

        def measure(turn: int) -> Result:
            server.namespace(f"cm{turn}")
            return server.load("create", "configmap", f"cm{turn}", 5000, 32)

        value, runs = _best(measure, 3, "per_s")
        yield result(
            "create_configmap_per_s", value, "1/s", connections=32, durable=True, runs=runs
        )


#: A custom kind that is checked and shown as users' kinds are.
CARDS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: cards.bench.example.com}
spec:
  group: bench.example.com
  names: {kind: Card, plural: cards, singular: card, listKind: CardList}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            properties:
              key: {type: string, maxLength: 1024, pattern: "^[a-z]*$"}
              size: {type: integer, minimum: 0, default: 3}
"""


def custom_resources() -> Iterator[Result]:
    """How much of the speed of a built-in kind a custom one has: 1.0 is as fast."""
    with running() as server:
        server.apply(CARDS)
        server.namespace("warm")
        for kind in ("configmap", "card"):
            server.load("create", kind, "warm", 500, 8)
            server.load("get", kind, "warm", 2000, 32)
        creates, gets = [], []
        for turn in range(5):
            server.namespace(f"n{turn}")
            made = {k: server.load("create", k, f"n{turn}", 3000, 32) for k in _ALIKE}
            got = {k: server.load("get", k, f"n{turn}", 10000, 32) for k in _ALIKE}
            creates.append(made["card"]["per_s"] / made["configmap"]["per_s"])
            gets.append(got["card"]["per_s"] / got["configmap"]["per_s"])
        for name, ratios in (("cr_get_ratio", gets), ("cr_create_ratio", creates)):
            runs = [round(ratio, 2) for ratio in ratios]
            yield result(name, sorted(ratios)[2], "1", beside="configmap", runs=runs)


_ALIKE = ("configmap", "card")


def watch_events() -> Iterator[Result]:
    with running() as server:

        def measure(turn: int) -> Result:
            server.namespace(f"w{turn}")
            return server.load("watch", f"w{turn}", 500, 200, 8)

        value, runs = _best(measure, 3, "events_per_s")
        yield result("watch_events_per_s", value, "1/s", watchers=500, objects=200, runs=runs)


_OF_PODS = (
    "create_pod_per_s", "create_large_pod_per_s", "patch_status_per_s", "update_per_s",
    "create_configmap_ms", "create_pod_ms", "patch_status_ms",
)  # fmt: skip
BENCHMARKS: dict[str, Callable[[], Iterator[Result]]] = {
    "get_pod_per_s": get_pod,
    "list_1k_pods_ms": list_1k_pods,
    "list_10k_pods_ms": list_10k_pods,
    "list_10k_first_byte_ms": list_10k_pods,
    "list_10k_gzip_ms": list_10k_pods,
    **dict.fromkeys(_OF_PODS, writes_of_pods),
    "create_configmap_per_s": create_configmap,
    "watch_events_per_s": watch_events,
    "cr_get_ratio": custom_resources,
    "cr_create_ratio": custom_resources,
    "rss_50k_mb": fifty_thousand_pods,
    "start_50k_s": fifty_thousand_pods,
}
