"""Every example is what a real server takes without a word of complaint."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from roost.adapters.virtual.chance import SeededChance
from roost.adapters.virtual.clock import LoopClock
from roost.adapters.virtual.ids import SeededIds
from roost.api.kind import Kind, Resource
from roost.api.registry import builtin
from roost.api.values import Object
from roost.apiserver.admission import chain
from roost.apiserver.attributes import User
from roost.apiserver.authorizer import Authorizer
from roost.apiserver.bootstrap import Advertised, bootstrap_cluster
from roost.apiserver.messages import Answer, Request
from roost.apiserver.server import ApiServer
from roost.store.memory import MemoryStore

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FOLDERS = sorted(path for path in EXAMPLES.iterdir() if path.is_dir())
#: Examples that are programs; the tests of the simulation and of the browser run them.
PROGRAMS = ("10-operator-test", "11-cluster-in-a-page")
MANIFESTS = [folder for folder in FOLDERS if folder.name not in PROGRAMS]
ADMIN = User("admin", ("system:masters",))
ACCOUNTS = Resource("", "v1", "serviceaccounts")
NAMESPACES = Resource("", "v1", "namespaces")


def named(path: Path) -> str:
    return path.name


def documents(folder: Path) -> list[Object]:
    return [
        document
        for path in sorted(folder.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    ]


async def keep(quota: Object) -> Object:
    return quota


class Server:
    """A server as `roost up` wires it, without controllers, sockets and a disk."""

    def __init__(self) -> None:
        authorizer, chance = Authorizer(), SeededChance()
        self.api = ApiServer(
            MemoryStore(), builtin(), LoopClock(), chance, SeededIds(), authorizer=authorizer,
            admission=[chain.Chain(chain.plugins(authorizer, chance, keep))],
        )  # fmt: skip

    async def prepare(self) -> None:
        """Do what else controllers do: an account in the namespace; and hold examples to a standard."""
        client = self.api.client()
        await bootstrap_cluster(client, Advertised("192.0.2.1", 6443))
        await client.create(ACCOUNTS, {"metadata": {"name": "default"}}, "default")
        labels = {"pod-security.kubernetes.io/enforce": "baseline"}
        await client.patch(NAMESPACES, "default", {"metadata": {"labels": labels}})

    async def create(self, document: Object) -> tuple[int, Object, list[str]]:
        """Return code, answer and warnings."""
        kind = self._kind(document)
        metadata = document["metadata"]
        inside = f"/namespaces/{metadata.get('namespace', 'default')}" if kind.namespaced else ""
        root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
        request = Request(
            "POST", f"{root}{inside}/{kind.plural}", "fieldValidation=Strict", {},
            json.dumps(document).encode(), ADMIN,
        )  # fmt: skip
        answer = await self.api.handle(request)
        assert isinstance(answer, Answer)
        return answer.code, json.loads(answer.body), request.warnings

    def _kind(self, document: Object) -> Kind:
        group, _, version = document["apiVersion"].rpartition("/")
        kind = self.api.registry.by_name(group, version, document["kind"])
        assert kind is not None, document["kind"]
        return kind


@pytest.mark.parametrize("folder", MANIFESTS, ids=named)
def test_a_server_takes_every_object_without_errors_and_warnings(folder: Path):
    async def main() -> None:
        server = Server()
        task = asyncio.create_task(server.api.run())
        await server.api.ready()
        await server.prepare()
        for document in documents(folder):
            code, answer, warnings = await server.create(document)
            assert code == 201, answer.get("message")
            assert warnings == []
        task.cancel()
        await asyncio.wait([task])

    assert documents(folder), "no manifest"
    asyncio.run(main())


def images(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "image" and isinstance(item, str):
                yield item
            yield from images(item)
    elif isinstance(value, list):
        for item in value:
            yield from images(item)


@pytest.mark.parametrize("folder", FOLDERS, ids=named)
def test_images_are_public_or_local_and_have_a_tag(folder: Path):
    found = [image for document in documents(folder) for image in images(document)]
    assert not [i for i in found if not re.fullmatch(r"(localhost(:\d+)?/)?[a-z0-9-]+:[\w.-]+", i)]
    assert not [i for i in found if i.endswith(":latest")]


@pytest.mark.parametrize("folder", FOLDERS, ids=named)
def test_a_page_says_how_to_run_it(folder: Path):
    page = (folder / "README.md").read_text()
    path = f"examples/{folder.name}"
    assert page.startswith(f"# {folder.name[:2]}: ")
    if folder in MANIFESTS:
        assert f"```sh\nkubectl apply -f {path}\n```" in page
        assert f"kubectl delete -f {path}" in page
    else:
        assert re.search(rf"^```sh\n(pytest|./dev run python) {path}\b", page, re.MULTILINE)


def test_examples_are_numbered_and_listed():
    assert [folder.name[:3] for folder in FOLDERS] == [
        f"{n:02}-" for n in range(1, 1 + len(FOLDERS))
    ]
    index = (EXAMPLES / "README.md").read_text()
    assert not [folder.name for folder in FOLDERS if f"]({folder.name}/README.md)" not in index]
