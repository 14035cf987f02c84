"""Bytes as they should not come over a connection: broken HTTP, broken chunks, broken bodies."""

from __future__ import annotations

import json
import random
from typing import NamedTuple

from fuzz.oddities import disturb, text
from fuzz.scene import collection
from fuzz.seeds import seed_of
from roost.api.kind import Kind
from roost.api.protobuf import objects
from roost.api.registry import builtin

_BODY_LIMIT_BYTES = 3 << 20
_PATHS = (
    "/", "/api/v1/pods", "/api/v1/namespaces/default/pods/a", "/apis/apps/v1/deployments",
    "/api/v1/namespaces/default/pods/a/exec?command=x&stdin=true", "/version", "/healthz",
    "/api/v1/namespaces/default/pods/a/portforward", "/api/v1/../../etc/passwd", "/%2e%2e/%2e%2e/x",
    "/api/v1/namespaces/%00/pods", "/api/v1/namespaces/%ff/pods", "/api%2fv1", "//", "*", "",
    "http://other.example/api", "/api/v1/pods?%zz=%zz&limit=%", "/" + "x" * 70_000,
    "/api/v1/pods?" + "a" * 70_000,
    "/api/v1/pods?watch=1&timeoutSeconds=1&resourceVersion=x", "/api/v1/watch/pods?timeoutSeconds=0x",
)  # fmt: skip
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get",
"G\x00T",
            "", " ", "X" * 5_000, "PRI")  # fmt: skip
_VERSIONS = (
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.1",
    "HTTP/1.0",
    "HTTP/0.9",
    "HTTP/2.0",
    "HTTP/9",
    "ICY",
    "",
    "HTTP/1.1 x",
)
_ODD_HEADERS = (
    "Content-Length: -1", "Content-Length: x", "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: 5, 5",
    "Content-Length: " + "9" * 40, "Transfer-Encoding: chunked, gzip", "Transfer-Encoding: x",
    "Transfer-Encoding: chunked\r\nContent-Length: 3", "Host:", "Host: a\r\nHost: b", ": x", "x",
    "X: \x00", "X\x7f: a",
    "X : a", " folded", "X: " + "y" * 70_000, "\r\n".join(f"X-{n}: y" for n in range(500)),
    "Accept: \xff\xfe",
    "Accept-Encoding: gzip;q=x", "Expect: 100-continue", "Expect: 200-ok", "Connection: close",
    "Connection: x, y",
    "Content-Encoding: gzip", "Content-Encoding: x", "Cookie: " + "a=b;" * 900, "Authorization: Bearer",
    "Authorization: Basic !!!", "Authorization: Bearer " + "a." * 3_000,
    "Impersonate-User: \u00e9", "If-Match: *",
    "Impersonate-Extra-%zz: x\r\nImpersonate-User: a", "Content-Type: application/json; charset=\x01",
    "Content-Type: multipart/form-data; boundary=",
    "Content-Type: application/vnd.kubernetes.protobuf;x=\"",
    "Upgrade: websocket\r\nConnection: Upgrade", "Upgrade: SPDY/3.1\r\nConnection: Upgrade",
    "Upgrade: h2c\r\nConnection: Upgrade",
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13",
    ("Upgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 99"),
    ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v5.channel.k8s.io, ,,x\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; x=\""),
    ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.!!!!"),
)  # fmt: skip
_CHUNKS = (
    b"x\r\n", b"-1\r\nab\r\n", b"5\r\nab\r\n0\r\n\r\n", b"2\r\nabc\r\n0\r\n\r\n",
    b"ffffffffffffffffffff\r\n", b"0\r\nX: y\r\n",
    b"2;a=\"b\r\nab\r\n0\r\n\r\n", b"2\nab\n0\n\n", b"0x2\r\nab\r\n0\r\n\r\n", b"2\r\nab\r\n",
    b"\r\n\r\n", b"1 \r\na\r\n0\r\n\r\n",
    b"1" * 5_000 + b"\r\n", b"1\r\n{\r\n" * 500 + b"0\r\n\r\n", b"0\r\n" + b"T: x\r\n" * 900 + b"\r\n",
)  # fmt: skip


_CHUNKED = (
    b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\n"
    b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n"
)


class Sent(NamedTuple):
    """What to send. `whole`: it is a request to its end, so the server must answer or hang up."""

    data: bytes
    whole: bool


class Raw:
    """An endless row of byte strings, the same for the same seed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._kinds = [
            kind for kind in builtin().kinds() if "create" in kind.verbs and seed_of(kind)
        ]

    def next(self) -> Sent:
        """Return what comes next over a connection of its own."""
        rng = self._rng
        pick = rng.random()
        if pick < 0.35:
            return self._body()
        if pick < 0.60:
            return self._head()
        if pick < 0.72:
            return Sent(_CHUNKED + rng.choice(_CHUNKS), whole=False)
        if pick < 0.78:
            return Sent(rng.randbytes(rng.choice((1, 20, 500, 70_000))), whole=False)
        if pick < 0.88:
            good = self._body().data
            return Sent(good[: rng.randrange(1, len(good))], whole=False)  # and then nothing more
        if pick < 0.885:
            size = _BODY_LIMIT_BYTES + rng.choice((0, 1, 100_000))
            return Sent(
                _request("POST", "/api/v1/namespaces/default/configmaps", b" " * size), whole=True
            )
        good = bytearray(self._body().data)
        for _ in range(rng.choice((1, 2, 8))):
            good[rng.randrange(len(good))] = rng.randrange(256)
        return Sent(bytes(good), whole=False)

    def _head(self) -> Sent:
        rng = self._rng
        method, path = rng.choice(_METHODS), rng.choice(_PATHS)
        lines = [f"{method} {path} {rng.choice(_VERSIONS)}"]
        if rng.random() < 0.9:
            lines.append("Host: a")
        lines += [rng.choice(_ODD_HEADERS) for _ in range(rng.choice((0, 1, 1, 2)))]
        end = rng.choice(("\r\n", "\r\n", "\r\n", "\n", "\r"))
        head = end.join([*lines, "", ""]).encode("utf-8", "replace")
        return Sent(head, whole=False)

    def _body(self) -> Sent:
        rng = self._rng
        kind: Kind = rng.choice(self._kinds)
        value = seed_of(kind) or {}
        for _ in range(rng.choice((0, 1, 2, 5))):
            disturb(rng, value)
        whole = {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": {"name": "raw"},
            **value,
        }
        path = collection(kind)
        media = "application/json"
        body = json.dumps(whole).encode("utf-8", "surrogatepass")
        pick = rng.random()
        if pick < 0.3:
            media = "application/vnd.kubernetes.protobuf"
            try:
                body = objects.encode(whole)
            except Exception:  # noqa: BLE001 - only what decodes by its schema can be written at all
                body = b"k8s\x00" + body
        elif pick < 0.5:
            media = "application/yaml"
        if rng.random() < 0.5:
            damaged = bytearray(body)
            for _ in range(rng.choice((1, 3, 20))):
                at = rng.randrange(len(damaged))
                damaged[at : at + 1] = rng.randbytes(rng.randrange(3))
                damaged = damaged or bytearray(b" ")
            body = bytes(damaged)
        query = f"?dryRun=All&x={text(rng)[:20].encode().hex()}"
        return Sent(_request("POST", path + query, body, media), whole=True)


def _request(method: str, path: str, body: bytes, media: str = "application/json") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {media}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
