"""Writes of a Scale that were meant for another object."""

from __future__ import annotations

import asyncio
import json

import pytest

from fakes.apiserver import running
from roost.apiserver.attributes import User
from roost.apiserver.messages import Request

SOMEBODY = User("somebody", ("system:masters",))
SPACE = "/api/v1/namespaces"
SETS = "/apis/apps/v1/namespaces/n/replicasets"
MERGE = "application/merge-patch+json"


def ask(method: str, scale: dict, media: str = "application/json"):
    async def main():
        async with running() as api:

            async def send(verb, path, body, kind="application/json"):
                headers = {"content-type": kind, "accept": "application/json"}
                raw = json.dumps(body).encode()
                answer = await api.handle(Request(verb, path, "", headers, raw, SOMEBODY, path))
                return answer.code, json.loads(answer.body)

            await send("POST", SPACE, {"metadata": {"name": "n"}})
            labels = {"a": "b"}
            template = {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            }
            spec = {"selector": {"matchLabels": labels}, "template": template}
            code, made = await send("POST", SETS, {"metadata": {"name": "s"}, "spec": spec})
            assert code == 201, made
            return await send(method, f"{SETS}/s/scale", scale, media)

    return asyncio.run(main())


@pytest.mark.parametrize(("method", "media"), [("PUT", "application/json"), ("PATCH", MERGE)])
def test_another_namespace_is_refused(method, media):
    code, body = ask(method, {"metadata": {"name": "s", "namespace": "other"}}, media)
    assert code == 400
    assert body["message"] == (
        "the namespace of the provided object does not match the namespace sent on the request"
    )


def test_another_uid_is_a_conflict():
    scale = {"metadata": {"name": "s", "uid": "other"}, "spec": {"replicas": 2}}
    code, body = ask("PUT", scale)
    assert code == 409
    assert (
        "StorageError: invalid object, Code: 4, Key: /registry/replicasets/n/s" in body["message"]
    )
    code, body = ask("PATCH", scale, MERGE)
    assert code == 409
    assert body["message"].startswith(
        'Operation cannot be fulfilled on replicasets/scale.apps "s": '
        "Precondition failed: UID in precondition: other, UID in object meta: "
    )
    assert body["details"] == {"name": "s", "group": "apps", "kind": "replicasets/scale"}


def test_a_scale_is_written():
    assert ask("PUT", {"metadata": {"name": "s"}, "spec": {"replicas": 2}})[0] == 200
    assert ask("PATCH", {"spec": {"replicas": 2}}, MERGE)[0] == 200
