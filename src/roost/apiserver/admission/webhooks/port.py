"""How a webhook is called: the one thing here that needs a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

#: What a call ends with that took too long.
TIMED_OUT: Final = "context deadline exceeded"
_NOT_FOUND: Final = "the server could not find the requested resource"
_SHOWN_BYTES: Final = 2048


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a webhook listens.

    `url` is what messages show and what the certificate must be for; `address` is where to connect
    in place of its host (the address of a Service), and `ca` the PEM that vouches for it, "" for the
    certificate authorities that this machine trusts.
    """

    url: str
    ca: str = ""
    address: tuple[str, int] | None = None


class CallFailed(Exception):
    """The webhook could not be asked; the text says why, as the real server's client does."""


def asked_url(endpoint: Endpoint, timeout_s: int) -> str:
    """Return the URL that is asked: it says how long the answer is waited for."""
    return f"{endpoint.url}?timeout={timeout_s}s"


def refused(status: int, text: bytes) -> str:
    """Return what is said of an answer that is no success."""
    if status == 404:
        return _NOT_FOUND
    shown = text[:_SHOWN_BYTES].decode("utf-8", "replace").replace('"', '\\"').strip()
    if status >= 500:
        return f'an error on the server ("{shown}") has prevented the request from succeeding'
    return f"the server rejected our request for an unknown reason: {shown}"


class Caller(Protocol):
    """Calls webhooks."""

    async def post(self, endpoint: Endpoint, body: bytes, timeout_s: int) -> bytes:
        """Send JSON and return the JSON that answers it. Raises CallFailed."""
        ...
