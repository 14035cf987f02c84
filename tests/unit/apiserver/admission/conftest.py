"""Objects to look up, and requests as the core makes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from roost.api.kind import Resource
from roost.api.registry import builtin
from roost.api.values import copy_of
from roost.apiserver.attributes import Admission, User

REGISTRY = builtin()
USER = User("u")


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
        await asyncio.sleep(0)  # as a store would
        return [
            obj
            for (plural, home, _), obj in self.content.items()
            if plural == resource.plural and namespace in ("", home)
        ]


class Abc:
    """ports.Chance that knows its suffixes."""

    def uniform(self) -> float:
        return 0.5

    def suffix(self, length: int) -> str:
        return "abcdefgh"[:length]


@pytest.fixture
def chance() -> Abc:
    return Abc()


@pytest.fixture
def objects() -> Objects:
    found = Objects()
    found.put("namespaces", {"metadata": {"name": "ns"}})
    found.put("serviceaccounts", {"metadata": {"name": "default", "namespace": "ns"}})
    return found


@pytest.fixture
def asked():
    """Make a request for a resource: `apps/deployments` or `pods`."""

    def make(
        path: str,
        obj: dict | None,
        *,
        operation: str = "CREATE",
        old: dict | None = None,
        user: User = USER,
        subresource: str = "",
        namespace: str = "ns",
        name: str = "",
        dry_run: bool = False,
    ) -> Admission:
        group, _, plural = path.rpartition("/")
        kind = next(
            kind for kind in REGISTRY.kinds() if (kind.group, kind.plural) == (group, plural)
        )
        given = copy_of(obj)
        if given is not None:
            given.setdefault("metadata", {})
        name = name or ((given or old or {}).get("metadata") or {}).get("name", "")
        return Admission(
            operation, kind, namespace if kind.namespaced else "", name, user, given,
            old, subresource, dry_run,
        )  # fmt: skip

    return make


@pytest.fixture
def run(objects):
    """Put a request through one plugin; return the object it leaves."""

    def send(plugin, request: Admission) -> dict:
        async def both() -> None:
            await plugin.admit(request, objects)
            await plugin.validate(request, objects)

        asyncio.run(both())
        return request.object or {}

    return send


@pytest.fixture
def pod():
    """Make a pod of one container; keywords go into its spec."""

    def make(name: str = "p", *, context: dict | None = None, **spec) -> dict:
        container = {"name": "c", "image": "i"}
        if context is not None:
            container["securityContext"] = context
        return {
            "metadata": {"name": name, "namespace": "ns"},
            "spec": {"containers": [container], **spec},
        }

    return make
