"""Watches that stay open for the whole run: no odd object may end one."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from multidict import CIMultiDict

from fuzz.scene import ADMIN, Scene, collection
from roost.apiserver.messages import Frames, Request, WatchAnswer

_FORMS = (
    "application/json", "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/vnd.kubernetes.protobuf,*/*",
)  # fmt: skip


class Drain:
    """A sink that counts, and forgets."""

    def __init__(self) -> None:
        self.frames = 0

    def write(self, frames: Frames) -> None:
        self.frames += 1

    def close(self) -> None:
        """Nothing is held open."""


class Watchers:
    """One watch of each kind, in one form each, by turns."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._drains: dict[str, Drain] = {}
        self._done: dict[str, str] = {}

    @property
    def events(self) -> int:
        """How many frames came."""
        return sum(drain.frames for drain in self._drains.values())

    def ended(self) -> list[str]:
        """Return which watches ended, and why."""
        return [f"{name}: {why}" for name, why in self._done.items()]

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for turn, kind in enumerate(self._scene.kinds):
                if "watch" in kind.verbs:
                    tasks.create_task(self._watch(collection(kind), _FORMS[turn % len(_FORMS)]))

    async def _watch(self, path: str, accept: str) -> None:
        headers = CIMultiDict({"accept": accept})
        request = Request("GET", path, "watch=1", headers, b"", ADMIN, quote(path))
        answer = await self._scene.api.handle(request)
        if not isinstance(answer, WatchAnswer):
            self._done[f"{path} as {accept}"] = f"not begun: {answer}"
            return
        drain = self._drains[path] = Drain()
        try:
            await answer.run(drain)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end a watch
            self._done[f"{path} as {accept}"] = repr(error)
        else:
            self._done[f"{path} as {accept}"] = "by itself"
