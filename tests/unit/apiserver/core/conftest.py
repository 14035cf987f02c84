"""A server in memory, asked as over HTTP but without any."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fakes.apiserver import running
from roost.apiserver.attributes import User
from roost.apiserver.messages import Answer, Frames, Request, WatchAnswer
from roost.apiserver.server import ApiServer

ADMIN = User("admin", ("system:masters",))


class Asker:
    """Sends requests to a server and reads its answers."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api

    async def send(
        self, method: str, target: str, body: Any = None, *, user: User = ADMIN, **headers: str
    ) -> Any:
        path, _, query = target.partition("?")
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return await self.api.handle(Request(method, path, query, named, raw, user, path))

    async def answer(self, method: str, target: str, body: Any = None, **more: Any) -> Answer:
        answer = await self.send(method, target, body, **more)
        assert isinstance(answer, Answer), answer
        return answer

    async def ask(self, method: str, target: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """Return code and decoded body."""
        answer = await self.answer(method, target, body, **more)
        return answer.code, json.loads(answer.body) if answer.body else None

    async def watch(self, target: str, **more: Any) -> Watching:
        answer = await self.send("GET", target, **more)
        assert isinstance(answer, WatchAnswer), answer
        return Watching(answer)


class Watching:
    """A sink that collects what a watch writes."""

    def __init__(self, answer: WatchAnswer) -> None:
        self.events: list[Any] = []
        self.writes: list[Frames] = []
        self._arrived = asyncio.Event()
        self.task = asyncio.create_task(answer.run(self))

    def write(self, frames: Frames) -> None:
        self.writes.append(frames)
        self.events += [json.loads(line) for line in frames.data.splitlines()]
        self._arrived.set()

    def close(self) -> None:
        """Nothing to close."""

    async def until(self, count: int) -> list[Any]:
        """Return the first `count` events, once they are there."""
        async with asyncio.timeout(5):
            while len(self.events) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.events[:count]

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


Scene = Callable[[Asker], Awaitable[None]]


@pytest.fixture
def play() -> Callable[[Scene], None]:
    """Runs a scene with an asker of an empty server."""

    def run(scene: Scene) -> None:
        async def main() -> None:
            async with running() as api:
                await scene(Asker(api))

        asyncio.run(main())

    return run
