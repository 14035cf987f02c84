"""The parts of the cluster, as componentstatuses show them."""

from __future__ import annotations

import asyncio
import json

from fakes.apiserver import running
from roost.apiserver.attributes import User
from roost.apiserver.components import CONTROLLERS
from roost.apiserver.messages import Request

SOMEBODY = User("somebody", ("system:masters",))
PATH = "/api/v1/componentstatuses"


def ask(path: str, query: str = "", accept: str = "application/json"):
    async def main():
        async with running() as api:
            api.components.runs(CONTROLLERS)
            request = Request("GET", path, query, {"accept": accept}, b"", SOMEBODY, path)
            return await api.handle(request)

    answer = asyncio.run(main())
    return answer.code, json.loads(answer.body)


def test_all_parts_are_listed_and_what_does_not_run_refuses_connections():
    code, body = ask(PATH)
    assert (code, body["kind"], body["metadata"]) == (200, "ComponentStatusList", {})
    refused = (
        'Get "https://127.0.0.1:10259/healthz": dial tcp 127.0.0.1:10259: '
        "connect: connection refused"
    )
    assert [
        (one["metadata"], one["conditions"][0]["status"], one["conditions"][0]["message"])
        for one in body["items"]
    ] == [
        ({"name": "scheduler"}, "False", refused),
        ({"name": "controller-manager"}, "True", "ok"),
        ({"name": "etcd-0"}, "True", "ok"),
    ]


def test_one_part():
    code, body = ask(f"{PATH}/etcd-0")
    assert code == 200
    assert body == {
        "kind": "ComponentStatus",
        "apiVersion": "v1",
        "metadata": {"name": "etcd-0"},
        "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}],
    }
    assert ask(f"{PATH}/none")[0] == 404


def test_parts_may_be_selected_and_shown_in_a_table():
    assert len(ask(PATH, "fieldSelector=metadata.name%3Detcd-0")[1]["items"]) == 1
    assert ask(PATH, "labelSelector=a%3Db")[1]["items"] == []
    table = ask(PATH, accept="application/json;as=Table;v=v1;g=meta.k8s.io")[1]
    assert table["rows"][1]["cells"][:2] == ["controller-manager", "Healthy"]
