"""Versions that a webhook converts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from roost.apiserver.admission.webhooks.port import CallFailed, Endpoint
from roost.apiserver.messages import Frames, WatchAnswer

from .conftest import DEFINITIONS, TOYS, Asker, definition, toy

Play = Callable[..., None]
MERGE = "application/merge-patch+json"
OTHER = TOYS.replace("v1", "v2")


class Renamer:
    """A webhook in memory: what is `a` in v1 is `b` in v2."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.down = False

    async def post(self, endpoint: Endpoint, body: bytes, timeout_s: int) -> bytes:
        if self.down:
            raise CallFailed("it is down")
        assert (endpoint.url, timeout_s) == ("https://hook.example", 30)
        request = json.loads(body)["request"]
        self.calls.append(len(request["objects"]))
        target = request["desiredAPIVersion"]
        old, new = ("a", "b") if target.endswith("v2") else ("b", "a")
        made = []
        for value in request["objects"]:
            spec = dict(value["spec"])
            if old in spec:
                spec[new] = spec.pop(old)
            metadata = {**value["metadata"], "uid": "changed"}
            made.append({**value, "apiVersion": target, "spec": spec, "metadata": metadata})
        result = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": made}
        return json.dumps({"response": result}).encode()


def versioned() -> dict[str, Any]:
    def version(name: str, field: str, *, storage: bool) -> dict[str, Any]:
        fields = {field: {"type": "integer"}}
        schema = {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": fields}},
        }
        return {
            "name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema},
        }  # fmt: skip

    both = [version("v1", "a", storage=True), version("v2", "b", storage=False)]
    made = definition({}, versions=both)
    made["spec"]["conversion"] = {
        "strategy": "Webhook",
        "webhook": {
            "clientConfig": {"url": "https://hook.example"},
            "conversionReviewVersions": ["v1"],
        },
    }
    return made


def test_objects_are_converted_both_ways(play: Play) -> None:
    hook = Renamer()

    async def scene(asker: Asker) -> None:
        await asker.ask("POST", DEFINITIONS, versioned())
        code, made = await asker.ask("POST", f"{OTHER}?dryRun=All", toy("x", {"b": 1}, "v2"))
        assert (code, made["spec"], hook.calls) == (201, {"b": 1}, [])
        code, made = await asker.ask("POST", OTHER, toy("x", {"b": 1}, "v2"))
        assert (code, made["spec"]) == (201, {"b": 1})
        assert made["metadata"]["uid"] != "changed"
        assert (await asker.ask("GET", f"{TOYS}/x"))[1]["spec"] == {"a": 1}
        _, made = await asker.ask("PATCH", f"{OTHER}/x", {"spec": {"b": 2}}, content_type=MERGE)
        assert (made["spec"], made["metadata"]["generation"]) == ({"b": 2}, 2)
        assert (await asker.ask("DELETE", f"{OTHER}/x"))[0] == 200

    play(scene, caller=hook)


def test_a_list_is_converted_by_one_call(play: Play) -> None:
    hook = Renamer()

    async def scene(asker: Asker) -> None:
        await asker.ask("POST", DEFINITIONS, versioned())
        for number in range(5):
            await asker.ask("POST", TOYS, toy(f"x{number}", {"a": number}))
        assert hook.calls == []
        _, listed = await asker.ask("GET", OTHER)
        assert [one["spec"]["b"] for one in listed["items"]] == [0, 1, 2, 3, 4]
        assert hook.calls == [5]
        await asker.ask("GET", f"{OTHER}/x1")
        assert hook.calls == [5]  # what has not changed is not converted again

    play(scene, caller=hook)


def test_a_watch_shows_its_version(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.ask("POST", DEFINITIONS, versioned())
        watch = await asker.send("GET", f"{OTHER}?watch=true")
        assert isinstance(watch, WatchAnswer)
        arrived: asyncio.Queue[Any] = asyncio.Queue()

        class Sink:
            def write(self, frames: Frames) -> None:
                for line in frames.data.splitlines():
                    arrived.put_nowait(json.loads(line))

            def close(self) -> None:
                pass

        task = asyncio.create_task(watch.run(Sink()))
        await asyncio.sleep(0)
        await asker.ask("POST", TOYS, toy("x", {"a": 1}))
        async with asyncio.timeout(5):
            event = await arrived.get()
        assert (event["type"], event["object"]["spec"]) == ("ADDED", {"b": 1})
        task.cancel()
        await asyncio.wait([task])

    play(scene, caller=Renamer())


def test_a_webhook_that_is_down_is_told_and_harms_no_other_version(play: Play) -> None:
    hook = Renamer()

    async def scene(asker: Asker) -> None:
        await asker.ask("POST", DEFINITIONS, versioned())
        hook.down = True
        assert (await asker.ask("POST", TOYS, toy("x", {"a": 1})))[0] == 201
        code, body = await asker.ask("GET", f"{OTHER}/x")
        assert (code, body["message"]) == (
            500,
            "conversion webhook for example.com/v1, Kind=Toy failed: it is down",
        )

    play(scene, caller=hook)
