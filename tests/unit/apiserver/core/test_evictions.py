"""What an eviction or a binding must say of the pod it is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MERGE = "application/merge-patch+json"
PODS = "/api/v1/namespaces/n/pods"
Play = Callable[[Callable[[Any], Any]], None]


def pod(name: str) -> dict[str, Any]:
    containers = [{"name": "c", "image": "example.com/c:1"}]
    return {"metadata": {"name": name}, "spec": {"containers": containers}}


def eviction(name: str, **preconditions: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "deleteOptions": {"preconditions": preconditions}}


def test_an_eviction_is_of_the_pod_that_was_meant(play: Play) -> None:
    async def scene(asker: Any) -> None:
        _, made = await asker.ask("POST", PODS, pod("p"))
        uid = made["metadata"]["uid"]
        code, said = await asker.ask("POST", f"{PODS}/p/eviction", eviction("p", uid="other"))
        assert code == 409
        assert said["message"] == (
            'Operation cannot be fulfilled on Pod "p": the UID in the precondition (other) does '
            f"not match the UID in record ({uid}). "
            "The object might have been deleted and then recreated"
        )
        _, still = await asker.ask("GET", f"{PODS}/p")
        assert "conditions" not in (still.get("status") or {})
        version = still["metadata"]["resourceVersion"]
        body = eviction("p", uid=uid, resourceVersion=version)
        code, _ = await asker.ask("POST", f"{PODS}/p/eviction", body)
        assert code == 201
        code, _ = await asker.ask("GET", f"{PODS}/p")
        assert code == 404

    play(scene)


def test_the_server_owns_what_an_eviction_spends(play: Play) -> None:
    async def scene(asker: Any) -> None:
        path = "/apis/policy/v1/namespaces/n/poddisruptionbudgets"
        made = {**pod("p"), "metadata": {"name": "p", "labels": {"a": "b"}}}
        await asker.ask("POST", PODS, made)
        running = {"status": {"phase": "Running"}}
        await asker.ask("PATCH", f"{PODS}/p/status", running, content_type=MERGE)
        spec = {"minAvailable": 0, "selector": {"matchLabels": {"a": "b"}}}
        await asker.ask("POST", path, {"metadata": {"name": "b"}, "spec": spec})
        status = {"observedGeneration": 1, "disruptionsAllowed": 2}
        await asker.ask("PATCH", f"{path}/b/status", {"status": status}, content_type=MERGE)
        code, _ = await asker.ask("POST", f"{PODS}/p/eviction", eviction("p"))
        assert code == 201
        _, budget = await asker.ask("GET", f"{path}/b")
        entries = {e["manager"]: e for e in budget["metadata"]["managedFields"]}
        assert entries["kube-apiserver"]["subresource"] == "status"
        assert entries["kube-apiserver"]["fieldsV1"] == {
            "f:status": {"f:disruptedPods": {".": {}, "f:p": {}}, "f:disruptionsAllowed": {}}
        }

    play(scene)


def test_evictions_and_bindings_name_their_pod(play: Play) -> None:
    async def scene(asker: Any) -> None:
        await asker.ask("POST", PODS, pod("p"))
        for noun, body in (("eviction", {}), ("binding", {"target": {"name": "n1"}})):
            code, said = await asker.ask("POST", f"{PODS}/p/{noun}", body)
            wanted = f"name in URL does not match name in {noun.capitalize()} object"
            assert (code, said["message"]) == (400, wanted)
            body = {**body, "metadata": {"name": "p", "namespace": "elsewhere"}}
            code, said = await asker.ask("POST", f"{PODS}/p/{noun}", body)
            assert (code, said["message"]) == (
                400,
                (
                    "the namespace of the provided object does not match the namespace sent on "
                    "the request"
                ),
            )

    play(scene)
