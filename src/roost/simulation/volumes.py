"""node.podfiles.PodFiles over files in memory: what the agent projects is there to be read.

What nobody can have here is refused by name: files of a host that is none.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from roost.adapters.virtual.files import MemoryFiles
from roost.node.layout import Layout
from roost.node.sources import Refused
from roost.node.volumes import HostFolder, Payload, Planned

#: Things of a real machine that no memory stands for.
_DEVICES: Final = frozenset({"Socket", "CharDevice", "BlockDevice"})


class VirtualPodFiles:
    """See the module. Host folders are folders of the node's own files, empty at first."""

    def __init__(self, files: MemoryFiles, layout: Layout) -> None:
        self._files = files
        self._layout = layout
        #: Pod -> volume -> the files that were placed in it last.
        self._placed: dict[str, dict[str, Collection[str]]] = {}

    async def place(self, pod_uid: str, planned: Planned) -> str:
        if isinstance(planned, HostFolder):
            return self._host(planned)
        folder = f"{self._layout.pod(pod_uid)}/volumes/{planned.volume}"
        if isinstance(planned, Payload):
            wanted = {f"{folder}/{file.path}": file for file in planned.files}
            placed = self._placed.setdefault(pod_uid, {})
            before = placed.get(planned.volume)
            for known in self._below(folder) if before is None else before:
                if known not in wanted:
                    self._files.remove(known)
            placed[planned.volume] = tuple(wanted)
            for path, file in wanted.items():
                if self._files.read(path) != file.content:
                    self._files.write(path, file.content, mode=file.mode)
        return folder

    def _below(self, folder: str) -> list[str]:
        prefix = f"{folder}/"
        return [path for path in self._files.content if path.startswith(prefix)]

    def _host(self, planned: HostFolder) -> str:
        if planned.type in _DEVICES:
            raise Refused(
                "FailedMount",
                f'MountVolume.SetUp failed for volume "{planned.volume}" : hostPath type '
                f"{planned.type} is not simulated",
            )
        if planned.type == "File" and self._files.read(planned.path) is None:
            raise Refused(
                "FailedMount",
                f'MountVolume.SetUp failed for volume "{planned.volume}" : '
                f"hostPath type check failed: {planned.path} is not a file",
            )
        return planned.path

    async def sub_path(self, pod_uid: str, container: str, planned: Planned, path: str) -> str:
        del container
        return f"{await self.place(pod_uid, planned)}/{path}"

    async def release(self, pod_uid: str) -> None:
        self._placed.pop(pod_uid, None)
        self._files.remove(self._layout.pod(pod_uid))
        self._files.remove(self._layout.pod_memory(pod_uid))
