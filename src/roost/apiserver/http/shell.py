"""The HTTP shell: aiohttp parses, the core answers, and the bytes go straight to the transport.

Answers bypass aiohttp's response objects: head and body are one write. A connection remembers its
client certificate; who a credential stands for is the authenticator's to remember.
"""

from __future__ import annotations

import asyncio
import ssl
import zlib
from email.utils import formatdate
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import unquote

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.http_writer import HttpVersion11
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from roost.api.errors import InternalError, RequestEntityTooLarge, StatusError
from roost.apiserver.attributes import ANONYMOUS, User
from roost.apiserver.authenticator import Credentials, websocket_token
from roost.apiserver.http import pieces, websocket
from roost.apiserver.http.connection import (
    CLOSED,
    FIELD_BYTES,
    KEPT,
    URL_BYTES,
    Connection,
    ConnectionServer,
    Sent,
    invite,
)
from roost.apiserver.http.sink import TransportSink
from roost.apiserver.messages import (
    BODY_LIMIT_BYTES,
    Answer,
    Pieces,
    Proxy,
    Request,
    Response,
    WatchAnswer,
)
from roost.apiserver.requestinfo import is_proxied
from roost.apiserver.server import error_answer

#: Answers above this size are compressed for those who take gzip.
_GZIP_FROM_BYTES: Final = 128 * 1024
#: Above this size a thread does it.
_OFF_LOOP_BYTES: Final = 512 * 1024
#: Larger bodies are written apart from their head rather than copied.
_JOIN_BYTES: Final = 64 * 1024
_KEEPALIVE_S: Final = 240.0

_REASONS: Final = {
    200: b"OK", 201: b"Created", 202: b"Accepted", 204: b"No Content",
    301: b"Moved Permanently", 304: b"Not Modified",
    400: b"Bad Request", 401: b"Unauthorized", 403: b"Forbidden", 404: b"Not Found",
    405: b"Method Not Allowed", 406: b"Not Acceptable", 409: b"Conflict", 410: b"Gone",
    413: b"Request Entity Too Large", 415: b"Unsupported Media Type",
    422: b"Unprocessable Entity", 429: b"Too Many Requests", 500: b"Internal Server Error",
    502: b"Bad Gateway", 503: b"Service Unavailable", 504: b"Gateway Timeout",
}  # fmt: skip
_COMMON: Final = b"\r\nCache-Control: no-cache, private"


class Core(Protocol):
    """What answers: an ApiServer, or what leads to one. Raises ConnectionError to hang up."""

    async def handle(self, request: Request) -> Response: ...

    def unauthenticated(self, request: Request, error: StatusError) -> Answer: ...


class Authenticator(Protocol):
    """Finds out who asks; see roost.apiserver.authenticator."""

    async def authenticate(self, credentials: Credentials) -> User: ...


class ProxyShell(Protocol):
    """Carries out Proxy answers; see roost.apiserver.http.proxying."""

    async def serve(
        self, request: web.BaseRequest, proxy: Proxy
    ) -> Answer | Sent | web.StreamResponse:
        """Return what is to be sent, or that everything has been."""
        ...

    async def close(self) -> None: ...


class HttpServer:
    """Serves an API over TLS."""

    def __init__(
        self, api: Core, authenticator: Authenticator, proxies: ProxyShell | None = None
    ) -> None:
        self._api = api
        self._authenticator = authenticator
        self._proxies = proxies
        self._loop = asyncio.get_running_loop()
        self._server = ConnectionServer(
            self._handle,
            request_factory=self._make_request,
            access_log=None,
            keepalive_timeout=_KEEPALIVE_S,
            max_line_size=URL_BYTES,
            max_field_size=FIELD_BYTES,
            read_bufsize=256 * 1024,
        )
        self._listeners: list[asyncio.Server] = []
        self._turns = asyncio.Semaphore(pieces.AT_ONCE)
        self._second = -1
        self._heads: dict[tuple[int, str], bytes] = {}

    async def listen(self, host: str, port: int, tls: ssl.SSLContext) -> int:
        """Accept connections; return the port (useful when 0 was asked for)."""
        listener = await self._loop.create_server(
            self._server, host, port, ssl=tls, backlog=1024, reuse_address=True
        )
        self._listeners.append(listener)
        found: int = listener.sockets[0].getsockname()[1]
        return found

    async def close(self, grace_s: float = 1.0) -> None:
        """Stop listening, end what runs after `grace_s` seconds."""
        for listener in self._listeners:
            listener.close()
        await self._server.shutdown(grace_s)
        if self._proxies is not None:
            await self._proxies.close()

    def _make_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,  # type: ignore[type-arg,unused-ignore]
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        return web.BaseRequest(
            message, payload, protocol, writer, task, self._loop, client_max_size=0
        )

    # -- one request

    async def _handle(self, request: web.BaseRequest) -> Any:
        connection = request.protocol
        assert isinstance(connection, Connection)
        try:
            answer = await self._answer(request, connection)
        except StatusError as error:
            answer = error_answer(error, request.headers.get("accept", ""))
        except asyncio.CancelledError:
            raise
        except ConnectionError:
            return CLOSED  # hung up in the middle of a body
        except Exception:  # noqa: BLE001 - the last resort: no traceback may reach a client
            self._server_fault(request)
            answer = error_answer(InternalError("Internal error occurred"))
        if isinstance(answer, Answer):
            return await self._send(request, answer)
        if isinstance(answer, WatchAnswer) and websocket.is_asked(request):
            return await websocket.serve(request, answer)
        if isinstance(answer, WatchAnswer):
            return await self._stream(request, connection, answer)
        if self._proxies is None:
            return await self._send(request, error_answer(InternalError("no proxy configured")))
        code = 200
        try:
            outcome = await self._proxies.serve(request, answer)
            if isinstance(outcome, Answer):
                code = outcome.code
        finally:
            if answer.finished is not None:
                answer.finished(code)
        return await self._send(request, outcome) if isinstance(outcome, Answer) else outcome

    def _server_fault(self, request: web.BaseRequest) -> None:
        """Tell the log about a bug; the client only learns that there was one."""
        request.protocol.log_exception("%s %s failed", request.method, request.path)

    async def _answer(
        self, request: web.BaseRequest, connection: Connection
    ) -> Answer | WatchAnswer | Proxy:
        headers = request.headers
        authorization = headers.get("authorization", "")
        if not authorization and "sec-websocket-protocol" in headers:
            token, _ = websocket_token(headers["sec-websocket-protocol"])
            authorization = f"Bearer {token}" if token else ""
        if authorization or connection.certificate is not None:
            try:
                user = await self._authenticator.authenticate(
                    Credentials(authorization, connection.certificate, headers)
                )
            except StatusError as error:
                path, _, query = request.raw_path.partition("?")
                refused = Request(
                    request.method, unquote(path), query, headers, raw_path=path,
                    peer=connection.peer,
                )  # fmt: skip
                return self._api.unauthenticated(refused, error)
        else:
            user = ANONYMOUS
        raw = request.raw_path
        path, _, query = raw.partition("?")
        meant = unquote(path) if "%" in path else path
        passes = is_proxied(meant)
        body = await self._body(request) if request.can_read_body and not passes else b""
        answer = await self._api.handle(
            Request(
                request.method, meant, query, headers, body, user, path, peer=connection.peer
            )
        )  # fmt: skip
        if isinstance(answer, Proxy) and not passes:
            answer.body = body
        return answer

    async def _body(self, request: web.BaseRequest) -> bytes:
        invite(request)
        content = request.content
        first = await content.readany()
        if content.is_eof() and content.at_eof():
            return first
        parts, size = [first], len(first)
        while not content.at_eof():
            part = await content.readany()
            parts.append(part)
            size += len(part)
            if size > BODY_LIMIT_BYTES:
                raise RequestEntityTooLarge(
                    f"Request entity too large: limit is {BODY_LIMIT_BYTES}"
                )
        return b"".join(parts)

    # -- answers

    def _head(self, code: int, content_type: str) -> bytes:
        """Return everything of a head that does not change within a second."""
        now = int(self._loop.time())
        if now != self._second:
            self._second = now
            self._heads.clear()
        head = self._heads.get((code, content_type))
        if head is None:
            reason = _REASONS.get(code, b"Unknown")
            date = formatdate(usegmt=True).encode()
            head = b"HTTP/1.1 %d %b\r\nDate: %b%b" % (code, reason, date, _COMMON)
            if content_type:
                head += b"\r\nContent-Type: " + content_type.encode()
            self._heads[code, content_type] = head
        return head

    async def _send(self, request: web.BaseRequest, answer: Answer) -> Sent:
        body = answer.body
        if not isinstance(body, bytes):
            return await self._send_pieces(request, answer, body)
        extra = answer.head
        if len(body) > _GZIP_FROM_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
            body = await self._compress(body)
            extra += b"\r\nContent-Encoding: gzip\r\nVary: Accept-Encoding"
        start = self._head(answer.code, answer.content_type)
        for name, value in answer.headers:
            extra += f"\r\n{name}: {value}".encode()
            if name == "Cache-Control":
                start = start.replace(_COMMON, b"")
        keep = request.keep_alive
        if not keep:
            extra += b"\r\nConnection: close"
        transport = request.transport
        if transport is None:
            return CLOSED
        head = b"%b%b\r\nContent-Length: %d\r\n\r\n" % (
            start, extra, len(body),
        )  # fmt: skip
        if request.method == "HEAD":
            transport.write(head)
        elif len(body) <= _JOIN_BYTES:
            transport.write(head + body)
        else:
            transport.writelines((head, body))
            await request.writer.drain()
        return KEPT if keep else CLOSED

    async def _send_pieces(self, request: web.BaseRequest, answer: Answer, body: Pieces) -> Sent:
        head = self._head(answer.code, answer.content_type) + answer.head
        for name, value in answer.headers:
            head += f"\r\n{name}: {value}".encode()
        if not request.keep_alive:
            head += b"\r\nConnection: close"
        if (
            "gzip" in request.headers.get("accept-encoding", "")
            and request.version >= HttpVersion11
        ):
            send = pieces.send_compressed
        else:
            send = pieces.send
        try:
            sent = await send(request, head, body, self._turns)
        finally:
            body.done()
        return KEPT if sent and request.keep_alive else CLOSED

    async def _compress(self, body: bytes) -> bytes:
        if len(body) <= _OFF_LOOP_BYTES:
            return _gzip(body)
        return await self._loop.run_in_executor(None, _gzip, body)

    async def _stream(
        self, request: web.BaseRequest, connection: Connection, answer: WatchAnswer
    ) -> Sent:
        transport = request.transport
        if transport is None:
            return CLOSED
        head = self._head(200, answer.content_type) + answer.head
        transport.write(head + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        task = asyncio.current_task()
        assert task is not None
        connection.on_lost = partial(_cancel, task)
        sink = TransportSink(transport)
        try:
            await answer.run(sink)
        finally:
            connection.on_lost = None
            sink.close()
        return CLOSED if sink.broken or not request.keep_alive else KEPT


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()
