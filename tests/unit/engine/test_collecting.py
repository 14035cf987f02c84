"""The collector and the namespace controller over a cluster in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fakes.cluster import Cluster, NoChance
from fakes.timeless import run
from roost.api.kind import Resource
from roost.api.values import Object
from roost.client.port import DeleteOptions
from roost.controllers.garbagecollector import garbage_collector
from roost.controllers.namespace import namespace_controller
from roost.decisions.controller import AnyController
from roost.decisions.resources import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    EVENTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
)
from roost.decisions.served import Served
from roost.engine.discovered import Discovered
from roost.engine.engine import Engine

SERVED = (
    Served(PODS, "Pod", namespaced=True),
    Served(CONFIG_MAPS, "ConfigMap", namespaced=True),
    Served(REPLICA_SETS, "ReplicaSet", namespaced=True),
    Served(EVENTS, "Event", namespaced=True),
    Served(NAMESPACES, "Namespace", namespaced=False),
)

ENDING: Object = {"metadata": {"deletionTimestamp": "2027-01-15T08:00:00Z"}}


@asynccontextmanager
async def running(cluster: Cluster, *controllers: AnyController) -> AsyncIterator[Engine]:
    engine = Engine(cluster, cluster.clock, NoChance(), controllers)
    task = asyncio.create_task(engine.run())
    try:
        await asyncio.wait_for(engine.synced.wait(), 60)
        yield engine
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def item(name: str, *owners: Object, namespace: str = "default", **metadata: Any) -> Object:
    """Return metadata of an object; owners are config maps."""
    references = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": True,
        }
        for owner in owners
    ]
    body: Object = {"metadata": {"name": name, "namespace": namespace, **metadata}}
    if references:
        body["metadata"]["ownerReferences"] = references
    return body


def names(cluster: Cluster, resource: Resource = CONFIG_MAPS) -> list[str]:
    return sorted(obj["metadata"]["name"] for obj in cluster.all(resource))


def test_background_deletion_takes_the_whole_tree() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        root = cluster.add(CONFIG_MAPS, item("root"))
        middle = cluster.add(CONFIG_MAPS, item("middle", root))
        cluster.add(CONFIG_MAPS, item("leaf", middle))
        cluster.add(CONFIG_MAPS, item("other"))
        async with running(cluster, garbage_collector(SERVED)):
            await asyncio.sleep(1)
            assert names(cluster) == ["leaf", "middle", "other", "root"]
            await cluster.delete(CONFIG_MAPS, "root", "default")
            await asyncio.sleep(5)
            assert names(cluster) == ["other"]

    run(scenario())


def test_what_has_another_owner_stays_and_loses_the_reference() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        one = cluster.add(CONFIG_MAPS, item("one"))
        two = cluster.add(CONFIG_MAPS, item("two"))
        cluster.add(CONFIG_MAPS, item("child", one, two))
        async with running(cluster, garbage_collector(SERVED)):
            await cluster.delete(CONFIG_MAPS, "one", "default")
            await asyncio.sleep(5)
            child = cluster.find(CONFIG_MAPS, "child", "default")
            assert [r["name"] for r in child["metadata"]["ownerReferences"]] == ["two"]

    run(scenario())


def test_foreground_deletion_goes_from_the_leaves() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        root = cluster.add(CONFIG_MAPS, item("root"))
        middle = cluster.add(CONFIG_MAPS, item("middle", root, finalizers=["test/hold"]))
        cluster.add(CONFIG_MAPS, item("leaf", middle))
        async with running(cluster, garbage_collector(SERVED)):
            options = DeleteOptions(propagation="Foreground")
            await cluster.delete(CONFIG_MAPS, "root", "default", options)
            await asyncio.sleep(5)
            assert names(cluster) == ["middle", "root"]
            held = cluster.find(CONFIG_MAPS, "middle", "default")
            assert held["metadata"]["finalizers"] == ["test/hold"]
            body = {"metadata": {"finalizers": None}}
            await cluster.patch(CONFIG_MAPS, "middle", body, "default")
            await asyncio.sleep(5)
            assert names(cluster) == []

    run(scenario())


def test_a_circle_is_broken_in_the_foreground() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        one = cluster.add(CONFIG_MAPS, item("one"))
        two = cluster.add(CONFIG_MAPS, item("two", one))
        three = cluster.add(CONFIG_MAPS, item("three", two))
        references = item("", three)["metadata"]["ownerReferences"]
        closing = {"metadata": {"ownerReferences": references}}
        await cluster.patch(CONFIG_MAPS, "one", closing, "default")
        async with running(cluster, garbage_collector(SERVED)):
            options = DeleteOptions(propagation="Foreground")
            await cluster.delete(CONFIG_MAPS, "one", "default", options)
            await asyncio.sleep(5)
            assert names(cluster) == []

    run(scenario())


def test_an_owner_goes_when_all_it_waits_for_found_another() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        one = cluster.add(CONFIG_MAPS, item("one"))
        two = cluster.add(CONFIG_MAPS, item("two"))
        cluster.add(CONFIG_MAPS, item("child", one, two))
        async with running(cluster, garbage_collector(SERVED)):
            options = DeleteOptions(propagation="Foreground")
            await cluster.delete(CONFIG_MAPS, "one", "default", options)
            await asyncio.sleep(5)
            assert names(cluster) == ["child", "two"]

    run(scenario())


def test_orphaning_keeps_the_dependents() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        root = cluster.add(CONFIG_MAPS, item("root"))
        cluster.add(CONFIG_MAPS, item("child", root))
        async with running(cluster, garbage_collector(SERVED)):
            await cluster.delete(
                CONFIG_MAPS, "root", "default", DeleteOptions(propagation="Orphan")
            )
            await asyncio.sleep(5)
            assert names(cluster) == ["child"]
            child = cluster.find(CONFIG_MAPS, "child", "default")
            assert "ownerReferences" not in child["metadata"]

    run(scenario())


def test_an_owner_that_only_the_server_knows_saves_its_dependents() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        root = cluster.add(CONFIG_MAPS, item("root"))
        cluster.add(REPLICA_SETS, {**item("child", root), "spec": {}})
        async with running(cluster, garbage_collector(SERVED)) as engine:
            await asyncio.sleep(1)
            # A cache that has lost an object for whatever reason must not cost its dependents.
            engine.informers[CONFIG_MAPS].remove("default", "root")
            cluster.change(REPLICA_SETS, "child", "default", {"metadata": {"labels": {"a": "b"}}})
            await asyncio.sleep(60)
            assert names(cluster, REPLICA_SETS) == ["child"]

    run(scenario())


def test_an_owner_of_a_kind_that_is_not_served_decides_nothing() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        body = item("child")
        body["metadata"]["ownerReferences"] = [
            {"apiVersion": "example.com/v1", "kind": "Gone", "name": "x", "uid": "u"}
        ]
        cluster.add(CONFIG_MAPS, body)
        async with running(cluster, garbage_collector(SERVED)):
            await asyncio.sleep(60)
            assert names(cluster) == ["child"]

    run(scenario())


def test_an_owner_in_another_namespace_is_told_and_counts_as_absent() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        root = cluster.add(CONFIG_MAPS, item("root", namespace="one"))
        cluster.add(CONFIG_MAPS, item("child", root, namespace="two"))
        async with running(cluster, garbage_collector(SERVED)):
            await asyncio.sleep(5)
            assert names(cluster) == ["root"]
            assert [e["reason"] for e in cluster.all(EVENTS)] == ["OwnerRefInvalidNamespace"]

    run(scenario())


def test_a_cluster_wide_object_with_an_owner_in_a_namespace_is_left_alone() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        root = cluster.add(CONFIG_MAPS, item("root"))
        body = item("child", root)
        del body["metadata"]["namespace"]
        cluster.add(NAMESPACES, body)
        async with running(cluster, garbage_collector(SERVED)):
            await asyncio.sleep(60)
            assert names(cluster, NAMESPACES) == ["child"]

    run(scenario())


def test_a_namespace_ends_pods_first_and_says_what_is_left() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        namespace = {"metadata": {"name": "web"}, "spec": {"finalizers": ["kubernetes"]}}
        cluster.add(NAMESPACES, namespace)
        cluster.add(PODS, {**item("p", namespace="web"), "spec": {"nodeName": "n"}})
        cluster.add(CONFIG_MAPS, item("c", namespace="web", finalizers=["test/hold"]))
        cluster.add(CONFIG_MAPS, item("kept", namespace="other"))
        cluster.add(EVENTS, item("e", namespace="web"))
        async with running(cluster, namespace_controller(SERVED)):
            cluster.change(
                NAMESPACES, "web", "", {"metadata": {"deletionTimestamp": "2027-01-15T08:00:00Z"}}
            )
            await asyncio.sleep(2)
            assert "deletionTimestamp" in cluster.all(PODS)[0]["metadata"]
            held = cluster.find(CONFIG_MAPS, "c", "web")
            assert "deletionTimestamp" not in held["metadata"]
            cluster.remove(PODS, "p", "web")
            await asyncio.sleep(2)
            status = cluster.find(NAMESPACES, "web")["status"]
            assert status["phase"] == "Terminating"
            messages = {c["type"]: c["message"] for c in status["conditions"]}
            assert messages["NamespaceContentRemaining"] == (
                "Some resources are remaining: configmaps. has 1 resource instances"
            )
            assert messages["NamespaceFinalizersRemaining"] == (
                "Some content in the namespace has finalizers remaining: "
                "test/hold in 1 resource instances"
            )
            await cluster.patch(CONFIG_MAPS, "c", {"metadata": {"finalizers": None}}, "web")
            await asyncio.sleep(0.1)
            assert cluster.find(NAMESPACES, "web") is not None
            await asyncio.sleep(2)
            assert cluster.find(NAMESPACES, "web") is None
            assert cluster.all(EVENTS) == []
            assert names(cluster) == ["kept"]

    run(scenario())


def test_a_namespace_is_not_finalized_on_the_word_of_a_cache() -> None:
    async def scenario() -> None:
        cluster = Cluster()
        cluster.add(
            NAMESPACES, {"metadata": {"name": "web"}, "spec": {"finalizers": ["kubernetes"]}}
        )
        async with running(cluster, namespace_controller(SERVED)):
            await asyncio.sleep(1)
            cluster.delay_s = 30.0  # the caches do not see this object for a while
            cluster.change(
                NAMESPACES, "web", "", {"metadata": {"deletionTimestamp": "2027-01-15T08:00:00Z"}}
            )
            await asyncio.sleep(29)
            cluster.add(CONFIG_MAPS, item("late", namespace="web", finalizers=["test/hold"]))
            await asyncio.sleep(20)
            assert cluster.find(NAMESPACES, "web") is not None

    run(scenario())


def test_custom_resources_are_collected_once_they_are_defined() -> None:
    widgets = Resource("example.com", "v1", "widgets")
    definition: Object = {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True}],
        },
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
    }

    async def scenario() -> None:
        cluster = Cluster()
        async with running(cluster) as engine:
            discovered = Discovered(engine, SERVED, lambda served: [garbage_collector(served)])
            task = asyncio.create_task(discovered.run())
            await asyncio.sleep(1)
            cluster.add(CUSTOM_RESOURCE_DEFINITIONS, definition)
            root = cluster.add(CONFIG_MAPS, item("root"))
            cluster.add(widgets, item("child", root))
            await asyncio.sleep(1)
            await cluster.delete(CONFIG_MAPS, "root", "default")
            await asyncio.sleep(5)
            assert cluster.all(widgets) == []
            cluster.remove(CUSTOM_RESOURCE_DEFINITIONS, "widgets.example.com")
            await asyncio.sleep(1)
            assert widgets not in engine.informers.resources()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(scenario())
