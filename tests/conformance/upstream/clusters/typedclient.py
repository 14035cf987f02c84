"""A client that asks as client-go asks: typed resources in protobuf, dynamic ones in JSON.

Typed requests send Go's zeros (gowire) and accept protobuf first; watches are read from their frames.
Refusals are raised as Refused, with the Status that the server answered.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit

import gowire
import yaml

from roost.api.protobuf import objects
from roost.api.protobuf.scalars import fields_in
from roost.api.protobuf.wire import DELIMITED

Thing = dict[str, Any]

PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
JSON: Final = "application/json"
MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
APPLY: Final = "application/apply-patch+yaml"
_WATCH_S: Final = 30


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, code: int, status: Thing) -> None:
        super().__init__(f"{code} {status.get('reason')}: {status.get('message')}")
        self.code = code
        self.status = status
        self.reason = status.get("reason", "")
        self.message = status.get("message", "")


def until(
    condition: Callable[[], Any], within_s: float = 60, what: Callable[[], object] | str = ""
) -> Any:
    """Poll until there is a true answer; return it. What is not found may come yet."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            answer = condition()
        except Refused as refused:
            if refused.code != HTTPStatus.NOT_FOUND:
                raise
            answer = None
        if answer:
            return answer
        if time.monotonic() > deadline:
            why = what() if callable(what) else what or condition
            raise AssertionError(f"not in {within_s:g} s: {why}")
        time.sleep(0.05)


@dataclass(frozen=True)
class Kind:
    """One resource as a typed client knows it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def root(self) -> str:
        return "/api/v1" if self.api_version == "v1" else f"/apis/{self.api_version}"


class GoClient:
    """Requests to one server; connections are kept per thread."""

    def __init__(self, kubeconfig: Path, **headers: str) -> None:
        found = yaml.safe_load(kubeconfig.read_text())
        cluster, user = found["clusters"][0]["cluster"], found["users"][0]["user"]
        self.url = cluster["server"]
        self._tls = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
        )
        if "client-certificate-data" in user:
            for name in ("certificate", "key"):
                path = kubeconfig.with_name(f"go-client-{name}.pem")
                path.write_bytes(base64.b64decode(user[f"client-{name}-data"]))
                path.chmod(0o600)
            self._tls.load_cert_chain(
                kubeconfig.with_name("go-client-certificate.pem"),
                kubeconfig.with_name("go-client-key.pem"),
            )
        elif "token" in user:
            headers = {"Authorization": f"Bearer {user['token']}", **headers}
        self.headers = headers
        self._place = urlsplit(self.url)
        self._kept = threading.local()

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            self._place.hostname or "", self._place.port, context=self._tls, timeout=_WATCH_S
        )

    def send(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        body: bytes | None = None,
        **headers: str,
    ) -> tuple[int, bytes, str]:
        """Return code, body and content type."""
        wanted = {**self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}}
        address = f"{path}?{urlencode(query)}" if query else path
        for attempt in (1, 2):
            connection = getattr(self._kept, "connection", None) or self.connect()
            self._kept.connection = connection
            try:
                connection.request(method, address, body, wanted)
                answer = connection.getresponse()
                return answer.status, answer.read(), answer.getheader("Content-Type") or ""
            except (http.client.HTTPException, OSError):
                connection.close()
                self._kept.connection = None
                if attempt == 2:
                    raise
        raise AssertionError

    def ask(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        body: bytes | None = None,
        **headers: str,
    ) -> Any:
        """Return the decoded answer; raises Refused."""
        code, raw, media = self.send(method, path, query, body, **headers)
        value = decode(raw, media)
        if code >= 400:
            raise Refused(code, value if isinstance(value, dict) else {"message": str(value)})
        return value

    def raw(self, path: str, **query: Any) -> Any:
        return self.ask("GET", path, query, Accept=JSON)

    def typed(self, kind: Kind, namespace: str = "") -> Resource:
        return Resource(self, kind, namespace, binary=True)

    def dynamic(self, kind: Kind, namespace: str = "") -> Resource:
        return Resource(self, kind, namespace, binary=False)


def decode(raw: bytes, media: str) -> Any:
    if not raw:
        return {}
    if media.startswith(PROTOBUF):
        version, kind, value = objects.decode(raw)
        return {**value, "apiVersion": version, "kind": kind}
    if media.startswith(JSON):
        return json.loads(raw)
    return raw.decode()


@dataclass
class Resource:
    """The calls of a generated client for one resource."""

    client: GoClient
    kind: Kind
    namespace: str
    binary: bool

    @property
    def root(self) -> str:
        place = f"/namespaces/{self.namespace}" if self.namespace else ""
        return f"{self.kind.root}{place}/{self.kind.plural}"

    @property
    def accept(self) -> str:
        return f"{PROTOBUF}, */*" if self.binary else JSON

    def path(self, name: str, sub: str = "") -> str:
        return "/".join(filter(None, (self.root, name, sub)))

    def _send(self, method: str, path: str, value: Thing | None, query: Thing) -> Any:
        body = None
        headers = {"Accept": self.accept}
        if value is not None:
            version = value.get("apiVersion") or self.kind.api_version
            kind = value.get("kind") or self.kind.kind
            if self.binary:
                body = gowire.encode(version, kind, value)
            else:
                body = json.dumps({**value, "apiVersion": version, "kind": kind}).encode()
            headers["Content-Type"] = PROTOBUF if self.binary else JSON
        return self.client.ask(method, path, query, body, **headers)

    def create(self, value: Thing, sub: str = "", name: str = "", **query: Any) -> Thing:
        answer: Thing = self._send("POST", self.path(name, sub), value, query)
        return answer

    def get(self, name: str, sub: str = "") -> Thing:
        answer: Thing = self._send("GET", self.path(name, sub), None, {})
        return answer

    def exists(self, name: str) -> bool:
        try:
            self.get(name)
        except Refused as refused:
            if refused.code == 404:
                return False
            raise
        return True

    def list(self, labels: str = "", fields: str = "", **query: Any) -> Thing:
        chosen = _selectors(labels, fields, query)
        answer: Thing = self._send("GET", self.root, None, chosen)
        answer.setdefault("items", [])
        answer["items"] = answer["items"] or []
        return answer

    def items(self, labels: str = "", fields: str = "") -> list[Thing]:
        found: list[Thing] = self.list(labels, fields)["items"]
        return found

    def update(self, value: Thing, sub: str = "", **query: Any) -> Thing:
        path = self.path(value["metadata"]["name"], sub)
        answer: Thing = self._send("PUT", path, value, query)
        return answer

    def update_status(self, value: Thing) -> Thing:
        return self.update(value, "status")

    def retry(self, name: str, change: Callable[[Thing], Any], sub: str = "") -> Thing:
        """Get, change and update until there is no conflict."""
        for _ in range(20):
            value = self.get(name)
            change(value)
            try:
                return self.update(value, sub)
            except Refused as refused:
                if refused.code != 409:
                    raise
        raise AssertionError("conflicts without end")

    def patch(
        self, name: str, patch: Any, kind: str = STRATEGIC, sub: str = "", **query: Any
    ) -> Thing:
        answer: Thing = self.client.ask(
            "PATCH", self.path(name, sub), query, json.dumps(patch).encode(),
            **{"Content-Type": kind, "Accept": self.accept},
        )  # fmt: skip
        return answer

    def _options(self, options: Thing) -> Thing:
        return {"apiVersion": self.kind.api_version, "kind": "DeleteOptions", **options}

    def delete(self, name: str, **options: Any) -> Thing:
        answer: Thing = self._send("DELETE", self.path(name), self._options(options), {})
        return answer

    def delete_collection(self, labels: str = "", fields: str = "", **options: Any) -> None:
        self._send("DELETE", self.root, self._options(options), _selectors(labels, fields, {}))

    def watch(self, labels: str = "", fields: str = "", version: str = "", **query: Any) -> Watch:
        chosen = _selectors(labels, fields, query)
        if version:
            chosen["resourceVersion"] = version
        return Watch(self, {**chosen, "watch": "true"})


def _selectors(labels: str, fields: str, query: Thing) -> Thing:
    chosen = dict(query)
    if labels:
        chosen["labelSelector"] = labels
    if fields:
        chosen["fieldSelector"] = fields
    return chosen


@dataclass
class Watch:
    """A watch that is read in a thread. Use with `with` or `stop()`."""

    resource: Resource
    query: Thing
    seen: list[tuple[str, Thing]] = field(default_factory=list)

    def __post_init__(self) -> None:
        client, resource = self.resource.client, self.resource
        self._connection = client.connect()
        self._connection.request(
            "GET", f"{resource.root}?{urlencode(self.query)}",
            headers={**client.headers, "Accept": resource.accept},
        )  # fmt: skip
        self._socket = self._connection.sock
        self._answer = self._connection.getresponse()
        if self._answer.status >= 400:
            raw = self._answer.read()
            raise Refused(
                self._answer.status, decode(raw, self._answer.getheader("Content-Type") or "")
            )
        self._binary = PROTOBUF in (self._answer.getheader("Content-Type") or "")
        assert self._binary == resource.binary, self._answer.getheader("Content-Type")
        self._events: queue.Queue[tuple[str, Thing]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            for event in self._frames() if self._binary else self._lines():
                self._events.put(event)
        self._events.put(("CLOSED", {}))

    def _lines(self) -> Iterator[tuple[str, Thing]]:
        for line in iter(self._answer.readline, b""):
            event = json.loads(line)
            yield event["type"], event["object"]

    def _frames(self) -> Iterator[tuple[str, Thing]]:
        while len(head := self._answer.read(4)) == 4:
            raw = self._answer.read(int.from_bytes(head, "big"))
            found = fields_in(raw, type=(1, DELIMITED), object=(2, DELIMITED))
            inner = fields_in(found["object"], raw=(1, DELIMITED))["raw"]
            yield found["type"].decode(), decode(inner, PROTOBUF)

    def next(self, within_s: float = 10) -> tuple[str, Thing]:
        try:
            event = self._events.get(timeout=within_s)
        except queue.Empty:
            kinds = [(kind, value["metadata"].get("name")) for kind, value in self.seen]
            raise AssertionError(f"no event within {within_s:g} s after {kinds}") from None
        assert event[0] != "CLOSED", "the watch ended"
        self.seen.append(event)
        return event

    def until(
        self, type_: str, matches: Callable[[Thing], Any] = lambda _: True, within_s: float = 15
    ) -> Thing:
        """Skip events until there is one of the type that matches."""
        deadline = time.monotonic() + within_s
        while True:
            kind, value = self.next(max(deadline - time.monotonic(), 0.01))
            if (kind == type_ or not type_) and matches(value):
                return value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def newer(one: Thing, other: Thing) -> bool:
    """Whether the first is the newer version."""
    versions = [int(item["metadata"]["resourceVersion"]) for item in (one, other)]
    return versions[0] > versions[1]
