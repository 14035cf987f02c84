"""The Client port's contract: any form can be run through it.

A test module gives a fixture `play` that runs a scenario (an async function of a client) against an
empty server, and imports this module's tests with `from client_contract import *`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest

from roost.api.errors import AlreadyExists, BadRequest, Conflict, Invalid, NotFound
from roost.api.kind import Resource
from roost.api.values import Object
from roost.client.port import Client, DeleteOptions, PatchType, Query, WatchEvent

Scenario = Callable[[Client], Awaitable[None]]
Play = Callable[[Scenario], None]

MAPS = Resource("", "v1", "configmaps")
PODS = Resource("", "v1", "pods")
SPACES = Resource("", "v1", "namespaces")
DEPLOYMENTS = Resource("apps", "v1", "deployments")


def config(name: str, labels: dict[str, str] | None = None, **data: str) -> Object:
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}


def pod(name: str) -> Object:
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "example.com/c:1"}]},
    }


async def prepared(client: Client) -> None:
    await client.create(SPACES, {"metadata": {"name": "here"}})


def test_what_was_created_can_be_read(play: Play) -> None:
    async def scenario(client: Client) -> None:
        await prepared(client)
        made = await client.create(MAPS, config("a", k="1"), "here")
        assert made["metadata"]["namespace"] == "here"
        assert made["metadata"]["uid"]
        found = await client.get(MAPS, "a", "here")
        assert found["data"] == {"k": "1"}
        assert found["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
        assert (found["kind"], found["apiVersion"]) == ("ConfigMap", "v1")

    play(scenario)


def test_errors_are_typed(play: Play) -> None:
    async def scenario(client: Client) -> None:
        await prepared(client)
        with pytest.raises(NotFound, match='configmaps "none" not found'):
            await client.get(MAPS, "none", "here")
        await client.create(MAPS, config("a"), "here")
        with pytest.raises(AlreadyExists):
            await client.create(MAPS, config("a"), "here")
        with pytest.raises(Invalid) as caught:
            await client.create(MAPS, config("Not_A_Name"), "here")
        assert caught.value.details is not None
        assert caught.value.details["causes"][0]["field"] == "metadata.name"
        with pytest.raises(BadRequest):
            await client.list(Query(MAPS, "here", labels="a in"))
        with pytest.raises(NotFound):
            await client.list(Query(Resource("nobody.example.com", "v1", "things")))

    play(scenario)


def test_update_needs_the_newest_version(play: Play) -> None:
    async def scenario(client: Client) -> None:
        await prepared(client)
        first = await client.create(MAPS, config("a", k="1"), "here")
        second = await client.update(MAPS, {**first, "data": {"k": "2"}}, "here")
        assert second["data"] == {"k": "2"}
        with pytest.raises(Conflict, match="the object has been modified"):
            await client.update(MAPS, {**first, "data": {"k": "3"}}, "here")

    play(scenario)


def test_a_write_that_changes_nothing_writes_nothing(play: Play) -> None:
    async def scenario(client: Client) -> None:
        await prepared(client)
        first = await client.create(MAPS, config("a", k="1"), "here")
        again = await client.update(MAPS, first, "here")
        assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]

    play(scenario)


@pytest.mark.parametrize(
    ("type_", "body"),
    [
        (PatchType.MERGE, {"data": {"k": "2", "old": None}}),
        (PatchType.STRATEGIC, {"data": {"k": "2", "old": None}}),
        (
            PatchType.JSON,
            [
                {"op": "replace", "path": "/data/k", "value": "2"},
                {"op": "remove", "path": "/data/old"},
            ],
        ),
    ],
)
def test_patches(play: Play, type_: PatchType, body: object) -> None:
    async def scenario(client: Client) -> None:
        await prepared(client)
        await client.create(MAPS, config("a", k="1", old="x"), "here")
        patched = await client.patch(MAPS, "a", body, "here", type=type_)
        assert patched["data"] == {"k": "2"}

    play(scenario)


def test_apply_creates_and_keeps_to_its_own(play: Play) -> None:
    async def scenario(client: Client) -> None:
        await prepared(client)
        mine: Object = {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"},
        }  # fmt: skip
        apply = PatchType.APPLY
        made = await client.patch(MAPS, "a", mine, "here", type=apply, field_manager="me")
        assert made["data"] == {"k": "1"}
        theirs = {**mine, "data": {"k": "2"}}
        with pytest.raises(Conflict, match='conflict with "me"'):
            await client.patch(MAPS, "a", theirs, "here", type=apply, field_manager="you")
        forced = await client.patch(
            MAPS, "a", theirs, "here", type=apply, field_manager="you", force=True
        )
        assert forced["data"] == {"k": "2"}

    play(scenario)


def test_status_is_written_apart(play: Play) -> None:
    async def scenario(client: Client) -> None:
        await prepared(client)
        made = await client.create(PODS, pod("p"), "here")
        changed = {**made, "status": {**made["status"], "phase": "Running"}}
        assert (await client.update(PODS, changed, "here"))["status"]["phase"] == "Pending"
        written = await client.update(PODS, changed, "here", subresource="status")
        assert written["status"]["phase"] == "Running"
        body = {"status": {"message": "hello"}}
        patched = await client.patch(PODS, "p", body, "here", subresource="status")
        assert patched["status"]["message"] == "hello"

    play(scenario)


def test_subresources_of_other_kinds(play: Play) -> None:
    async def scenario(client: Client) -> None:
        await prepared(client)
        await client.create(PODS, pod("p"), "here")
        binding: Object = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
        await client.create(PODS, binding, "here", name="p", subresource="binding")
        assert (await client.get(PODS, "p", "here"))["spec"]["nodeName"] == "n"
        spec = pod("x")["spec"]
        labels = {"app": "x"}
        await client.create(
            DEPLOYMENTS,
            {
                "metadata": {"name": "d"},
                "spec": {
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": spec},
                },
            },
            "here",
        )
        scale = await client.get(DEPLOYMENTS, "d", "here", subresource="scale")
        assert scale["spec"]["replicas"] == 1
        body = {"spec": {"replicas": 4}}
        await client.patch(DEPLOYMENTS, "d", body, "here", subresource="scale")
        deployment = await client.get(DEPLOYMENTS, "d", "here")
        assert deployment["spec"]["replicas"] == 4
        assert deployment["metadata"]["generation"] == 2

    play(scenario)


def test_delete_and_its_preconditions(play: Play) -> None:
    async def scenario(client: Client) -> None:
        await prepared(client)
        made = await client.create(MAPS, config("a"), "here")
        with pytest.raises(Conflict, match="UID in the precondition"):
            await client.delete(MAPS, "a", "here", DeleteOptions(uid="other"))
        await client.delete(MAPS, "a", "here", DeleteOptions(uid=made["metadata"]["uid"]))
        with pytest.raises(NotFound):
            await client.delete(MAPS, "a", "here")

    play(scenario)


def test_finalizers_hold_an_object(play: Play) -> None:
    async def scenario(client: Client) -> None:
        await prepared(client)
        body = config("a")
        body["metadata"]["finalizers"] = ["example.com/hold"]
        await client.create(MAPS, body, "here")
        await client.delete(MAPS, "a", "here")
        held = await client.get(MAPS, "a", "here")
        assert held["metadata"]["deletionTimestamp"]
        await client.patch(MAPS, "a", {"metadata": {"finalizers": None}}, "here")
        with pytest.raises(NotFound):
            await client.get(MAPS, "a", "here")

    play(scenario)


def test_lists_select_and_come_in_pages(play: Play) -> None:
    async def scenario(client: Client) -> None:
        await prepared(client)
        for name in ("a", "b", "c", "d"):
            await client.create(MAPS, config(name, {"odd": str(name in "ac")}), "here")
        odd = await client.list(Query(MAPS, "here", labels="odd=True"))
        assert [item["metadata"]["name"] for item in odd.items] == ["a", "c"]
        named = await client.list(Query(MAPS, "here", fields="metadata.name=b"))
        assert [item["metadata"]["name"] for item in named.items] == ["b"]
        page = await client.list(Query(MAPS, "here"), limit=3)
        assert len(page.items) == 3
        await client.create(MAPS, config("e"), "here")
        rest = await client.list(Query(MAPS, "here"), limit=3, continue_token=page.continue_token)
        # A list is of one moment: what came after its first page is not in it.
        assert [item["metadata"]["name"] for item in rest.items] == ["d"]
        assert not rest.continue_token

    play(scenario)


async def events_of(client: Client, query: Query, since: str, count: int) -> list[WatchEvent]:
    found: list[WatchEvent] = []
    async with asyncio.timeout(5), aclosing(client.watch(query, since)) as batches:  # type: ignore[type-var]
        async for batch in batches:
            found += [event for event in batch if event.type != "BOOKMARK"]
            if len(found) >= count:
                break
    return found


def test_a_watch_goes_on_where_a_list_ended(play: Play) -> None:
    async def scenario(client: Client) -> None:
        await prepared(client)
        await client.create(MAPS, config("before"), "here")
        listed = await client.list(Query(MAPS, "here"))
        await client.create(MAPS, config("a", k="1"), "here")
        await client.patch(MAPS, "a", {"data": {"k": "2"}}, "here")
        await client.delete(MAPS, "a", "here")
        events = await events_of(client, Query(MAPS, "here"), listed.resource_version, 3)
        assert [event.type for event in events] == ["ADDED", "MODIFIED", "DELETED"]
        assert [event.object["data"]["k"] for event in events] == ["1", "2", "2"]
        versions = [int(event.object["metadata"]["resourceVersion"]) for event in events]
        assert versions == sorted(set(versions))

    play(scenario)


def test_a_watch_from_zero_begins_with_what_is_there(play: Play) -> None:
    async def scenario(client: Client) -> None:
        await prepared(client)
        await client.create(MAPS, config("a"), "here")
        await client.create(MAPS, config("b"), "here")
        events = await events_of(client, Query(MAPS, "here"), "0", 2)
        told = {(event.type, event.object["metadata"]["name"]) for event in events}
        assert {("ADDED", "a"), ("ADDED", "b")} <= told

    play(scenario)


def test_selectors_turn_transitions_into_events(play: Play) -> None:
    async def scenario(client: Client) -> None:
        await prepared(client)
        listed = await client.list(Query(MAPS, "here"))
        await client.create(MAPS, config("a", {"in": "no"}), "here")
        await client.patch(MAPS, "a", {"metadata": {"labels": {"in": "yes"}}}, "here")
        await client.patch(MAPS, "a", {"metadata": {"labels": {"in": "no"}}}, "here")
        query = Query(MAPS, "here", labels="in=yes")
        events = await events_of(client, query, listed.resource_version, 2)
        assert [event.type for event in events] == ["ADDED", "DELETED"]
        assert events[1].object["metadata"]["labels"] == {"in": "yes"}

    play(scenario)


def test_a_live_watch_hears_of_new_objects(play: Play) -> None:
    async def scenario(client: Client) -> None:
        await prepared(client)
        listed = await client.list(Query(MAPS))
        waiting = asyncio.create_task(events_of(client, Query(MAPS), listed.resource_version, 1))
        await asyncio.sleep(0.01)
        await client.create(MAPS, config("late"), "here")
        assert (await waiting)[0].object["metadata"]["name"] == "late"

    play(scenario)


__all__ = [name for name in dir() if name.startswith("test_")]
