"""Custom resources live: each definition is followed from its creation to the removal of its last
object.

A write of a definition is not answered before its names are decided and what it defines is served,
so that its objects can be created at once. Rule: a kind is compiled when its definition changes,
never at a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

import msgspec

from roost.api.crd.converting import SWAPPED
from roost.api.crd.kinds import Served, accepted, served_of
from roost.api.crd.naming import (
    ESTABLISHED,
    FINALIZER,
    TERMINATING,
    condition,
    holds,
    settled,
    terminating,
)  # fmt: skip
from roost.api.crd.openapi import published
from roost.api.errors import Conflict, NotFound, StatusError
from roost.api.kind import Kind, Resource
from roost.api.schema.structural import default_object
from roost.api.values import Object, copy_of
from roost.apiserver import keys
from roost.apiserver.access.identity import AUTHENTICATED, MASTERS
from roost.apiserver.admission.webhooks.port import Caller
from roost.apiserver.attributes import User
from roost.apiserver.core import WriteContext
from roost.apiserver.deleting import delete_collection
from roost.apiserver.encoding import draft_of
from roost.apiserver.options import DeleteRequest
from roost.apiserver.selection import parse_selection
from roost.apiserver.server import ApiServer
from roost.apiserver.webhookconversion import WebhookConversion
from roost.store.port import Conflict as LostRace
from roost.store.port import Event, Full

DEFINITIONS: Final = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
_PREFIX: Final = f"{keys.ROOT}{DEFINITIONS.group}/{DEFINITIONS.plural}/"
_SELF: Final = User("system:kube-apiserver", (MASTERS, AUTHENTICATED))
#: How long to wait before looking again whether the objects of a definition are gone.
_LOOK_AGAIN_S: Final = (0.02, 1.0)
_TRIES: Final = 8
_TURN: Final = 200
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class _Followed:
    """What is served of one definition."""

    __slots__ = ("facts", "served", "topic")

    def __init__(self, facts: bytes, served: list[Served], topic: str) -> None:
        self.facts = facts
        self.served = served
        self.topic = topic

    @property
    def resources(self) -> list[Resource]:
        return [one.kind.resource for one in self.served]


class CustomResources:
    """A part of the API server; see roost.apiserver.server.ApiServer.extend."""

    def __init__(self, api: ApiServer, caller: Caller | None = None) -> None:
        self._api = api
        self._core = api.core
        self._client = api.client(_SELF)
        self._caller = caller
        self._followed: dict[str, _Followed] = {}
        self._lock = asyncio.Lock()
        self._holder: asyncio.Task[object] | None = None
        self._ending: asyncio.Queue[str] = asyncio.Queue()
        self._core.followers[DEFINITIONS] = self._follow
        api.extend(self)

    async def load(self) -> None:
        """Serve what is defined already."""
        for definition in await self._definitions():
            await self._settle(definition["metadata"]["name"])

    async def run(self) -> None:
        """Empty and remove the definitions that are deleted, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            going: set[str] = set()
            while True:
                name = await self._ending.get()
                if name not in going:
                    going.add(name)
                    task = tasks.create_task(self._end(name), name=f"end of {name}")
                    task.add_done_callback(partial(_discard, going, name))

    async def _definitions(self) -> list[Object]:
        page = await self._core.store.list(_PREFIX)
        return [record.object for record in page.records]

    async def _follow(self, key: str) -> None:
        """See a write of a definition; what is written on the way is no news."""
        if self._holder is asyncio.current_task():
            return
        async with self._lock:
            self._holder = asyncio.current_task()
            try:
                await self._settle(key.removeprefix(_PREFIX))
            finally:
                self._holder = None

    async def _settle(self, name: str) -> None:
        record = await self._core.store.get(_PREFIX + name)
        if record is None:
            await self._withdraw(name)
            await self._settle_others(name)
            return
        definition = record.object
        if definition["metadata"].get("deletionTimestamp"):
            await self._begin_end(definition)
            return
        definition = await self._decide_names(definition)
        if holds(definition, ESTABLISHED):
            await self._serve(definition)
        await self._settle_others(name)

    async def _settle_others(self, name: str) -> None:
        """A name that has become free may be what another definition waits for."""
        group = name.partition(".")[2]
        for other in await self._definitions():
            known = other["metadata"]["name"]
            waits = not holds(other, "NamesAccepted") and not other["metadata"].get(
                "deletionTimestamp"
            )
            if known != name and other["spec"]["group"] == group and waits:
                decided = await self._decide_names(other)
                if holds(decided, ESTABLISHED):
                    await self._serve(decided)

    async def _decide_names(self, definition: Object) -> Object:
        name = definition["metadata"]["name"]
        for _ in range(_TRIES):
            status = settled(definition, await self._definitions(), self._core.now())
            if status == definition.get("status"):
                return definition
            try:
                return await self._write_status(definition, status)
            except Conflict:
                record = await self._core.store.get(_PREFIX + name)
                if record is None:
                    return definition
                definition = record.object
            except NotFound:
                return definition
        return definition

    async def _write_status(self, definition: Object, status: Object) -> Object:
        body = {**copy_of(definition), "status": status}
        return await self._client.update(DEFINITIONS, body, subresource="status")

    # -- serving

    async def _serve(self, definition: Object) -> None:
        name = definition["metadata"]["name"]
        ending = holds(definition, TERMINATING)
        facts = _encode([definition["spec"], accepted(definition), ending])
        before = self._followed.get(name)
        if before is not None and before.facts == facts:
            return
        topic = (
            f"{keys.ROOT}{definition['spec']['group']}/{accepted(definition).get('plural', '')}/"
        )
        stale = await self._is_stale(definition, topic)
        webhook = self._webhook(definition)
        by = SWAPPED if webhook is None else webhook.converters
        served = served_of(definition, by, stale=stale)
        self._followed[name] = _Followed(facts, served, topic)
        kept = {one.kind.resource for one in served}
        if before is not None:
            self._api.withdraw([gone for gone in before.resources if gone not in kept])
        for one in served:
            self._core.converters.pop(one.kind.resource, None)
            if webhook is not None:
                self._core.converters[one.kind.resource] = webhook
        self._core.feed.prepare = self._prepare if self._core.converters else None
        self._api.serve([(one.kind, one.node) for one in served])
        self._publish()
        if before is not None:
            self._core.feed.end(topic)

    async def _is_stale(self, definition: Object, topic: str) -> bool:
        """Are there stored objects that must be made over when they are read?"""
        page = await self._core.store.list(topic)
        if not page.records:
            return False
        spec = definition["spec"]
        storage = next(version["name"] for version in spec["versions"] if version.get("storage"))
        wanted = f"{spec['group']}/{storage}"
        everything = [{**version, "served": True} for version in spec["versions"]]
        whole = served_of({**definition, "spec": {**spec, "versions": everything}})
        defaults = next(one.defaults for one in whole if one.kind.version == storage)
        for index, record in enumerate(page.records):
            value = record.object
            if value.get("apiVersion") != wanted:
                return True
            if defaults is not None:
                made = copy_of(value)
                default_object(defaults, made)
                if made != value:
                    return True
            if index % _TURN == _TURN - 1:
                await asyncio.sleep(0)
        return False

    def _webhook(self, definition: Object) -> WebhookConversion | None:
        said = definition["spec"].get("conversion") or {}
        if said.get("strategy") != "Webhook" or self._caller is None:
            return None
        client = (said.get("webhook") or {}).get("clientConfig") or {}
        return WebhookConversion(self._core, self._caller, client)

    async def _prepare(self, batch: Sequence[Event]) -> None:
        """Have changes converted before their watchers are shown them."""
        for followed in self._followed.values():
            records = [
                record
                for event in batch
                if event.key.startswith(followed.topic)
                for record in (event.record, event.previous)
                if record is not None
            ]
            for one in followed.served:
                if records and one.kind.resource in self._core.converters:
                    with suppress(StatusError):  # who watches is dropped, and asks again
                        await self._core.converted(one.kind, records)

    async def _withdraw(self, name: str) -> None:
        gone = self._followed.pop(name, None)
        if gone is not None:
            self._api.withdraw(gone.resources)
            for resource in gone.resources:
                self._core.converters.pop(resource, None)
            self._publish()
            self._core.feed.end(gone.topic)

    def _publish(self) -> None:
        every: Iterable[Served] = (one for kept in self._followed.values() for one in kept.served)
        self._api.publish({one.kind.schema: published(one) for one in every})

    # -- removal

    async def _begin_end(self, definition: Object) -> None:
        """Say that a definition is going, take no new objects, and have the rest removed."""
        name = definition["metadata"]["name"]
        if FINALIZER not in (definition["metadata"].get("finalizers") or ()):
            return
        if condition(definition, TERMINATING) is None:
            definition = await self._say(
                name, "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress"
            )
        followed = self._followed.get(name)
        if followed is not None:
            creating = [one for one in followed.served if "create" in one.kind.verbs]
            self._api.serve([(_without_create(one.kind), one.node) for one in creating])
        self._ending.put_nowait(name)

    async def _say(self, name: str, state: str, reason: str, message: str) -> Object:
        for _ in range(_TRIES):
            record = await self._core.store.get(_PREFIX + name)
            if record is None:
                return {}
            status = terminating(record.object, state, reason, message, self._core.now())
            try:
                return await self._write_status(record.object, status)
            except Conflict:
                continue
            except StatusError:
                return {}
        return {}

    async def _end(self, name: str) -> None:
        record = await self._core.store.get(_PREFIX + name)
        if record is None:
            return
        definition = record.object
        spec = definition["spec"]
        everything = [{**version, "served": True} for version in spec["versions"]]
        served = served_of({**definition, "spec": {**spec, "versions": everything}}, stale=True)
        pause = _LOOK_AGAIN_S[0]
        while served and not await self._emptied(served):
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LOOK_AGAIN_S[1])
        emptied = self._core.store.revision()
        await self._say(name, "False", "InstanceDeletionCompleted", "removed all instances")
        # Watchers see the deletions before their end.
        while self._core.feed.revision < emptied:  # noqa: ASYNC110 - the feed says nothing
            await asyncio.sleep(_LOOK_AGAIN_S[0])
        await self._release(name)

    async def _emptied(self, served: Sequence[Served]) -> bool:
        """Delete all objects; returns whether none is left."""
        kind = served[0].kind
        prefix = keys.prefix_of(kind)
        if not kind.plural or not (await self._core.store.list(prefix, limit=1)).records:
            return True
        context = WriteContext(_SELF)
        try:
            await delete_collection(
                self._core, kind, "", parse_selection(kind, "", ""), DeleteRequest(), context
            )
        except (StatusError, Full):
            return False
        return not (await self._core.store.list(prefix, limit=1)).records

    async def _release(self, name: str) -> None:
        """Let the definition go."""
        while True:
            record = await self._core.store.get(_PREFIX + name)
            if record is None:
                return
            body = copy_of(record.object)
            finalizers = body["metadata"].pop("finalizers", [])
            others = [one for one in finalizers if one != FINALIZER]
            if others:
                body["metadata"]["finalizers"] = others
            # What else is wrong with it must not keep it here.
            draft = draft_of(self._kind(), body) if others else None
            try:
                await self._core.store.commit(record.key, draft, record.revision)
            except LostRace:
                continue
            except Full:
                await asyncio.sleep(_LOOK_AGAIN_S[1])
                continue
            await self._follow(record.key)
            return

    def _kind(self) -> Kind:
        found = self._core.registry.find(DEFINITIONS.group, DEFINITIONS.version, DEFINITIONS.plural)
        assert found is not None
        return found


def _discard(names: set[str], name: str, _task: object) -> None:
    names.discard(name)


def _without_create(kind: Kind) -> Kind:
    return replace(kind, verbs=tuple(verb for verb in kind.verbs if verb != "create"))
