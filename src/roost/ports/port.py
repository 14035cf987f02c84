"""What the world must offer, as Protocols of at most a few methods.

Pure code takes times and ids as data; shells take these ports. The event loop itself is the monotonic
clock (asyncio.sleep, asyncio.timeout), so there is no port for it. adapters/real, adapters/virtual and
adapters/browser implement them under the same file names.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol


class WallClock(Protocol):
    """The time of day."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        ...


class Chance(Protocol):
    """Randomness: names, jitter, choice among equals."""

    def uniform(self) -> float:
        """Return a number in [0, 1)."""
        ...

    def suffix(self, length: int) -> str:
        """Return letters and digits as used in generated names (no vowels, no 0 1 3)."""
        ...


class Ids(Protocol):
    """Identities that never repeat."""

    def uid(self) -> str:
        """Return a new UUID as text."""
        ...


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended: the exit code, and what it printed."""

    code: int
    stdout: bytes
    stderr: bytes


class Signer(Protocol):
    """A certificate authority that signs what it is told to."""

    def sign(self, request: bytes, usages: Sequence[str], life_s: int | None) -> bytes:
        """Return the certificate (PEM) for a request (PEM) with usages as in a
        CertificateSigningRequest, good for `life_s` seconds at most; raises ValueError."""
        ...


class Processes(Protocol):
    """Programs of this machine."""

    async def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 30.0
    ) -> Exit:
        """Run a program to its end; never through a shell. Raises TimeoutError after killing it."""
        ...


class Network(Protocol):
    """Connections as probes and gateways need them."""

    async def connect(self, host: str, port: int, *, timeout_s: float) -> None:
        """Open and close a TCP connection; raises OSError or TimeoutError."""
        ...

    async def http_get(
        self, url: str, headers: Sequence[tuple[str, str]], *, timeout_s: float
    ) -> tuple[int, bytes]:
        """Return status and the first 10 KiB of the body, without verifying certificates and
        without following redirects to another host; raises OSError or TimeoutError."""
        ...


class Files(Protocol):
    """A tree of files that belongs to the caller. Paths are absolute."""

    def read(self, path: str) -> bytes | None:
        """Return a file's content, or None where there is none."""
        ...

    def write(self, path: str, content: bytes, *, mode: int = 0o600, durable: bool = False) -> None:
        """Write atomically (a reader sees the old or the new content), making parent folders."""
        ...

    def list(self, path: str) -> list[str]:
        """Return the sorted names in a folder; empty where there is none."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file or a whole tree; no error if there is nothing."""
        ...


class Tail(Protocol):
    """Follows a growing file, across rotation."""

    def lines(self, path: str, *, follow: bool) -> AsyncIterator[bytes]: ...
