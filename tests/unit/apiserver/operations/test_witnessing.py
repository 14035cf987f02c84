"""What clients in process write is counted and audited; controllers act under their own names."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from fakes.apiserver import running
from roost.adapters.virtual.clock import LoopClock
from roost.api.errors import NotFound
from roost.api.kind import Resource
from roost.apiserver.access.bootstrap.accounts import MANAGER, controller_user
from roost.apiserver.auditing.auditor import Auditor
from roost.apiserver.auditing.policy import parse_policy
from roost.apiserver.inprocess import Manner
from roost.client.port import PatchType
from roost.controllers.registry import ALL

MAPS = Resource("", "v1", "configmaps")
#: Controllers that no real cluster has, and the one that makes the accounts' tokens.
OWN = {
    "local-path-provisioner-controller", "service-lb-controller", "serviceaccount-token-controller",
}  # fmt: skip


class Lines:
    """A sink in memory."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def write(self, line: bytes) -> None:
        self.events.append(json.loads(line))


def test_controllers_have_the_accounts_of_the_real_ones() -> None:
    assert {name for name in ALL if controller_user(name) is MANAGER} == OWN
    user = controller_user("daemonset-controller")
    assert user.name == "system:serviceaccount:kube-system:daemon-set-controller"
    assert "system:masters" not in user.groups


def test_writes_in_process_are_audited_with_their_bodies() -> None:
    async def scene() -> list[Any]:
        sink = Lines()
        async with running() as api:
            rules = [
                {
                    "level": "RequestResponse",
                    "resources": [{"group": "", "resources": ["configmaps"]}],
                },
                {"level": "None"},
            ]
            document = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules,
                        "omitStages": ["RequestReceived"]}  # fmt: skip
            api.auditor = Auditor(parse_policy(document), sink, LoopClock())
            manner = Manner(trusted=True, manager="kube-controller-manager")
            client = api.client(controller_user("job-controller"), manner=manner)
            await client.create(MAPS, {"metadata": {"name": "a"}, "data": {"k": "v"}}, "n")
            await client.patch(MAPS, "a", {"data": {"k": "w"}}, "n", type=PatchType.MERGE)
            await client.create(
                Resource("", "v1", "namespaces"), {"metadata": {"name": "unaudited"}}
            )
            await client.delete(MAPS, "a", "n")
            with pytest.raises(NotFound):
                await client.delete(MAPS, "a", "n")
            text = (await api.metrics.text()).decode()
        posted = [line for line in text.splitlines()
                  if line.startswith("apiserver_request_total") and 'verb="DELETE"' in line]  # fmt: skip
        assert sorted(line.partition('code="')[2][:3] for line in posted) == ["200", "404"]
        return sink.events

    created, patched, deleted, missed = asyncio.run(scene())
    assert created["user"]["username"] == "system:serviceaccount:kube-system:job-controller"
    assert created["userAgent"] == "kube-controller-manager"
    assert created["requestURI"] == "/api/v1/namespaces/n/configmaps"
    assert created["objectRef"]["name"] == "a"
    assert created["requestObject"]["data"] == {"k": "v"}
    owners = created["responseObject"]["metadata"]["managedFields"]
    assert [owner["manager"] for owner in owners] == ["kube-controller-manager"]
    assert (created["responseStatus"]["code"], patched["verb"]) == (201, "patch")
    assert patched["requestURI"] == deleted["requestURI"] == "/api/v1/namespaces/n/configmaps/a"
    assert patched["responseObject"]["data"] == {"k": "w"}
    assert missed["responseStatus"]["reason"] == "NotFound"
    assert created["auditID"] != patched["auditID"]
