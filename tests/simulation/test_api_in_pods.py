"""Programs that talk to the API of their cluster, as operators do."""

from __future__ import annotations

import pytest

from roost.api.errors import Forbidden
from roost.simulation import Cluster, Context, Image

RIGHTS = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: operator}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: operator}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: operator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: operator}
subjects: [{kind: ServiceAccount, name: operator}]
---
apiVersion: v1
kind: Pod
metadata: {name: operator}
spec:
  serviceAccountName: operator
  containers: [{name: main, image: operator}]
"""


class Operator(Image):
    """Copies every ConfigMap that asks for it; what it may not do is a line in its log."""

    name = "operator"

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        try:
            await ctx.api.list("secrets")
        except Forbidden as error:
            ctx.print(error)
        while True:
            try:
                async for event in ctx.api.watch("configmaps", labels="copy=yes"):
                    if event.type == "ADDED":
                        await self.copy(ctx, event.object["metadata"]["name"])
            except ConnectionError:
                ctx.print("no connection")
            await ctx.sleep(5)

    async def copy(self, ctx: Context, name: str) -> None:
        found = await ctx.api.get("cm", name)
        await ctx.api.create(
            "configmaps",
            {"metadata": {"name": f"{name}-copy", "labels": {"made": "yes"}},
             "data": found["data"]},
        )  # fmt: skip


@pytest.fixture
def cluster():
    with Cluster(nodes=1) as made:
        made.register(Operator)
        made.apply(RIGHTS)
        made.advance(1)
        yield made


def ask(cluster: Cluster, name: str) -> None:
    metadata = {"name": name, "labels": {"copy": "yes"}}
    cluster.client.create("configmaps", {"metadata": metadata, "data": {"a": name}})


def names(cluster: Cluster) -> list[str]:
    found = cluster.client.list("configmaps", "default", labels="made=yes")
    return [one["metadata"]["name"] for one in found]


def test_an_operator_in_a_pod_watches_and_writes_with_its_own_rights(cluster: Cluster):
    ask(cluster, "one")
    cluster.advance(1)
    assert names(cluster) == ["one-copy"]
    assert cluster.logs("operator").startswith(
        'secrets is forbidden: User "system:serviceaccount:default:operator" cannot list '
        'resource "secrets" in API group "" in the namespace "default"'
    )
    fields = cluster.client.get("cm", "one-copy")["metadata"]["managedFields"]
    assert fields[0]["manager"] == "operator"
    assert "serviceaccount:default:operator writes configmaps default/one-copy" in cluster.story(
        "configmap/one-copy"
    )


def test_it_is_cut_off_with_its_node_and_by_the_end_of_the_server(cluster: Cluster):
    cluster.partition("node-1")
    ask(cluster, "two")
    cluster.advance(20)
    assert names(cluster) == []
    assert "no connection" in cluster.logs("operator")
    cluster.heal("node-1")
    cluster.advance(10)
    assert names(cluster) == ["two-copy"]
    cluster.crash("server")
    cluster.advance(7)
    cluster.restart("server")
    ask(cluster, "three")
    cluster.advance(10)
    assert names(cluster) == ["three-copy", "two-copy"]
