"""Cluster IPs: each has its IPAddress, from the same commit on, and comes from a range that is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from roost.store.port import ABSENT, Draft, Full

Play = Callable[[Any], None]
SERVICES = "/api/v1/namespaces/n/services"
ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"
RANGES = "/apis/networking.k8s.io/v1/servicecidrs"


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


def address(ip: str, **parent: str) -> dict[str, Any]:
    reference = {"resource": "services", "namespace": "n", "name": "a", **parent}
    return {"metadata": {"name": ip}, "spec": {"parentRef": reference}}


def cidr(name: str, *cidrs: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"cidrs": list(cidrs)}}


async def names(asker: Any) -> list[str]:
    _, found = await asker.ask("GET", ADDRESSES)
    return [item["metadata"]["name"] for item in found["items"]]


def test_an_address_comes_and_goes_with_its_service(play: Play) -> None:
    async def scene(asker: Any) -> None:
        _, made = await asker.ask("POST", SERVICES, service("a"))
        ip = made["spec"]["clusterIP"]
        _, found = await asker.ask("GET", f"{ADDRESSES}/{ip}")
        assert found["spec"]["parentRef"] == {
            "resource": "services", "namespace": "n", "name": "a",
        }  # fmt: skip
        assert found["metadata"]["labels"] == {
            "ipaddress.kubernetes.io/ip-family": "IPv4",
            "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
        }
        _, by_hand = await asker.ask(
            "POST",
            f"{ADDRESSES}?fieldManager=kube-apiserver",
            {
                "metadata": {"name": "10.96.9.9", "labels": found["metadata"]["labels"]},
                "spec": found["spec"],
            },
        )
        assert found["metadata"]["managedFields"] == by_hand["metadata"]["managedFields"]
        await asker.ask("DELETE", f"{ADDRESSES}/10.96.9.9")
        versions = [int(one["metadata"]["resourceVersion"]) for one in (found, made)]
        assert versions[1] == versions[0] + 1, "one commit, the address first"
        since = asker.api.core.store.revision()
        watch = await asker.watch(f"{ADDRESSES}?watch=true&resourceVersion={since}")
        await asker.ask("DELETE", f"{SERVICES}/a")
        (gone,) = await watch.until(1)
        assert (gone["type"], gone["object"]["metadata"]["name"]) == ("DELETED", ip)
        await watch.end()
        assert await names(asker) == []

    play(scene)


def test_an_update_gives_up_and_takes_addresses(play: Play) -> None:
    async def scene(asker: Any) -> None:
        _, made = await asker.ask("POST", SERVICES, service("a"))
        made["spec"] |= {"type": "ExternalName", "externalName": "x.example"}
        code, named = await asker.ask("PUT", f"{SERVICES}/a", made)
        assert (code, await names(asker)) == (200, [])
        named["spec"] = {**named["spec"], "type": "ClusterIP", "clusterIP": "10.96.7.7"}
        del named["spec"]["externalName"]
        code, _ = await asker.ask("PUT", f"{SERVICES}/a", named)
        assert (code, await names(asker)) == (200, ["10.96.7.7"])

    play(scene)


def test_what_is_headless_refused_or_tried_has_no_address(play: Play) -> None:
    async def scene(asker: Any) -> None:
        await asker.ask("POST", SERVICES, service("h", clusterIP="None"))
        await asker.ask("POST", f"{SERVICES}?dryRun=All", service("d"))
        await asker.ask("POST", SERVICES, service("bad", type="Nonsense"))
        assert await names(asker) == []
        await asker.ask("POST", SERVICES, service("a", clusterIP="10.96.7.7"))
        code, _ = await asker.ask("POST", SERVICES, service("a", clusterIP="10.96.7.8"))
        assert (code, await names(asker)) == (409, ["10.96.7.7"])

    play(scene)


def test_an_address_of_a_user_is_not_given_out(play: Play) -> None:
    async def scene(asker: Any) -> None:
        await asker.ask("POST", ADDRESSES, address("10.96.7.7"))
        code, refused = await asker.ask("POST", SERVICES, service("a", clusterIP="10.96.7.7"))
        assert (code, "provided IP is already allocated" in refused["message"]) == (422, True)
        await asker.ask("DELETE", f"{ADDRESSES}/10.96.7.7")
        code, _ = await asker.ask("POST", SERVICES, service("a", clusterIP="10.96.7.7"))
        assert code == 201
        await asker.ask("DELETE", f"{ADDRESSES}/10.96.7.7")
        code, _ = await asker.ask("POST", SERVICES, service("b", clusterIP="10.96.7.7"))
        assert code == 422, "its Service has it still"

    play(scene)


def test_a_finalizer_keeps_an_address_and_its_number(play: Play) -> None:
    async def scene(asker: Any) -> None:
        await asker.ask("POST", SERVICES, service("a", clusterIP="10.96.7.7"))
        path = f"{ADDRESSES}/10.96.7.7"
        patch = {"metadata": {"finalizers": ["x.example/hold"]}}
        merge = {"content_type": "application/merge-patch+json"}
        await asker.ask("PATCH", path, patch, **merge)
        await asker.ask("DELETE", f"{SERVICES}/a")
        _, held = await asker.ask("GET", path)
        assert held["metadata"]["deletionTimestamp"]
        again = service("b", clusterIP="10.96.7.7")
        assert (await asker.ask("POST", SERVICES, again))[0] == 422
        await asker.ask("PATCH", path, {"metadata": {"finalizers": None}}, **merge)
        assert (await asker.ask("POST", SERVICES, again))[0] == 201

    play(scene)


def test_addresses_come_from_the_ranges_that_are_ready(play: Play) -> None:
    async def scene(asker: Any) -> None:
        wish = service("a", clusterIP="10.200.0.1")
        code, refused = await asker.ask("POST", SERVICES, wish)
        why = "the provided network does not match the current range"
        assert (code, why in refused["message"]) == (422, True)
        await asker.ask("POST", RANGES, cidr("kubernetes", "10.96.0.0/30"))
        await asker.ask("POST", RANGES, cidr("more", "10.200.0.0/30"))
        assert (await asker.ask("POST", SERVICES, wish))[0] == 201
        for name in "bcd":
            assert (await asker.ask("POST", SERVICES, service(name)))[0] == 201
        assert await names(asker) == ["10.200.0.1", "10.200.0.2", "10.96.0.1", "10.96.0.2"]
        code, full = await asker.ask("POST", SERVICES, service("e"))
        assert code == 500
        why = "failed to allocate a serviceIP: range is full"
        assert full["message"] == f"Internal error occurred: {why}"
        assert full["details"]["causes"] == [{"message": why}]
        await asker.ask("DELETE", f"{SERVICES}/a")
        condition = {"type": "Ready", "status": "False", "reason": "Terminating", "message": "",
                     "lastTransitionTime": "2027-01-15T09:00:00Z"}  # fmt: skip
        merge = {"content_type": "application/merge-patch+json"}
        for conditions, answer in (([condition], 422), ([None], 201)):  # null says nothing
            more = {"status": {"conditions": conditions}}
            code, _ = await asker.ask("PATCH", f"{RANGES}/more/status", more, **merge)
            assert code == 200
            assert (await asker.ask("POST", SERVICES, wish))[0] == answer

    play(scene)


def test_many_services_at_once_have_addresses_of_their_own(play: Play) -> None:
    async def scene(asker: Any) -> None:
        await asker.ask("POST", RANGES, cidr("kubernetes", "10.96.0.0/26"))
        async with asyncio.TaskGroup() as tasks:
            asked = [
                tasks.create_task(asker.ask("POST", SERVICES, service(f"s{number}")))
                for number in range(70)
            ]
        codes = [task.result()[0] for task in asked]
        assert (codes.count(201), codes.count(500)) == (62, 8)
        assert len(await names(asker)) == 62

    play(scene)


def test_a_service_whose_client_goes_keeps_its_address(play: Play) -> None:
    async def scene(asker: Any) -> None:
        store, wait = asker.api.core.store, asyncio.Event()
        commit = store.commit_together

        async def slow(writes: Any) -> Any:
            await wait.wait()
            return await commit(writes)

        store.commit_together = slow
        body = service("a", clusterIP="10.96.7.7")
        asked = asyncio.create_task(asker.ask("POST", SERVICES, body))
        await asyncio.sleep(0.001)
        asked.cancel()
        await asyncio.sleep(0)
        wait.set()
        await asyncio.wait([asked])
        again = service("b", clusterIP="10.96.7.7")
        assert (await asker.ask("POST", SERVICES, again))[0] == 422
        assert await names(asker) == ["10.96.7.7"]

    play(scene)


@pytest.mark.parametrize("finalizers", [[], ["example.com/hold"]])
def test_a_service_whose_deleter_goes_gives_its_address_back(
    play: Play, finalizers: list[str]
) -> None:
    async def scene(asker: Any) -> None:
        body = service("a", clusterIP="10.96.7.7", type="NodePort")
        body["metadata"]["finalizers"] = finalizers
        body["spec"]["ports"][0]["nodePort"] = 30099
        await asker.ask("POST", SERVICES, body)
        last = ("DELETE", f"{SERVICES}/a")
        more: dict[str, Any] = {}
        if finalizers:
            await asker.ask(*last)
            last = ("PATCH", f"{SERVICES}/a", {"metadata": {"finalizers": None}})
            more = {"content_type": "application/merge-patch+json"}
        store, wait = asker.api.core.store, asyncio.Event()
        commit = store.commit_together

        async def slow(writes: Any) -> Any:
            await wait.wait()
            return await commit(writes)

        store.commit_together = slow
        asked = asyncio.create_task(asker.ask(*last, **more))
        await asyncio.sleep(0.001)
        asked.cancel()
        await asyncio.sleep(0)
        wait.set()
        await asyncio.wait([asked])
        body["metadata"]["finalizers"] = []
        assert (await asker.ask("POST", SERVICES, body))[0] == 201

    play(scene)


def test_a_full_disk_takes_no_address(play: Play) -> None:
    async def scene(asker: Any) -> None:
        store = asker.api.core.store
        commit = store.commit_together

        async def full(writes: Any) -> Any:
            raise Full("no space")

        store.commit_together = full
        body = service("a", clusterIP="10.96.7.7")
        code, refused = await asker.ask("POST", SERVICES, body)
        assert (code, refused["reason"]) == (500, "InternalError")
        assert refused["message"] == "Internal error occurred: no space"
        store.commit_together = commit
        assert (await asker.ask("POST", SERVICES, body))[0] == 201

    play(scene)


def test_an_address_that_another_server_gave_out_is_refused(play: Play) -> None:
    async def scene(asker: Any) -> None:
        store = asker.api.core.store
        for ip in ("10.96.7.7", "10.96.7.8"):
            draft = Draft(b'{"metadata":{"resourceVersion":"', b'","name":"%b"}}' % ip.encode())
            await store.commit(f"/registry/networking.k8s.io/ipaddresses/{ip}", draft, ABSENT)
        for _ in range(2):  # unknown at first, then known
            code, refused = await asker.ask("POST", SERVICES, service("a", clusterIP="10.96.7.7"))
            assert (code, "provided IP is already allocated" in refused["message"]) == (422, True)
        named = service("x", type="ExternalName", externalName="x.example")
        _, made = await asker.ask("POST", SERVICES, named)
        made["spec"] = {**made["spec"], "type": "ClusterIP", "clusterIP": "10.96.7.8"}
        code, refused = await asker.ask("PUT", f"{SERVICES}/x", made)
        assert (code, "provided IP is already allocated" in refused["message"]) == (422, True)

    play(scene)


def test_a_dry_run_takes_nothing_and_shows_what_it_might(play: Play) -> None:
    async def scene(asker: Any) -> None:
        async def tried(**spec: Any) -> Any:
            code, answer = await asker.ask("POST", f"{SERVICES}?dryRun=All", service("b", **spec))
            return answer["spec"] if code == 201 else answer["message"].partition("is invalid: ")[2]

        ports = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]
        local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
        spec = await tried(ports=ports, **local)
        assert [port["nodePort"] for port in spec["ports"]] == [32769, 32770]
        assert spec["healthCheckNodePort"] == 32771
        held = {"clusterIP": "10.96.7.7", "type": "NodePort"}
        await asker.ask(
            "POST", SERVICES, service("a", ports=[{"port": 80, "nodePort": 30123}], **held)
        )
        spec = await tried(
            clusterIP="10.96.7.7", type="NodePort", ports=[{"port": 1, "nodePort": 9}]
        )
        assert (spec["clusterIP"], spec["ports"][0]["nodePort"]) == ("10.96.7.7", 9)
        assert await tried(type="NodePort", ports=[{"port": 1, "nodePort": 30123}]) == (
            "spec.ports[0].nodePort: Invalid value: 30123: provided port is already allocated"
        )
        assert await tried(clusterIP="192.0.2.1") == (
            'spec.clusterIPs: Invalid value: ["192.0.2.1"]: failed to allocate IP 192.0.2.1: the '
            "provided IP (192.0.2.1) is not in the valid range. The range of valid IPs is 10.96.0.0/16"
        )

    play(scene)


def test_addresses_come_before_all_other_rules(play: Play) -> None:
    async def scene(asker: Any) -> None:
        async def refused(method: str, target: str, spec: Any) -> str:
            _, answer = await asker.ask(method, target, service("a", **spec))
            return str(answer["message"]).partition("is invalid: ")[2]

        wrong = {"type": "NodePort", "ports": [{"port": 0, "nodePort": 1}]}
        for spec, text in (
            ({"clusterIP": "192.0.2.1", **wrong}, "spec.clusterIPs: Invalid value: "),
            (wrong, "spec.ports[0].nodePort: Invalid value: 1: provided port is not in the valid"),
            ({**wrong, "ipFamilies": ["IPv6"]}, "spec.ipFamilies[0]: Invalid value: "),
        ):
            assert (await refused("POST", SERVICES, spec)).startswith(text)
        await asker.ask("POST", SERVICES, service("a", clusterIP="10.96.3.3"))
        assert (await refused("PUT", f"{SERVICES}/a", {"clusterIP": "192.0.2.1"})).endswith(
            '["192.0.2.1"]: may not change once set'
        )
        assert (await refused("POST", SERVICES, {"type": "NodePort", "ports": []})).startswith(
            "spec.ports: Required value"
        )
        code, _ = await asker.ask("POST", SERVICES, service("b", clusterIP="10.96.3.4"))
        assert code == 201

    play(scene)
