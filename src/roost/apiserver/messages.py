"""What goes into the API server's core and what comes out: requests and answers as values.

No value here holds a socket. A `WatchAnswer` and a `Proxy` say what the HTTP shell shall carry out;
everything else is a finished `Answer`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypeAlias

from roost.apiserver.attributes import ANONYMOUS, User

JSON: Final = "application/json"
YAML: Final = "application/yaml"
TEXT: Final = "text/plain; charset=utf-8"

#: The largest body that a request may have, in bytes.
BODY_LIMIT_BYTES: Final = 3 * 1024 * 1024


@dataclass(slots=True)
class Request:
    """One HTTP request, read completely. `headers` must find names in lower case."""

    method: str
    path: str  # percent-decoded
    query: str = ""  # as sent, without the question mark
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    user: User = ANONYMOUS
    raw_path: str = ""  # as sent; what a proxy passes on
    #: What the asker shall be warned of, whether the request succeeds or not.
    warnings: list[str] = field(default_factory=list)
    #: The address of who is connected.
    peer: str = ""
    #: Lines that every answer to this request has in its head, each after a CRLF.
    head: bytes = b""


def _nothing() -> None:
    """Nobody waits for the end."""


class Pieces(NamedTuple):
    """A long body that is made while it is sent. It can be read once."""

    parts: Iterator[bytes]
    size_bytes: int
    #: Called by whoever has read it, or will read no more of it.
    done: Callable[[], None] = _nothing


@dataclass(slots=True)
class Answer:
    """A finished answer. Its body may be long, and then come in pieces."""

    code: int
    body: bytes | Pieces = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    #: Further lines of the head, encoded, each after a CRLF.
    head: bytes = b""

    @property
    def size_bytes(self) -> int:
        body = self.body
        return len(body) if isinstance(body, bytes) else body.size_bytes

    def whole(self) -> bytes:
        """Return the body in one."""
        body = self.body
        if isinstance(body, bytes):
            return body
        try:
            return b"".join(body.parts)
        finally:
            body.done()


class Frames:
    """Watch frames as bytes, shared by every watcher of one form; `chunked` is built once."""

    __slots__ = ("_chunked", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._chunked = b""

    @property
    def chunked(self) -> bytes:
        """The same as one chunk of HTTP's chunked transfer coding."""
        if not self._chunked:
            self._chunked = b"%x\r\n%b\r\n" % (len(self.data), self.data)
        return self._chunked


class Sink(Protocol):
    """Where a watch writes. `write` never waits: a sink that cannot keep up closes itself."""

    def write(self, frames: Frames) -> None: ...

    def close(self) -> None:
        """End the answer: no more frames come."""
        ...


@dataclass(slots=True)
class WatchAnswer:
    """A stream: `run` writes into the sink until the watch ends."""

    run: Callable[[Sink], Awaitable[None]]
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    head: bytes = b""


@dataclass(frozen=True, slots=True)
class Extension:
    """How an extension server is known: by a name in its certificate, and who signed that.

    `ca` is PEM; "" means the certificate is not verified at all, as its APIService asks.
    """

    name: str
    ca: str


@dataclass(slots=True)
class Proxy:
    """Pass the request on to `scheme`://`host`:`port``path`?`query`.

    With `kubelet` the API server shows its kubelet-client certificate and checks the kubelet's.
    Otherwise the target is a pod or a service, whose certificate is not verified. `strip` names the
    headers that are the caller's own credentials.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""
    kubelet: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    #: Prefix to put before the paths of redirects (for pods/proxy and services/proxy).
    mount: str = ""
    #: For an extension server: whose certificate must be this one's, by this authority.
    extension: Extension | None = None
    #: What came with the request; None: it has not been read, and goes on as it comes.
    body: bytes | None = None
    #: Called with the code of the answer when everything has been passed on.
    finished: Callable[[int], None] | None = None


Response: TypeAlias = Answer | WatchAnswer | Proxy
