"""A watch is a list and what came after: mirrors that are kept only by watching, compared with lists.

Each mirror lists once and then only follows, through crashes of the server too; it lists again only
when the server says that its version is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from roost.api.errors import Expired, StatusError
from roost.api.kind import Resource
from roost.apiserver.inprocess import Manner
from roost.client.port import Query
from roost.decisions import resources
from roost.simulation.faults import Injector, World
from roost.simulation.view import Violation, name_in

_PAUSE_S: Final = 1.0
_QUERIES: Final = (
    Query(resources.PODS),
    Query(resources.PODS, fields="spec.nodeName=node-1"),
    Query(resources.PODS, fields="status.phase=Running"),
    Query(resources.PODS, "default", labels="app"),
    Query(resources.SERVICES),
    Query(resources.DEPLOYMENTS, labels="app!=web"),
    Query(resources.REPLICA_SETS),
    Query(resources.NAMESPACES),
    Query(Resource("discovery.k8s.io", "v1", "endpointslices")),
)


class Mirror:
    """What a watch tells of: name -> resource version."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self.known: dict[str, str] = {}
        self.follows = False
        self._version = ""

    async def run(self, world: World) -> None:
        """Follow until cancelled."""
        client = world.plane.link(None, Manner(trusted=True))
        while True:
            try:
                if not self._version:
                    listed = await client.list(self.query)
                    self.known = {name_in(one): _version(one) for one in listed.items}
                    self._version = listed.resource_version
                self.follows = True
                async for batch in client.watch(self.query, self._version):
                    for event in batch:
                        self._version = _version(event.object)
                        if event.type == "DELETED":
                            self.known.pop(name_in(event.object), None)
                        elif event.type != "BOOKMARK":
                            self.known[name_in(event.object)] = self._version
            except Expired:
                self._version = ""
            except (StatusError, OSError):
                pass
            self.follows = False
            await asyncio.sleep(_PAUSE_S)


def _version(obj: dict[str, object]) -> str:
    metadata = obj["metadata"]
    assert isinstance(metadata, dict)
    return str(metadata["resourceVersion"])


class Mirrors:
    """The mirrors of a world. They are tasks of the loop that runs when they are first compared."""

    def __init__(self, world: World, faults: Injector) -> None:
        self._world = world
        self._loop = world.loop
        self._faults = faults
        self._mirrors = [Mirror(query) for query in _QUERIES]
        self._tasks = [world.loop.create_task(one.run(world)) for one in self._mirrors]
        self._watching = world.plane.link(None, Manner(trusted=True))

    def of(self, plural: str) -> Mirror:
        """Return the first mirror of a resource."""
        return next(one for one in self._mirrors if one.query.resource.plural == plural)

    def differences(self) -> Iterator[Violation]:
        """Compare each mirror that follows with a list of now. Nothing may be on its way."""
        if self._world.plane.wire.server is None:
            return
        for mirror in self._mirrors:
            if not mirror.follows:
                continue
            listed = self._loop.finish(self._watching.list(mirror.query), quiet=True)
            wanted = {name_in(one): _version(one) for one in listed.items}
            for name in sorted(wanted.keys() | mirror.known.keys()):
                if wanted.get(name) != mirror.known.get(name):
                    yield Violation(
                        "a watch is a list and what came after",
                        f"{mirror.query}: {name} is at {wanted.get(name)}, "
                        f"the watch has {mirror.known.get(name)}",
                    )

    def leave(self) -> None:
        """End the mirrors."""
        for task in self._tasks:
            task.cancel()
