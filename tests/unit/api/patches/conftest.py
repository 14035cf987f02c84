"""Schemas made by hand, so that the rules of patches are tested apart from the schema document."""

from __future__ import annotations

from typing import Any

import pytest

from roost.api.schema.node import Node

TEXT = Node(type="string")
NUMBER = Node(type="integer")
FLAG = Node(type="boolean")


def obj(**fields: Node) -> Node:
    return Node(type="object", fields=fields)


def map_of(values: Node, **more: Any) -> Node:
    return Node(type="object", values=values, **more)


def list_of(items: Node, **more: Any) -> Node:
    return Node(type="array", items=items, **more)


def gadget_node() -> Node:
    """A kind with every sort of field that patches tell apart."""
    port = obj(port=NUMBER, protocol=Node(type="string", default="TCP"), name=TEXT)
    part = obj(name=TEXT, image=TEXT, size=NUMBER, env=map_of(TEXT))
    part.required = ("name",)
    meta = obj(
        name=TEXT, namespace=TEXT, uid=TEXT, resourceVersion=TEXT,
        labels=map_of(TEXT), annotations=map_of(TEXT),
        finalizers=list_of(TEXT, list_type="set", merge_strategies=("merge",)),
    )  # fmt: skip
    meta.fields["managedFields"] = list_of(Node())
    spec = obj(
        replicas=NUMBER,
        paused=FLAG,
        selector=map_of(TEXT, atomic=True),
        parts=list_of(
            part, list_type="map", list_keys=("name",), merge_key="name",
            merge_strategies=("merge",),
        ),
        ports=list_of(
            port, list_type="map", list_keys=("port", "protocol"), merge_key="port",
            merge_strategies=("merge",),
        ),
        args=list_of(TEXT),
        strategy=Node(
            type="object", fields={"type": TEXT, "step": NUMBER}, merge_strategies=("retainKeys",)
        ),
        extra=Node(),
    )  # fmt: skip
    status = obj(phase=TEXT, ready=NUMBER)
    return obj(apiVersion=TEXT, kind=TEXT, metadata=meta, spec=spec, status=status)


@pytest.fixture
def gadget() -> Node:
    return gadget_node()
