"""What must hold for every answer, whatever was asked."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from fuzz.scene import ADMIN
from roost.api.protobuf import objects
from roost.api.schema.decode import decode
from roost.apiserver.messages import Answer, Frames, Request, Response, WatchAnswer
from roost.apiserver.requestinfo import parse_path
from roost.apiserver.server import ApiServer

_PROTOBUF = "application/vnd.kubernetes.protobuf"
#: Faults that the real server answers with 500 too.
_FOREIGN = ("failed calling webhook", "nobody is there", "resourceVersion: Invalid value",
            "resourceVersion should not be set on objects to be created", "target.kind: Unsupported value",
            "no preferred addresses found", "unknown patch type", "expected a []interface {}, but r",
            "target.name: Required value")  # fmt: skip


class Broken(Exception):
    """A rule does not hold; the text says which."""


class _Drain:
    """A sink that forgets."""

    def __init__(self) -> None:
        self.size_bytes = 0

    def write(self, frames: Frames) -> None:
        self.size_bytes += len(frames.data)

    def close(self) -> None:
        """Nothing is held open."""


async def check(api: ApiServer, request: Request, answer: Response) -> int:
    """Return the code of an answer that keeps the rules; raises Broken."""
    if isinstance(answer, WatchAnswer):
        await _watched(answer)
        return 200
    if not isinstance(answer, Answer):
        return 299
    body = answer.whole()
    for name, value in answer.headers:
        if "\n" in value or "\r" in value or "\n" in name:
            raise Broken(f"header {name} has a line break")
    if b"\n" in answer.head.replace(b"\r\n", b"") or b"\r\n\r\n" in answer.head:
        raise Broken("head can be split")
    if answer.code >= 500:
        said = body.decode("utf-8", "replace")
        if not any(known in said for known in _FOREIGN) and answer.code == 500:
            raise Broken(f"500: {said[:300]}")
    if answer.code >= 400:
        _error(answer, body)
    elif answer.code in {200, 201} and request.method in {"POST", "PUT", "PATCH"}:
        await _stored(api, request, body, answer.content_type)
    return answer.code


async def _watched(answer: WatchAnswer) -> None:
    try:
        async with asyncio.timeout(0.003):
            await answer.run(_Drain())
    except TimeoutError:
        pass


def _error(answer: Answer, body: bytes) -> None:
    if answer.content_type.startswith("text/plain") or not body:
        return
    if answer.content_type == _PROTOBUF:
        _, kind, status = objects.decode(body)
    else:
        status = msgspec.json.decode(body)
        kind = status.get("kind")
    if kind != "Status" or status.get("status") != "Failure" or status.get("code") != answer.code:
        raise Broken(f"{answer.code} without a Status: {body[:200]!r}")
    if not isinstance(status.get("message"), str):
        raise Broken(f"Status without a message: {body[:200]!r}")


async def _stored(api: ApiServer, request: Request, body: bytes, media: str) -> None:
    """What is stored is good: it decodes without complaint, in every form, and can be written back."""
    info = parse_path(request.method, request.path)
    kind = api.registry.find(info.group, info.version, info.resource)
    if kind is None or "get" not in kind.verbs or "dryRun" in request.query:
        return
    name = info.name
    if not name:
        if media != "application/json":
            return
        shown = msgspec.json.decode(body)
        name = shown.get("metadata", {}).get("name", "")
        if not name or shown.get("kind") != kind.name:
            return
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    if kind.namespaced:
        root += f"/namespaces/{info.namespace}"
    path = f"{root}/{kind.plural}/{name}"

    async def ask(method: str, query: str = "", body: bytes = b"", **headers: str) -> Answer:
        answer = await api.handle(Request(method, path, query, headers, body, ADMIN, path))
        assert isinstance(answer, Answer)
        return answer

    for accept in ("application/json;as=Table;v=v1;g=meta.k8s.io", _PROTOBUF, "application/yaml"):
        form = await ask("GET", accept=accept)
        if form.code not in {200, 404, 406}:
            raise Broken(f"read back as {accept}: {form.code} {form.whole()[:300]!r}")
        if form.code == 200 and form.content_type == _PROTOBUF:
            objects.decode(form.whole())
    plain = await ask("GET")
    if plain.code == 404:
        return
    if plain.code != 200:
        raise Broken(f"read back: {plain.code} {plain.whole()[:300]!r}")
    raw = plain.whole()
    value: Any = msgspec.json.decode(raw)
    _, complaints = decode(api.core.node(kind), value)
    if complaints:
        raise Broken(f"stored with {complaints[:3]}")
    if "update" not in kind.verbs:
        return
    again = await ask("PUT", "dryRun=All&fieldValidation=Strict", raw)
    if again.code in {400, 422, 500}:
        said = again.whole()
        if not any(known.encode() in said for known in _FOREIGN):
            raise Broken(f"cannot be written back: {again.code} {said[:600]!r}")
