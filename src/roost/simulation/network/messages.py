"""What goes over the virtual network: requests, answers, the hops between, and how it fails.

Failures are OSErrors with the numbers and the words that programs know from real sockets.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec

from roost.api.values import Value

Headers: TypeAlias = tuple[tuple[str, str], ...]


class Fault(OSError):
    """A request that got no answer. `code` is the name of the error, as in ECONNREFUSED."""

    def __init__(self, number: int, code: str, message: str) -> None:
        super().__init__(number, message)
        self.code = code

    def __str__(self) -> str:
        return f"{self.code}: {self.strerror}"


class Refused(Fault, ConnectionRefusedError):
    """Nobody listens there, or a Service has no endpoints."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(
            errno.ECONNREFUSED, "ECONNREFUSED", f"connect to {address}:{port}: connection refused"
        )


class Reset(Fault, ConnectionResetError):
    """The other side went away before it had answered."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(errno.ECONNRESET, "ECONNRESET", f"{address}:{port} closed the connection")


class Unreachable(Fault):
    """No host has the address."""

    def __init__(self, address: str) -> None:
        super().__init__(errno.EHOSTUNREACH, "EHOSTUNREACH", f"no route to host {address}")


class NotFound(Fault):
    """A name without an address."""

    def __init__(self, name: str) -> None:
        super().__init__(errno.ENOENT, "ENOTFOUND", f"no such host: {name}")


class TimedOut(Fault, TimeoutError):
    """No answer in time, or a partition in between."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(errno.ETIMEDOUT, "ETIMEDOUT", f"{address}:{port} did not answer in time")


def kernel_words(fault: Fault) -> str:
    """Return what the kernel calls a failure."""
    return _KERNEL_WORDS.get(fault.code, str(fault))


_KERNEL_WORDS: Final = {
    "ECONNREFUSED": "connection refused",
    "ECONNRESET": "connection reset by peer",
    "EHOSTUNREACH": "no route to host",
    "ETIMEDOUT": "connection timed out",
}


#: How a gRPC health check arrives: a POST with the service's name for a body, whose answer is one of the
#: words of grpc.health.v1.HealthCheckResponse.
HEALTH_PATH: Final = "/grpc.health.v1.Health/Check"
SERVING: Final = "SERVING"
HEALTH: Final[Mapping[str, int]] = {
    "UNKNOWN": 0, SERVING: 1, "NOT_SERVING": 2, "SERVICE_UNKNOWN": 3
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hop:
    """One station of a request's way. `kind`: node, pod, service or outside; `name` is
    namespace/name but for nodes and outside hosts."""

    kind: str
    name: str
    address: str
    port: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.address}" + (f":{self.port}" if self.port else "")


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request as its server sees it. `path` has the query; header names are lower case."""

    method: str
    path: str
    host: str
    headers: Headers = ()
    body: bytes = b""
    source: str = ""  # the address it comes from

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def header(self, name: str) -> str:
        """Return a header's value, or ""."""
        return next((value for key, value in self.headers if key == name.lower()), "")

    def json(self) -> Value:
        """Return the body's value; raises ValueError."""
        return msgspec.json.decode(self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. `hops` is the complete way of its request, filled in for who asked."""

    status: int = 200
    body: bytes = b""
    headers: Headers = ()
    hops: tuple[Hop, ...] = ()

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Value:
        """Return the body's value; raises ValueError."""
        return msgspec.json.decode(self.body)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that has ended: who asked, over which hops, and what came of it. Times are epoch
    seconds; `error` is "" when there was an answer; `probe` is set on requests of the node agent."""

    number: int
    began: float
    ended: float
    method: str
    url: str
    hops: tuple[Hop, ...]
    status: int = 0
    error: str = ""
    probe: bool = False
    request_id: str = ""

    def as_json(self) -> Mapping[str, Any]:
        """Return the exchange as a JSON value."""
        value: dict[str, Any] = msgspec.to_builtins(self)
        return value


#: What a server's handler may return: an answer, a body, a status, (status, body), or JSON.
Reply: TypeAlias = (
    Response | str | bytes | int | tuple[int, Any] | Mapping[str, Any] | Sequence[Any] | None
)


def response_of(reply: Reply) -> Response:
    """Return the answer that a handler's result stands for; raises TypeError for anything else."""
    match reply:
        case Response():
            return reply
        case None:
            return Response(204)
        case str():
            return Response(body=reply.encode(), headers=(("content-type", "text/plain"),))
        case bytes():
            return Response(body=reply)
        case int() if not isinstance(reply, bool):
            return Response(reply)
        case (int() as status, body):
            found = response_of(body)
            return Response(status, found.body, found.headers)
        case _:
            body = msgspec.json.encode(reply)
            return Response(body=body, headers=(("content-type", "application/json"),))


@dataclass(frozen=True, slots=True)
class Url:
    """The parts of an http URL that a request needs."""

    host: str
    port: int
    path: str
    text: str = field(default="", compare=False)
