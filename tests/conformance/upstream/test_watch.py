"""test/e2e/apimachinery/watch.go and chunking.go, table_conversion.go, server_version.go."""

from __future__ import annotations

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from goclient import JSON, PROTOBUF, GoClient, Refused, Resource

pytestmark = pytest.mark.slow
LEVEL = "privileged"
LABEL = "watch-this-configmap"


@pytest.fixture
def maps(api: GoClient) -> Resource:
    return api.typed("v1", "ConfigMap", "configmaps")


def labelled(name: str, value: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {LABEL: value}}}


def among(*values: str) -> str:
    return f"{LABEL} in ({','.join(values)})"


def mutate(maps: Resource, space: str, name: str, value: str) -> dict[str, Any]:
    def change(found: dict[str, Any]) -> None:
        found.setdefault("data", {})["mutation"] = value

    return maps.changed(space, name, change)


def relabel(maps: Resource, space: str, name: str, value: str) -> dict[str, Any]:
    def change(found: dict[str, Any]) -> None:
        found["metadata"]["labels"][LABEL] = value

    return maps.changed(space, name, change)


def test_watchers_observe_add_update_and_delete(maps: Resource, space: str):
    """Watchers should observe add, update, and delete watch notifications on configmaps"""
    with ExitStack() as stack:
        a, b, ab = (
            stack.enter_context(maps.watch(space, labelSelector=among(*values)))
            for values in (("A",), ("B",), ("A", "B"))
        )
        made = maps.create(space, labelled("a", "A"))
        for watch in (a, ab):
            watch.expect("ADDED", made)
        b.expect_none("ADDED")
        for value in ("1", "2"):
            changed = mutate(maps, space, "a", value)
            for watch in (a, ab):
                watch.expect("MODIFIED", changed)
        maps.delete(space, "a")
        for watch in (a, ab):
            watch.expect("DELETED")
        b.expect_none("DELETED")
        other = maps.create(space, labelled("b", "B"))
        for watch in (b, ab):
            watch.expect("ADDED", other)
        maps.delete(space, "b")
        for watch in (b, ab):
            watch.expect("DELETED")
        a.expect_none("ADDED")


def test_watch_starts_at_a_version(maps: Resource, space: str):
    """Watchers should be able to start watching from a specific resource version"""
    maps.create(space, labelled("m", "from"))
    first = mutate(maps, space, "m", "1")
    second = mutate(maps, space, "m", "2")
    maps.delete(space, "m")
    version = first["metadata"]["resourceVersion"]
    with maps.watch(space, resourceVersion=version, labelSelector=among("from")) as watch:
        event = watch.next()
        assert (event.type, event.object) == ("MODIFIED", second)
        assert watch.next().type == "DELETED"


def test_watch_restarts_where_another_stopped(maps: Resource, space: str):
    """Watchers should be able to restart watching from the last resource version observed by the
    previous watch"""
    with maps.watch(space, labelSelector=among("again")) as broken:
        made = maps.create(space, labelled("m", "again"))
        mutate(maps, space, "m", "1")
        broken.expect("ADDED", made)
        last = broken.expect("MODIFIED").object["metadata"]["resourceVersion"]
    second = mutate(maps, space, "m", "2")
    with maps.watch(space, resourceVersion=last, labelSelector=among("again")) as watch:
        maps.delete(space, "m")
        watch.expect("MODIFIED", second)
        watch.expect("DELETED")


def test_what_leaves_the_selector_is_deleted(maps: Resource, space: str):
    """Watchers should observe an object deletion if it stops meeting the requirements of the
    selector"""
    with maps.watch(space, labelSelector=among("wanted")) as watch:
        made = maps.create(space, labelled("m", "wanted"))
        first = mutate(maps, space, "m", "1")
        relabel(maps, space, "m", "wrong")
        watch.expect("ADDED", made)
        watch.expect("MODIFIED", first)
        watch.expect("DELETED")
        mutate(maps, space, "m", "2")
        watch.expect_none("MODIFIED")
        restored = relabel(maps, space, "m", "wanted")
        third = mutate(maps, space, "m", "3")
        maps.delete(space, "m")
        watch.expect("ADDED", restored)
        watch.expect("MODIFIED", third)
        watch.expect("DELETED")


def _produce(maps: Resource, space: str, stop: threading.Event) -> None:
    existing: list[int] = []
    number = 0
    while not stop.wait(0.005):
        step = random.choice(("create", "update", "delete")) if existing else "create"
        if step == "create":
            maps.create(space, {"metadata": {"name": f"cm-{number}"}})
            existing.append(number)
            number += 1
        elif step == "update":
            maps.update(space, {"metadata": {"name": f"cm-{random.choice(existing)}"}})
        else:
            maps.delete(space, f"cm-{existing.pop(random.randrange(len(existing)))}")


def test_concurrent_watches_see_the_same_order(maps: Resource, space: str):
    """Watchers should receive events on concurrent watches in same order"""
    version = maps.list(space)["metadata"]["resourceVersion"]
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        producing = pool.submit(_produce, maps, space, stop)
        stack.callback(stop.set)
        watches = []
        for _ in range(100):
            opened = maps.watch(space, resourceVersion=version, allowWatchBookmarks="true")
            watches.append(stack.enter_context(opened))
            seen = []
            for watch in watches:
                while (event := watch.next()).type == "BOOKMARK":
                    pass
                seen.append(event.object["metadata"]["resourceVersion"])
            assert len(set(seen)) == 1, seen
            version = seen[0]
        stop.set()
        producing.result(20)


@pytest.fixture
def templates(api: GoClient, space: str) -> Resource:
    """400 PodTemplates, made by 20 at a time."""
    found = api.typed("v1", "PodTemplate", "podtemplates")
    spec = {"containers": [{"name": "test", "image": "test2"}]}

    def make(number: int) -> None:
        meta = {"name": f"template-{number:04}"}
        found.create(space, {"metadata": meta, "template": {"spec": spec}})

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(make, range(400)))
    return found


def test_lists_come_in_chunks(templates: Resource, space: str):
    """Servers with support for API chunking should return chunks of results for list calls"""
    for _ in range(3):
        found: list[str] = []
        versions = set()
        token: dict[str, str] = {}
        while True:
            limit = random.randint(1, 40)
            page = templates.list(space, limit=limit, **token)
            meta = page["metadata"]
            assert len(page["items"]) <= limit
            versions.add(meta["resourceVersion"])
            found += [item["metadata"]["name"] for item in page["items"]]
            if not meta.get("continue"):
                assert "remainingItemCount" not in meta
                break
            assert meta["remainingItemCount"] + len(found) == 400
            token = {"continue": meta["continue"]}
        assert found == [f"template-{number:04}" for number in range(400)]
        assert len(versions) == 1
    assert len(templates.items(space, limit=401)) == 400


def test_no_table_of_a_review(api: GoClient):
    """Servers with support for Table transformation should return a 406 for a backend which does
    not implement metadata"""
    reviews = api.typed(
        "authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews"
    )
    as_table = Resource(
        api, reviews.version, reviews.kind, reviews.plural, PROTOBUF,
        f"{JSON};as=Table;v=v1;g=meta.k8s.io",
    )  # fmt: skip
    with pytest.raises(Refused) as refused:
        as_table.create("", {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}})
    assert (refused.value.code, refused.value.status["code"]) == (406, 406)


def test_server_version(api: GoClient):
    """server version should find the server version"""
    reply = api.send("GET", "/version", accept=f"{PROTOBUF}, */*")
    version = json.loads(reply.body)
    assert version["major"].isdecimal()
    assert version["minor"].isdecimal()


def test_go_is_answered_in_http_1_1(api: GoClient):
    """No test of Kubernetes': Go offers h2 first."""
    assert api.protocol() == "http/1.1"
