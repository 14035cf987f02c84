"""The plugin for pytest: the fixture `roost_cluster` is a simulated cluster for one test.

    @pytest.mark.roost(nodes=5, seed=7)
    def test_my_operator(roost_cluster):
        roost_cluster.apply("crd.yaml")
        with my_operator(kubeconfig=roost_cluster.kubeconfig):
            roost_cluster.run_until(lambda: ...)

Rule: whoever does not use the fixture pays nothing for it, not even an import. HTTPS is served from the
first use of `kubeconfig` or `url` on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from roost.api.values import Object
    from roost.simulation.client import SyncClient
    from roost.simulation.cluster import Cluster
    from roost.simulation.manifests import Manifest
    from roost.simulation.network.messages import Response
    from roost.simulation.serving.served import Served

#: Options of the mark, with what they are without it. All but the last two are the Cluster's own.
_OPTIONS: Final[Mapping[str, Any]] = {
    "nodes": 3, "seed": 0, "any_image": True, "start": None, "controllers": "*", "addons": True,
    "node_grace_s": 40.0, "latency": None, "stop_s": 0.0, "realtime": False, "speed": 1.0,
}  # fmt: skip
_MARK: Final = (
    "roost(nodes=3, seed=0, any_image=True, realtime=False, speed=1.0, ...): what the cluster of the"
    " fixture roost_cluster is like"
)
_TAIL_LINES: Final = 40
_LIVING: Final = pytest.StashKey["RoostCluster"]()


class RoostCluster:
    """A simulated cluster, as tests use it. `cluster` is all of it: roost.simulation.Cluster.

    Time passes in `advance` and `run_until` only, unless the mark says `realtime=True`.
    """

    def __init__(self, cluster: Cluster, *, realtime: bool) -> None:
        self.cluster = cluster
        self._realtime = realtime
        self._served: Served | None = None
        if realtime:
            self._serve()

    def _serve(self) -> Served:
        if self._served is None:
            from roost.simulation.serving.served import Served

            self._served = Served(self.cluster, realtime=self._realtime)
        return self._served

    # -- for clients of every language

    @property
    def kubeconfig(self) -> str:
        """The path of a kubeconfig for the administrator."""
        return str(self._serve().kubeconfig)

    @property
    def url(self) -> str:
        """Where the cluster's API is served, by HTTPS."""
        return self._serve().url

    # -- for the test itself

    @property
    def client(self) -> SyncClient:
        """A client that does not await: get, list, create, update, patch, delete, watch."""
        return self.cluster.client

    @property
    def now(self) -> float:
        """The seconds since the cluster began."""
        return self.cluster.now

    def apply(self, manifests: Manifest, namespace: str = "default") -> list[Object]:
        """Create or change objects as `kubectl apply` does: YAML, a path, an object, or a list."""
        return self.cluster.apply(manifests, namespace)

    def advance(self, seconds: float, *, step_s: float = 0.0) -> None:
        """Let time pass; with `step_s` in steps, between which clients can answer what they see."""
        if self._served is None:
            self.cluster.advance(seconds)
        else:
            self._served.advance(seconds, step_s=step_s)

    def run_until(
        self, condition: Callable[[], object], timeout_s: float = 300.0, *, patience_s: float = 30.0
    ) -> float:
        """Let time pass until a condition holds; return for how long.

        Time stands still while a client is at work. Raises TimeoutError when `timeout_s` of the
        cluster's time have passed, and clients had `patience_s` of real time as well.
        """
        if self._served is None:
            return self.cluster.run_until(condition, timeout_s)
        return self._served.run_until(condition, timeout_s, patience_s=patience_s)

    def quiet(self) -> bool:
        """Wait, in real time, until clients rest; return whether they do."""
        return self._served is None or self._served.quiet()

    def events(self, namespace: str = "") -> list[Object]:
        """Return the Events, oldest first."""
        return self.cluster.events(namespace)

    def logs(self, pod: str, container: str = "") -> str:
        """Return what a container printed."""
        return self.cluster.logs(pod, container)

    def fetch(self, url: str, source: str = "", **more: Any) -> Response:
        """Send an HTTP request from a node, or from namespace/pod."""
        return self.cluster.fetch(url, source, **more)

    def close(self) -> None:
        """End the cluster. Raises what went wrong where nobody could be told."""
        served, self._served = self._served, None
        if served is not None:
            served.close()
        self.cluster.close()
        if served is not None and served.failure is not None:
            raise RuntimeError("the simulated cluster has a bug") from served.failure

    def story(self) -> str:
        """Return what a report says of the cluster: how to make it again, and its newest writes."""
        lines = self.cluster.log.splitlines()
        head = f"seed {self.cluster.seed}, {len(self.cluster.nodes)} nodes, at {self.now:.3f} s"
        shown = [head, f"the last of {len(lines)} writes:", *lines[-_TAIL_LINES:]]
        return "\n".join(shown)


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return what the marks of a test say, the nearest first; ends the test if one is wrong."""
    chosen = dict(_OPTIONS)
    for mark in reversed(list(request.node.iter_markers("roost"))):
        unknown = [name for name in mark.kwargs if name not in _OPTIONS]
        if mark.args or unknown:
            wrong = ", ".join([*map(repr, mark.args), *unknown])
            pytest.fail(
                f"@pytest.mark.roost does not know {wrong}; it knows {', '.join(_OPTIONS)}",
                pytrace=False,
            )
        chosen.update(mark.kwargs)
    if chosen["start"] is None:
        del chosen["start"]
    return chosen


@pytest.fixture
def roost_cluster(request: pytest.FixtureRequest) -> Iterator[RoostCluster]:
    """A simulated cluster, as `@pytest.mark.roost(...)` says, with a kubeconfig for any client."""
    from roost.simulation.cluster import Cluster

    options = _options(request)
    realtime, speed = options.pop("realtime"), options.pop("speed")
    cluster = Cluster(**options)
    cluster.speed = speed
    made = RoostCluster(cluster, realtime=realtime)
    request.node.stash[_LIVING] = made
    yield made
    made.close()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARK)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show in the report of a failure how the cluster can be made again."""
    report = yield
    made = item.stash.get(_LIVING, None)
    if made is not None and call.when == "call" and report.failed:
        report.sections.append(("simulated cluster", made.story()))
    return report
