"""The API server as a Client, without HTTP.

The same pipeline: admission, validation, commit, and authorisation when it acts as a user. Objects that
come out are those of the store, decoded once and shared by everybody in the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Final, ParamSpec, Protocol, TypeVar, overload

from roost.api.errors import InternalError, NotFound
from roost.api.kind import Kind, Resource
from roost.api.values import Object, Value
from roost.apiserver import failures
from roost.apiserver.access.identity import MASTERS
from roost.apiserver.access.refusals import forbidden
from roost.apiserver.attributes import Attributes, Decision, User
from roost.apiserver.core import Core, WriteContext, shown
from roost.apiserver.creating import create
from roost.apiserver.deleting import delete, deleted_status
from roost.apiserver.encoding import decode, encode
from roost.apiserver.feed import Watcher
from roost.apiserver.inbox import Inbox
from roost.apiserver.messages import Answer, Request
from roost.apiserver.options import DeleteRequest, ListOptions, WriteOptions
from roost.apiserver.reading import get, list_records
from roost.apiserver.requestinfo import RequestInfo
from roost.apiserver.selection import parse_selection
from roost.apiserver.updating import Target, update
from roost.apiserver.verbs import Verbs
from roost.apiserver.watching import WatchRequest, as_seen, begin, expired
from roost.apiserver.witnessing import Witness
from roost.client.port import (
    DeleteOptions,
    ObjectList,
    PatchType,
    Query,
    WatchEvent,
)
from roost.store.port import Compacted, Damaged, Event, Full, Record

_LOOPBACK: Final = User("system:apiserver", (MASTERS, "system:authenticated"))
_BOOKMARK_S: Final = 30.0
#: Pages with more objects are decoded while they are read.
_SHORT: Final = 100


class Authorizer(Protocol):
    def authorize(self, request: Attributes) -> Decision: ...


@dataclass(frozen=True, slots=True)
class Manner:
    """How a client asks, and what it wants to be told."""

    rest_s: float = 0.0  # a watch rests so long after each batch
    bookmark_s: float | None = (
        _BOOKMARK_S  # quiet for so long, a watch gets a bookmark; None: never
    )
    manager: str = ""  # under which it owns fields; "": as the user is called
    trusted: bool = False  # not authorised
    validation: str = "Ignore"  # what becomes of fields that nobody knows: Ignore, Warn or Strict


ParamsT = ParamSpec("ParamsT")
ResultT = TypeVar("ResultT")


def _answering(
    write: Callable[ParamsT, Awaitable[ResultT]],
) -> Callable[ParamsT, Coroutine[Any, Any, ResultT]]:
    """Let a store that takes no writes be an error of the server, as it is over HTTP."""

    @wraps(write)
    async def answered(*args: ParamsT.args, **kwargs: ParamsT.kwargs) -> ResultT:
        try:
            return await write(*args, **kwargs)
        except (Full, Damaged) as error:
            raise InternalError.because(str(error)) from error

    return answered


class InProcessClient:
    """A roost.client.port.Client on a server in this process."""

    def __init__(
        self, core: Core, verbs: Verbs, authorizer: Authorizer, user: User | None, manner: Manner,
        witness: Witness,
    ) -> None:  # fmt: skip
        self._core = core
        self._witness = witness
        self._rest_s, self._bookmark_s = manner.rest_s, manner.bookmark_s
        self._verbs = verbs
        self._authorizer = authorizer
        self._user = user or _LOOPBACK
        self._checked = user is not None and not manner.trusted
        self._manager = manner.manager or self._user.name.rpartition(":")[2]
        self._validation = manner.validation
        self._options = WriteOptions(field_manager=self._manager, field_validation=self._validation)
        self._inboxes: dict[Inbox, None] = {}

    def _kind(self, resource: Resource) -> Kind:
        kind = self._core.registry.find(resource.group, resource.version, resource.plural)
        if kind is None:
            raise failures.no_such_path()
        return kind

    def _authorize(
        self,
        verb: str,
        kind: Kind,
        namespace: str,
        name: str = "",
        subresource: str = "",
        fields: str = "",
    ) -> None:
        if not self._checked:
            return
        if not name and fields.startswith("metadata.name="):  # as with HTTP: it names one object
            name = fields.removeprefix("metadata.name=").removeprefix("=").partition(",")[0]
        attributes = Attributes(
            self._user, verb, kind.group, kind.version, kind.plural, subresource, namespace, name,
            field_selector=fields,
        )  # fmt: skip
        decision = self._authorizer.authorize(attributes)
        if not decision.allowed:
            raise forbidden(attributes, decision.reason)

    def _context(self, manager: str = "") -> WriteContext:
        options = self._options
        if manager:
            options = replace(options, field_manager=manager)
        return WriteContext(self._user, options)

    async def _seen(
        self, verb: str, kind: Kind, namespace: str, name: str, subresource: str, body: Value,
        work: Awaitable[Object],
    ) -> Object:  # fmt: skip
        """Let a write be done under the eyes of who counts and audits."""
        info = RequestInfo(
            verb, "", kind.group, kind.version, kind.plural, subresource,
            name if kind.plural == "namespaces" and not kind.group else namespace, name,
        )  # fmt: skip
        return await self._witness.see(kind, info, self._user, self._manager, body, work)

    def sever(self) -> None:
        """End all watches of this client, as a connection that breaks does."""
        for inbox in tuple(self._inboxes):
            inbox.end()

    # -- reading

    async def get(
        self, resource: Resource, name: str, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        kind = self._kind(resource)
        if subresource:
            return await self._through("GET", kind, name, namespace, subresource)
        self._authorize("get", kind, namespace, name)
        return shown(kind, await get(self._core, kind, namespace, name))

    async def list(
        self,
        query: Query,
        *,
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> ObjectList:
        kind = self._kind(query.resource)
        self._authorize("list", kind, query.namespace, fields=query.fields)
        selection = parse_selection(kind, query.labels, query.fields)
        options = ListOptions(
            limit=limit, continue_token=continue_token, resource_version=resource_version
        )
        listing = await list_records(self._core, kind, query.namespace, selection, options)
        items: Sequence[Object] = _Items(kind, listing.records)
        if len(items) <= _SHORT:
            items = list(items)
        return ObjectList(items, str(listing.revision), listing.token)

    async def watch(
        self, query: Query, resource_version: str
    ) -> AsyncIterator[Sequence[WatchEvent]]:
        """Yield batches; a quiet spell brings a bookmark."""
        kind = self._kind(query.resource)
        self._authorize("watch", kind, query.namespace, fields=query.fields)
        selection = parse_selection(kind, query.labels, query.fields)
        options = ListOptions(
            resource_version=resource_version, initial_events=resource_version == "0"
        )
        request = WatchRequest(kind, query.namespace, selection, options)

        def render(events: Sequence[Event]) -> list[WatchEvent] | None:
            seen = as_seen(events, kind, selection)
            return [WatchEvent(type_, shown(kind, record)) for type_, record in seen] or None

        inbox = Inbox()
        there, since = await begin(self._core, request)
        watcher = Watcher(since, inbox.push, inbox.end)
        form = ("objects", kind.group, kind.version, selection)
        try:
            leave = await self._core.feed.join(request.prefix, form, render, watcher, request.node)
        except Compacted as error:
            raise expired(since, error.oldest) from error
        now = asyncio.get_running_loop().time
        not_before = 0.0
        self._inboxes[inbox] = None
        try:
            if there:
                yield [WatchEvent("ADDED", shown(kind, record)) for record in there]
            while not inbox.ended:
                batch = await inbox.take(self._bookmark_s, not_before)
                if batch:
                    not_before = now() + self._rest_s
                    yield batch
                elif not inbox.ended and self._core.feed.revision >= since:
                    yield [_bookmark(kind, self._core.feed.revision)]
        finally:
            self._inboxes.pop(inbox, None)
            leave()

    # -- writing

    @_answering
    async def create(
        self,
        resource: Resource,
        body: Object,
        namespace: str = "",
        *,
        name: str = "",
        subresource: str = "",
    ) -> Object:
        kind = self._kind(resource)
        if subresource or "list" not in kind.verbs:
            work = self._through("POST", kind, name, namespace, subresource, body)
        else:
            work = self._create(kind, body, namespace)
        if not name:
            name = (body.get("metadata") or {}).get("name") or ""
        return await self._seen("create", kind, namespace, name, subresource, body, work)

    async def _create(self, kind: Kind, body: Object, namespace: str) -> Object:
        self._authorize("create", kind, namespace)
        context = self._context()
        value = self._verbs.bodies.decoded(kind, body, context)
        return shown(kind, await create(self._core, kind, namespace, value, context))

    @_answering
    async def update(
        self, resource: Resource, body: Object, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        kind = self._kind(resource)
        name = body["metadata"]["name"]
        if subresource not in {"", "status"}:
            work = self._through("PUT", kind, name, namespace, subresource, body)
        else:
            work = self._update(kind, body, namespace, name, subresource)
        return await self._seen("update", kind, namespace, name, subresource, body, work)

    async def _update(
        self, kind: Kind, body: Object, namespace: str, name: str, subresource: str
    ) -> Object:
        self._authorize("update", kind, namespace, name, subresource)
        context = self._context()
        value = self._verbs.bodies.decoded(kind, body, context)
        target = Target(kind, namespace, name, subresource, kind.create_on_update, guarded=True)
        written = await update(self._core, target, self._verbs.patches.replacement(value), context)
        return shown(kind, written.record)

    @_answering
    async def patch(
        self, resource: Resource, name: str, body: Value, namespace: str = "", *,
        type: PatchType = PatchType.MERGE, subresource: str = "",
        field_manager: str = "", force: bool = False,
    ) -> Object:  # fmt: skip
        kind = self._kind(resource)
        if subresource in {"", "status"} and type is not PatchType.APPLY:
            work = self._patch(kind, name, namespace, subresource, body, type, field_manager)
            return await self._seen("patch", kind, namespace, name, subresource, body, work)
        query = {"fieldManager": field_manager} if field_manager else {}
        if self._validation != "Ignore":
            query["fieldValidation"] = self._validation
        if type is PatchType.APPLY:
            query["force"] = "true" if force else "false"
        work = self._through("PATCH", kind, name, namespace, subresource, body, str(type), query)
        return await self._seen("patch", kind, namespace, name, subresource, body, work)

    async def _patch(
        self, kind: Kind, name: str, namespace: str, subresource: str, body: Value,
        type: PatchType, manager: str,
    ) -> Object:  # fmt: skip
        """Patch an object or its status: as over HTTP, but the answer is what is stored."""
        self._authorize("patch", kind, namespace, name, subresource)
        target = Target(kind, namespace, name, subresource, kind.create_on_update)
        request = Request("PATCH", "", "", {"content-type": str(type)}, encode(body), self._user)
        written = await self._verbs.patches.apply(target, request, self._context(manager))
        return shown(kind, written.record)

    @_answering
    async def delete(
        self, resource: Resource, name: str, namespace: str = "",
        options: DeleteOptions | None = None,
    ) -> Object:  # fmt: skip
        kind = self._kind(resource)
        work = self._delete(kind, name, namespace, options or DeleteOptions())
        return await self._seen("delete", kind, namespace, name, "", None, work)

    async def _delete(self, kind: Kind, name: str, namespace: str, given: DeleteOptions) -> Object:
        self._authorize("delete", kind, namespace, name)
        request = DeleteRequest(
            given.grace_period_s, given.propagation, None, given.uid, given.resource_version
        )
        deleted = await delete(self._core, kind, namespace, name, request, self._context())
        value = shown(kind, deleted.record)
        if not deleted.gone or kind.returns_deleted:
            return value
        return deleted_status(kind, value)

    async def _through(
        self, method: str, kind: Kind, name: str, namespace: str, subresource: str,
        body: Value = None, media: str = "application/json", query: dict[str, str] | None = None,
    ) -> Object:  # fmt: skip
        """Go the way of an HTTP request: for the rarer verbs, whose inputs are texts anyway."""
        verb = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch"}[method]
        self._authorize(verb, kind, namespace, name, subresource)
        request = Request(
            method, "", "", {"content-type": media, "user-agent": self._manager},
            b"" if body is None else encode(body), self._user,
        )  # fmt: skip
        info = RequestInfo(
            verb, "", kind.group, kind.version, kind.plural, subresource, namespace, name
        )
        answer = await self._verbs.answer(kind, info, request, query or {})
        if not isinstance(answer, Answer):
            raise NotFound(f"{subresource} is a stream; use the HTTP form")
        value: Object = decode(answer.whole())
        return value


class _Items(Sequence[Object]):
    """The objects of a page, each decoded when it is looked at, and not kept.

    Who turns a long list into something smaller never holds all of it decoded: that would cost
    several times the memory, and, as the memory is new each time, twice the time.
    """

    def __init__(self, kind: Kind, records: Sequence[Record]) -> None:
        self._kind = kind
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Object]:
        kind = self._kind
        return (shown(kind, record, keep=False) for record in self._records)

    @overload
    def __getitem__(self, index: int) -> Object: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Object]: ...

    def __getitem__(self, index: int | slice) -> Object | Sequence[Object]:
        if isinstance(index, slice):
            return _Items(self._kind, self._records[index])
        return shown(self._kind, self._records[index], keep=False)


def _bookmark(kind: Kind, revision: int) -> WatchEvent:
    value: Object = {
        "kind": kind.name,
        "apiVersion": kind.api_version,
        "metadata": {"resourceVersion": str(revision)},
    }
    return WatchEvent("BOOKMARK", value)
