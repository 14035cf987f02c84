"""A server in memory that follows definitions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fakes.apiserver import Everybody
from roost.adapters.virtual.chance import SeededChance
from roost.adapters.virtual.clock import LoopClock
from roost.adapters.virtual.ids import SeededIds
from roost.api.registry import builtin
from roost.apiserver.admission.webhooks.port import Caller
from roost.apiserver.attributes import User
from roost.apiserver.customresources import CustomResources
from roost.apiserver.messages import Answer, Request
from roost.apiserver.server import ApiServer
from roost.store.memory import MemoryStore

ADMIN = User("admin", ("system:masters",))
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TOYS = "/apis/example.com/v1/namespaces/default/toys"


def definition(schema: Any, plural: str = "toys", **version: Any) -> dict[str, Any]:
    """Return a definition with one version, of the properties in `schema`."""
    kind = plural.removesuffix("s").capitalize()
    root = {"type": "object", "properties": schema}
    versions = version.pop("versions", None) or [
        {
            "name": "v1",
            "served": True,
            "storage": True,
            "schema": {"openAPIV3Schema": root},
            **version,
        }
    ]
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": names,
            "versions": versions,
        },
    }


def toy(name: str, spec: Any = None, version: str = "v1") -> dict[str, Any]:
    body = {"apiVersion": f"example.com/{version}", "kind": "Toy", "metadata": {"name": name}}
    return body if spec is None else {**body, "spec": spec}


class Asker:
    """Sends requests to a server and reads its answers."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api

    async def send(self, method: str, target: str, body: Any = None, **headers: str) -> Any:
        path, _, query = target.partition("?")
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return await self.api.handle(Request(method, path, query, named, raw, ADMIN, path))

    async def ask(self, method: str, target: str, body: Any = None, **more: str) -> tuple[int, Any]:
        """Return code and decoded body (the text, if it is no JSON)."""
        answer = await self.send(method, target, body, **more)
        assert isinstance(answer, Answer), answer
        try:
            return answer.code, json.loads(answer.body)
        except ValueError:
            return answer.code, answer.body

    async def define(self, *args: Any, **more: Any) -> None:
        code, body = await self.ask("POST", DEFINITIONS, definition(*args, **more))
        assert code == 201, body

    async def gone(self, target: str) -> None:
        """Return once there is nothing at a path."""
        async with asyncio.timeout(5):
            while (await self.ask("GET", target))[0] != 404:  # noqa: ASYNC110 - a client asks
                await asyncio.sleep(0.001)


Scene = Callable[[Asker], Awaitable[None]]


@pytest.fixture
def play() -> Callable[..., None]:
    """Runs scenes, each with a server of its own over the same store."""

    def run(*scenes: Scene, caller: Caller | None = None) -> None:
        async def main() -> None:
            store = MemoryStore()
            for scene in scenes:
                api = ApiServer(
                    store,
                    builtin(),
                    LoopClock(),
                    SeededChance(),
                    SeededIds(),
                    authorizer=Everybody(),
                )
                CustomResources(api, caller)
                task = asyncio.create_task(api.run())
                await api.ready()
                try:
                    await scene(Asker(api))
                finally:
                    task.cancel()
                    await asyncio.wait([task])

        asyncio.run(main())

    return run
