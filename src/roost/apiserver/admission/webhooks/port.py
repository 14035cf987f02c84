"""How a webhook is called: the one thing here that needs a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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


class Caller(Protocol):
    """Calls webhooks."""

    async def post(self, endpoint: Endpoint, body: bytes, timeout_s: int) -> bytes:
        """Send JSON and return the JSON that answers it. Raises CallFailed."""
        ...
