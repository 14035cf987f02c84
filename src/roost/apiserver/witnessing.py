"""Writes of clients in this process, counted and audited as those that come over the network.

They have no path and no body in bytes; both are made only for an audit policy that asks for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from roost.api.errors import StatusError
from roost.api.kind import Kind
from roost.api.values import Object, Value
from roost.apiserver.attributes import Decision, User
from roost.apiserver.auditing.auditor import Auditor, Record
from roost.apiserver.auditing.current import NOTES
from roost.apiserver.auditing.policy import Level
from roost.apiserver.encoding import encode
from roost.apiserver.exposition import Family
from roost.apiserver.identities import Identities
from roost.apiserver.messages import Answer, Request
from roost.apiserver.metrics import Metrics
from roost.apiserver.requestinfo import RequestInfo

_METHODS: Final = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE"}
_ALLOWED: Final = Decision(allowed=True)


class Witness:
    """Sees what one server's own clients write. `auditor` is asked each time, as it may come later."""

    def __init__(
        self, metrics: Metrics, identities: Identities, auditor: Callable[[], Auditor | None]
    ) -> None:
        self._metrics = metrics
        self._identities = identities
        self._auditor = auditor
        self._asked: dict[tuple[str, str], int] = {}

    def families(self) -> Iterator[Family]:
        """Yield what was written, as clients count it."""
        yield Family(
            "rest_client_requests_total", "counter",
            "Number of HTTP requests, partitioned by status code, method, and host.",
            ("code", "host", "method"),
            [((code, "in-process", method), n) for (method, code), n in sorted(self._asked.items())],
        )  # fmt: skip

    async def see(
        self, kind: Kind, info: RequestInfo, user: User, agent: str, body: Value,
        work: Awaitable[Object],
    ) -> Object:  # fmt: skip
        """Let `work` be done, which is the write that `info` tells of."""
        now = asyncio.get_running_loop().time
        begun = now()
        auditor = self._auditor()
        record = None if auditor is None else self._record(auditor, info, user, agent, body)
        code = 201 if info.verb == "create" else 200
        try:
            value = await work
        except StatusError as error:
            code = error.code
            if record is not None:
                record.answered(Answer(code, encode(error.status())))
            raise
        finally:
            asked = _METHODS[info.verb], str(code)
            self._asked[asked] = self._asked.get(asked, 0) + 1
            served = not info.subresource or info.subresource in kind.subresources
            self._metrics.answered(info, served, code, now() - begun, 0)
        if record is not None:
            whole = record.level >= Level.REQUEST_RESPONSE
            record.answered(Answer(code, encode(value) if whole else b""))
        return value

    def _record(
        self, auditor: Auditor, info: RequestInfo, user: User, agent: str, body: Value
    ) -> Record | None:
        level = auditor.level(user, info)
        if level == Level.NONE:
            NOTES.set(None)  # those of the last write of this task
            return None
        info.path = _path(info)
        request = Request(
            _METHODS[info.verb], info.path, "", {"user-agent": agent},
            encode(body) if body is not None and level >= Level.REQUEST else b"", user,
            head=self._identities.head(None),
        )  # fmt: skip
        record = auditor.begin(request, info)
        if record is not None:
            record.decided(_ALLOWED)
        return record


def _path(info: RequestInfo) -> str:
    """Return the path that a client elsewhere would use."""
    root = f"/apis/{info.group}/{info.version}" if info.group else f"/api/{info.version}"
    inside = info.namespace and info.resource != "namespaces"
    where = f"/namespaces/{info.namespace}" if inside else ""
    named = info.verb != "create" or info.subresource
    parts = (info.resource, info.name if named else "", info.subresource)
    return root + where + "".join(f"/{part}" for part in parts if part)
