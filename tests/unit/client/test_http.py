"""The HTTP client does not believe everything: what is no proper answer is an error, never empty."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from roost.api.errors import (
    Expired,
    Forbidden,
    NotFound,
    ServiceUnavailable,
    StatusError,
    Unauthorized,
)
from roost.api.kind import Resource
from roost.client.http import HttpClient, path_of
from roost.client.kubeconfig import Connection
from roost.client.port import Query

PODS = Resource("", "v1", "pods")
ITEM = {"metadata": {"name": "a", "resourceVersion": "5"}}
GOOD = {
    "kind": "PodList",
    "apiVersion": "v1",
    "metadata": {"resourceVersion": "7"},
    "items": [ITEM],
}


def against(
    answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    work: Callable[[HttpClient], Awaitable[object]],
) -> object:
    """Run `work` with a client of a server that gives every request the same answer."""

    async def main() -> object:
        server = web.Server(answer)
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(server, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        try:
            async with HttpClient(Connection(f"http://127.0.0.1:{port}")) as client:
                return await work(client)
        finally:
            listener.close()
            await server.shutdown(0.1)

    return asyncio.run(main())


def listed(status: int, content: bytes, kind: str = "application/json") -> object:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, body=content, content_type=kind)

    return against(answer, lambda client: client.list(Query(PODS)))


def test_a_list_is_complete_and_says_what_its_items_are():
    found = listed(200, json.dumps(GOOD).encode())
    assert found.resource_version == "7"
    assert found.items == [{**ITEM, "apiVersion": "v1", "kind": "Pod"}]


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [
        (401, b"", Unauthorized),
        (401, b'{"kind":"Status","reason":"Unauthorized","message":"no"}', Unauthorized),
        (403, b"<html>no</html>", Forbidden),
        (404, b"404 page not found", NotFound),
        (500, b"", StatusError),
        (503, b"starting", ServiceUnavailable),
        (200, b"", ServiceUnavailable),
        (200, b"garbage", ServiceUnavailable),
        (200, b"[]", ServiceUnavailable),
        (200, b"{}", ServiceUnavailable),
        (200, b'{"kind":"PodList","metadata":{}}', ServiceUnavailable),
        (200, b'{"kind":"PodList","metadata":{},"items":[]}', ServiceUnavailable),
        (200, b'{"kind":"Pod","metadata":{"resourceVersion":"1"},"items":[]}', ServiceUnavailable),
        (200, b'{"kind":"PodList","metadata":{"resourceVersion":"1"}}', ServiceUnavailable),
        (
            200,
            b'{"kind":"PodList","metadata":{"resourceVersion":"1"},"items":["x"]}',
            ServiceUnavailable,
        ),
        (200, json.dumps(GOOD).encode()[:-20], ServiceUnavailable),
    ],
)
def test_what_is_no_list_is_an_error(status, content, error):
    with pytest.raises(error):
        listed(status, content)


def test_a_server_that_is_not_there_is_an_error_too():
    async def main() -> None:
        async with HttpClient(Connection("http://127.0.0.1:9")) as client:
            await client.get(PODS, "a", "n")

    with pytest.raises(ServiceUnavailable, match="cannot reach"):
        asyncio.run(main())


def watched(*lines: bytes) -> list[tuple[str, str]]:
    seen: list[tuple[str, str]] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for line in lines:
            await response.write(line)
        return response

    async def work(client: HttpClient) -> None:
        async for batch in client.watch(Query(PODS), "5"):
            seen.extend((e.type, e.object["metadata"]["resourceVersion"]) for e in batch)

    against(answer, work)
    return seen


def event(kind: str, version: str) -> bytes:
    return json.dumps({"type": kind, "object": {"metadata": {"resourceVersion": version}}}).encode()


def test_a_watch_is_lines_however_they_are_cut():
    text = event("ADDED", "6") + b"\n" + event("BOOKMARK", "9") + b"\n"
    assert watched(text[:10], text[10:90], text[90:]) == [("ADDED", "6"), ("BOOKMARK", "9")]


def test_a_watch_that_is_too_old_says_so():
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    line = json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"
    with pytest.raises(Expired, match="too old"):
        watched(event("ADDED", "6") + b"\n", line)


@pytest.mark.parametrize("line", [b"junk\n", b"{}\n", b'{"type":"ADDED","object":{}}\n', b"[1]\n"])
def test_a_line_that_is_no_event_ends_the_watch_with_an_error(line):
    with pytest.raises(ServiceUnavailable):
        watched(line)


def test_paths_quote_what_a_name_may_not_say():
    assert path_of(PODS, "n", "a", "log") == "/api/v1/namespaces/n/pods/a/log"
    assert path_of(Resource("apps", "v1", "deployments"), "n") == (
        "/apis/apps/v1/namespaces/n/deployments"
    )
    assert path_of(PODS, "n", "../../secrets") == "/api/v1/namespaces/n/pods/..%2F..%2Fsecrets"
