"""Volumes without a disk: remembers what was placed, and refuses what a test tells it to."""

from __future__ import annotations

from roost.node.sources import Refused
from roost.node.volumes import HostFolder, Planned


class MemoryPodFiles:
    """node.podfiles.PodFiles. `placed` maps (pod uid, volume) to the newest plan."""

    def __init__(self) -> None:
        self.placed: dict[tuple[str, str], Planned] = {}
        self.refuse: dict[str, str] = {}  # volume -> message

    async def place(self, pod_uid: str, planned: Planned) -> str:
        if planned.volume in self.refuse:
            raise Refused("FailedMount", self.refuse[planned.volume])
        self.placed[pod_uid, planned.volume] = planned
        if isinstance(planned, HostFolder):
            return planned.path
        return f"/pods/{pod_uid}/volumes/{planned.volume}"

    async def sub_path(self, pod_uid: str, container: str, planned: Planned, path: str) -> str:
        del container
        return f"{await self.place(pod_uid, planned)}/{path}"

    async def release(self, pod_uid: str) -> None:
        for key in [key for key in self.placed if key[0] == pod_uid]:
            del self.placed[key]
