"""What `kubectl apply` makes of an object that is there: a merge of three states, and its writing.

The last applied state says what its author once wanted, the wanted one what they want now, and the live
one what others made of it. What the author never named stays as it is; what they no longer name goes.
Lists merge by the keys of the schema, as kubectl's strategic merge does.
"""

from __future__ import annotations

from typing import Any

import msgspec

from roost.api.errors import NotFound
from roost.api.patches.apply import LAST_APPLIED
from roost.api.schema.node import Node
from roost.api.values import Object, Value
from roost.client.port import Client
from roost.simulation.controlplane import ControlPlane

_OPEN = Node(open=True)


async def apply_object(
    client: Client, plane: ControlPlane, wanted: Object, namespace: str
) -> Object:
    """Create or change one object as `kubectl apply` does; return it as it is then.

    Raises the API's errors, NotFound for a kind that is not served.
    """
    group, _, version = wanted["apiVersion"].rpartition("/")
    kind = plane.registry.by_name(group, version, wanted["kind"])
    if kind is None:
        raise NotFound(
            f'no matches for kind "{wanted["kind"]}" in version "{wanted["apiVersion"]}"'
        )
    metadata = dict(wanted.get("metadata") or {})
    place = (metadata.get("namespace") or namespace) if kind.namespaced else ""
    if place:
        metadata["namespace"] = place
    plain: Object = {**wanted, "metadata": metadata}
    notes = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != LAST_APPLIED}
    metadata["annotations"] = notes
    configuration = msgspec.json.encode(plain, order="sorted").decode() + "\n"
    metadata["annotations"] = {**notes, LAST_APPLIED: configuration}
    resource = kind.resource
    try:
        live = await client.get(resource, metadata.get("name", ""), place)
    except NotFound:
        return await client.create(resource, plain, place)
    told = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    last = msgspec.json.decode(told) if told else {}
    made = three_way(last, live, plain, plane.server.core.node(kind))
    if made == live:
        return live
    return await client.update(resource, made, place)


def three_way(last: Object, live: Object, wanted: Object, node: Node) -> Object:
    """Return the object as it is to be written. Nothing of the arguments is changed."""
    return _map(last, live, wanted, node.resolve())


def _child(node: Node, name: str) -> Node:
    found = node.fields.get(name) or node.values
    return found.resolve() if found is not None else _OPEN


def _map(last: Object, live: Object, wanted: Object, node: Node) -> Object:
    made: Object = {}
    for name, value in live.items():
        if name in wanted:
            made[name] = _value(last.get(name), value, wanted[name], _child(node, name))
        elif name not in last:
            made[name] = value
    for name, value in wanted.items():
        if name not in live:
            made[name] = value
    return {name: value for name, value in made.items() if value is not None}


def _value(last: Value, live: Value, wanted: Value, node: Node) -> Value:
    if isinstance(wanted, dict) and isinstance(live, dict) and not node.atomic:
        if "replace" in node.merge_strategies:
            return wanted
        return _map(last if isinstance(last, dict) else {}, live, wanted, node)
    if isinstance(wanted, list) and isinstance(live, list) and "merge" in node.merge_strategies:
        before = last if isinstance(last, list) else []
        if node.merge_key:
            return _keyed(before, live, wanted, node)
        gone = [item for item in before if item not in wanted]
        kept = [item for item in live if item not in wanted and item not in gone]
        return [*wanted, *kept]
    return wanted


def _keyed(last: list[Value], live: list[Value], wanted: list[Value], node: Node) -> list[Value]:
    """Merge lists of objects: those that are wanted in their order, then what others added."""
    key = node.merge_key
    item = node.items.resolve() if node.items is not None else _OPEN
    before, there = _by_key(last, key), _by_key(live, key)
    named = [one.get(key) for one in wanted if isinstance(one, dict)]
    made: list[Value] = []
    for one in wanted:
        name = one.get(key) if isinstance(one, dict) else None
        if name in there:
            made.append(_map(before.get(name) or {}, there[name], one, item))
        else:
            made.append(one)
    for one in live:
        name = one.get(key) if isinstance(one, dict) else None
        if name not in named and name not in before:
            made.append(one)
    return made


def _by_key(items: list[Value], key: str) -> dict[Any, Object]:
    return {one.get(key): one for one in items if isinstance(one, dict)}
