"""Carries out `Proxy` answers: requests to kubelets, pods and services.

Plain requests are streamed through an HTTP client. A request that upgrades (WebSocket, SPDY) is sent on
as it is, and from then on bytes are pumped both ways; what they mean is between the two ends.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from roost.api.errors import InternalError, ServiceUnavailable, StatusError, from_status
from roost.apiserver.authenticator import websocket_token
from roost.apiserver.encoding import decode
from roost.apiserver.http.connection import CLOSED, Connection, Sent, invite
from roost.apiserver.messages import Answer, Proxy
from roost.apiserver.server import error_answer

#: What a document may weigh, and how long it may take.
_DOCUMENT_BYTES: Final = 16 * 1024 * 1024
_FETCH_S: Final = 5.0
_CONTEXTS_KEPT: Final = 100
#: Headers in which only this server says who asks.
_CLAIMS: Final = ("impersonate-", "x-remote-")
_CONNECT_S: Final = 10.0
_PIECE_BYTES: Final = 64 * 1024
_HEAD_BYTES: Final = 64 * 1024
_ERROR_BYTES: Final = 10 * 1024
#: Headers of one hop; they mean nothing to the next.
HOP_HEADERS: Final = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
     "transfer-encoding", "upgrade", "content-length"}
)  # fmt: skip
#: Headers that are the caller's own and go no further.
_OWN: Final = frozenset({"host", "authorization", "accept-encoding", "expect"})


class Proxies:
    """Passes requests on. `kubelets` is the TLS context with the server's client certificate.

    `front` gives one with the certificate that extension servers believe.
    """

    def __init__(
        self, kubelets: ssl.SSLContext, front: Callable[[str], ssl.SSLContext] | None = None
    ) -> None:
        self._kubelets = kubelets
        #: Makes the TLS context for extension servers of an authority ("": any).
        self._front = front
        self._extensions: dict[str, ssl.SSLContext] = {}
        self._others = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # Pods and services have certificates of nobody that we know; the real server asks for none.
        self._others.check_hostname = False
        self._others.verify_mode = ssl.CERT_NONE
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def serve(self, request: web.BaseRequest, proxy: Proxy) -> Answer | Sent:
        """Carry a proxy out; return what is still to be sent, or that everything has been."""
        connection = request.protocol
        assert isinstance(connection, Connection)
        try:
            if "upgrade" in request.headers.get("connection", "").lower():
                return await self._tunnel(request, connection, proxy)
            return await self._stream(request, connection, proxy)
        except StatusError as error:
            return error_answer(error)
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            return error_answer(unreachable(proxy, error))

    def _tls(self, proxy: Proxy) -> ssl.SSLContext | None:
        if proxy.kubelet:
            return self._kubelets
        if proxy.extension is not None and self._front is not None:
            ca = proxy.extension.ca
            if ca not in self._extensions:
                if len(self._extensions) >= _CONTEXTS_KEPT:
                    self._extensions.clear()
                self._extensions[ca] = self._front(ca)
            return self._extensions[ca]
        return self._others if proxy.scheme == "https" else None

    # -- plain requests

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def _stream(
        self, request: web.BaseRequest, connection: Connection, proxy: Proxy
    ) -> Answer | Sent:
        headers = forwarded_headers(request, proxy)
        body: Any = proxy.body
        if body is None and request.can_read_body:
            body = request.content
            if "content-length" in request.headers:  # else it goes on in chunks
                headers["Content-Length"] = request.headers["content-length"]
            invite(request)
        task = asyncio.current_task()
        assert task is not None
        connection.on_lost = lambda: _cancel(task)
        try:
            async with self._client().request(
                request.method, _url(proxy), headers=headers, data=body or None, allow_redirects=False,
                ssl=self._tls(proxy) or True, server_hostname=_server_name(proxy),
            ) as answer:  # fmt: skip
                if proxy.kubelet and answer.status >= 400 and "proxy" not in proxy.mount:
                    text = await answer.content.read(_ERROR_BYTES)
                    raise kubelet_error(answer.status, text)
                return await self._copy(request, answer, proxy)
        finally:
            connection.on_lost = None

    async def fetch(self, proxy: Proxy, accept: str = "application/json") -> tuple[int, Any]:
        """Get a JSON document; return code and body. Raises OSError, TimeoutError or ValueError."""
        headers: CIMultiDict[str] = CIMultiDict(proxy.headers)
        headers["Accept"] = accept
        try:
            async with (
                asyncio.timeout(_FETCH_S),
                self._client().get(
                    _url(proxy), headers=headers, allow_redirects=False,
                    ssl=self._tls(proxy) or True, server_hostname=_server_name(proxy),
                ) as answer,
            ):  # fmt: skip
                body = await answer.content.read(_DOCUMENT_BYTES + 1)
                while len(body) <= _DOCUMENT_BYTES and not answer.content.at_eof():
                    body += await answer.content.read(_DOCUMENT_BYTES)
        except aiohttp.ClientError as error:
            raise OSError(str(error) or type(error).__name__) from error
        if len(body) > _DOCUMENT_BYTES:
            raise ValueError("the document is too large")
        return answer.status, decode(body) if body[:1] in (b"{", b"[") else None

    async def _copy(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse, proxy: Proxy
    ) -> Sent:
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        for key, value in answer.headers.items():
            if key.lower() not in HOP_HEADERS:
                response.headers.add(key, _moved(key, value, proxy))
        length = answer.headers.get("content-length")
        if length is not None:
            response.content_length = int(length)
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            await response.write(piece)
        await response.write_eof()
        return Sent(keep_alive=bool(response.keep_alive))

    # -- upgrades

    async def _tunnel(
        self, request: web.BaseRequest, connection: Connection, proxy: Proxy
    ) -> Answer | Sent:
        transport = request.transport
        if transport is None:
            return CLOSED
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await asyncio.open_connection(
                proxy.host, proxy.port, ssl=self._tls(proxy), limit=_HEAD_BYTES,
                server_hostname=_server_name(proxy),
            )  # fmt: skip
        incoming = asyncio.StreamReader(limit=_PIECE_BYTES)
        incoming.set_transport(transport)
        try:
            writer.write(_upgrade_head(request, proxy))
            head = await reader.readuntil(b"\r\n\r\n")
            if head.split(b" ", 2)[1] != b"101":
                return await _refused(reader, head)
            connection.on_lost = incoming.feed_eof
            connection.tunnel = incoming.feed_data
            transport.write(head)
            await _pump_both(request, transport, incoming, reader, writer)
        except asyncio.IncompleteReadError as error:
            raise InternalError("error dialing backend: EOF") from error
        finally:
            connection.on_lost = None
            connection.tunnel = None
            writer.close()
        return CLOSED


async def _pump_both(
    request: web.BaseRequest,
    client: asyncio.Transport,
    incoming: asyncio.StreamReader,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Copy both ways until the far end has closed, or the client has gone."""

    async def inwards() -> None:
        while data := await incoming.read(_PIECE_BYTES):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def outwards() -> None:
        while data := await reader.read(_PIECE_BYTES):
            client.write(data)
            await request.writer.drain()

    sender = asyncio.create_task(inwards(), name="tunnel-in")
    try:
        await outwards()
    except OSError:
        # One of the two ends is gone; that is how such streams end.
        return
    finally:
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)


async def _refused(reader: asyncio.StreamReader, head: bytes) -> Answer:
    """Return the answer of a far end that did not upgrade."""
    code = int(head.split(b" ", 2)[1])
    length = 0
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == b"content-length":
            length = int(value)
    body = await reader.readexactly(min(length, _ERROR_BYTES)) if length else b""
    return error_answer(kubelet_error(code, body))


def kubelet_error(code: int, body: bytes) -> StatusError:
    """Return what a kubelet's refusal is to the API's client: a Status with its text."""
    if body[:1] == b"{":
        try:
            found = decode(body)
        except ValueError:
            found = None
        if isinstance(found, dict) and found.get("kind") == "Status":
            return from_status(found, code)
    text = body.decode("utf-8", "replace").strip()
    return from_status({"message": text or "the server could not complete the request"}, code)


def _server_name(proxy: Proxy) -> str | None:
    """Return the name in the far end's certificate, if it is not its address."""
    return None if proxy.extension is None else proxy.extension.name


def unreachable(proxy: Proxy, error: BaseException) -> StatusError:
    why = str(error) or type(error).__name__
    if proxy.kubelet:
        return InternalError(f"error dialing backend: {why}")
    return ServiceUnavailable(f"error trying to reach service: {why}")


def _url(proxy: Proxy) -> URL:
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    text = f"{proxy.scheme}://{host}:{proxy.port}{proxy.path}"
    return URL(f"{text}?{proxy.query}" if proxy.query else text, encoded=True)


def forwarded_headers(request: web.BaseRequest, proxy: Proxy) -> CIMultiDict[str]:
    """Return the headers that go on to the next hop."""
    found: CIMultiDict[str] = CIMultiDict()
    for key, value in request.headers.items():
        name = key.lower()
        if name not in HOP_HEADERS and name not in _OWN and not name.startswith(_CLAIMS):
            found.add(key, value)
    if proxy.extension is not None:
        found.extend(proxy.headers)
        return found
    if not proxy.kubelet:
        found["X-Forwarded-Uri"] = proxy.mount + proxy.path
        found["X-Forwarded-Host"] = request.headers.get("host", "")
        found["X-Forwarded-Proto"] = "https"
        found["Accept-Encoding"] = request.headers.get("accept-encoding", "identity")
    for key, value in proxy.headers:
        found[key] = value
    return found


def _moved(key: str, value: str, proxy: Proxy) -> str:
    """Return a header of an answer, with redirects led back through the proxy."""
    if key.lower() != "location" or not proxy.mount:
        return value
    target = URL(value)
    if target.is_absolute() and target.host != proxy.host:
        return value
    return proxy.mount + (target.raw_path_qs if target.raw_path.startswith("/") else f"/{value}")


def _upgrade_head(request: web.BaseRequest, proxy: Proxy) -> bytes:
    """Return the head with which the request goes on."""
    target = f"{proxy.path}?{proxy.query}" if proxy.query else proxy.path
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {host}:{proxy.port}"]
    for key, value in forwarded_headers(request, proxy).items():
        if key.lower() == "sec-websocket-protocol":
            # A browser's token travels among the protocols; it is not for the next hop.
            _, value = websocket_token(value)
        lines.append(f"{key}: {value}")
    lines += [
        f"Upgrade: {request.headers.get('upgrade', '')}",
        "Connection: Upgrade",
        "Content-Length: 0" if request.method != "GET" else "",
    ]
    return "\r\n".join([line for line in lines if line] + ["", ""]).encode("latin-1", "replace")


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
