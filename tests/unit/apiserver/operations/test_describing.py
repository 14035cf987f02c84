"""OpenAPI documents of several servers as one."""

from __future__ import annotations

from typing import Any

import pytest

from roost.api.openapi import gnostic
from roost.api.registry import builtin
from roost.apiserver.aggregation.describing import merged
from roost.apiserver.aggregation.merging import Elsewhere
from roost.apiserver.discovering import Discovery
from roost.apiserver.messages import Request

KINDS = "x-kubernetes-group-version-kind"


def ref(name: str, part: str = "definitions") -> dict[str, str]:
    return {"$ref": f"#/{part}/{name}"}


def kinds(*groups: str) -> list[dict[str, str]]:
    return [{"group": group, "version": "v1", "kind": "DeleteOptions"} for group in groups]


def document(**definitions: Any) -> dict[str, Any]:
    return {"swagger": "2.0", "paths": {"/api": {"get": {}}}, "definitions": definitions}


def test_what_is_below_the_path_of_a_group_version_is_taken_over() -> None:
    own = document(Meta={"type": "object", "description": "m"})
    other = {
        "paths": {
            "/apis/e/v1/widgets": {
                "get": {"schema": ref("Widget"), "parameters": [ref("p", "parameters")]},
            },
            "/apis/e/v2/widgets": {"get": {"schema": ref("New")}},
            "/api": {"post": {}},
        },
        "definitions": {
            "Widget": {"properties": {"metadata": ref("Meta"), "part": ref("Part")}},
            "Part": {"items": ref("Widget")},
            "Meta": {"type": "object", "description": "m"},
            "New": {}, "Unused": {},
        },
        "parameters": {"p": {"name": "p"}, "q": {}},
    }  # fmt: skip
    found = merged(own, [("/apis/e/v1", other)])
    assert list(found["paths"]) == ["/api", "/apis/e/v1/widgets"]
    assert found["paths"]["/api"] == {"get": {}}
    assert sorted(found["definitions"]) == ["Meta", "Part", "Widget"]
    assert found["parameters"] == {"p": {"name": "p"}}
    assert own == document(Meta={"type": "object", "description": "m"})


def test_what_is_said_differently_gets_another_name() -> None:
    own = document(Meta={"description": "new"}, Meta_v2={"description": "older"})
    path = "/apis/e/v1/widgets"
    other = {
        "paths": {path: {"get": {"schema": ref("List")}}},
        "definitions": {"List": {"items": [ref("Meta")]}, "Meta": {"description": "old"}},
    }
    found = merged(own, [("/apis/e/v1", other)])
    assert found["definitions"]["Meta_v3"] == {"description": "old"}
    assert found["definitions"]["List"] == {"items": [ref("Meta_v3")]}
    assert found["definitions"]["Meta"] == {"description": "new"}
    third = {
        "paths": {"/apis/f/v1/x": {"get": ref("Meta")}},
        "definitions": {"Meta": {"description": "old"}},
    }
    assert merged(found, [("/apis/f/v1", third)])["paths"]["/apis/f/v1/x"]["get"] == ref("Meta_v3")


def test_kinds_of_the_same_definition_are_put_together() -> None:
    own = document(Options={"type": "object", KINDS: kinds("", "apps")})
    other = {
        "paths": {"/apis/e/v1/x": {"get": ref("Options")}},
        "definitions": {"Options": {"type": "object", KINDS: kinds("apps", "e")}},
    }
    found = merged(own, [("/apis/e/v1", other)])
    assert found["definitions"]["Options"][KINDS] == kinds("", "apps", "e")


def test_who_says_nothing_of_its_paths_adds_nothing() -> None:
    own = document(Meta={})
    for other in ({}, {"paths": []}, {"definitions": {"X": {}}}, {"paths": {"/apis/e/v10/x": {}}}):
        assert merged(own, [("/apis/e/v1", other)]) == own


@pytest.mark.parametrize("media", ["application/json", gnostic.MEDIA_TYPE])
@pytest.mark.parametrize(
    "widget", [5, "text", {"properties": 5}, {"properties": {"a": 5}}, {KINDS: 5}, {"type": 5}]
)
def test_nonsense_of_others_keeps_nobody_from_our_document(media: str, widget: Any) -> None:
    document = {
        "paths": {"/apis/e/v1/x": {"get": ref("Widget")}}, "definitions": {"Widget": widget},
    }  # fmt: skip
    said = Elsewhere("e", "v1", {}, openapi=document)
    discovery = Discovery(builtin(), "v1.36.2", lambda: [said])
    answer = discovery.answer(Request("GET", "/openapi/v2", "", {"accept": media}), "/openapi/v2")
    assert answer is not None
    assert (answer.code, answer.content_type) == (200, media)
