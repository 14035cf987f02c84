"""Requests as client-go makes them: protobuf for built-in kinds, watches as streams, retries.

api = GoClient(url, kubeconfig)
maps = api.typed("v1", "ConfigMap", "configmaps")      protobuf, as generated clients
things = api.dynamic("g.example.com/v1", "things")     JSON, as the dynamic client
maps.create(namespace, {...}); maps.watch(namespace, resourceVersion="1").next()

A refusal raises `Refused`, which has the Status.
"""

from __future__ import annotations

import base64
import http.client
import json
import queue
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import yaml

from roost.api.protobuf import objects
from roost.api.protobuf.envelope import unwrap
from roost.api.protobuf.reading import read_object
from roost.api.protobuf.scalars import fields_in
from roost.api.protobuf.wire import DELIMITED

Object = dict[str, Any]
T = TypeVar("T")

PROTOBUF = "application/vnd.kubernetes.protobuf"
JSON = "application/json"
AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)
#: Kubernetes' tests put the name of the test behind what every client says.
AGENT = (
    "e2e.test/v1.36.0 (linux/amd64) kubernetes/0a1b2c3 -- [sig-api-machinery] A test [Conformance]"
)
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, code: int, status: Object) -> None:
        super().__init__(f"{code} {status.get('reason')}: {status.get('message')}")
        self.code = code
        self.status = status
        self.reason = status.get("reason", "")
        self.message = status.get("message", "")


@dataclass(frozen=True)
class Reply:
    """What a request was answered."""

    code: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media(self) -> str:
        return self.headers.get("content-type", "").split(";")[0]

    def value(self) -> Object:
        """Return the object; raises Refused if the answer is an error."""
        if self.code >= 400 and self.media not in (PROTOBUF, JSON):
            # As newUnstructuredResponseError: what is not a Status has the reason of its code.
            reason = {404: "NotFound", 409: "Conflict"}.get(self.code, "Unknown")
            raise Refused(self.code, {"reason": reason, "message": self.body.decode()})
        found: Object = (
            objects.decode(self.body)[2] if self.media == PROTOBUF else json.loads(self.body)
        )
        if self.code >= 400:
            raise Refused(self.code, found)
        return found


class GoClient:
    """Connections with the credentials of a kubeconfig; one for each thread is kept open."""

    def __init__(self, kubeconfig: str) -> None:
        self.kubeconfig = kubeconfig
        with open(kubeconfig) as file:
            document = yaml.safe_load(file)
        cluster = document["clusters"][0]["cluster"]
        user = document["users"][0]["user"]
        where = urlsplit(cluster["server"])
        self._host, self._port = where.hostname or "", where.port or 443
        self._tls = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
        )
        #: What Go offers; a server without HTTP/2 chooses the second.
        self._tls.set_alpn_protocols(["h2", "http/1.1"])
        #: Who asks, if that is said by a token.
        self.token = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        with tempfile.NamedTemporaryFile("wb") as pair:
            for part in ("client-certificate-data", "client-key-data"):
                pair.write(base64.b64decode(user.get(part, "")) + b"\n")
            pair.flush()
            if not self.token:
                self._tls.load_cert_chain(pair.name)
        self._own = threading.local()

    def connect(self, timeout_s: float = 30) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            self._host, self._port, context=self._tls, timeout=timeout_s
        )

    def protocol(self) -> str | None:
        """Return what ALPN agreed on."""
        connection = self.connect()
        connection.connect()
        assert isinstance(connection.sock, ssl.SSLSocket)
        try:
            return connection.sock.selected_alpn_protocol()
        finally:
            connection.close()

    def send(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None,
        body: bytes | None = None, **headers: str,
    ) -> Reply:  # fmt: skip
        """Send one request; `content_type="..."` becomes the header Content-Type."""
        connection = getattr(self._own, "connection", None) or self.connect()
        self._own.connection = None
        target = f"{path}?{urlencode(query)}" if query else path
        named = {"User-Agent": AGENT, "Accept-Encoding": "identity", **self.token}
        named |= {name.replace("_", "-").title(): value for name, value in headers.items()}
        try:
            connection.request(method, target, body, named)
            answer = connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):
            connection.close()
            connection = self.connect()
            connection.request(method, target, body, named)
            answer = connection.getresponse()
        data = answer.read()
        if not answer.will_close:
            self._own.connection = connection
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, found, data)

    def get(self, path: str, accept: str = f"{PROTOBUF}, */*", **query: str) -> Object:
        """Return a document as a RESTClient's Get().AbsPath() does."""
        return self.send("GET", path, query=query, accept=accept).value()

    def typed(self, version: str, kind: str, plural: str) -> Resource:
        return Resource(self, version, kind, plural, PROTOBUF, f"{PROTOBUF}, */*")

    def dynamic(self, version: str, plural: str, kind: str = "") -> Resource:
        return Resource(self, version, kind, plural, JSON, JSON)

    def extensions(self, version: str, kind: str, plural: str) -> Resource:
        """Return a typed client without a content type, such as those of CRDs in Kubernetes' tests."""
        return Resource(self, version, kind, plural, JSON, f"{JSON}, */*")


@dataclass(frozen=True)
class Resource:
    """The verbs of one resource; `namespace` is "" for all and for kinds without one."""

    api: GoClient
    version: str
    kind: str
    plural: str
    form: str
    accept: str

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        root = "/apis/" if "/" in self.version else "/api/"
        within = f"/namespaces/{namespace}" if namespace else ""
        parts = [f"{root}{self.version}{within}/{self.plural}", name, subresource]
        return "/".join(part for part in parts if part)

    def _body(self, value: Object, kind: str = "") -> bytes:
        # The dynamic client's options are of v1, a typed client's of the version of its kind.
        version = "v1" if kind and self.accept == JSON else self.version
        whole = {"apiVersion": version, "kind": kind or self.kind, **value}
        return objects.encode(whole) if self.form == PROTOBUF else json.dumps(whole).encode()

    def _write(
        self, method: str, path: str, value: Object, query: Mapping[str, Any], kind: str = ""
    ) -> Object:
        return self.api.send(
            method, path, query=query, body=self._body(value, kind),
            content_type=self.form, accept=self.accept,
        ).value()  # fmt: skip

    def create(self, namespace: str, value: Object, sub: str = "", **query: str) -> Object:
        name = value["metadata"]["name"] if sub else ""
        return self._write("POST", self.path(namespace, name, sub), value, query)

    def update(self, namespace: str, value: Object, sub: str = "", **query: str) -> Object:
        path = self.path(namespace, value["metadata"]["name"], sub)
        return self._write("PUT", path, value, query)

    def patch(
        self, namespace: str, name: str, change: Any, form: str = STRATEGIC, sub: str = "",
        **query: str,
    ) -> Object:  # fmt: skip
        body = change if isinstance(change, bytes) else json.dumps(change).encode()
        return self.api.send(
            "PATCH", self.path(namespace, name, sub), query=query, body=body,
            content_type=form, accept=self.accept,
        ).value()  # fmt: skip

    def get(self, namespace: str, name: str, sub: str = "", **query: str) -> Object:
        path = self.path(namespace, name, sub)
        return self.api.send("GET", path, query=query, accept=self.accept).value()

    def list(self, namespace: str = "", **query: Any) -> Object:
        return self.api.send(
            "GET", self.path(namespace), query=query, accept=self.accept
        ).value()  # fmt: skip

    def items(self, namespace: str = "", **query: Any) -> list[Object]:
        return self.list(namespace, **query).get("items") or []

    def delete(self, namespace: str, name: str, **options: Any) -> None:
        self._write("DELETE", self.path(namespace, name), options, {}, "DeleteOptions")

    def delete_collection(self, namespace: str, label: str) -> None:
        query = {"labelSelector": label}
        self._write("DELETE", self.path(namespace), {}, query, "DeleteOptions")

    def gone(self, namespace: str, name: str) -> bool:
        """Say whether an object is not found."""
        try:
            self.get(namespace, name)
        except Refused as refused:
            if refused.reason != "NotFound":
                raise
            return True
        return False

    def changed(
        self, namespace: str, name: str, change: Callable[[Object], None], sub: str = ""
    ) -> Object:
        """Get, change and update; again after a conflict, as retry.RetryOnConflict."""
        for _ in range(5):
            value = self.get(namespace, name)
            change(value)
            try:
                return self.update(namespace, value, sub)
            except Refused as refused:
                if refused.reason != "Conflict":
                    raise
        raise AssertionError("conflicts without end")

    @contextmanager
    def watch(self, namespace: str = "", **query: Any) -> Iterator[Watch]:
        path = self.path(namespace) + "?" + urlencode({"watch": "true", **query})
        headers = {"Accept": self.accept, "User-Agent": AGENT, **self.api.token}
        opened = Watch(self.api.connect(120), path, headers)
        try:
            yield opened
        finally:
            opened.stop()


@dataclass(frozen=True)
class Event:
    """One event of a watch."""

    type: str
    object: Object


class Watch:
    """A stream of events, read by a thread of its own."""

    def __init__(
        self, connection: http.client.HTTPSConnection, target: str, headers: Mapping[str, str]
    ) -> None:
        self._connection = connection
        connection.request("GET", target, headers=dict(headers))
        self._answer = connection.getresponse()
        self.media = (self._answer.getheader("content-type") or "").split(",")[0]
        if self._answer.status != 200:
            found = {"content-type": self.media}
            Reply(self._answer.status, found, self._answer.read()).value()
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with suppress(OSError, ValueError, http.client.HTTPException, AttributeError):
            framed = self.media.split(";")[0] == PROTOBUF
            while (event := self._framed() if framed else self._line()) is not None:
                self._events.put(event)
        self._events.put(None)

    def _line(self) -> Event | None:
        line = self._answer.readline()
        if not line:
            return None
        value = json.loads(line)
        return Event(value["type"], value["object"])

    def _framed(self) -> Event | None:
        head = self._exactly(4)
        if head is None:
            return None
        message = self._exactly(int.from_bytes(head, "big"))
        assert message is not None
        found = fields_in(message, type=(1, DELIMITED), object=(2, DELIMITED))
        raw = fields_in(found["object"], raw=(1, DELIMITED))["raw"]
        version, kind, inner = unwrap(raw)
        return Event(found["type"].decode(), read_object(version, kind, inner))

    def _exactly(self, count: int) -> bytes | None:
        found = b""
        while len(found) < count:
            more = self._answer.read(count - len(found))
            if not more:
                return None
            found += more
        return found

    def next(self, timeout_s: float = 10) -> Event:
        """Return the next event; fails when the stream has ended or says nothing."""
        try:
            event = self._events.get(timeout=timeout_s)
        except queue.Empty:
            raise AssertionError("no event came") from None
        assert event is not None, "the watch was closed"
        return event

    def expect(self, kind: str, value: Object | None = None, timeout_s: float = 10) -> Event:
        """Skip events until one of the type has the object."""
        until = time.monotonic() + timeout_s
        while True:
            event = self.next(max(0.01, until - time.monotonic()))
            if event.type == kind and (value is None or event.object == value):
                return event

    def expect_none(self, kind: str, timeout_s: float = 0.15) -> None:
        """Fail when an event of the type comes (Kubernetes' tests wait ten seconds)."""
        with suppress(AssertionError):
            while (event := self.next(timeout_s)).type != kind:
                pass
            raise RuntimeError(f"came: {event}")

    def stop(self) -> None:
        """Close the connection, as a client that has seen enough."""
        with suppress(OSError):
            if self._connection.sock is not None:
                self._connection.sock.shutdown(2)
        self._thread.join(5)
        self._connection.close()


def poll(ask: Callable[[], T], timeout_s: float = 20, why: str = "") -> T:
    """Ask until the answer is true, every 50 ms."""
    until = time.monotonic() + timeout_s
    while not (answer := ask()):
        assert time.monotonic() < until, why or "never came true"
        time.sleep(0.05)
    return answer
