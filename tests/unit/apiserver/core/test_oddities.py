"""Odd requests that once were faults of the server: answered, never an exception."""

from __future__ import annotations

import asyncio
import json

import pytest

from fakes.apiserver import running
from roost.apiserver.attributes import User
from roost.apiserver.messages import Request

SOMEBODY = User("somebody", ("system:masters",))
JSON = {"content-type": "application/json", "accept": "application/json"}


def ask(method: str, path: str, body: bytes = b"", query: str = ""):
    async def main():
        async with running() as api:
            spaces = "/api/v1/namespaces"
            made = b'{"metadata":{"name":"n"}}'
            await api.handle(Request("POST", spaces, "", JSON, made, SOMEBODY, spaces))
            return await api.handle(Request(method, path, query, JSON, body, SOMEBODY, path))

    return asyncio.run(main())


def test_a_path_without_a_slash_is_not_found():
    assert ask("GET", "x").code == 404


def test_half_a_surrogate_pair_in_a_key_is_read_as_go_reads_it():
    body = b'{"metadata":{"name":"a","labels":{"\\ud800":"x"}},"data":{"\\udfff":"y"}}'
    answer = ask("POST", "/api/v1/namespaces/n/configmaps", body)
    assert answer.code == 422
    assert "\N{REPLACEMENT CHARACTER}".encode() in answer.body


@pytest.mark.parametrize("mark", ["\\r", "\\u0000", "\\u001f"])
def test_a_warning_holds_no_control_characters(mark):
    body = f'{{"metadata":{{"name":"a"}},"odd{mark}field":1}}'.encode()
    answer = ask("POST", "/api/v1/namespaces/n/configmaps", body, "fieldValidation=Warn")
    warnings = [value for name, value in answer.headers if name == "Warning"]
    assert answer.code == 201
    assert len(warnings) == 1
    assert not any(ord(char) < 32 for char in warnings[0])


def test_what_is_in_no_namespace_loses_the_one_it_names():
    answer = ask("POST", "/api/v1/nodes", b'{"metadata":{"name":"a","namespace":"n"}}')
    assert answer.code == 201
    assert b'"namespace"' not in answer.body


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/n/nodes",
        "/api/v1/namespaces/n/namespaces",
        "/api/v1/namespaces/n/namespaces/n",
        "/api/v1/namespaces/n/pods/p/log/more",
        "/api/v1/namespaces/n/status/more",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/n/clusterroles/cluster-admin",
    ],
)
def test_paths_that_lead_nowhere(path):
    answer = ask("GET", path)
    assert answer.code == 404
    assert b"the server could not find the requested resource" in answer.body


def test_the_root_lists_the_paths():
    answer = ask("GET", "/")
    assert answer.code == 200
    assert answer.body.startswith(b'{\n  "paths": [\n    "/')
    for path in ("/api/v1", "/apis/apps/v1", "/livez/ping", "/openapi/v3", "/version"):
        assert f'"{path}"'.encode() in answer.body


def test_discovery_is_there_as_yaml():
    async def main():
        async with running() as api:
            headers = {"accept": "application/yaml"}
            path = "/apis/apps/v1"
            return await api.handle(Request("GET", path, "", headers, b"", SOMEBODY, path))

    answer = asyncio.run(main())
    assert answer.content_type == "application/yaml"
    assert answer.body.startswith(b"apiVersion: v1\ngroupVersion: apps/v1\n")


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ({"uid": "other"}, "Precondition failed: UID in precondition: other, UID in object meta: "),
        (
            {"resourceVersion": "1"},
            (
                "Precondition failed: ResourceVersion in precondition: 1, "
                "ResourceVersion in object meta: "
            ),
        ),
    ],
)
def test_another_namespace_is_not_deleted(conditions, words):
    body = json.dumps({"preconditions": conditions}).encode()
    answer = ask("DELETE", "/api/v1/namespaces/n", body)
    assert answer.code == 409
    message = json.loads(answer.body)["message"]
    assert message.startswith(f'Operation cannot be fulfilled on namespaces "n": {words}')


def get(path: str, accept: str = "", query: str = ""):
    async def main():
        async with running() as api:
            return await api.handle(Request("GET", path, query, {"accept": accept}, b"", SOMEBODY))

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("accept", "media", "start"),
    [
        ("application/yaml", "application/yaml", b"apiVersion: v1\ncode: 404\n"),
        ("application/vnd.kubernetes.protobuf", "application/vnd.kubernetes.protobuf", b"k8s\0"),
        ("application/yaml;as=Table;v=v1;g=meta.k8s.io", "application/json", b'{"kind":"Status"'),
        ("text/csv", "application/json", b'{"kind":"Status"'),
    ],
)
def test_errors_come_in_the_form_that_is_asked_for(accept, media, start):
    answer = get("/api/v1/nothing", accept)
    assert (answer.code, answer.content_type) == (404, media)
    assert answer.body.startswith(start)


@pytest.mark.parametrize(
    ("path", "accept", "code", "media"),
    [
        ("/version", "application/yaml", 406, "application/yaml"),
        ("/version", "application/*", 406, "application/json"),
        ("/version", "text/html, */*;q=0.1", 200, "application/json"),
        ("/openapi/v2", "application/yaml", 406, ""),
        ("/openapi/v3/version", "application/yaml", 406, ""),
        ("/openapi/v3/version", "application/*", 200, "application/json"),
        (
            "/openapi/v2", "application/com.github.proto-openapi.spec.v2.v1.0+protobuf", 200,
            "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
        ),
        (
            "/openapi/v3/version", "application/com.github.proto-openapi.spec.v3@v1.0+protobuf", 200,
            "application/com.github.proto-openapi.spec.v3.v1.0+protobuf",
        ),
        ("/openapi/v2", "application/json", 200, "application/json"),
        (
            "/api", "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
            406, "application/json",
        ),
    ],
)  # fmt: skip
def test_documents_have_the_forms_that_they_have(path, accept, code, media):
    answer = get(path, accept)
    assert (answer.code, answer.content_type) == (code, media)


def test_a_document_with_its_hash_may_be_kept():
    index = json.loads(get("/openapi/v3").body)["paths"]
    path, _, query = index["version"]["serverRelativeURL"].partition("?")
    found = get(path, query=query)
    assert found.code == 200
    assert dict(found.headers)["Cache-Control"].startswith("public, immutable")
    assert "Cache-Control" not in dict(get(path).headers)
    moved = get(path, query="hash=OLD")
    assert (moved.code, dict(moved.headers)["Location"]) == (301, f"{path}?{query}")
