"""The whole API server core in this process: real registry, admission, handlers and authoriser."""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import msgspec
from multidict import CIMultiDict

from fuzz.seeds import name_of, seed_of
from roost.adapters.real.files import DiskFiles
from roost.adapters.virtual.chance import SeededChance
from roost.adapters.virtual.clock import LoopClock
from roost.adapters.virtual.ids import SeededIds
from roost.api.kind import Kind, Resource
from roost.api.registry import builtin
from roost.api.schema.node import Node
from roost.api.values import Object
from roost.apiserver import keys
from roost.apiserver.admission import chain
from roost.apiserver.admission.noderestriction import NodeRestriction
from roost.apiserver.admission.registered import Registered
from roost.apiserver.admission.surroundings import Surroundings
from roost.apiserver.admission.webhooks.port import CallFailed, Endpoint
from roost.apiserver.attributes import User
from roost.apiserver.authenticator import Authenticator
from roost.apiserver.authorizer import Authorizer
from roost.apiserver.core import Lookup
from roost.apiserver.customresources import CustomResources
from roost.apiserver.encoding import decode, draft_of
from roost.apiserver.messages import Answer, Frames, Request, WatchAnswer
from roost.apiserver.pki.signing import SigningKeys
from roost.apiserver.reviews import handlers
from roost.apiserver.server import ApiServer
from roost.apiserver.static_tokens import StaticTokens
from roost.decisions.meta import stamp
from roost.store.memory import MemoryStore
from roost.store.port import ANY, Record

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
            "name": "v2", "served": True, "storage": False,
            "schema": {"openAPIV3Schema": {"type": "object",
                                           "x-kubernetes-preserve-unknown-fields": True}},
        }, {
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


#: A policy that looks into everything: what CEL does with odd objects must not depend on luck.
_POLICY: Object = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "looks-at-all.fuzz.example"},
    "spec": {
        "failurePolicy": "Ignore",
        "matchConstraints": {"resourceRules": [{
            "apiGroups": ["apps", "batch", "fuzz.example", ""], "apiVersions": ["*"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["deployments", "jobs", "widgets", "configmaps", "services"],
        }]},
        "variables": [
            {"name": "labels", "expression": "object.metadata.?labels.orValue({})"},
            {"name": "words", "expression": "string(object)"},
        ],
        "validations": [
            {"expression": "variables.labels.all(k, k.matches('^[a-z./-]*$') || size(k) > 2)"},
            {"expression": "!has(object.spec) || !has(object.spec.template) || "
                           "object.spec.template.spec.containers.all(c, size(c.image) < 1000)",
             "messageExpression": "'image of ' + object.metadata.name + ' is long'"},
            {"expression": "!has(object.spec) || !has(object.spec.replicas) || "
                           "int(object.spec.replicas) * 2 < 4294967296"},
        ],
    },
}  # fmt: skip
_POLICY_BINDING: Object = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "looks-at-all.fuzz.example"},
    "spec": {"policyName": "looks-at-all.fuzz.example", "validationActions": ["Deny"]},
}
_ADMISSION = "admissionregistration.k8s.io"
_ACTORS = (
    ("customresourcedefinitions", _CRD),
    ("validatingadmissionpolicies", _POLICY),
    ("validatingadmissionpolicybindings", _POLICY_BINDING),
)
#: What acts on other requests, and so is there only while it is looked at.
ACTING = frozenset({
    (_ADMISSION, "validatingadmissionpolicies"), (_ADMISSION, "mutatingadmissionpolicies"),
    (_ADMISSION, "validatingadmissionpolicybindings"),
    (_ADMISSION, "mutatingadmissionpolicybindings"),
    (_ADMISSION, "validatingwebhookconfigurations"),
    (_ADMISSION, "mutatingwebhookconfigurations"),
    ("", "resourcequotas"), ("", "limitranges"), ("scheduling.k8s.io", "priorityclasses"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "apiservices"),
    ("flowcontrol.apiserver.k8s.io", "flowschemas"),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
})  # fmt: skip
#: Those whose deletion gives back what the server keeps beside the store.
_THROUGH_API = frozenset({
    ("", "services"), ("apiextensions.k8s.io", "customresourcedefinitions"),
})  # fmt: skip


class Nobody:
    """The caller of webhooks: there is nobody to call."""

    async def post(self, endpoint: Endpoint, body: bytes, timeout_s: int) -> bytes:
        raise CallFailed("nobody is there")


class _Blind:
    """A sink that looks at nothing."""

    def write(self, frames: Frames) -> None:
        """Nothing is done with it."""

    def close(self) -> None:
        """Nothing is held open."""


class Scene:
    """A server and what is always there: one good object of each kind that acts on no others."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api
        self.kinds = sorted(
            api.registry.kinds(), key=lambda kind: (kind.group, kind.version, kind.plural)
        )
        self.nodes = {kind.resource: api.core.node(kind) for kind in self.kinds}
        self._kept: dict[str, bytes] = {}

    async def ask(
        self, method: str, path: str, value: Any = None, query: str = "", **headers: str
    ) -> Answer:
        """Send a request and return its answer, which is no stream."""
        body = b"" if value is None else msgspec.json.encode(value)
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        request = Request(method, path, query, CIMultiDict(named), body, ADMIN, quote(path))
        answer = await self.api.handle(request)
        assert isinstance(answer, Answer)
        return answer

    async def glance(self, answer: WatchAnswer) -> None:
        """Look at the first frames of a watch."""
        task = asyncio.create_task(answer.run(_Blind()))
        for _ in range(4):
            await asyncio.sleep(0)
        if not task.cancel():
            await task
            return
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def furnish(self) -> None:
        """Create a good object of each kind; a seed that is refused is a mistake of the fuzzer."""
        for kind in self.kinds:
            seed = seed_of(kind)
            resource = (kind.group, kind.plural)
            if seed is None or resource in ACTING or kind.convert is not None:
                continue
            if not {"create", "get"} <= set(kind.verbs):
                continue
            answer = await self.ask("POST", collection(kind), whole(kind, seed))
            assert answer.code == 201, (kind.resource, answer.whole())
        self._kept = {record.key: record.value for record in await self._records()}

    async def _records(self) -> list[Record]:
        return (await self.api.core.store.list("/registry/")).records

    async def restore(self) -> None:
        """Bring the store back to what `furnish` left, without asking those who might refuse."""
        for record in await self._records():
            if record.key not in self._kept:
                await self.remove(record)
        store = self.api.core.store
        for key, value in self._kept.items():
            record = await store.get(key)
            if record is None or _bare(record.value) != _bare(value):
                kept = decode(value)
                kind = self._kind_of(key)
                await store.commit(key, draft_of(kind, kept), ANY)

    def _kind_of(self, key: str) -> Kind:
        topic = keys.topic_of(key)
        return next(
            kind for kind in self.kinds if kind.convert is None and keys.prefix_of(kind) == topic
        )

    async def remove(self, record: Record) -> None:
        """Remove one object, whatever holds it."""
        metadata, kind = record.object["metadata"], self._kind_or_none(record.key)
        if kind is not None and (kind.group, kind.plural) in _THROUGH_API:
            path = item(kind, metadata["name"], metadata.get("namespace", ""))
            await self.ask("DELETE", path)
        if await self.api.core.store.get(record.key) is not None:
            await self.api.core.store.commit(record.key, None, ANY)

    def _kind_or_none(self, key: str) -> Kind | None:
        try:
            return self._kind_of(key)
        except StopIteration:
            return None

    async def added(self) -> list[Record]:
        """Return what is stored and was not there, or not so, after `furnish`."""
        kept = self._kept
        return [
            record
            for record in await self._records()
            if record.key not in kept or _bare(record.value) != _bare(kept[record.key])
        ]


def _bare(value: bytes) -> bytes:
    """Return an encoded object without its revision."""
    return _REVISION.sub(b"", value, count=1)


_REVISION = re.compile(rb'"resourceVersion":"[0-9]+"')


def collection(kind: Kind, namespace: str = "default") -> str:
    """Return the path of the objects of a kind."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    return (
        f"{root}/namespaces/{namespace}/{kind.plural}"
        if kind.namespaced
        else f"{root}/{kind.plural}"
    )


def item(kind: Kind, name: str, namespace: str = "default") -> str:
    """Return the path of one object."""
    return f"{collection(kind, namespace)}/{name}"


def whole(kind: Kind, value: Any, name: str = "") -> Any:
    """Return an object with what every object says of itself."""
    named = {"name": name or name_of(kind)}
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": named, **value}


@asynccontextmanager
async def serving() -> AsyncIterator[Scene]:
    """A furnished server with the custom resource `widgets`, and a policy that looks at much."""
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

        around = Surroundings(registry, ids, authorizer, node, lambda: stamp(clock.now()))
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
            registered.start()
            for plural, value in _ACTORS:
                group, _, version = value["apiVersion"].partition("/")
                await client.create(Resource(group, version, plural), value)
            assert registry.find("fuzz.example", "v1", "widgets") is not None
            scene = Scene(api)
            await scene.furnish()
            try:
                yield scene
            finally:
                for task in started:
                    task.cancel()
