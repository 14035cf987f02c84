"""Objects of a definition: what is kept, refused and shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import TOYS, Asker, toy

Play = Callable[..., None]
MERGE = "application/merge-patch+json"
SCHEMA = {
    "spec": {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "maxLength": 5},
            "size": {"type": "integer", "minimum": 1},
            "replicas": {"type": "integer"},
            "parts": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["k"],
                "items": {
                    "type": "object",
                    "required": ["k"],
                    "properties": {"k": {"type": "string"}, "v": {"type": "string"}},
                },
            },
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "inner": {
                "type": "object",
                "x-kubernetes-embedded-resource": True,
                "x-kubernetes-preserve-unknown-fields": True,
            },
        },
        "x-kubernetes-validations": [
            {
                "rule": "!has(self.size) || self.size < 10",
                "message": "too large",
                "fieldPath": ".size",
            },
            {
                "rule": "self.name == oldSelf.name",
                "messageExpression": "'was ' + oldSelf.name.substring(0)",
            },
        ],
    },
    "status": {
        "type": "object",
        "properties": {"replicas": {"type": "integer"}, "sel": {"type": "string"}},
    },
}
SUBRESOURCES = {
    "status": {},
    "scale": {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.sel",
    },
}


def test_unknown_fields_are_dropped_and_told(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define(SCHEMA)
        inner = {"apiVersion": "v1", "kind": "K", "x": 1}
        spec = {"name": "a", "zz": 1, "free": {"any": [1]}, "inner": inner}
        _, made = await asker.ask("POST", TOYS, toy("x", spec))
        assert made["spec"] == {"name": "a", "free": {"any": [1]}, "inner": inner}
        body = toy("y", spec)
        body["metadata"]["odd"] = 1
        code, refused = await asker.ask("POST", f"{TOYS}?fieldValidation=Strict", body)
        assert (code, refused["message"]) == (
            400,
            (
                'Toy in version "v1" cannot be handled as a Toy: strict decoding error: '
                'unknown field "metadata.odd", unknown field "spec.zz"'
            ),
        )

    play(scene)


def test_objects_in_objects_have_the_metadata_of_objects(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define(SCHEMA)

        async def said(query: str, **inner: Any) -> tuple[int, Any]:
            body = toy("x", {"name": "a", "inner": {"apiVersion": "v1", "kind": "K", **inner}})
            code, made = await asker.ask("POST", f"{TOYS}?dryRun=All{query}", body)
            return code, made["spec"]["inner"]["metadata"] if code == 201 else made["message"]

        meta = {"name": "n", "odd": 1, "creationTimestamp": None}
        assert await said("", metadata=meta) == (201, {"name": "n"})
        start = 'Toy in version "v1" cannot be handled as a Toy:'
        odd = 'strict decoding error: unknown field "spec.inner.metadata.odd"'
        assert await said("&fieldValidation=Strict", metadata=meta) == (400, f"{start} {odd}")
        assert await said("", kind=1) == (
            400,
            f"{start} spec.inner.kind: Invalid value: 1: must be a string",
        )
        assert await said("", metadata={"labels": {"a": 1}}) == (
            400,
            (
                f'{start} spec.inner.metadata: Invalid value: {{"labels":{{"a":1}}}}: json: cannot '
                "unmarshal number into Go struct field ObjectMeta.labels of type string"
            ),
        )

    play(scene)


def test_an_object_that_breaks_the_schema_is_refused(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define(SCHEMA)
        parts = [{"k": "a"}, {"k": "a"}]
        code, body = await asker.ask("POST", TOYS, toy("x", {"size": "s", "parts": parts}))
        assert code == 422
        assert {(c["field"], c["message"]) for c in body["details"]["causes"]} == {
            ("spec.name", "Required value"),
            (
                "spec.size",
                'Invalid value: "string": spec.size in body must be of type integer: "string"',
            ),
            ("spec.parts[1]", 'Duplicate value: {"k":"a"}'),
            (
                "<nil>",
                (
                    "Invalid value: null: some validation rules were not checked because the object was "
                    "invalid; correct the existing errors to complete validation"
                ),
            ),
        }

    play(scene)


def test_rules_see_the_old_value_and_what_has_not_changed_is_not_judged_again(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        loose = {**SCHEMA, "spec": {**SCHEMA["spec"], "x-kubernetes-validations": []}}
        await asker.define(loose)
        await asker.ask("POST", TOYS, toy("x", {"name": "a", "size": 50}))
        rules = SCHEMA["spec"]["x-kubernetes-validations"]
        path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations"
        patch = [{"op": "add", "path": path, "value": rules}]
        where = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/toys.example.com"
        code, body = await asker.ask(
            "PATCH", where, patch, content_type="application/json-patch+json"
        )
        assert code == 200, body
        label = {"metadata": {"labels": {"a": "b"}}}
        assert (await asker.ask("PATCH", f"{TOYS}/x", label, content_type=MERGE))[0] == 200
        change = {"spec": {"name": "b"}}
        code, body = await asker.ask("PATCH", f"{TOYS}/x", change, content_type=MERGE)
        assert {(c["field"], c["message"]) for c in body["details"]["causes"]} == {
            ("spec.size", "Invalid value: too large"),
            ("spec", "Invalid value: was a"),
        }

    play(scene)


def test_status_and_scale(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define(SCHEMA, subresources=SUBRESOURCES)
        await asker.ask(
            "POST", TOYS, {**toy("x", {"name": "a", "replicas": 2}), "status": {"replicas": 9}}
        )
        status = {"status": {"replicas": 1, "sel": "a=b"}, "spec": {"replicas": 7}}
        _, body = await asker.ask("PATCH", f"{TOYS}/x/status", status, content_type=MERGE)
        assert (body["spec"]["replicas"], body["status"]) == (2, {"replicas": 1, "sel": "a=b"})
        assert body["metadata"]["generation"] == 1
        _, scale = await asker.ask("GET", f"{TOYS}/x/scale")
        assert (scale["spec"], scale["status"]) == (
            {"replicas": 2},
            {"replicas": 1, "selector": "a=b"},
        )
        wanted = {"spec": {"replicas": 5}}
        await asker.ask("PATCH", f"{TOYS}/x/scale", wanted, content_type=MERGE)
        _, body = await asker.ask("GET", f"{TOYS}/x")
        assert (body["spec"]["replicas"], body["metadata"]["generation"]) == (5, 2)
        below = {"spec": {"replicas": -1}}
        code, body = await asker.ask("PATCH", f"{TOYS}/x/scale", below, content_type=MERGE)
        assert (code, body["details"]["causes"][0]["field"]) == (422, ".spec.replicas")

    play(scene)


def test_a_scale_is_put_without_a_version_and_where_there_was_none(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define(SCHEMA, subresources=SUBRESOURCES)
        await asker.ask("POST", TOYS, toy("x", {"name": "a"}))
        code, body = await asker.ask("GET", f"{TOYS}/x/scale")
        assert (code, body["message"]) == (
            400,
            'the spec replicas field ".spec.replicas" does not exist',
        )
        code, body = await asker.ask("PATCH", f"{TOYS}/x/scale", {}, content_type=MERGE)
        assert (code, body["message"]) == (
            400,
            'the spec replicas field ".spec.replicas" cannot be empty',
        )
        scale: dict[str, Any] = {"apiVersion": "autoscaling/v1", "kind": "Scale"}
        scale |= {"metadata": {"name": "x"}, "spec": {"replicas": 3}}
        code, body = await asker.ask("PUT", f"{TOYS}/x/scale", scale)
        assert (code, body["spec"]) == (200, {"replicas": 3})
        scale["metadata"]["resourceVersion"] = "1"
        code, body = await asker.ask("PUT", f"{TOYS}/x/scale", scale)
        assert (code, body["reason"]) == (409, "Conflict")

    play(scene)


def test_a_patch_is_refused_with_what_it_leads_to(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define({"spec": {"type": "object"}})
        await asker.ask("POST", TOYS, toy("a"))
        for query, patch, why in (
            ("?fieldValidation=Strict", {"odd": 1}, 'strict decoding error: unknown field "odd"'),
            (
                "",
                {"metadata": {"labels": {"l": 1}}},
                "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string",
            ),
        ):
            code, answer = await asker.ask("PATCH", f"{TOYS}/a{query}", patch, content_type=MERGE)
            (cause,) = answer["details"]["causes"]
            assert (code, cause["field"]) == (422, "patch")
            assert cause["message"].endswith(f": {why}")
            start = '{"apiVersion":"example.com/v1","kind":"Toy","metadata":{"creationTimestamp":'
            assert json.dumps(start)[1:-1] in cause["message"]

    play(scene)


def test_the_verb_alone_decides_what_becomes_of_a_request(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define({"spec": {"type": "object"}}, subresources={"status": {}})
        code, made = await asker.ask("POST", f"{TOYS}/b", toy("a"))
        assert (code, made["metadata"]["name"]) == (201, "a")
        assert (await asker.ask("HEAD", f"{TOYS}/a"))[0] == 200
        assert (await asker.ask("HEAD", TOYS))[0] == 200
        for method, path, verb in (
            ("DELETE", f"{TOYS}/a/status", "delete"),
            ("POST", f"{TOYS}/a/status", "create"),
            ("OPTIONS", f"{TOYS}/a", ""),
        ):
            code, answer = await asker.ask(method, path)
            assert (code, answer["details"]) == (405, {"group": "example.com", "kind": "toys"})
            message = f'{verb} is not supported on resources of kind "toys.example.com"'
            assert answer["message"] == message
        for method, code, message in (
            ("PUT", 400, "name must be provided"),
            ("PATCH", 415, "the body of the request was in an unknown format"),
        ):
            got, answer = await asker.ask(method, TOYS, toy("a"))
            assert (got, answer["message"].partition(" - ")[0]) == (code, message)
        got, answer = await asker.ask("PATCH", TOYS, {}, content_type=MERGE)
        assert (got, answer["message"]) == (400, "name must be provided")

    play(scene)


def test_an_update_creates_nothing(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define({"spec": {"type": "object"}})
        code, answer = await asker.ask("PUT", f"{TOYS}/a", toy("a"))
        assert (code, answer["message"]) == (404, 'toys.example.com "a" not found')

    play(scene)


def test_apply_merges_by_the_schema(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define(SCHEMA)
        media = "application/apply-patch+yaml"
        for manager, key in (("one", "a"), ("two", "b")):
            body = toy("x", {"name": "n", "parts": [{"k": key, "v": manager}]})
            target = f"{TOYS}/x?fieldManager={manager}"
            code, made = await asker.ask("PATCH", target, body, content_type=media)
            assert code in (200, 201), made
        assert [part["k"] for part in made["spec"]["parts"]] == ["a", "b"]
        strategic = "application/strategic-merge-patch+json"
        assert (await asker.ask("PATCH", f"{TOYS}/x", {}, content_type=strategic))[0] == 415

    play(scene)


@pytest.mark.parametrize("validation", ["Strict", "Warn", "Ignore"])
def test_repeated_keys_of_an_applied_document(play: Play, validation: str) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define(SCHEMA)
        head = {key: item for key, item in toy("x").items() if key != "spec"}
        repeated = ',\n"spec": {"name": "one",\n"name": "two"}}'
        document = (json.dumps(head)[:-1] + repeated).encode()
        target = f"{TOYS}/x?fieldManager=m&fieldValidation={validation}"
        media = "application/apply-patch+yaml"
        answer = await asker.send("PATCH", target, document, content_type=media)
        warnings = [text for name, text in answer.headers if name == "Warning"]
        if validation == "Strict":
            assert answer.code == 400
            assert b"error strict decoding YAML: error converting YAML to JSON: yaml" in answer.body
            assert b'line 3: key \\"name\\" already set in map' in answer.body
            return
        assert answer.code == 201
        told = ['299 - "unmarshal errors:"', '299 - "line 3: key \\"name\\" already set in map"']
        assert warnings == (told if validation == "Warn" else [])

    play(scene)


def test_selectable_fields_and_columns(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        columns = [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]
        fields = [{"jsonPath": ".spec.name"}]
        await asker.define(SCHEMA, additionalPrinterColumns=columns, selectableFields=fields)
        for name in ("a", "b"):
            await asker.ask("POST", TOYS, toy(name, {"name": name, "size": 4}))
        _, listed = await asker.ask("GET", f"{TOYS}?fieldSelector=spec.name%3Db")
        assert [one["metadata"]["name"] for one in listed["items"]] == ["b"]
        _, table = await asker.ask(
            "GET", TOYS, accept="application/json;as=Table;v=v1;g=meta.k8s.io"
        )
        assert [row["cells"] for row in table["rows"]] == [["a", 4], ["b", 4]]
        code, _ = await asker.ask("GET", f"{TOYS}?fieldSelector=spec.size%3D4")
        assert code == 400

    play(scene)


@pytest.mark.parametrize("query", ["", "?dryRun=All"])
def test_numbers_are_kept_as_they_are_written(play: Play, query: str) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define(SCHEMA)
        free = {"n": [1e3, 1.5, 123456789012345678901, {"deep": 2.0}]}
        _, made = await asker.ask(
            "POST", TOYS + query, toy("x", {"name": "a", "replicas": 3.0, "free": free})
        )
        assert json.dumps(made["spec"]) == json.dumps(
            {
                "name": "a",
                "replicas": 3,
                "free": {"n": [1000, 1.5, 123456789012345680000, {"deep": 2}]},
            }
        )
        code, refused = await asker.ask(
            "POST", TOYS, toy("y", {"name": "a", "free": {"n": 10**400}})
        )
        assert (code, refused["message"].rpartition(" number ")[0]) == (
            400, 'Toy in version "v1" cannot be handled as a Toy: json: cannot unmarshal'
        )  # fmt: skip

    play(scene)


def test_new_finalizers_without_a_domain_are_warned_of(play: Play) -> None:
    async def scene(asker: Asker) -> None:
        await asker.define(SCHEMA)
        body = {**toy("x"), "metadata": {"name": "x", "finalizers": ["b", "a.b/c", "orphan", "a"]}}
        answer = await asker.send("POST", TOYS, json.dumps(body).encode())
        assert answer.code == 201, answer.body
        warnings = [text for name, text in answer.headers if name == "Warning"]
        text = (
            "prefer a domain-qualified finalizer name including a path (/) to avoid accidental "
            "conflicts with other finalizer writers"
        )
        assert warnings == [
            f'299 - "metadata.finalizers: \\"{name}\\": {text}"' for name in ("a", "b")
        ]
        patch = b'{"metadata": {"labels": {"a": "b"}}}'
        media = "application/merge-patch+json"
        answer = await asker.send("PATCH", f"{TOYS}/x", patch, content_type=media)
        assert answer.code == 200
        assert not [text for name, text in answer.headers if name == "Warning"]

    play(scene)
