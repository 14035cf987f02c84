"""Custom resources as apiextensions-apiserver/test/integration/fixtures makes and removes them."""

from __future__ import annotations

import random
import string
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from goclient import GoClient, Refused, Resource, poll

Object = dict[str, Any]
ANYTHING: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def suffix() -> str:
    return "".join(random.choices(string.ascii_lowercase, k=5))


def definition(
    name: str, group: str, versions: list[Object], scope: str = "Cluster", **names: Any
) -> Object:
    """Return a CustomResourceDefinition whose plural is the name and an s."""
    return {
        "metadata": {"name": f"{name}s.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "versions": versions,
            "names": {
                "plural": f"{name}s", "singular": name, "kind": name, "listKind": f"{name}List",
                **names,
            },
        },
    }  # fmt: skip


def version(
    name: str, *, storage: bool = True, schema: Object | None = None, **more: Any
) -> Object:
    return {
        "name": name, "served": True, "storage": storage,
        "schema": {"openAPIV3Schema": schema or ANYTHING}, **more,
    }  # fmt: skip


def allow_all(name: str, of: str, scope: str = "Cluster") -> Object:
    return definition(name, f"group{suffix()}.example.com", [version(of)], scope)


def random_name(scope: str = "Cluster", schema: Object | None = None) -> Object:
    """Return one of one version, as NewRandomNameV1CustomResourceDefinition."""
    return definition(
        f"foo{suffix()}a", "mygroup.example.com", [version("v1beta1", schema=schema)], scope
    )


def many_versions(schema: Object | None = None) -> Object:
    """Return one as NewRandomNameMultipleVersionCustomResourceDefinition."""
    status: Object = {"subresources": {"status": {}}}
    versions = [
        version("v1beta1", storage=False, schema=schema, **status),
        version("v1", schema=schema, **status),
    ]
    return definition(f"foo{suffix()}a", "mygroup.example.com", versions)


def definitions(api: GoClient) -> Resource:
    return api.extensions(
        "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions"
    )


def served(crd: Object) -> list[str]:
    return [entry["name"] for entry in crd["spec"]["versions"] if entry["served"]]


def discovered(api: GoClient, crd: Object, name: str) -> bool:
    try:
        found = api.get(f"/apis/{crd['spec']['group']}/{name}", accept="application/json, */*")
    except Refused as refused:
        if refused.code != 404:
            raise
        return False
    return crd["spec"]["names"]["plural"] in {entry["name"] for entry in found["resources"]}


def create_unprimed(api: GoClient, value: Object) -> Object:
    """Create one and wait until it is discovered: CreateNewV1...WatchUnsafe."""
    made = definitions(api).create("", value)
    for name in served(made):
        poll(lambda name=name: discovered(api, made, name))
    return made


def create(api: GoClient, value: Object) -> Object:
    """Create one, and one object of it whose deletion each version's watch must show."""
    made = create_unprimed(api, value)
    spec = made["spec"]
    namespace = "" if spec["scope"] == "Cluster" else "default"
    names = served(made)
    first = api.dynamic(
        f"{spec['group']}/{names[0]}", spec["names"]["plural"], spec["names"]["kind"]
    )
    given = {
        "metadata": {"name": "setup-instance", "namespace": namespace},
        "alpha": "foo_123", "beta": 10, "gamma": "bar", "delta": "hello", "epsilon": "foobar",
        "spec": {},
    }  # fmt: skip
    instance = first.create(namespace, given)
    first.delete(namespace, "setup-instance")
    since = instance["metadata"]["resourceVersion"]
    for name in names:
        other = api.dynamic(f"{spec['group']}/{name}", spec["names"]["plural"])
        with other.watch(namespace, resourceVersion=since) as watch:
            assert watch.next(5).type == "DELETED"
    return made


def delete(api: GoClient, crd: Object) -> None:
    """Delete one and wait until it is not discovered any more."""
    definitions(api).delete("", crd["metadata"]["name"])
    for name in served(crd):
        poll(lambda name=name: not discovered(api, crd, name))


@contextmanager
def custom_resource(api: GoClient, value: Object) -> Iterator[Object]:
    made = create(api, value)
    yield made
    delete(api, made)


def objects_of(api: GoClient, crd: Object, of: str = "") -> Resource:
    """Return the dynamic client of a custom resource."""
    spec = crd["spec"]
    return api.dynamic(
        f"{spec['group']}/{of or served(crd)[0]}", spec["names"]["plural"], spec["names"]["kind"]
    )
