"""Requests as they go over the wire, with the credentials of one caller."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from roost.adapters.real.clock import SystemClock
from roost.adapters.virtual.files import MemoryFiles
from roost.apiserver.pki.authority import Authority
from roost.apiserver.pki.files import Identity


@dataclass(frozen=True)
class Answer:
    """What the server said: the code, and the body as an object (or as text)."""

    code: int
    body: Any


@dataclass(frozen=True)
class Caller:
    """Somebody who asks: by client certificate, by headers, or without either."""

    url: str
    ca: str
    identity: Identity | None = None
    headers: Mapping[str, str | list[str]] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """Send one request on a connection of its own."""
        context = ssl.create_default_context(cadata=self.ca)
        if self.identity is not None:
            load_identity(context, self.identity)
        place = urlsplit(self.url)
        connection = http.client.HTTPSConnection(
            place.hostname or "", place.port, context=context, timeout=20
        )
        connection.putrequest(method, path)
        data = b"" if body is None else json.dumps(body).encode()
        given: dict[str, Any] = {"Content-Type": "application/json", **self.headers, **headers}
        for name, values in given.items():
            for value in values if isinstance(values, list) else [values]:
                connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return Answer(answer.status, json.loads(text) if text.startswith("{") else text)

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def made(self, path: str, body: object) -> Any:
        """Create an object; fail unless it is created."""
        answer = self.ask("POST", path, body)
        assert answer.code in (200, 201), answer
        return answer.body

    def whoami(self) -> Any:
        """Return who the server takes the caller for; the code where it takes him for nobody."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = self.ask("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
        return answer.body["status"]["userInfo"] if answer.code == 201 else answer.code

    def as_(self, **headers: str | list[str]) -> Caller:
        """Return the same caller with more headers, whose names have _ for -."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return Caller(self.url, self.ca, self.identity, {**self.headers, **more})

    def bearer(self, token: str) -> Caller:
        """Return somebody who only has a token."""
        return Caller(self.url, self.ca, None, {"Authorization": f"Bearer {token}"})

    def certified(self, identity: Identity) -> Caller:
        """Return somebody who has a client certificate."""
        return Caller(self.url, self.ca, identity)


def administrator(url: str, data: Path) -> Caller:
    """Return the caller whose kubeconfig the server wrote."""
    document = yaml.safe_load((data / "admin.kubeconfig").read_text())
    user, cluster = document["users"][0]["user"], document["clusters"][0]["cluster"]
    identity = Identity(
        _decoded(user["client-certificate-data"]), _decoded(user["client-key-data"])
    )
    return Caller(url, _decoded(cluster["certificate-authority-data"]).decode(), identity)


def _decoded(text: str) -> bytes:
    return base64.b64decode(text)


def load_identity(context: ssl.SSLContext, identity: Identity) -> None:
    """Give a TLS context a certificate with its key."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(identity.certificate + identity.key)
        file.flush()
        context.load_cert_chain(file.name)


def authority(name: str) -> Authority:
    """Return an authority that only lives in memory."""
    return Authority.open(MemoryFiles(), f"/{name}", SystemClock(), name)
