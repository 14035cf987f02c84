"""MutatingAdmissionPolicies: configurations that are applied, patches, their order and their faults."""

from __future__ import annotations

from typing import Any

import pytest

PODS = "/api/v1/namespaces/n/pods"
POD_RULE = {
    "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"],
}  # fmt: skip


def apply(expression: str) -> dict:
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


def json_patch(expression: str) -> dict:
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


def labels(text: str) -> dict:
    return apply(f"Object{{metadata: Object.metadata{{labels: {text}}}}}")


async def pod(site: Any, **spec: Any) -> tuple[int, Any]:
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}
    body["spec"] = {"containers": [{"name": "main", "image": "i"}], **spec}
    return await site.ask("POST", PODS, body)


def test_applied_configuration_keeps_what_it_does_not_name(play):
    async def scene(site):
        await site.mutator("m", labels("{'a': object.metadata.name}"))
        _, answer = await site.create(metadata={"labels": {"own": "1"}})
        assert answer["metadata"]["labels"] == {"own": "1", "a": "c"}

    play(scene)


def test_keyed_lists_are_merged_by_their_keys(play):
    async def scene(site):
        built = (
            "Object{spec: Object.spec{containers: [Object.spec.containers{name: 'side', "
            "image: 'j'}, Object.spec.containers{name: 'main', imagePullPolicy: 'Never'}]}}"
        )
        match = {"resourceRules": [POD_RULE]}
        await site.mutator("m", apply(built), matchConstraints=match)
        code, answer = await pod(site)
        assert code == 201, answer
        found = {each["name"]: each for each in answer["spec"]["containers"]}
        assert found["main"]["imagePullPolicy"] == "Never"
        assert found["main"]["image"] == "i"
        assert found["side"]["terminationMessagePath"] == "/dev/termination-log"  # defaulted

    play(scene)


def test_operations_are_applied_in_order(play):
    async def scene(site):
        await site.mutator(
            "m",
            json_patch("[JSONPatch{op: 'add', path: '/metadata/annotations', value: {'a': '1'}}]"),
            json_patch(
                "[JSONPatch{op: 'test', path: '/metadata/annotations/a', value: '1'}, "
                "JSONPatch{op: 'copy', from: '/metadata/annotations/a', path: "
                "'/metadata/annotations/' + jsonpatch.escapeKey('x.io/b')}]"
            ),
        )
        _, answer = await site.create()
        assert answer["metadata"]["annotations"] == {"a": "1", "x.io/b": "1"}

    play(scene)


def test_failed_test_leaves_the_object(play):
    async def scene(site):
        test = (
            "[JSONPatch{op: 'test', path: '/metadata/name', value: 'other'}, "
            "JSONPatch{op: 'add', path: '/data', value: {'a': '1'}}]"
        )
        await site.mutator("m", json_patch(test))
        code, answer = await site.create()
        assert code == 201
        assert "data" not in answer

    play(scene)


@pytest.mark.parametrize(
    ("mutation", "why"),
    [
        (
            labels("{'a': object.nope}"),
            (
                "expression 'Object{metadata: Object.metadata{labels: {'a': object.nope}}}' "
                "resulted in error: no such key: nope"
            ),
        ),
        (
            apply("Object{metadata: Object.meta{labels: {'a': 'b'}}}"),
            (
                'type mismatch: unexpected type name "Object.meta", expected "Object.metadata", '
                "which matches field name path from root Object type"
            ),
        ),
        (
            json_patch("[JSONPatch{op: 'remove', path: '/data/x'}]"),
            (
                'JSONPath: remove operation does not apply: doc is missing path: "/data/x": '
                "missing value"
            ),
        ),
    ],
)  # fmt: skip
def test_faults_forbid(play, mutation, why):
    async def scene(site):
        await site.mutator("m", mutation)
        code, answer = await site.create()
        text = f"policy 'm' with binding 'm-b' denied request: {why}"
        assert (code, answer["reason"], answer["message"]) == (403, "Invalid", text)
        assert answer["details"]["causes"] == [{"message": text}]

    play(scene)


def test_faults_are_ignored_where_the_policy_says_so(play):
    async def scene(site):
        await site.mutator("m", labels("{'a': object.nope}"), failurePolicy="Ignore")
        assert (await site.create())[0] == 201

    play(scene)


def test_atomic_lists_may_not_be_replaced(play):
    async def scene(site):
        built = (
            "Object{spec: Object.spec{containers: [Object.spec.containers{name: 'main', "
            "args: ['x']}]}}"
        )
        await site.mutator("m", apply(built), matchConstraints={"resourceRules": [POD_RULE]})
        code, answer = await pod(site)
        assert code == 403
        assert answer["message"].endswith(
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps "
            "or structs: .spec.containers[0].args"
        )

    play(scene)


def test_conditions_and_variables(play):
    async def scene(site):
        await site.mutator(
            "m",
            labels("{'a': variables.name}"),
            variables=[{"name": "name", "expression": "string(object.metadata.name)"}],
            matchConditions=[{"name": "n", "expression": "object.metadata.name != 'plain'"}],
        )
        assert "labels" not in (await site.create("plain"))[1]["metadata"]
        assert (await site.create())[1]["metadata"]["labels"] == {"a": "c"}

    play(scene)


def test_policy_runs_again_after_a_change_if_it_wants_to(play):
    async def scene(site):
        late = "has(object.metadata.labels) && 'late' in object.metadata.labels"
        count = f"{{'count': {late} ? 'two' : 'one'}}"
        await site.mutator("a", labels(count), reinvocationPolicy="IfNeeded")
        await site.mutator("b", labels(count.replace("count", "once")))
        await site.mutator("c", labels("{'late': 'x'}"))
        _, answer = await site.create()
        assert answer["metadata"]["labels"] == {"count": "two", "once": "one", "late": "x"}

    play(scene)


def test_mutations_come_before_validations(play):
    async def scene(site):
        await site.mutator("m", labels("{'a': 'b'}"))
        await site.policy("v", {"expression": "object.metadata.labels.a == 'b'"})
        assert (await site.create())[0] == 201

    play(scene)


def test_owners_of_fields_are_not_told(play):
    async def scene(site):
        await site.mutator("m", labels("{'a': 'b'}"))
        _, answer = await site.create(data={"x": "y"})
        owned = answer["metadata"]["managedFields"][0]["fieldsV1"]
        assert owned == {"f:data": {".": {}, "f:x": {}}}

    play(scene)


def test_mutations_are_counted(play):
    async def scene(site):
        await site.mutator("m", labels("{'a': 'b'}"), labels("{'a': object.data.nope}"))
        assert (await site.create())[0] == 403
        families = {family.name: family for family in site.around.checks.families()}
        assert dict(families["apiserver_mutating_admission_policy_check_total"].samples) == {
            ("m", "m-b", "no_error"): 1, ("m", "m-b", "invalid_error"): 1,
        }  # fmt: skip

    play(scene)
