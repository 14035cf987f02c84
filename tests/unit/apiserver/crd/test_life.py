"""A definition from its creation to the removal of its last object."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from roost.apiserver.messages import Frames, WatchAnswer
from roost.store.port import Full

from .conftest import DEFINITIONS, TOYS, Asker, definition, toy

Play = Callable[..., None]
SPEC = {"spec": {"type": "object", "properties": {"a": {"type": "integer", "default": 3}}}}


def conditions(body: Any) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in body["status"]["conditions"]}


def test_served_as_soon_as_the_definition_is_answered(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define(SPEC)
        code, body = await asker.ask("POST", TOYS, toy("x", {}))
        assert (code, body["spec"], body["metadata"]["generation"]) == (201, {"a": 3}, 1)
        _, found = await asker.ask("GET", f"{DEFINITIONS}/toys.example.com")
        assert conditions(found) == {
            "NamesAccepted": ("True", "NoConflicts"),
            "Established": ("True", "InitialNamesAccepted"),
        }
        _, resources = await asker.ask("GET", "/apis/example.com/v1")
        assert [one["name"] for one in resources["resources"]] == ["toys"]
        _, document = await asker.ask("GET", "/openapi/v3/apis/example.com/v1")
        assert "com.example.v1.Toy" in document["components"]["schemas"]

    play(scene)


def test_served_again_after_a_restart(play: Play) -> None:
    async def first(asker: Asker) -> None:
        await asker.define(SPEC)
        await asker.ask("POST", TOYS, toy("x", {"a": 1}))

    async def second(asker: Asker) -> None:
        code, body = await asker.ask("GET", f"{TOYS}/x")
        assert (code, body["spec"]) == (200, {"a": 1})

    play(first, second)


def test_paths_out_of_scope_are_none(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define(SPEC)
        everywhere = "/apis/example.com/v1/toys"
        assert (await asker.ask("GET", everywhere))[0] == 200
        asked = [("POST", everywhere), ("DELETE", everywhere), ("PATCH", f"{everywhere}/x")]
        for method, path in (*asked, ("GET", f"{everywhere}/x")):
            body = None if method in ("GET", "DELETE") else toy("x", {})
            assert await asker.ask(method, path, body) == (404, b"404 page not found\n")

    play(scene)


def test_bodies_of_another_version_or_none(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define(SPEC)
        code, body = await asker.ask("POST", TOYS, {**toy("x", {}), "apiVersion": "example.com/v9"})
        assert code == 400
        assert body["message"] == (
            "the API version in the data (example.com/v9) does not match the expected API version "
            "(example.com/v1)"
        )
        code, body = await asker.ask("POST", TOYS, {**toy("x", {}), "kind": 5})
        assert code == 400
        assert (
            "cannot unmarshal number into Go struct field .kind of type string" in body["message"]
        )

    play(scene)


def test_deleting_the_definition_deletes_its_objects_and_ends_watches(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define(SPEC)
        await asker.ask("POST", TOYS, toy("x", {}))
        watch = await asker.send("GET", f"{TOYS}?watch=true")
        assert isinstance(watch, WatchAnswer)
        seen: list[str] = []

        class Sink:
            def write(self, frames: Frames) -> None:
                seen.extend(json.loads(line)["type"] for line in frames.data.splitlines())

            def close(self) -> None:
                pass

        task = asyncio.create_task(watch.run(Sink()))
        await asyncio.sleep(0)
        code, body = await asker.ask("DELETE", f"{DEFINITIONS}/toys.example.com")
        assert code == 200
        assert body["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
        await asker.gone(f"{DEFINITIONS}/toys.example.com")
        assert (await asker.ask("GET", TOYS)) == (404, b"404 page not found\n")
        async with asyncio.timeout(5):
            await task
        assert seen == ["ADDED", "DELETED"]
        await asker.define(SPEC)
        _, listed = await asker.ask("GET", TOYS)
        assert listed["items"] == []

    play(scene)


def test_an_object_with_a_finalizer_keeps_its_definition(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define(SPEC)
        body = toy("x", {})
        body["metadata"]["finalizers"] = ["example.com/hold"]
        await asker.ask("POST", TOYS, body)
        await asker.ask("DELETE", f"{DEFINITIONS}/toys.example.com")
        for _ in range(20):
            await asyncio.sleep(0.001)
        _, found = await asker.ask("GET", f"{DEFINITIONS}/toys.example.com")
        assert conditions(found)["Terminating"] == ("True", "InstanceDeletionInProgress")
        assert (await asker.ask("POST", TOYS, toy("y", {})))[0] == 405
        _, resources = await asker.ask("GET", "/apis/example.com/v1")
        assert resources["resources"][0]["verbs"] == [
            "delete", "deletecollection", "get", "list", "watch",
        ]  # fmt: skip
        patch = {"metadata": {"finalizers": None}}
        await asker.ask("PATCH", f"{TOYS}/x", patch, content_type="application/merge-patch+json")
        await asker.gone(f"{DEFINITIONS}/toys.example.com")

    play(scene)


def test_a_definition_goes_as_soon_as_a_full_disk_lets_it(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define(SPEC)
        await asker.ask("POST", TOYS, toy("x", {}))
        store = asker.api.core.store
        commit, refusals = store.commit_together, []

        async def full(writes: Any) -> Any:
            if all(write.draft is None for write in writes) and len(refusals) < 6:
                refusals.extend(writes)
                raise Full("no space")
            return await commit(writes)

        store.commit_together = full  # type: ignore[method-assign] - a disk that fills up
        await asker.ask("DELETE", f"{DEFINITIONS}/toys.example.com")
        await asker.gone(f"{DEFINITIONS}/toys.example.com")
        assert len(refusals) == 6
        await asker.define(SPEC)

    play(scene)


def test_a_name_in_use_is_refused_until_it_is_free(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define(SPEC)
        other = definition(SPEC, "games")
        other["spec"]["names"]["shortNames"] = ["toy"]
        await asker.ask("POST", DEFINITIONS, other)
        _, found = await asker.ask("GET", f"{DEFINITIONS}/games.example.com")
        assert conditions(found)["NamesAccepted"] == ("False", "ShortNamesConflict")
        assert (await asker.ask("GET", TOYS.replace("toys", "games")))[0] == 404
        await asker.ask("DELETE", f"{DEFINITIONS}/toys.example.com")
        await asker.gone(f"{DEFINITIONS}/toys.example.com")
        assert (await asker.ask("GET", TOYS.replace("toys", "games")))[0] == 200

    play(scene)


def test_a_new_schema_is_live_and_its_defaults_are_read_into_old_objects(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define({"spec": {"type": "object", "properties": {"a": {"type": "integer"}}}})
        await asker.ask("POST", TOYS, toy("x", {"a": 1}))
        patch = [
            {
                "op": "add",
                "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/b",
                "value": {"type": "string", "default": "new"},
            }
        ]
        media = "application/json-patch+json"
        await asker.ask("PATCH", f"{DEFINITIONS}/toys.example.com", patch, content_type=media)
        _, found = await asker.ask("GET", f"{TOYS}/x")
        assert found["spec"] == {"a": 1, "b": "new"}
        _, listed = await asker.ask("GET", TOYS)
        assert listed["items"][0]["spec"] == {"a": 1, "b": "new"}
        _, made = await asker.ask("POST", TOYS, toy("y", {"b": "own"}))
        assert made["spec"] == {"b": "own"}

    play(scene)


def test_two_versions_of_the_same_object(play: Play) -> None:
    def version(name: str, field: str, *, storage: bool) -> dict[str, Any]:
        fields = {"a": {"type": "string"}, field: {"type": "string", "default": name}}
        schema = {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": fields}},
        }
        return {
            "name": name,
            "served": True,
            "storage": storage,
            "schema": {"openAPIV3Schema": schema},
        }

    async def scene(asker: Asker) -> None:
        await asker.define(
            {}, versions=[version("v1", "b", storage=True), version("v2", "c", storage=False)]
        )
        other = TOYS.replace("v1", "v2")
        _, made = await asker.ask("POST", other, toy("x", {"a": "1"}, "v2"))
        assert (made["apiVersion"], made["spec"]) == ("example.com/v2", {"a": "1"})
        _, stored = await asker.ask("GET", f"{TOYS}/x")
        assert stored["spec"] == {"a": "1", "b": "v1"}
        _, listed = await asker.ask("GET", other)
        assert [one["apiVersion"] for one in listed["items"]] == ["example.com/v2"]

    play(scene)
