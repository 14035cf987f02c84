"""Reads public documents of others over HTTPS: the keys of an OpenID Connect issuer."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final

import aiohttp

from roost.apiserver.encoding import decode

_TIMEOUT_S: Final = 10.0
_LIMIT_BYTES: Final = 1024 * 1024


class HttpsDocuments:
    """Gets JSON documents; see roost.apiserver.outside.Documents."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls

    async def get(self, url: str) -> Any:
        """Return a decoded document. Raises OSError, TimeoutError or ValueError."""
        try:
            async with (
                asyncio.timeout(_TIMEOUT_S),
                aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
                session.get(url, ssl=self._tls, allow_redirects=False) as answer,
            ):
                if answer.status != 200:
                    raise OSError(f"{url} answered {answer.status}")
                body = b""
                while len(body) <= _LIMIT_BYTES and not answer.content.at_eof():
                    body += await answer.content.readany()
        except aiohttp.ClientError as error:
            raise OSError(str(error) or type(error).__name__) from error
        if len(body) > _LIMIT_BYTES:
            raise ValueError(f"{url} is larger than {_LIMIT_BYTES} bytes")
        return decode(body)
