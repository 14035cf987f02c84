"""The whole API server core in this process: real registry, admission, handlers and authoriser."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from roost.adapters.real.files import DiskFiles
from roost.adapters.virtual.chance import SeededChance
from roost.adapters.virtual.clock import LoopClock
from roost.adapters.virtual.ids import SeededIds
from roost.api.kind import Kind, Resource
from roost.api.registry import builtin
from roost.api.schema.node import Node
from roost.api.values import Object
from roost.apiserver.admission import chain
from roost.apiserver.admission.noderestriction import NodeRestriction
from roost.apiserver.admission.registered import Registered
from roost.apiserver.admission.surroundings import Surroundings
from roost.apiserver.admission.webhooks.port import CallFailed
from roost.apiserver.attributes import User
from roost.apiserver.authenticator import Authenticator
from roost.apiserver.authorizer import Authorizer
from roost.apiserver.core import Lookup, rfc3339
from roost.apiserver.customresources import CustomResources
from roost.apiserver.pki.signing import SigningKeys
from roost.apiserver.reviews import handlers
from roost.apiserver.server import ApiServer
from roost.apiserver.static_tokens import StaticTokens
from roost.store.memory import MemoryStore

ADMIN = User("fuzzer", ("system:masters", "system:authenticated"))
#: Small, so that the history is full soon and memory is flat from then on.
_HISTORY_BYTES = 2 << 20
_QUOTAS = Resource("", "v1", "resourcequotas")
_CRD: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.fuzz.example"},
    "spec": {
        "group": "fuzz.example",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
        "versions": [{
            "name": "v1", "served": True, "storage": True,
            "subresources": {
                "status": {},
                "scale": {"specReplicasPath": ".spec.replicas",
                          "statusReplicasPath": ".status.replicas"},
            },
            "schema": {"openAPIV3Schema": {
                "type": "object",
                "properties": {
                    "spec": {
                        "type": "object",
                        "required": ["replicas"],
                        "x-kubernetes-validations": [{
                            "rule": "!has(self.words) || self.words.all(w, size(w) < 9)",
                        }],
                        "properties": {
                            "replicas": {"type": "integer", "minimum": 0, "default": 1},
                            "words": {"type": "array", "maxItems": 20,
                                      "items": {"type": "string", "pattern": "^[a-z]*$",
                                                "maxLength": 40}},
                            "any": {"x-kubernetes-preserve-unknown-fields": True},
                            "share": {"x-kubernetes-int-or-string": True},
                            "when": {"type": "string", "format": "date-time"},
                            "list": {
                                "type": "array", "x-kubernetes-list-type": "map",
                                "x-kubernetes-list-map-keys": ["name"],
                                "items": {"type": "object", "required": ["name"], "properties": {
                                    "name": {"type": "string"},
                                    "size": {"type": "number", "maximum": 9.5},
                                }},
                            },
                        },
                    },
                    "status": {"type": "object",
                               "x-kubernetes-preserve-unknown-fields": True},
                },
            }},
        }],
    },
}  # fmt: skip


class Nobody:
    """The caller of webhooks: there is nobody to call."""

    def __getattr__(self, _name: str) -> Any:
        async def call(*_args: Any, **_more: Any) -> Any:
            raise CallFailed("nobody is there")

        return call


@asynccontextmanager
async def serving() -> AsyncIterator[ApiServer]:
    """A server with the default namespace and the custom resource `widgets`."""
    store, registry = MemoryStore(_HISTORY_BYTES), builtin()
    clock, chance, ids = LoopClock(), SeededChance(), SeededIds()
    lookup, authorizer = Lookup(store, registry), Authorizer()
    with tempfile.TemporaryDirectory() as folder:
        files = DiskFiles()
        keys = SigningKeys.open(files, folder)
        authenticator = Authenticator(
            clock, keys, lookup, StaticTokens(files, f"{folder}/tokens.csv")
        )

        async def write_quota(quota: Object) -> Object:
            namespace = quota["metadata"]["namespace"]
            return await api.client().update(_QUOTAS, quota, namespace, subresource="status")

        def node(kind: Kind) -> Node:
            return api.core.node(kind)

        around = Surroundings(registry, ids, authorizer, node, lambda: rfc3339(clock.now()))
        registered = Registered(around, Nobody())
        users = registered.plugins()
        api = ApiServer(
            store, registry, clock, chance, ids,
            authorizer=authorizer,
            admission=[chain.Chain(chain.plugins(authorizer, chance, write_quota, users))],
            handlers=handlers(
                authenticator, authorizer, keys, lookup, clock, ids,
                [chain.Chain([NodeRestriction(), *users])],
            ),
        )  # fmt: skip
        CustomResources(api)
        async with asyncio.TaskGroup() as tasks:
            started = [
                tasks.create_task(part)
                for part in (api.run(), authorizer.run(store), registered.run(store))
            ]
            await api.ready()
            await authorizer.ready()
            await registered.ready()
            client = api.client()
            for name in ("default", "kube-system"):
                await client.create(Resource("", "v1", "namespaces"), {"metadata": {"name": name}})
            await client.create(
                Resource("", "v1", "serviceaccounts"), {"metadata": {"name": "default"}}, "default"
            )
            definitions = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
            await client.create(definitions, _CRD)
            registered.start()
            while registry.find("fuzz.example", "v1", "widgets") is None:
                await asyncio.sleep(0)
            try:
                yield api
            finally:
                for task in started:
                    task.cancel()


async def sweep(api: ApiServer, kept: frozenset[str]) -> None:
    """Delete all objects but those with the keys `kept`, whatever holds them."""
    client, store = api.client(), api.core.store
    for kind in list(api.registry.kinds()):
        if kind.convert is not None or not {"list", "delete"} <= set(kind.verbs):
            continue
        from roost.apiserver import keys

        for record in (await store.list(keys.prefix_of(kind))).records:
            if record.key in kept:
                continue
            await _remove(client, store, kind, record)


async def _remove(client: Any, store: Any, kind: Kind, record: Any) -> None:
    from roost.api.errors import StatusError
    from roost.store.port import Conflict

    metadata = record.object["metadata"]
    name, namespace = metadata["name"], metadata.get("namespace", "")
    try:
        await client.delete(kind.resource, name, namespace)
    except StatusError:
        pass
    left = await store.get(record.key)
    if left is not None:
        try:
            await store.commit(record.key, None, left.revision)
        except Conflict:
            pass


async def everything(api: ApiServer) -> frozenset[str]:
    """Return the keys of all that is stored."""
    page = await api.core.store.list("/registry/")
    return frozenset(record.key for record in page.records)
