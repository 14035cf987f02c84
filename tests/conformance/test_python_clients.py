"""The official Python client (typed and dynamic) and kr8s against a server without a node."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import kr8s
import kr8s.asyncio
import pytest
from kubernetes import client, config, watch
from kubernetes.dynamic import DynamicClient

from bare_server import BareServer

pytestmark = pytest.mark.slow


@pytest.fixture
def api(server: BareServer) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(server.kubeconfig)) as made:
        yield made


@pytest.fixture
def space(api: client.ApiClient, request: pytest.FixtureRequest) -> Iterator[str]:
    core = client.CoreV1Api(api)
    made = core.create_namespace({"metadata": {"generateName": "client-"}}).metadata.name
    yield made
    core.delete_namespace(made)


def config_map(name: str, **data: str) -> client.V1ConfigMap:
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data)


def test_objects_are_made_read_changed_and_deleted(api: client.ApiClient, space: str):
    core = client.CoreV1Api(api)
    made = core.create_namespaced_config_map(space, config_map("a", x="1"))
    assert made.metadata.creation_timestamp.tzinfo is not None
    with pytest.raises(client.ApiException) as twice:
        core.create_namespaced_config_map(space, config_map("a"))
    assert (twice.value.status, '"reason":"AlreadyExists"' in twice.value.body) == (409, True)
    made.data["y"] = "2"
    new = core.replace_namespaced_config_map("a", space, made)
    with pytest.raises(client.ApiException) as stale:
        core.replace_namespaced_config_map("a", space, made)
    assert stale.value.status == 409
    assert new.data == {"x": "1", "y": "2"}
    changes = [{"op": "remove", "path": "/data/x"}, {"op": "add", "path": "/data/z", "value": "3"}]
    patched = core.patch_namespaced_config_map("a", space, changes)
    assert patched.data == {"y": "2", "z": "3"}
    core.create_namespaced_config_map(space, config_map("b"))
    deleted = core.delete_collection_namespaced_config_map(
        space, field_selector="metadata.name=b", grace_period_seconds=0
    )
    assert deleted
    names = {item.metadata.name for item in core.list_namespaced_config_map(space).items}
    assert "a" in names
    assert "b" not in names
    with pytest.raises(client.ApiException) as wrong:
        core.create_namespaced_config_map(space, config_map("Not Valid"))
    assert wrong.value.status == 422


def test_lists_come_in_pages(api: client.ApiClient, space: str):
    core = client.CoreV1Api(api)
    for number in range(7):
        core.create_namespaced_secret(space, {"metadata": {"name": f"s{number}"}})
    names, token, pages = [], None, 0
    while True:
        page = core.list_namespaced_secret(space, limit=3, _continue=token)
        names += [item.metadata.name for item in page.items]
        pages += 1
        token = page.metadata._continue
        if not token:
            break
        assert page.metadata.remaining_item_count == 7 - len(names)
    assert (names, pages) == ([f"s{number}" for number in range(7)], 3)


def test_a_watch_goes_on_where_it_stopped_and_says_when_it_cannot(
    api: client.ApiClient, space: str
):
    core = client.CoreV1Api(api)
    begun = core.list_namespaced_config_map(space).metadata.resource_version
    for number in range(3):
        core.create_namespaced_config_map(space, config_map(f"w{number}"))
    watcher = watch.Watch()
    seen: list[str] = []
    for event in watcher.stream(core.list_namespaced_config_map, space, resource_version=begun,
                                timeout_seconds=20, label_selector="!nothing"):  # fmt: skip
        name = event["object"].metadata.name
        if name.startswith("w"):
            seen.append(name)
        if len(seen) == 2:
            break
    rest = watch.Watch()
    last = event["object"].metadata.resource_version
    for later in rest.stream(core.list_namespaced_config_map, space, timeout_seconds=20,
                             resource_version=last):  # fmt: skip
        if later["object"].metadata.name.startswith("w"):
            seen.append(later["object"].metadata.name)
            rest.stop()
    assert seen == ["w0", "w1", "w2"]
    begun = core.list_namespaced_config_map(space).metadata.resource_version
    quiet = watch.Watch().stream(core.list_namespaced_config_map, space, timeout_seconds=1,
                                 resource_version=begun)  # fmt: skip
    assert list(quiet) == []


CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "boats.harbour.example"},
    "spec": {
        "group": "harbour.example",
        "scope": "Namespaced",
        "names": {"plural": "boats", "singular": "boat", "kind": "Boat", "shortNames": ["bo"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}, "scale": {
                    "specReplicasPath": ".spec.sails", "statusReplicasPath": ".status.sails"}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "required": ["sails"], "properties": {
                        "sails": {"type": "integer", "minimum": 0},
                        "colour": {"type": "string", "default": "white"}}},
                    "status": {"type": "object", "properties": {"sails": {"type": "integer"}}}}}},
            }
        ],
    },
}  # fmt: skip


def test_custom_resources_with_the_dynamic_client(api: client.ApiClient, space: str):
    extensions = client.ApiextensionsV1Api(api)
    extensions.create_custom_resource_definition(CRD)
    try:
        for event in watch.Watch().stream(
            extensions.list_custom_resource_definition, timeout_seconds=20
        ):
            conditions = event["object"].status.conditions or []
            if any(c.type == "Established" and c.status == "True" for c in conditions):
                break
        boats = DynamicClient(api).resources.get(api_version="harbour.example/v1", kind="Boat")
        body = {"apiVersion": "harbour.example/v1", "kind": "Boat", "metadata": {"name": "one"},
                "spec": {"sails": 2, "unknown": 1}}  # fmt: skip
        made = boats.create(body=body, namespace=space)
        assert made.spec.to_dict() == {"sails": 2, "colour": "white"}
        boats.status.patch(body={"status": {"sails": 2}}, name="one", namespace=space,
                           content_type="application/merge-patch+json")  # fmt: skip
        assert boats.get(name="one", namespace=space).status.sails == 2
        with pytest.raises(client.ApiException) as wrong:
            boats.create(body={**body, "metadata": {"name": "two"}, "spec": {"sails": -1}},
                         namespace=space)  # fmt: skip
        assert wrong.value.status == 422
        assert "spec.sails" in str(wrong.value.body)
        applied = boats.server_side_apply(
            body={**body, "spec": {"sails": 5}}, name="one", namespace=space,
            field_manager="captain", force_conflicts=True,
        )  # fmt: skip
        assert applied.spec.sails == 5
    finally:
        extensions.delete_custom_resource_definition("boats.harbour.example")


def test_rights_and_tokens(api: client.ApiClient, space: str, server: BareServer):
    core, rbac = client.CoreV1Api(api), client.RbacAuthorizationV1Api(api)
    core.create_namespaced_service_account(space, {"metadata": {"name": "robot"}})
    rbac.create_namespaced_role(space, {"metadata": {"name": "r"}, "rules": [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]})  # fmt: skip
    rbac.create_namespaced_role_binding(space, {"metadata": {"name": "r"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": space}]})  # fmt: skip
    token = core.create_namespaced_service_account_token(
        "robot", space, client.AuthenticationV1TokenRequest(
            spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=600)),
    ).status.token  # fmt: skip
    settings = client.Configuration()
    settings.host, settings.ssl_ca_cert = server.url, api.configuration.ssl_ca_cert
    settings.api_key = {"authorization": f"Bearer {token}"}
    with client.ApiClient(settings) as made:
        robot = client.CoreV1Api(made)
        robot.list_namespaced_config_map(space)
        with pytest.raises(client.ApiException) as refused:
            robot.list_namespaced_secret(space)
        assert refused.value.status == 403
        settings.api_key = {"authorization": "Bearer nonsense"}
        with pytest.raises(client.ApiException) as unknown:
            robot.list_namespaced_config_map(space)
        assert unknown.value.status == 401


def deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    return {"metadata": {"name": name}, "spec": {
        "replicas": 1, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels},
                     "spec": {"containers": [{"name": "c", "image": "x"}]}}}}  # fmt: skip


def test_kr8s(space: str, server: BareServer):
    api = kr8s.api(kubeconfig=str(server.kubeconfig), namespace=space)
    made = kr8s.objects.Deployment(deployment("web"), namespace=space, api=api)
    made.create()
    made.wait("condition=Progressing", timeout=10)
    made.scale(3)
    assert made.replicas == 3
    made.label({"tier": "front"})
    made.annotate({"note": "x"})
    made.patch({"spec": {"paused": True}})
    assert made.raw["spec"]["paused"] is True
    assert [d.name for d in api.get("deployments", label_selector={"tier": "front"})] == ["web"]
    assert made.exists()
    made.delete()
    made.wait("delete", timeout=10)
    with pytest.raises(kr8s.NotFoundError):
        kr8s.objects.Deployment.get("web", namespace=space, api=api)
    assert "deployments.apps" in {f"{r['name']}.{r['version'].partition('/')[0]}" for r in
                                  api.api_resources() if "/" in r["version"]}  # fmt: skip


def test_kr8s_watches_with_asyncio(space: str, server: BareServer):
    async def work() -> list[str]:
        api = await kr8s.asyncio.api(kubeconfig=str(server.kubeconfig), namespace=space)
        seen: list[str] = []

        async def follow() -> None:
            async with aclosing(api.watch("secrets", namespace=space)) as events:
                async for kind, item in events:
                    seen.append(f"{kind} {item.name}")
                    if kind == "DELETED":
                        return

        async with asyncio.timeout(20):
            following = asyncio.ensure_future(follow())
            made = await kr8s.asyncio.objects.Secret(
                {"metadata": {"name": "s"}}, namespace=space, api=api
            )
            await made.create()
            while not seen:  # noqa: ASYNC110 - the watch may begin later than the object
                await asyncio.sleep(0.02)
            await made.label({"a": "b"})
            await made.delete()
            await following
        return seen

    assert asyncio.run(work()) == ["ADDED s", "MODIFIED s", "DELETED s"]
