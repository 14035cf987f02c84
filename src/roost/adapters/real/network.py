"""Connections for probes: TCP, HTTP and the gRPC health check, to hosts and pods of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from roost.adapters.real import grpc_health

_BODY_LIMIT = 10 * 1024
_REDIRECTS = 10


class SystemNetwork:
    """ports.Network, and node.checks.GrpcHealth.

    Certificates are not verified: a probe asks whether a pod answers, not who it is, as the kubelet.
    """

    def __init__(self) -> None:
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    async def connect(self, host: str, port: int, *, timeout_s: float) -> None:
        async with asyncio.timeout(timeout_s):
            try:
                _, writer = await asyncio.open_connection(host, port)
            except ConnectionRefusedError as error:
                raise ConnectionRefusedError(
                    f"dial tcp {host}:{port}: connect: connection refused"
                ) from error
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def http_get(
        self, url: str, headers: Sequence[tuple[str, str]], *, timeout_s: float
    ) -> tuple[int, bytes]:
        connector = aiohttp.TCPConnector(ssl=self._tls, force_close=True)
        async with (
            asyncio.timeout(timeout_s),
            aiohttp.ClientSession(connector=connector) as session,
        ):
            for _ in range(_REDIRECTS):
                status, body, location = await self._get(session, url, headers)
                if location is None or _host(location) != _host(url):
                    return status, body
                url = location
        raise OSError(f'Get "{url}": stopped after {_REDIRECTS} redirects')

    async def _get(
        self, session: aiohttp.ClientSession, url: str, headers: Sequence[tuple[str, str]]
    ) -> tuple[int, bytes, str | None]:
        """Return status, the start of the body, and where a redirect leads."""
        try:
            async with session.get(
                URL(url, encoded=True), headers=headers, allow_redirects=False
            ) as answer:
                body = await answer.content.read(_BODY_LIMIT)
                location = answer.headers.get("Location")
                if not 300 <= answer.status < 400 or location is None:
                    return answer.status, body, None
                return answer.status, body, str(answer.url.join(URL(location)))
        except aiohttp.ClientConnectorError as error:
            code = error.os_error.errno or errno.ECONNREFUSED
            words = os.strerror(code).lower()
            raise ConnectionError(
                f'Get "{url}": dial tcp {urlsplit(url).netloc}: connect: {words}'
            ) from error
        except aiohttp.ClientError as error:
            raise OSError(f'Get "{url}": {error}') from error

    async def grpc_health(self, host: str, port: int, service: str, *, timeout_s: float) -> int:
        async with asyncio.timeout(timeout_s):
            return await grpc_health.check(host, port, service)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
