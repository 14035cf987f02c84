"""Carries out Plans: step by step, stopping at the first action that fails.

A step is a run of neighbouring Creates, a run of neighbouring Deletes, or one other action. Runs start
with one request and double (as kube-controller-manager's slow start), so that what cannot succeed fails
once and not a hundred times.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from roost.api.errors import (
    AlreadyExists,
    BadRequest,
    Conflict,
    InternalError,
    NotFound,
    StatusError,
)
from roost.api.values import Object
from roost.client.port import Client, DeleteOptions, PatchType, Query
from roost.decisions.plan import (
    Action,
    AssertAbsent,
    AssertAlive,
    AssertEmpty,
    Certify,
    Create,
    Delete,
    DeleteAll,
    EmitEvent,
    Patch,
    Post,
    Update,
)
from roost.decisions.resources import CERTIFICATE_SIGNING_REQUESTS
from roost.engine.barrier import Write
from roost.ports.port import Signer

_ABSENT_KEPT = 1000
_PAGE = 500


@dataclass(slots=True)
class Outcome:
    """How a plan went: what was written, and the action that failed with its error, if one did."""

    writes: list[Write] = field(default_factory=list)
    failed: Action | None = None
    error: Exception | None = None


class Executor:
    """Sends actions through a Client, at most `limit` requests at a time over all plans."""

    def __init__(
        self,
        client: Client,
        record: Callable[[EmitEvent], None],
        limit: int,
        signer: Signer | None = None,
    ) -> None:
        self._client = client
        self._signer = signer
        self._record = record
        self._slots = asyncio.Semaphore(limit)
        self._absent: dict[str, None] = {}

    async def carry_out(self, actions: Sequence[Action]) -> Outcome:
        """Do the actions in order. Refusals and transport failures end up in the outcome."""
        outcome = Outcome()
        for step in _steps(actions):
            if len(step) == 1:
                await self._attempt(step[0], outcome)
            else:
                await self._slow_start(step, outcome)
            if outcome.failed is not None:
                break
        return outcome

    async def _slow_start(self, step: Sequence[Action], outcome: Outcome) -> None:
        start, size = 0, 1
        while start < len(step) and outcome.failed is None:
            batch = step[start : start + size]
            async with asyncio.TaskGroup() as group:
                for action in batch:
                    group.create_task(self._attempt(action, outcome))
            start, size = start + len(batch), size * 2

    async def _attempt(self, action: Action, outcome: Outcome) -> None:
        if isinstance(action, EmitEvent):
            self._record(action)
            return
        try:
            async with self._slots:
                write = await _VERBS[type(action)](self, action)
        except (StatusError, OSError, TimeoutError) as error:
            if outcome.failed is None:
                outcome.failed, outcome.error = action, error
        else:
            if write is not None:
                outcome.writes.append(write)

    async def _create(self, action: Create) -> Write | None:
        namespace = action.object["metadata"].get("namespace", "")
        try:
            answer = await self._client.create(action.resource, action.object, namespace)
        except AlreadyExists:
            if not action.tolerate_existing:
                raise
            return None
        if action.announce is not None:
            name = answer["metadata"]["name"]
            message = action.announce.message.replace("{name}", name)
            self._record(replace(action.announce, message=message))
        return Write.of(action.resource, answer)

    async def _update(self, action: Update) -> Write | None:
        namespace = action.object["metadata"].get("namespace", "")
        answer = await self._client.update(
            action.resource, action.object, namespace, subresource=action.subresource
        )
        return Write.of(action.resource, answer)

    async def _patch(self, action: Patch) -> Write | None:
        ref = action.ref
        answer = await self._client.patch(
            ref.resource, ref.name, action.body, ref.namespace,
            type=PatchType.STRATEGIC if action.strategic else PatchType.MERGE,
            subresource=action.subresource,
        )  # fmt: skip
        return Write.of(ref.resource, answer)

    async def _delete(self, action: Delete) -> Write | None:
        ref = action.ref
        options = DeleteOptions(
            action.grace_period_s, action.propagation, ref.uid or None, action.resource_version
        )
        try:
            await self._client.delete(ref.resource, ref.name, ref.namespace, options)
        except NotFound:
            return None
        return Write(ref.resource, ref.namespace, ref.name, ref.uid)

    async def _post(self, action: Post) -> Write | None:
        ref = action.ref
        await self._client.create(
            ref.resource, action.body, ref.namespace, name=ref.name, subresource=action.subresource
        )
        return None

    async def _assert_absent(self, action: AssertAbsent) -> Write | None:
        ref = action.ref
        if ref.uid in self._absent:
            return None  # what is gone stays gone: a uid is never used again
        try:
            live: Object = await self._client.get(ref.resource, ref.name, ref.namespace)
        except NotFound:
            self._remember_absent(ref.uid)
            return None
        if not ref.uid or live["metadata"].get("uid") == ref.uid:
            raise Conflict(f'{ref.resource.plural} "{ref.name}" is not gone')
        self._remember_absent(ref.uid)
        return None

    def _remember_absent(self, uid: str) -> None:
        if uid:
            self._absent[uid] = None
            if len(self._absent) > _ABSENT_KEPT:
                del self._absent[next(iter(self._absent))]

    async def _assert_alive(self, action: AssertAlive) -> Write | None:
        ref = action.ref
        live: Object = await self._client.get(ref.resource, ref.name, ref.namespace)
        metadata = live["metadata"]
        if metadata.get("uid") != ref.uid or "deletionTimestamp" in metadata:
            raise Conflict(f'{ref.resource.plural} "{ref.name}" is going away')
        return None

    async def _assert_empty(self, action: AssertEmpty) -> Write | None:
        for resource in action.resources:
            page = await self._client.list(Query(resource, action.namespace), limit=1)
            if page.items:
                raise Conflict(f"there are {resource.plural} left in {action.namespace}")
        return None

    async def _delete_all(self, action: DeleteAll) -> Write | None:
        query = Query(action.resource, action.namespace)
        while True:
            page = await self._client.list(query, limit=_PAGE)
            for obj in page.items:
                name = obj["metadata"]["name"]
                with suppress(NotFound):
                    await self._client.delete(action.resource, name, action.namespace)
            if not page.continue_token:
                return None

    async def _certify(self, action: Certify) -> Write | None:
        if self._signer is None:
            raise InternalError("this engine has no authority to sign with")
        request, spec = action.object, action.object["spec"]
        try:
            pem = b64decode(spec["request"], validate=True)
            signed = self._signer.sign(pem, spec.get("usages") or (), spec.get("expirationSeconds"))
        except ValueError as error:
            raise BadRequest(f"cannot sign {request['metadata']['name']}: {error}") from error
        status = {**(request.get("status") or {}), "certificate": b64encode(signed).decode()}
        answer = await self._client.update(
            CERTIFICATE_SIGNING_REQUESTS, {**request, "status": status}, subresource="status"
        )
        return Write.of(CERTIFICATE_SIGNING_REQUESTS, answer)


_VERBS: dict[type, Callable[..., Awaitable[Write | None]]] = {
    Create: Executor._create,
    Update: Executor._update,
    Patch: Executor._patch,
    Delete: Executor._delete,
    Post: Executor._post,
    AssertAbsent: Executor._assert_absent,
    AssertAlive: Executor._assert_alive,
    AssertEmpty: Executor._assert_empty,
    DeleteAll: Executor._delete_all,
    Certify: Executor._certify,
}


def _steps(actions: Sequence[Action]) -> Iterator[Sequence[Action]]:
    start = 0
    while start < len(actions):
        kind = type(actions[start])
        end = start + 1
        if kind in {Create, Delete}:
            while end < len(actions) and type(actions[end]) is kind:
                end += 1
        yield actions[start:end]
        start = end
