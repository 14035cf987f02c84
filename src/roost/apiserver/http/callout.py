"""Calls webhooks over HTTPS."""

from __future__ import annotations

import asyncio
import ssl
from functools import lru_cache
from typing import Final

import aiohttp
from yarl import URL

from roost.apiserver.admission.webhooks.port import (
    TIMED_OUT,
    CallFailed,
    Endpoint,
    asked_url,
    refused,
)

#: The largest answer that is read, in bytes.
_ANSWER_BYTES: Final = 16 * 1024 * 1024
_IDLE_S: Final = 90.0


class HttpCaller:
    """Calls webhooks; keeps connections for the next call. `close` ends them."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session

    async def post(self, endpoint: Endpoint, body: bytes, timeout_s: int) -> bytes:
        """Send JSON and return the JSON that answers it. Raises CallFailed."""
        url = asked_url(endpoint, timeout_s)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._post(URL(url, encoded=True), endpoint, body)
        except TimeoutError:
            raise CallFailed(f'Post "{url}": {TIMED_OUT}') from None
        except (OSError, aiohttp.ClientError) as error:
            raise CallFailed(f'Post "{url}": {_explained(error, endpoint)}') from None

    async def _post(self, shown: URL, endpoint: Endpoint, body: bytes) -> bytes:
        target, server_name = shown, None
        headers = {"Content-Type": "application/json", "Accept": "application/json, */*"}
        if endpoint.address is not None:
            host, port = endpoint.address
            target, server_name = shown.with_host(host).with_port(port), shown.host
            headers["Host"] = shown.authority
        async with self._client().post(
            target, data=body, headers=headers, ssl=_trusting(endpoint.ca),
            server_hostname=server_name, allow_redirects=False,
        ) as answer:  # fmt: skip
            text = await _read(answer)
        if not 200 <= answer.status < 300:
            raise CallFailed(refused(answer.status, text))
        return text


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in answer.content.iter_any():
        size += len(piece)
        if size > _ANSWER_BYTES:
            raise CallFailed(f"the answer is larger than {_ANSWER_BYTES} bytes")
        pieces.append(piece)
    return b"".join(pieces)


@lru_cache(maxsize=128)
def _trusting(ca: str) -> ssl.SSLContext:
    """Return a TLS context that trusts a CA bundle. Raises CallFailed if that is none."""
    try:
        return ssl.create_default_context(cadata=ca or None)
    except (ssl.SSLError, ValueError):
        raise CallFailed("unable to load root certificates: unable to parse bytes as PEM") from None


def _explained(error: Exception, endpoint: Endpoint) -> str:
    """Return why a connection failed, in the words of the real server's client."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
        detail = getattr(cause, "verify_message", "") or str(cause)
        if "self-signed" in detail or "unable to get" in detail:
            detail = "certificate signed by unknown authority"
        return f"tls: failed to verify certificate: x509: {detail}"
    if isinstance(error, aiohttp.ClientConnectorError):
        host, port = endpoint.address or (error.host, error.port)
        if isinstance(error.os_error, ConnectionRefusedError):
            return f"dial tcp {host}:{port}: connect: connection refused"
        why = error.os_error.strerror or str(error.os_error)
        return f"dial tcp {host}:{port}: {why}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    return str(error) or type(error).__name__
