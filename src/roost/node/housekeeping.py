"""Keeps the node's disk from filling: rotates the logs of what runs, removes images nobody uses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass

from roost.node import podspec
from roost.node.sources import Refused
from roost.node.tools import NodeSettings, Tools
from roost.node.worker import PodWorker
from roost.runtimes.port import Image, Images, LogRotation, RuntimeFault

log = logging.getLogger(__name__)

_LOGS_EVERY_S = 10.0
_IMAGES_EVERY_S = 300.0


@dataclass(frozen=True, slots=True)
class UsedImages:
    """What must stay: image ids, and references that pods name."""

    ids: frozenset[str]
    references: frozenset[str]


def removable(images: Iterable[Image], used: UsedImages) -> list[Image]:
    """Return the images that no pod of the node uses, the largest first. Pure."""
    free = [
        image
        for image in images
        if image.id not in used.ids
        and not used.ids.intersection(image.digests)
        and not used.references.intersection(image.tags)
    ]
    return sorted(free, key=lambda image: (-image.size_bytes, image.id))


def excess(names: Iterable[str], current: str, keep: int) -> list[str]:
    """Return the rotated logs (`current`.TIME) that are too many, oldest first. Pure."""
    rotated = sorted(name for name in names if name.startswith(current + "."))
    return rotated[: max(0, len(rotated) - (keep - 1))]


def _uid_of_logs(folder: str) -> str:
    """Return the uid in the name of a pod's log folder, NAMESPACE_NAME_UID; "" for other folders."""
    parts = folder.split("_")
    return parts[2] if len(parts) == 3 else ""


class Housekeeping:
    """Runs beside the workers; `workers` returns those of the node."""

    def __init__(
        self, settings: NodeSettings, tools: Tools, workers: Callable[[], list[PodWorker]]
    ) -> None:
        self._settings = settings
        self._tools = tools
        self._workers = workers

    async def run(self) -> None:
        """Look after logs and images until cancelled."""
        if self._tools.space is None:
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._every(_LOGS_EVERY_S, self._rotate_logs))
            tasks.create_task(self._every(_IMAGES_EVERY_S, self._remove_images))

    async def _every(self, period_s: float, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(period_s)
            try:
                await step()
            except (OSError, RuntimeFault) as error:
                log.warning("housekeeping: %s", error)

    async def _rotate_logs(self) -> None:
        space, layout = self._tools.space, self._settings.layout
        if space is None:
            return
        for worker in self._workers():
            runtime = worker.runtime
            if runtime is None or not isinstance(runtime, LogRotation):
                continue
            for _, container in podspec.containers(worker.pod):
                seen = worker.facts.container(container["name"]).seen
                if seen is None or not seen.live:
                    continue
                path = layout.log(worker.pod, container["name"], seen.attempt)
                if space.file_size(path) < self._settings.log_max_bytes:
                    continue
                stamp = podspec.compact_timestamp(self._tools.clock.now())
                await runtime.rotate_log(seen.id, f"{path}.{stamp}")
                folder, _, current = path.rpartition("/")
                names = self._tools.files.list(folder)
                for name in excess(names, current, self._settings.log_max_files):
                    self._tools.files.remove(f"{folder}/{name}")

    def orphans(self, known: Collection[str]) -> list[str]:
        """Return the uids of pods of which only folders or logs are left; `known` are those that
        a complete list, a worker or a runtime knows."""
        layout, files = self._settings.layout, self._tools.files
        found = set(files.list(f"{layout.root}/pods")) | set(files.list(f"{layout.memory}/pods"))
        found.update(uid for name in files.list(layout.logs) if (uid := _uid_of_logs(name)))
        return sorted(found - set(known))

    async def remove_orphans(self, uids: Iterable[str]) -> None:
        """Remove the folders and logs of pods that are gone."""
        layout, files = self._settings.layout, self._tools.files
        for uid in uids:
            try:
                await self._tools.pod_files.release(uid)
                files.remove(layout.pod(uid))
                for name in files.list(layout.logs):
                    if _uid_of_logs(name) == uid:
                        files.remove(f"{layout.logs}/{name}")
            except (OSError, Refused) as error:
                log.warning("removing what is left of pod %s: %s", uid, error)

    def _used(self) -> UsedImages:
        ids: set[str] = set()
        references: set[str] = set()
        for worker in self._workers():
            for _, container in podspec.containers(worker.pod):
                references.add(container.get("image") or "")
                known = worker.facts.container(container["name"])
                if known.image is not None:
                    ids.update((known.image.id, known.image.reference))
                if known.seen is not None:
                    ids.add(known.seen.image_id)
        return UsedImages(frozenset(ids), frozenset(references))

    async def _remove_images(self) -> None:
        space = self._tools.space
        if space is not None and space.disk_used() > self._settings.image_high:
            low = self._settings.image_low
            await self._remove_images_until(lambda: space.disk_used() <= low)

    async def remove_unused_images(self) -> None:
        """Remove every image that no pod of the node uses: the disk runs low."""
        try:
            await self._remove_images_until(lambda: False)
        except (OSError, RuntimeFault) as error:
            log.warning("housekeeping: %s", error)

    async def _remove_images_until(self, enough: Callable[[], bool]) -> None:
        for runtime in self._tools.runtimes.all:
            if not isinstance(runtime, Images):
                continue
            for image in removable(await runtime.list_images(), self._used()):
                if enough():
                    return
                try:
                    await runtime.remove_image(image.id)
                except RuntimeFault as error:
                    log.info("image %s stays: %s", image.id, error.message)
