"""Protobuf at the API server: who gets it, and that every answer has the form."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from fakes.cluster import FixedClock
from fakes.world import AllowAll
from roost.adapters.virtual.chance import SeededChance
from roost.adapters.virtual.ids import SeededIds
from roost.api.errors import NotAcceptable, UnsupportedMediaType
from roost.api.protobuf import objects
from roost.api.protobuf.reading import read_message
from roost.api.registry import builtin
from roost.apiserver.encoding import decode
from roost.apiserver.messages import JSON, Request
from roost.apiserver.negotiation import PROTOBUF, body_type, negotiate
from roost.apiserver.server import ApiServer
from roost.store.memory import MemoryStore

BOTH = f"{PROTOBUF},{JSON}"
MAPS = "/api/v1/namespaces/default/configmaps"
TABLE = "as=Table;g=meta.k8s.io;v=v1"
PARTIAL = "as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


@pytest.mark.parametrize(
    ("accept", "custom", "media"),
    [
        (PROTOBUF, False, PROTOBUF),
        (BOTH, False, PROTOBUF),
        (f"{JSON},{PROTOBUF}", False, JSON),
        (f"{PROTOBUF};q=0.5,{JSON}", False, JSON),
        (BOTH, True, JSON),
        (f"{PROTOBUF};{TABLE},{JSON};{TABLE}", False, JSON),
        (f"{PROTOBUF};{PARTIAL}", False, PROTOBUF),
        ("*/*", False, JSON),
    ],
)
def test_who_gets_protobuf(accept, custom, media):
    assert negotiate(accept, "object", custom).media == media


@pytest.mark.parametrize(("accept", "custom"), [(PROTOBUF, True), (f"{PROTOBUF};{TABLE}", False)])
def test_where_there_is_none(accept, custom):
    with pytest.raises(NotAcceptable, match="only the following media types are accepted"):
        negotiate(accept, "object", custom)


def test_custom_resources_have_no_protobuf_body():
    assert body_type(PROTOBUF) == PROTOBUF
    with pytest.raises(UnsupportedMediaType):
        body_type(PROTOBUF, custom=True)


@asynccontextmanager
async def served():
    api = ApiServer(
        MemoryStore(), builtin(), FixedClock(), SeededChance(1), SeededIds(1),
        authorizer=AllowAll(),
    )  # fmt: skip
    task = asyncio.create_task(api.run())
    await api.ready()
    await send(api, "POST", "/api/v1/namespaces", "Namespace", {"metadata": {"name": "default"}})
    try:
        yield api
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def send(api, method, path, kind, value, accept=BOTH, query=""):
    body = objects.encode({"apiVersion": "v1", "kind": kind, **value})
    headers = {"content-type": PROTOBUF, "accept": accept}
    return api.handle(Request(method, path, query, headers, body))


def get(api, path, accept=BOTH, query=""):
    return api.handle(Request("GET", path, query, {"accept": accept}))


def test_objects_go_in_and_come_out():
    async def scene():
        async with served() as api:
            given = {"metadata": {"name": "a"}, "data": {"k": "v"}, "immutable": False}
            made = await send(api, "POST", MAPS, "ConfigMap", given)
            assert (made.code, made.content_type) == (201, PROTOBUF)
            asjson = await get(api, f"{MAPS}/a", JSON)
            assert objects.decode(made.body)[2] == decode(asjson.body)
            assert decode(asjson.body)["immutable"] is False
            partial = await get(api, f"{MAPS}/a", f"{PROTOBUF};{PARTIAL}")
            version, kind, found = objects.decode(partial.body)
            assert (version, kind) == ("meta.k8s.io/v1", "PartialObjectMetadata")
            assert found["metadata"]["name"] == "a"
            assert "data" not in found

    asyncio.run(scene())


def test_lists_are_those_of_json():
    async def scene():
        async with served() as api:
            for name in ("a", "b", "c"):
                await send(api, "POST", MAPS, "ConfigMap", {"metadata": {"name": name}})
            answer = await get(api, MAPS, query="limit=2")
            assert answer.content_type == PROTOBUF
            found = objects.decode(answer.body)[2]
            assert found == decode((await get(api, MAPS, JSON, "limit=2")).body)
            assert found["metadata"]["remainingItemCount"] == 1

    asyncio.run(scene())


def test_a_delete_has_options_and_an_error_is_a_status():
    async def scene():
        async with served() as api:
            await send(api, "POST", MAPS, "ConfigMap", {"metadata": {"name": "a"}})
            wrong = {"preconditions": {"uid": "another"}}
            refused = await send(api, "DELETE", f"{MAPS}/a", "DeleteOptions", wrong)
            status = objects.decode(refused.body)[2]
            assert (refused.code, status["reason"]) == (409, "Conflict")
            gone = await send(api, "DELETE", f"{MAPS}/a", "DeleteOptions", {})
            assert objects.decode(gone.body)[2]["status"] == "Success"
            missing = await get(api, f"{MAPS}/a", JSON)
            assert missing.content_type == JSON

    asyncio.run(scene())


def test_bad_bodies_are_bad_requests():
    async def scene():
        async with served() as api:
            headers = {"content-type": PROTOBUF, "accept": JSON}
            for body, why in (
                (b"k8s", "the object provided is unrecognized (must be of type ConfigMap): "),
                (objects.encode({"apiVersion": "v1", "kind": "Pod"}), "Pod in version"),
            ):
                answer = await api.handle(Request("POST", MAPS, "", headers, body))
                assert answer.code == 400
                assert decode(answer.body)["message"].startswith(why)

    asyncio.run(scene())


class Sink:
    """Keeps what it gets; `full` is set when `end` is in it."""

    def __init__(self, end):
        self.data = b""
        self.end = end
        self.full = asyncio.Event()

    def write(self, frames):
        self.data += frames.data
        if self.end in self.data:
            self.full.set()

    def close(self):
        """Nothing is open."""


def test_a_watch_is_frames_with_envelopes():
    async def scene():
        async with served() as api:
            await send(api, "POST", MAPS, "ConfigMap", {"metadata": {"name": "a"}})
            query = "watch=true&resourceVersion=1&timeoutSeconds=30"
            answer = await get(api, MAPS, query=query)
            assert answer.content_type == f"{PROTOBUF};stream=watch"
            first, second = Sink(b"\n\x01b"), Sink(b"\n\x01b")
            watches = [asyncio.create_task(answer.run(sink)) for sink in (first, second)]
            await send(api, "POST", MAPS, "ConfigMap", {"metadata": {"name": "b"}})
            async with asyncio.timeout(5):
                await asyncio.gather(first.full.wait(), second.full.wait())
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
            assert first.data == second.data
            return first.data

    data, seen = asyncio.run(scene()), []
    while data:
        size = int.from_bytes(data[:4], "big")
        event = read_message("meta.v1.WatchEvent", data[4 : 4 + size])
        seen.append((event["type"], event["object"]["kind"], event["object"]["metadata"]["name"]))
        data = data[4 + size :]
    assert seen == [("ADDED", "ConfigMap", "a"), ("ADDED", "ConfigMap", "b")]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api", "APIVersions"), ("/api/v1", "APIResourceList"), ("/apis", "APIGroupList"),
        ("/apis/apps", "APIGroup"),
    ],
)  # fmt: skip
def test_discovery_has_the_form_too(path, kind):
    async def scene():
        async with served() as api:
            answer = await get(api, path)
            return answer.content_type, objects.decode(answer.body)[1]

    assert asyncio.run(scene()) == (PROTOBUF, kind)


def test_every_built_in_kind_has_a_form():
    kinds = [kind for kind in builtin().kinds() if not objects.knows(kind.api_version, kind.name)]
    assert kinds == []
