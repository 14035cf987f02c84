"""Removes the directories of this node's local-path volumes when the volumes go.

A volume that a controller made for `roost.dev/local-path` carries a finalizer of that name, which the
agent of its node takes away once the directory is gone (or stays, by the policy Retain). Nothing is
removed for a volume that merely is not listed: only a deletionTimestamp ends one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from roost.api.errors import NotFound, StatusError
from roost.api.values import Object
from roost.client.informer import Delta, Informer
from roost.client.port import Client, Query
from roost.decisions.affinity import term_matches
from roost.decisions.resources import PERSISTENT_VOLUMES
from roost.decisions.volumes import LOCAL_PATH, PROVISIONED_BY
from roost.node.sources import Refused
from roost.ports.port import Chance

_RETRY_S = 5.0
log = logging.getLogger(__name__)

Remove = Callable[[str], Awaitable[None]]


def directory_of(volume: Object, root: str) -> str:
    """Return the directory of a volume of ours below `root`; "" for any other volume."""
    metadata, spec = volume["metadata"], volume["spec"]
    if (metadata.get("annotations") or {}).get(PROVISIONED_BY) != LOCAL_PATH:
        return ""
    path: str = (spec.get("local") or {}).get("path") or ""
    return path if path == f"{root}/{metadata['name']}" else ""


def to_remove(volume: Object, root: str, labels: dict[str, str], node: str) -> bool:
    """Say whether a volume is ours, on this node and going."""
    if "deletionTimestamp" not in volume["metadata"] or not directory_of(volume, root):
        return False
    if LOCAL_PATH not in (volume["metadata"].get("finalizers") or ()):
        return False
    required = (volume["spec"].get("nodeAffinity") or {}).get("required") or {}
    terms = required.get("nodeSelectorTerms") or ()
    return any(term_matches(term, labels, node) for term in terms)


class LocalVolumes:
    """Follows volumes; `remove(path)` takes a directory away with all that is in it."""

    def __init__(
        self,
        client: Client,
        chance: Chance,
        node: str,
        root: str,
        remove: Remove,
    ) -> None:
        self._client = client
        self._node = node
        self._root = root
        self._remove = remove
        self._informer = Informer(client, chance, Query(PERSISTENT_VOLUMES))
        self._labels = {"kubernetes.io/hostname": node}
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Run until cancelled."""
        self._informer.listen(self._changed)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._informer.run(), name="volumes")
            await self._informer.synced.wait()
            while True:
                self._woken.clear()
                if not await self._sweep():
                    try:
                        async with asyncio.timeout(_RETRY_S):
                            await self._woken.wait()
                    except TimeoutError:
                        continue
                else:
                    await self._woken.wait()

    def _changed(self, _deltas: Sequence[Delta]) -> None:
        self._woken.set()

    async def _sweep(self) -> bool:
        """Remove what has to go; say whether all of it went."""
        done = True
        for volume in list(self._informer.cache.all()):
            if not to_remove(volume, self._root, self._labels, self._node):
                continue
            try:
                await self._end(volume)
            except NotFound:
                continue
            except (StatusError, OSError, TimeoutError, Refused) as error:
                log.warning("volume %s: %s", volume["metadata"]["name"], error)
                done = False
        return done

    async def _end(self, volume: Object) -> None:
        if volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
            await self._remove(directory_of(volume, self._root))
        # Others take their finalizers away at the same time: look at what is left of them.
        name = volume["metadata"]["name"]
        metadata = (await self._client.get(PERSISTENT_VOLUMES, name))["metadata"]
        body = {
            "metadata": {
                "uid": volume["metadata"]["uid"],
                "resourceVersion": metadata["resourceVersion"],
                "finalizers": [f for f in metadata.get("finalizers") or () if f != LOCAL_PATH],
            }
        }
        await self._client.patch(PERSISTENT_VOLUMES, name, body)
