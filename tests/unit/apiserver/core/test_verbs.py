"""Each verb, its answer and its refusals, as a client sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from roost.api.kind import Kind
from roost.api.schema.node import Node
from roost.api.schema.nodes import node

MAPS = "/api/v1/namespaces/n/configmaps"
PODS = "/api/v1/namespaces/n/pods"
SERVICES = "/api/v1/namespaces/n/services"
NOT_ALLOWED = "the server does not allow this method on the requested resource"
TOO_LARGE = (
    f'resourceVersion: Invalid value: "{2**64}": strconv.ParseUint: parsing "{2**64}": '
    "value out of range"
)
MATCH_ALONE = (
    'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: '
    "resourceVersionMatch is forbidden unless resourceVersion is provided"
)
MERGE = "application/merge-patch+json"
Play = Callable[[Callable[[Any], Any]], None]


def pod(name: str, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "c", "image": "example.com/c:1"}]
    return {"metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def cm(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}}


def test_the_bytes_of_a_write_answer_get_and_list(play: Play) -> None:
    async def scene(asker: Any) -> None:
        made = await asker.answer("POST", MAPS, cm("a"))
        read = await asker.answer("GET", f"{MAPS}/a")
        assert (made.code, read.code) == (201, 200)
        assert read.body == made.body
        listed = await asker.answer("GET", MAPS)
        head = b'{"kind":"ConfigMap","apiVersion":"v1",'
        assert made.body.removeprefix(head) in listed.body
        assert next(iter(json.loads(made.body)["metadata"])) == "resourceVersion"

    play(scene)


@pytest.mark.parametrize(
    ("method", "path", "code", "message"),
    [
        ("GET", "/api/v1/widgets", 404, "the server could not find the requested resource"),
        ("GET", f"{PODS}/p/nothing", 404, "the server could not find the requested resource"),
        ("GET", "/api/v1/pods/a", 404, "the server could not find the requested resource"),
        ("POST", f"{MAPS}/a", 405, NOT_ALLOWED),
        ("PUT", MAPS, 405, NOT_ALLOWED),
        ("POST", "/api/v1/pods", 405, NOT_ALLOWED),
        ("POST", "/api/v1/watch/namespaces/n/configmaps", 405, NOT_ALLOWED),
        ("GET", "/api/v1/componentstatuses?watch=true", 405,
         'watch is not supported on resources of kind "componentstatuses"'),
        ("DELETE", "/api/v1/watch/namespaces/n/configmaps/a", 405, NOT_ALLOWED),
        ("DELETE", "/api/v1/namespaces", 405,
         NOT_ALLOWED),
        ("HEAD", f"{MAPS}/a", 405, NOT_ALLOWED),
        ("GET", f"{MAPS}/a", 404, 'configmaps "a" not found'),
        ("DELETE", f"{MAPS}/a", 404, 'configmaps "a" not found'),
        ("GET", f"{MAPS}/a%b", 400,
         """Name parameter invalid: "a%b": may not contain '%'"""),
        ("DELETE", f"{MAPS}/..", 400, """Name parameter invalid: "..": may not be '..'"""),
        ("GET", "/api/v1/namespaces/.", 400, """Name parameter invalid: ".": may not be '.'"""),
        ("GET", f"{MAPS}?limit=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("GET", f"{MAPS}?labelSelector=a+in", 400,
         "unable to parse requirement: found '' expected: '('"),
        ("GET", f"{PODS}?fieldSelector=spec.x%3D1", 400, "field label not supported: spec.x"),
        ("GET", f"{MAPS}?resourceVersion=99", 504,
         "Timeout: Too large resource version: 99, current: 1"),
        ("GET", f"{MAPS}/a?resourceVersion=x", 400,
         'resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax'),
        ("GET", f"{MAPS}/a?resourceVersion=18446744073709551616", 400,
         TOO_LARGE),
        ("GET", f"{MAPS}?resourceVersionMatch=Exact", 422, MATCH_ALONE),
    ],
)  # fmt: skip
def test_refusals(play: Play, method: str, path: str, code: int, message: str) -> None:
    async def scene(asker: Any) -> None:
        got, body = await asker.ask(method, path)
        assert (got, body["message"], body["code"]) == (code, message, code)

    play(scene)


def test_names_are_generated_until_one_is_free(play: Play) -> None:
    async def scene(asker: Any) -> None:
        chance = asker.api.core.chance
        suffixes = iter(["aaaaa", "aaaaa", "bbbbb"])
        asker.api.core.chance = type(
            "Chance", (), {"suffix": lambda _, n: next(suffixes), "uniform": chance.uniform}
        )()
        for wanted in ("cm-aaaaa", "cm-bbbbb"):
            code, body = await asker.ask("POST", MAPS, {"metadata": {"generateName": "cm-"}})
            assert (code, body["metadata"]["name"]) == (201, wanted)

    play(scene)


def test_a_dry_run_stores_nothing(play: Play) -> None:
    async def scene(asker: Any) -> None:
        code, body = await asker.ask("POST", f"{MAPS}?dryRun=All", cm("a"))
        assert code == 201
        assert "resourceVersion" not in body["metadata"]
        assert (await asker.ask("GET", f"{MAPS}/a"))[0] == 404
        before = asker.api.core.store.revision()
        await asker.ask(
            "POST", f"{SERVICES}?dryRun=All", {**cm("s"), "spec": {"ports": [{"port": 1}]}}
        )
        assert asker.api.core.store.revision() == before
        assert not asker.api.core.allocator.ips.taken

    play(scene)


def test_a_self_link_is_never_stored(play: Play) -> None:
    async def scene(asker: Any) -> None:
        body = cm("a", selfLink="/x")
        _, dry = await asker.ask("POST", f"{MAPS}?dryRun=All", body)
        assert dry["metadata"]["selfLink"] == "/x"
        _, made = await asker.ask("POST", MAPS, body)
        assert "selfLink" not in made["metadata"]
        _, same = await asker.ask("PUT", f"{MAPS}/a", body)
        assert same == made

    play(scene)


def test_unknown_fields_warn_or_are_refused(play: Play) -> None:
    async def scene(asker: Any) -> None:
        body = {**cm("a"), "bogus": 1}
        answer = await asker.answer("POST", MAPS, body)
        assert answer.headers == (("Warning", '299 - "unknown field \\"bogus\\""'),)
        code, refused = await asker.ask("POST", f"{MAPS}?fieldValidation=Strict", body)
        assert code == 400
        assert "strict decoding error" in refused["message"]

    play(scene)


def test_warnings_come_with_errors_too(play: Play) -> None:
    async def scene(asker: Any) -> None:
        answer = await asker.answer("GET", "/api/v1/namespaces/n/endpoints/none")
        assert answer.code == 404
        assert answer.headers[0][0] == "Warning"

    play(scene)


def test_a_patch_is_tried_again_when_it_lost(play: Play) -> None:
    async def scene(asker: Any) -> None:
        await asker.ask("POST", MAPS, cm("a"))
        store = asker.api.core.store
        commit, lost = store.commit, []

        async def losing(key: str, draft: Any, expect: int) -> Any:
            if not lost:
                lost.append(key)
                raised = await asker_write()
                assert raised == 200
            return await commit(key, draft, expect)

        async def asker_write() -> int:
            code, _ = await asker.ask(
                "PATCH", f"{MAPS}/a", {"data": {"x": "1"}}, content_type=MERGE
            )
            return int(code)

        store.commit = losing
        code, body = await asker.ask("PATCH", f"{MAPS}/a", {"data": {"y": "1"}}, content_type=MERGE)
        assert (code, body.get("data")) == (200, {"x": "1", "y": "1"}), body

    play(scene)


def test_pods_go_gracefully(play: Play) -> None:
    async def scene(asker: Any) -> None:
        await asker.ask("POST", PODS, pod("p", nodeName="n"))
        code, body = await asker.ask("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 20})
        assert (code, body["metadata"]["deletionGracePeriodSeconds"]) == (200, 20)
        assert body["metadata"]["generation"] == 2
        _, same = await asker.ask("DELETE", f"{PODS}/p", {"gracePeriodSeconds": 30})
        assert same["metadata"]["resourceVersion"] == body["metadata"]["resourceVersion"]
        await asker.ask("DELETE", f"{PODS}/p?gracePeriodSeconds=0")
        assert (await asker.ask("GET", f"{PODS}/p"))[0] == 404

    play(scene)


@pytest.mark.parametrize(
    ("policy", "finalizers"), [("Orphan", ["orphan"]), ("Foreground", ["foregroundDeletion"])]
)
def test_propagation_is_left_to_finalizers(play: Play, policy: str, finalizers: list[str]) -> None:
    async def scene(asker: Any) -> None:
        await asker.ask("POST", MAPS, cm("a"))
        code, body = await asker.ask("DELETE", f"{MAPS}/a?propagationPolicy={policy}")
        assert (code, body["metadata"]["finalizers"]) == (200, finalizers)
        await asker.ask("PATCH", f"{MAPS}/a", {"metadata": {"finalizers": []}}, content_type=MERGE)
        assert (await asker.ask("GET", f"{MAPS}/a"))[0] == 404

    play(scene)


def test_finalizers_that_stay_are_not_moved(play: Play) -> None:
    async def scene(asker: Any) -> None:
        finalizers = ["foregroundDeletion", "e.com/x"]
        await asker.ask("POST", MAPS, cm("a", finalizers=finalizers))
        _, body = await asker.ask("DELETE", f"{MAPS}/a")
        assert body["metadata"]["finalizers"] == finalizers

    play(scene)


def test_a_namespace_waits_for_its_controller(play: Play) -> None:
    async def scene(asker: Any) -> None:
        path = "/api/v1/namespaces/n"
        await asker.ask("POST", "/api/v1/namespaces", cm("n"))
        _, body = await asker.ask("DELETE", path)
        assert body["status"]["phase"] == "Terminating"
        await asker.ask("PUT", f"{path}/finalize", {**cm("n"), "spec": {"finalizers": []}})
        assert (await asker.ask("GET", path))[0] == 404

    play(scene)


def test_a_collection_is_deleted_by_selector(play: Play) -> None:
    async def scene(asker: Any) -> None:
        for name in "abc":
            await asker.ask("POST", MAPS, cm(name, labels={"last": str(name == "c")}))
        code, body = await asker.ask("DELETE", f"{MAPS}?labelSelector=last%3DFalse")
        assert (code, len(body["items"])) == (200, 2)
        _, left = await asker.ask("GET", MAPS)
        assert [item["metadata"]["name"] for item in left["items"]] == ["c"]

    play(scene)


def test_services_share_no_address_and_give_it_back(play: Play) -> None:
    async def scene(asker: Any) -> None:
        spec = {"type": "NodePort", "ports": [{"port": 80}]}
        _, first = await asker.ask("POST", SERVICES, {**cm("a"), "spec": spec})
        address, port = first["spec"]["clusterIP"], first["spec"]["ports"][0]["nodePort"]
        assert address.startswith("10.96.")
        assert 30000 <= port <= 32767
        taken = {"clusterIP": address, "ports": [{"port": 80}]}
        code, body = await asker.ask("POST", SERVICES, {**cm("b"), "spec": taken})
        assert (code, "provided IP is already allocated" in body["message"]) == (422, True)
        await asker.ask("DELETE", f"{SERVICES}/a")
        assert (await asker.ask("POST", SERVICES, {**cm("b"), "spec": taken}))[0] == 201

    play(scene)


def test_a_refused_service_holds_nothing(play: Play) -> None:
    async def scene(asker: Any) -> None:
        await asker.ask("POST", SERVICES, {**cm("a"), "spec": {"ports": [{"port": 1}]}})
        held = set(asker.api.core.allocator.ips.taken)
        code, _ = await asker.ask("POST", SERVICES, {**cm("a"), "spec": {"ports": [{"port": 1}]}})
        assert code == 409
        assert asker.api.core.allocator.ips.taken == held

    play(scene)


def test_events_are_one_resource_in_two_versions(play: Play) -> None:
    async def scene(asker: Any) -> None:
        body = {
            **cm("e"),
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": "n"},
            "message": "hello",
        }
        await asker.ask("POST", "/api/v1/namespaces/n/events", body)
        _, event = await asker.ask("GET", "/apis/events.k8s.io/v1/namespaces/n/events/e")
        assert (event["apiVersion"], event["note"]) == ("events.k8s.io/v1", "hello")
        assert event["regarding"]["name"] == "p"

    play(scene)


def test_any_version_comes_without_pages(play: Play) -> None:
    async def scene(asker: Any) -> None:
        for name in "abc":
            await asker.ask("POST", MAPS, cm(name))
        for query, count in (
            ("resourceVersion=0", 3),
            ("resourceVersion=0&resourceVersionMatch=NotOlderThan", 3),
            ("resourceVersion=1&resourceVersionMatch=NotOlderThan", 2),
        ):
            _, page = await asker.ask("GET", f"{MAPS}?limit=2&{query}")
            assert (query, len(page["items"])) == (query, count)

    play(scene)


def test_expired_continue_tokens_can_go_on_inconsistently(play: Play) -> None:
    async def scene(asker: Any) -> None:
        for name in "abc":
            await asker.ask("POST", MAPS, cm(name))
        _, page = await asker.ask("GET", f"{MAPS}?limit=1")
        assert page["metadata"]["remainingItemCount"] == 2
        await asker.ask("DELETE", f"{MAPS}/b")
        await asker.api.core.store.compact(asker.api.core.store.revision())
        token = page["metadata"]["continue"]
        code, gone = await asker.ask("GET", f"{MAPS}?limit=1&continue={token}")
        assert (code, gone["reason"]) == (410, "Expired")
        fresh = gone["metadata"]["continue"]
        _, rest = await asker.ask("GET", f"{MAPS}?limit=1&continue={fresh}")
        assert [item["metadata"]["name"] for item in rest["items"]] == ["c"]

    play(scene)


def test_forms(play: Play) -> None:
    async def scene(asker: Any) -> None:
        await asker.ask("POST", MAPS, {**cm("a"), "data": {"k": "v"}})
        table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
        _, body = await asker.ask("GET", MAPS, accept=table)
        assert (body["kind"], body["rows"][0]["cells"][:2]) == ("Table", ["a", 1])
        partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
        _, body = await asker.ask("GET", MAPS, accept=partial)
        assert body["items"][0]["kind"] == "PartialObjectMetadata"
        assert "data" not in body["items"][0]
        yaml = await asker.answer("GET", f"{MAPS}/a", accept="application/yaml")
        assert yaml.content_type == "application/yaml"
        assert b"\n  k: v\n" in yaml.body
        pretty = await asker.answer("GET", f"{MAPS}/a?pretty=true")
        assert pretty.body.startswith(b'{\n  "kind"')
        code, body = await asker.ask("GET", MAPS, accept="text/csv")
        assert (code, body["reason"]) == (406, "NotAcceptable")

    play(scene)


def test_kinds_can_be_added_and_withdrawn(play: Play) -> None:
    async def scene(asker: Any) -> None:
        kind = Kind(
            "example.com", "v1", "Box", "boxes", namespaced=True, schema="example.com.v1.Box"
        )
        texts = Node(type="string")
        metadata = node("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
        spec = Node(type="object", values=texts)
        fields = {"apiVersion": texts, "kind": texts, "metadata": metadata, "spec": spec}
        asker.api.serve([(kind, Node(type="object", fields=fields))])
        path = "/apis/example.com/v1/namespaces/n/boxes"
        body = {"apiVersion": "example.com/v1", "kind": "Box", **cm("a"), "spec": {"size": "1"}}
        code, made = await asker.ask("POST", path, body)
        assert (code, made["spec"]) == (201, {"size": "1"})
        _, listed = await asker.ask("GET", path)
        assert listed["items"][0]["kind"] == "Box"  # unlike the items of built-in kinds
        asker.api.withdraw([kind.resource])
        assert (await asker.answer("GET", path)).code == 404

    play(scene)


def test_requests_are_counted(play: Play) -> None:
    async def scene(asker: Any) -> None:
        await asker.ask("GET", f"{MAPS}/none")
        text = (await asker.answer("GET", "/metrics")).body.decode()
        labels = (
            'code="404",component="apiserver",dry_run="",group="",resource="configmaps",scope="resource",'
            'subresource="",verb="GET",version="v1"'
        )
        assert f"apiserver_request_total{{{labels}}} 1\n" in text

    play(scene)


def test_health_and_version(play: Play) -> None:
    async def scene(asker: Any) -> None:
        assert (await asker.answer("GET", "/readyz")).body == b"ok"
        verbose = await asker.answer("GET", "/readyz?verbose")
        assert b"[+]ping ok\n" in verbose.body
        assert (await asker.answer("GET", "/livez/nothing")).code == 404
        assert (await asker.ask("GET", "/version"))[1]["minor"] == "36"
        assert (await asker.answer("GET", "/nope")).body == b"404 page not found\n"
        code, body = await asker.ask("GET", "/apis/apps/v1")
        assert (code, body["kind"]) == (200, "APIResourceList")

    play(scene)


def test_jobs_and_replication_controllers_keep_their_pods(play: Play) -> None:
    async def scene(asker: Any) -> None:
        pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}
        path = "/apis/batch/v1/namespaces/default/jobs"
        body = {**cm("j"), "spec": {"template": {"spec": pod}}}
        await asker.ask("POST", path, body | {"apiVersion": "batch/v1", "kind": "Job"})
        quiet = await asker.answer("DELETE", f"{path}/j?propagationPolicy=Background&dryRun=All")
        assert "warning" not in {name.lower() for name, _ in quiet.headers}
        answer = await asker.answer("DELETE", f"{path}/j")
        warned = [text for name, text in answer.headers if name.lower() == "warning"]
        assert "child pods are preserved by default when jobs are deleted" in warned[0]
        _, job = await asker.ask("GET", f"{path}/j")
        assert job["metadata"]["finalizers"] == ["orphan"]

    play(scene)


def test_who_asks_for_the_dependents_too_hears_that_the_end_is_to_come(play: Play) -> None:
    async def scene(asker: Any) -> None:
        await asker.ask("POST", MAPS, cm("held", finalizers=["example.com/hold"]))
        await asker.ask("POST", MAPS, cm("free"))
        for name, query, code in (
            ("held", "", 200),
            ("held", "?orphanDependents=true", 200),
            ("held", "?orphanDependents=false", 202),
            ("free", "?orphanDependents=false", 200),
        ):
            got, _ = await asker.ask("DELETE", f"{MAPS}/{name}{query}")
            assert (name, query, got) == (name, query, code)

    play(scene)


def test_an_owner_that_is_named_twice_is_named_once_with_a_warning(play: Play) -> None:
    async def scene(asker: Any) -> None:
        owner = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u-1"}
        body = {"metadata": {"name": "a", "ownerReferences": [owner, owner]}}
        answer = await asker.answer("POST", MAPS, body)
        (warning,) = answer.headers
        assert warning[1].startswith(
            '299 - ".metadata.ownerReferences contains duplicate entries; API server dedups'
        )
        assert warning[1].endswith('duplicate UID(s) observed: u-1"')
        made = json.loads(answer.body)
        assert made["metadata"]["ownerReferences"] == [owner]
        other = {**owner, "blockOwnerDeletion": True}  # the same owner, but not the same reference
        patch = {"metadata": {"ownerReferences": [owner, other, owner]}}
        answer = await asker.answer("PATCH", f"{MAPS}/a", patch, content_type=MERGE)
        (warning,) = answer.headers
        assert "duplicate entries after mutating admission happens;" in warning[1]
        assert json.loads(answer.body)["metadata"]["ownerReferences"] == [owner, other]
        made["metadata"] |= {"ownerReferences": [owner] * 3, "resourceVersion": ""}
        answer = await asker.answer("PUT", f"{MAPS}/a", made)
        (warning,) = answer.headers
        assert warning[1].endswith('observed: u-1, u-1"')

    play(scene)
