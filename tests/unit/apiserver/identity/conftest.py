"""A clock that stands still until it is moved, files in memory, and objects to look up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from roost.adapters.virtual.files import MemoryFiles
from roost.api.kind import Resource
from roost.apiserver.authenticator import Authenticator
from roost.apiserver.pki import SigningKeys
from roost.apiserver.static_tokens import StaticTokens


@dataclass
class StillClock:
    """ports.WallClock that a test moves."""

    time: float = 1_800_000_000.0

    def now(self) -> float:
        return self.time


@dataclass
class CountedIds:
    """ports.Ids that counts."""

    count: int = 0

    def uid(self) -> str:
        self.count += 1
        return f"id-{self.count}"


@dataclass
class Objects:
    """The Lookup port over a dictionary."""

    content: dict[tuple[str, str, str], dict] = field(default_factory=dict)

    def put(self, plural: str, obj: dict) -> dict:
        metadata = obj["metadata"]
        self.content[plural, metadata.get("namespace", ""), metadata["name"]] = obj
        return obj

    async def get(self, resource: Resource, name: str, namespace: str = "") -> dict | None:
        return self.content.get((resource.plural, namespace, name))

    async def list(self, resource: Resource, namespace: str = "") -> Iterable[dict]:
        return [
            obj
            for (plural, home, _), obj in self.content.items()
            if plural == resource.plural and namespace in ("", home)
        ]


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def ids() -> CountedIds:
    return CountedIds()


@pytest.fixture
def files() -> MemoryFiles:
    return MemoryFiles()


@pytest.fixture
def objects() -> Objects:
    found = Objects()
    found.put("serviceaccounts", {"metadata": {"name": "low", "namespace": "ns", "uid": "sa-1"}})
    return found


@pytest.fixture
def keys(files: MemoryFiles) -> SigningKeys:
    return SigningKeys.open(files, "/d")


@pytest.fixture
def static(files: MemoryFiles) -> StaticTokens:
    return StaticTokens(files, "/d/tokens.json")


@pytest.fixture
def authenticator(clock, keys, objects, static) -> Authenticator:
    return Authenticator(clock, keys, objects, static)
