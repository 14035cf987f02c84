"""Who may use the kubelet's API: client certificates of the cluster's CA, or bearer tokens.

The agent asks the API server, as the kubelet does in its webhook mode: TokenReview says who a token is,
SubjectAccessReview whether somebody may use `nodes/proxy` and its kin. Answers are kept for a while, so
that a short absence of the server locks nobody out.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from roost.api.errors import StatusError
from roost.api.kind import Resource
from roost.api.values import Object
from roost.client.port import Client

_TOKEN_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "tokenreviews")
_ACCESS_REVIEWS: Final = Resource("authorization.k8s.io", "v1", "subjectaccessreviews")
_ALLOWED_S: Final = 300.0
_DENIED_S: Final = 30.0
_CACHE_ENTRIES: Final = 1_000

#: First part of a path -> subresource of nodes, as the kubelet's authoriser maps them.
SUBRESOURCES: Final = {
    "stats": "stats",
    "metrics": "metrics",
    "logs": "log",
    "spec": "spec",
    "healthz": "healthz",
    "pods": "pods",
    "runningPods": "pods",
    "configz": "configz",
}
_VERBS: Final = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    name: str
    groups: tuple[str, ...]


class Access:
    """Authenticates and authorises callers of one node's API."""

    def __init__(self, client: Client, node_name: str) -> None:
        self._client = client
        self._node_name = node_name
        self._known: OrderedDict[tuple[Any, ...], tuple[float, Any]] = OrderedDict()

    async def authenticate(self, peer: Object | None, authorization: str) -> Caller | None:
        """Return who asks, by the verified client certificate or the Authorization header."""
        if peer:
            return caller_of(peer)
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        digest = hashlib.sha256(token.encode()).hexdigest()
        found: Caller | None = await self._remember(("token", digest), lambda: self._review(token))
        return found

    async def may(self, caller: Caller, method: str, path: str) -> bool:
        """Tell whether a caller may use a path."""
        verb = _VERBS.get(method, "create")
        subresource = SUBRESOURCES.get(path.strip("/").partition("/")[0], "proxy")
        key = ("access", caller, verb, subresource)
        return bool(await self._remember(key, lambda: self._ask(caller, verb, subresource)))

    async def _remember(self, key: tuple[Any, ...], find: Any) -> Any:
        now = asyncio.get_running_loop().time()
        known = self._known.get(key)
        if known is not None and known[0] > now:
            return known[1]
        try:
            found = await find()
        except StatusError:
            # The server is away: what it said last still counts, a stranger gets nothing.
            return known[1] if known is not None else None
        self._known[key] = (now + (_ALLOWED_S if found else _DENIED_S), found)
        self._known.move_to_end(key)
        if len(self._known) > _CACHE_ENTRIES:
            self._known.popitem(last=False)
        return found

    async def _review(self, token: str) -> Caller | None:
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token},
        }
        status = (await self._client.create(_TOKEN_REVIEWS, body)).get("status", {})
        if not status.get("authenticated"):
            return None
        user = status.get("user", {})
        return Caller(user.get("username", ""), tuple(user.get("groups") or ()))

    async def _ask(self, caller: Caller, verb: str, subresource: str) -> bool:
        attributes = {
            "verb": verb,
            "version": "v1",
            "resource": "nodes",
            "subresource": subresource,
            "name": self._node_name,
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": caller.name,
                "groups": list(caller.groups),
                "resourceAttributes": attributes,
            },
        }
        answer = await self._client.create(_ACCESS_REVIEWS, body)
        return bool(answer.get("status", {}).get("allowed"))


def caller_of(peer: Object) -> Caller | None:
    """Return who a certificate (as the ssl module shows it) belongs to: CN is the name, O groups."""
    pairs = [pair for part in peer.get("subject", ()) for pair in part]
    names = [value for key, value in pairs if key == "commonName"]
    groups = [value for key, value in pairs if key == "organizationName"]
    if not names:
        return None
    return Caller(names[-1], (*groups, "system:authenticated"))
