"""Nothing that is nested too deep ends the API server: not even in a page, whose stack is small."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from roost.api.values import Object
from roost.apiserver.attributes import User
from roost.apiserver.messages import Answer, Request
from roost.simulation import Cluster

ADMIN = User("admin", ("system:masters", "system:authenticated"))
MAPS = "/api/v1/namespaces/default/configmaps"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
DEFINITION: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}
JSON, YAML = "application/json", "application/yaml"
MERGE, STRATEGIC, OPERATIONS, APPLY = (
    f"application/{kind}-patch{form}"
    for kind, form in (("merge", "+json"), ("strategic-merge", "+json"), ("json", "+json"),
                       ("apply", "+yaml"))
)  # fmt: skip


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(nodes=0) as cluster:
        cluster.apply(DEFINITION)
        cluster.advance(5)
        cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}})
        widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "x"}}
        cluster.apply(widget)
        yield cluster


def ask(cluster: Cluster, method: str, path: str, body: bytes = b"", media: str = JSON) -> int:
    path, _, query = path.partition("?")
    request = Request(method, path, query, {"content-type": media}, body, user=ADMIN)
    answer = cluster.loop.finish(cluster.plane.server.handle(request))
    assert isinstance(answer, Answer)
    return answer.code


def nested(levels: int) -> bytes:
    return b'{"a":[' * (levels // 2) + b"]}" * (levels // 2)


@pytest.mark.parametrize("levels", [220, 300, 1000, 4000, 100_000])
@pytest.mark.parametrize(
    ("method", "path", "media", "around"),
    [
        ("POST", MAPS, JSON, b'{"metadata":{"name":"y"},"data":%s}'),
        ("POST", WIDGETS, JSON,
         b'{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"y"},"spec":%s}'),
        ("POST", WIDGETS, YAML,
         b'{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"y"},"spec":%s}'),
        ("PATCH", f"{WIDGETS}/x", MERGE, b'{"spec":%s}'),
        ("PATCH", f"{MAPS}/x", STRATEGIC, b'{"data":%s}'),
        ("PATCH", f"{WIDGETS}/x", OPERATIONS, b'[{"op":"add","path":"/spec","value":%s}]'),
        ("PATCH", f"{WIDGETS}/x?fieldManager=m", APPLY,
         b'{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"x"},"spec":%s}'),
        ("DELETE", f"{MAPS}/gone", JSON, b'{"preconditions":%s}'),
    ],
    ids=("create", "custom", "yaml", "merge", "strategic", "operations", "apply", "delete"),
)  # fmt: skip
def test_a_body_that_is_too_deep(
    cluster: Cluster, method: str, path: str, media: str, around: bytes, levels: int
):
    assert ask(cluster, method, path, around % nested(levels), media) in {400, 404, 422}
    assert ask(cluster, "GET", MAPS) == 200


def test_nobody_digs_step_by_step(cluster: Cluster):
    """Each patch alone is shallow enough."""
    path, answers = "/spec", []
    for _ in range(12):
        body = json.dumps([{"op": "add", "path": path, "value": json.loads(nested(50))}])
        answers.append(ask(cluster, "PATCH", f"{WIDGETS}/x", body.encode(), OPERATIONS))
        path += "/a/0" * 25
    assert answers[:3] == [200] * 3
    assert set(answers[4:]) <= {400, 422}
    assert ask(cluster, "GET", WIDGETS) == 200


@pytest.mark.parametrize(
    "metadata",
    [
        {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": None}},
        {"managedFields": [{"manager": "m", "operation": "Update", "apiVersion": "v1",
                            "fieldsType": "FieldsV1", "fieldsV1": {"k:" : {}}}]},
    ],
)  # fmt: skip
def test_texts_inside_an_object_are_as_harmless(cluster: Cluster, metadata: Object):
    deep = nested(100_000).decode()
    text = json.dumps({"metadata": {"name": "z", **metadata}})
    text = text.replace("null", json.dumps(deep)).replace('"k:"', json.dumps("k:" + deep))
    assert ask(cluster, "POST", MAPS, text.encode()) in {201, 400, 422}
    applied = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"z"},"data":{"a":"b"}}'
    code = ask(cluster, "PATCH", f"{MAPS}/z?fieldManager=kubectl", applied, APPLY)
    assert code in {200, 201, 400, 422}
    assert ask(cluster, "GET", MAPS) == 200
