"""The simulator as a Target: a cluster of its own for each case, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from parity.target import Object, Refused, Result, Target, Watching, follow
from roost.api.errors import StatusError
from roost.apiserver.access.identity import AUTHENTICATED, MASTERS
from roost.apiserver.attributes import User
from roost.apiserver.inprocess import Manner
from roost.client.port import Query
from roost.simulation import Cluster

T = TypeVar("T")


class Simulated(Target):
    """See the module."""

    abilities = frozenset({"many-nodes", "new-nodes"})
    virtual = True

    def __init__(self, nodes: int = 3) -> None:
        super().__init__("case")
        self.cluster = Cluster(nodes=nodes)
        user = User("case", (MASTERS, AUTHENTICATED))
        self.client = self.cluster.plane.link(user, Manner(trusted=True, manager="case"))

    def run(self, coro: Coroutine[Any, Any, T]) -> T:
        return self.cluster.loop.finish(coro)

    def holds(self, condition: Callable[[], object], within_s: float) -> bool:
        try:
            self.cluster.run_until(condition, timeout_s=within_s)
        except TimeoutError:
            return False
        return True

    def now(self) -> float:
        return self.cluster.now

    def start_watch(self, query: Query, version: str, into: Watching) -> Callable[[], None]:
        loop = self.cluster.loop
        task = loop.create_task(follow(self.client.watch(query, version), into))
        self.cluster.settle()

        def end() -> None:
            task.cancel()
            self.cluster.settle()

        return end

    def apply(self, *objects: Object | str) -> None:
        try:
            for one in objects:
                self.cluster.apply(one, self.namespace)
        except (StatusError, ValueError) as error:
            raise Refused(str(error)) from error

    def exec(self, pod: str, *argv: str, container: str = "") -> Result:
        done = self.cluster.exec(f"{self.namespace}/{pod}", list(argv), container)
        return Result(done.code, done.stdout, done.stderr)

    def logs(self, pod: str, container: str = "", *, previous: bool = False) -> str:
        return self.cluster.logs(f"{self.namespace}/{pod}", container, previous=previous)

    def close(self) -> None:
        self.cluster.close()
