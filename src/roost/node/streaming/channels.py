"""The channel protocols of streaming over WebSocket: one byte says which stream a message belongs to.

Follows the remote command protocols v1 to v5 (`v5.channel.k8s.io` adds half-close of stdin) and the
port-forward protocol v4, as the kubelet serves them. Pure: messages in, values out.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Final, TypeAlias

from roost.api.values import Object

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255

#: Remote command protocols, best first. The old ones report errors as text, not as a Status.
COMMAND_PROTOCOLS: Final = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "v3.channel.k8s.io",
    "v2.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
)
PORT_PROTOCOLS: Final = ("v4.channel.k8s.io", "v4.base64.channel.k8s.io")
TUNNEL_PROTOCOL: Final = "SPDY/3.1+portforward.k8s.io"


@dataclass(frozen=True, slots=True)
class Stdin:
    """Bytes for the process."""

    data: bytes


@dataclass(frozen=True, slots=True)
class StdinClosed:
    """There is no more input."""


@dataclass(frozen=True, slots=True)
class Resize:
    """The terminal has a new size, in characters."""

    width: int
    height: int


Input: TypeAlias = Stdin | StdinClosed | Resize


def choose_protocol(offered: list[str], known: tuple[str, ...]) -> str | None:
    """Return the first protocol of the client's that we know; "" if it offers none at all."""
    if not offered:
        return ""
    return next((name for name in offered if name in known), None)


def is_base64(protocol: str) -> bool:
    """Tell whether messages are text: the channel's digit, then base64."""
    return "base64" in protocol


def has_status(protocol: str) -> bool:
    """Tell whether the error channel carries a Status object."""
    return protocol.startswith(("v4.", "v5."))


def unwrap(message: bytes, protocol: str) -> tuple[int, bytes] | None:
    """Return (channel, data) of a client's message, or None for what is none."""
    if not message:
        return None
    if not is_base64(protocol):
        return message[0], message[1:]
    try:
        return message[0] - ord("0"), base64.b64decode(message[1:], validate=True)
    except (binascii.Error, ValueError):
        return None


def wrap(channel: int, data: bytes, protocol: str) -> bytes:
    """Return the message that carries data on a channel."""
    if not is_base64(protocol):
        return bytes((channel,)) + data
    return b"%d" % channel + base64.b64encode(data)


def parse_input(channel: int, data: bytes) -> Input | None:
    """Return what a client says on a channel; None for what has no meaning."""
    if channel == STDIN:
        return Stdin(data) if data else None
    if channel == CLOSE:
        return StdinClosed() if data[:1] == b"\0" else None
    if channel == RESIZE:
        return parse_size(data)
    return None


def parse_size(data: bytes) -> Resize | None:
    """Return a terminal size from its JSON form, or None."""
    try:
        size = json.loads(data)
        width, height = int(size["Width"]), int(size["Height"])
    except (ValueError, TypeError, KeyError):
        return None
    return Resize(width, height) if 0 < width < 65536 and 0 < height < 65536 else None


def exit_status(code: int) -> Object:
    """Return the Status that reports how a command ended."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def failure_status(message: str) -> Object:
    """Return the Status for a session that could not be begun, or that broke."""
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {message}",
        "reason": "InternalError",
        "details": {"causes": [{"message": message}]},
        "code": 500,
    }


def status_message(status: Object, *, as_status: bool) -> bytes:
    """Return what the error channel says: a Status, or for old protocols its text (none for success)."""
    if as_status:
        return json.dumps(status, separators=(",", ":")).encode()
    if status["status"] == "Success":
        return b""
    return str(status["message"]).encode()
