"""One connection: aiohttp's protocol, with what the API server wants beside it.

It knows the client's certificate, tells who waits on it when it is lost, and can hand its bytes to a
tunnel after an upgrade.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, LineTooLong
from aiohttp.web_protocol import RequestHandler

#: Limits of a URL and of a header field. They differ, for the parser only says which limit it was.
URL_BYTES: Final = 64 * 1024
FIELD_BYTES: Final = URL_BYTES - 1


class Connection(RequestHandler):
    """See the module's text."""

    __slots__ = ("certificate", "on_lost", "peer", "tunnel")

    def __init__(self, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        #: The client's certificate as DER; TLS has verified it.
        self.certificate: bytes | None = None
        #: The client's address.
        self.peer = ""
        self.on_lost: Callable[[], None] | None = None
        #: Takes what comes in, in place of the HTTP parser.
        self.tunnel: Callable[[bytes], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.certificate = tls.getpeercert(binary_form=True)
        address = transport.get_extra_info("peername")
        if isinstance(address, tuple) and address:
            self.peer = str(address[0])
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self.tunnel is None:
            super().data_received(data)
        else:
            self.tunnel(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        on_lost, self.on_lost = self.on_lost, None
        super().connection_lost(exc)
        if on_lost is not None:
            on_lost()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp could not parse; a method that it does not know is not allowed."""
        if isinstance(exc, LineTooLong):
            code = 414 if f" {URL_BYTES} bytes" in str(exc) else 431
            text = f"{code} {HTTPStatus(code).phrase}"
            answer = web.Response(status=code, text=text)
            answer.force_close()
            return answer
        code = 405 if isinstance(exc, BadHttpMethod) else status
        return super().handle_error(request, code, exc, message)


class ConnectionServer(web.Server):
    """Makes our connections instead of aiohttp's."""

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class Sent:
    """Stands for an answer that has been written already; all that aiohttp asks of a response."""

    __slots__ = ("keep_alive",)

    def __init__(self, keep_alive: bool) -> None:
        self.keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to do."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to do."""


def invite(request: web.BaseRequest) -> None:
    """Let a client that waits to be told so send its body."""
    if "expect" in request.headers and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


KEPT: Final = Sent(keep_alive=True)
CLOSED: Final = Sent(keep_alive=False)
