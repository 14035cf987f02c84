"""The Client over HTTP: works against any conformant API server.

Rule: an answer counts only when it is what was asked for. A list without items, a 200 that is not JSON,
an object of another kind are errors (ServiceUnavailable), never an empty result: what is not in a list
may be stopped because of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

import aiohttp
import msgspec

from roost.api.errors import Expired, ServiceUnavailable, StatusError, from_status
from roost.api.kind import Resource
from roost.api.values import Object, Value
from roost.client.kubeconfig import Connection
from roost.client.port import DeleteOptions, ObjectList, PatchType, Query, WatchEvent
from roost.client.reaching import Unreachable, why

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

_REQUEST_TIMEOUT_S: Final = 30.0
_CONNECT_TIMEOUT_S: Final = 5.0
#: How long the server is asked to keep a watch, and how long it may stay silent: servers send a bookmark
#: about once a minute, so a longer silence is a dead connection.
_WATCH_S: Final = 600
_WATCH_SILENCE_S: Final = 150.0
#: A watch event may hold an object of 3 MiB; more in one line is not Kubernetes.
_LINE_LIMIT_BYTES: Final = 16 << 20


def path_of(resource: Resource, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """Return the path of a resource, an object or a subresource, with its parts quoted."""
    parts = ["apis", resource.group] if resource.group else ["api"]
    parts.append(resource.version)
    if namespace:
        parts += ["namespaces", namespace]
    parts.append(resource.plural)
    if name:
        parts.append(name)
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    return f"{path}/{subresource}" if subresource else path


class HttpClient:
    """A Client of one server; use it as `async with HttpClient(connection) as client`."""

    def __init__(self, connection: Connection, user_agent: str = "roost") -> None:
        self.connection = connection
        self._user_agent = user_agent
        self._ssl = connection.ssl_context() if connection.server.startswith("https") else None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            ssl=self._ssl if self._ssl is not None else True, limit=0, keepalive_timeout=60
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": self._user_agent, "Accept": "application/json"},
            auto_decompress=True,
            timeout=aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S, connect=_CONNECT_TIMEOUT_S),
            raise_for_status=False,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    # -- the port

    async def get(
        self, resource: Resource, name: str, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        return await self.request("GET", path_of(resource, namespace, name, subresource))

    async def list(
        self,
        query: Query,
        *,
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> ObjectList:
        parameters = _selectors(query)
        if limit:
            parameters["limit"] = str(limit)
        if continue_token:
            parameters["continue"] = continue_token
        elif resource_version:
            parameters["resourceVersion"] = resource_version
        path = path_of(query.resource, query.namespace)
        body = await self.request("GET", path, parameters)
        return _object_list(query.resource, body)

    async def watch(
        self, query: Query, resource_version: str
    ) -> AsyncIterator[Sequence[WatchEvent]]:
        parameters = {
            **_selectors(query),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(_WATCH_S),
        }
        url = self._url(path_of(query.resource, query.namespace), parameters)
        timeout = aiohttp.ClientTimeout(
            total=None, connect=_CONNECT_TIMEOUT_S, sock_read=_WATCH_SILENCE_S
        )
        try:
            async with self._connected().get(
                url, headers=self._authorization(), timeout=timeout
            ) as answer:
                if answer.status != 200:
                    raise _refusal(answer.status, await answer.read())
                async for batch in _events(answer.content):
                    yield batch
        except (TimeoutError, aiohttp.ServerTimeoutError):
            return
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error

    async def create(
        self, resource: Resource, body: Object, namespace: str = "", *,
        name: str = "", subresource: str = "",
    ) -> Object:  # fmt: skip
        path = path_of(resource, namespace, name, subresource)
        return await self.request("POST", path, body=body)

    async def update(
        self, resource: Resource, body: Object, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        path = path_of(resource, namespace, body["metadata"]["name"], subresource)
        return await self.request("PUT", path, body=body)

    async def patch(
        self, resource: Resource, name: str, body: Value, namespace: str = "", *,
        type: PatchType = PatchType.MERGE, subresource: str = "",
        field_manager: str = "", force: bool = False,
    ) -> Object:  # fmt: skip
        parameters = {"fieldManager": field_manager} if field_manager else {}
        if force:
            parameters["force"] = "true"
        path = path_of(resource, namespace, name, subresource)
        return await self.request("PATCH", path, parameters, body, type.value)

    async def delete(
        self, resource: Resource, name: str, namespace: str = "",
        options: DeleteOptions | None = None,
    ) -> Object:  # fmt: skip
        body = delete_body(options) if options is not None else None
        return await self.request("DELETE", path_of(resource, namespace, name), body=body)

    # -- beyond the port

    async def request(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        body: Value = None,
        media_type: str = "application/json",
        accept: str = "",
    ) -> Object:
        """Send one request and return the JSON object it is answered with.

        Raises the StatusError that the server answered, or ServiceUnavailable when it did not answer
        or what it answered cannot be understood.
        """
        content = await self.request_bytes(method, path, parameters, body, media_type, accept)
        try:
            answer = _decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ServiceUnavailable(
                f"{self.connection.server} answered {path} with no JSON"
            ) from error
        if not isinstance(answer, dict):
            raise ServiceUnavailable(f"{self.connection.server} answered {path} with no object")
        return answer

    async def request_bytes(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        body: Value = None,
        media_type: str = "application/json",
        accept: str = "",
    ) -> bytes:
        """Send one request and return the body of a successful answer as it came."""
        headers = self._authorization()
        if accept:
            headers["Accept"] = accept
        data = None
        if body is not None:
            headers["Content-Type"] = media_type
            data = body if isinstance(body, bytes) else _encode(body)
        try:
            async with self._connected().request(
                method, self._url(path, parameters), data=data, headers=headers
            ) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(error) from error
        if not 200 <= answer.status < 300:
            raise _refusal(answer.status, content)
        return content

    def stream(self, path: str, parameters: Mapping[str, str]) -> Any:
        """Open a GET whose body is read as it comes (logs): an aiohttp request context."""
        timeout = aiohttp.ClientTimeout(total=None, connect=_CONNECT_TIMEOUT_S)
        return self._connected().get(
            self._url(path, parameters), headers=self._authorization(), timeout=timeout
        )

    def upgrade(self, path: str, parameters: Sequence[tuple[str, str]], protocol: str) -> Any:
        """Open a WebSocket (exec, attach, port-forward): an aiohttp request context."""
        url = f"{self.connection.server}{path}?{urlencode(parameters)}"
        return self._connected().ws_connect(
            url, headers=self._authorization(), protocols=(protocol,), max_msg_size=0, heartbeat=30
        )

    # -- parts

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise ServiceUnavailable("the client is closed")
        return self._session

    def _url(self, path: str, parameters: Mapping[str, str] | None) -> Any:
        query = f"?{urlencode(parameters)}" if parameters else ""
        return f"{self.connection.server}{path}{query}"

    def _authorization(self) -> dict[str, str]:
        token = self.connection.token
        if self.connection.token_file:
            token = Path(self.connection.token_file).read_text().strip()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _unreachable(self, error: Exception) -> Unreachable:
        return Unreachable(f"cannot reach {self.connection.server}: {why(error)}")


def delete_body(options: DeleteOptions) -> Object:
    """Return meta/v1 DeleteOptions."""
    body: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
    if options.grace_period_s is not None:
        body["gracePeriodSeconds"] = options.grace_period_s
    if options.propagation is not None:
        body["propagationPolicy"] = options.propagation
    preconditions = {"uid": options.uid, "resourceVersion": options.resource_version}
    if given := {key: value for key, value in preconditions.items() if value is not None}:
        body["preconditions"] = given
    return body


def _selectors(query: Query) -> dict[str, str]:
    given = {"labelSelector": query.labels, "fieldSelector": query.fields}
    return {key: value for key, value in given.items() if value}


def _object_list(resource: Resource, body: Object) -> ObjectList:
    """Return a list answer, checked to be one: complete, of the right version, with a revision."""
    items, metadata = body.get("items"), body.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    kind = str(body.get("kind", ""))
    # An empty list of the real server has `items: []`; some libraries write null.
    if items is None and "items" in body:
        items = []
    if not kind.endswith("List") or not isinstance(items, list) or not version:
        raise ServiceUnavailable(f"the answer is not a list of {resource.plural}")
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("metadata"), dict):
            raise ServiceUnavailable(f"the list of {resource.plural} holds something else")
        # Items of a list may leave out what the list says for all of them.
        item.setdefault("apiVersion", body.get("apiVersion"))
        item.setdefault("kind", kind.removesuffix("List"))
    return ObjectList(items, version, (metadata or {}).get("continue", ""))


def _refusal(code: int, content: bytes) -> StatusError:
    try:
        body = _decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = None
    if isinstance(body, dict) and body.get("kind") == "Status":
        return from_status(body, code)
    text = content[:200].decode("utf-8", "replace").strip()
    return from_status({"message": text}, code)


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[Sequence[WatchEvent]]:
    """Yield the events of a watch, all that have come at once as one batch."""
    rest = b""
    while True:
        chunk = await content.readany()
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LINE_LIMIT_BYTES:
            raise ServiceUnavailable("the watch sent a line without end")
        batch = [_event(line) for line in lines if line.strip()]
        if batch:
            yield batch
            await asyncio.sleep(0)


def _event(line: bytes) -> WatchEvent:
    try:
        event = _decode(line)
        kind, body = event["type"], event["object"]
        if kind == "ERROR":
            error = from_status(body, body.get("code", 500))
            raise Expired(error.message) if error.code == 410 else error
        body["metadata"]["resourceVersion"]
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        raise ServiceUnavailable("the watch sent something that is no event") from error
    return WatchEvent(kind, body)
