"""One odd value at every position of every schema: created, written over, patched in, applied."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from multidict import CIMultiDict

from fuzz.positions import Position, odd_values, planted, positions
from fuzz.scene import ADMIN, Scene, collection, item, whole
from fuzz.seeds import name_of, seed_of
from roost.api.kind import Kind
from roost.apiserver.messages import Request

_JSON = "application/json"
_PATCHES = (
    "application/merge-patch+json", "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)  # fmt: skip
#: Of a position that other kinds have too (in a pod's template), each kind gets one value in six.
_SHARED_EVERY = 6


class Systematic:
    """All requests, shuffled: `chunk` says which part of the row to yield."""

    def __init__(self, scene: Scene, rng: random.Random) -> None:
        self._rng = rng
        self._row = list(self._all(scene))
        rng.shuffle(self._row)

    def __len__(self) -> int:
        return len(self._row)

    def __iter__(self) -> Iterator[Request]:
        for kind, position, odd, turn in self._row:
            yield _request(kind, position, odd, turn)

    def _all(self, scene: Scene) -> Iterator[tuple[Kind, Position, Any, int]]:
        seen: set[tuple[Any, ...]] = set()
        turn = self._rng.randrange(1000)
        for kind in scene.kinds:
            if not {"create", "update"} & set(kind.verbs):
                continue
            for position in positions(scene.nodes[kind.resource]):
                above = position.nodes[-2:-1]
                mark = (*(id(node) for node in above), position.path[-1], position.path[0])
                shared = mark in seen and len(position.path) > 1
                seen.add(mark)
                for odd in odd_values(position.node, turn):
                    turn += 1
                    if not shared or turn % _SHARED_EVERY == 0:
                        yield kind, position, odd, turn


def _request(kind: Kind, position: Position, odd: Any, turn: int) -> Request:
    value = whole(kind, seed_of(kind) or {})
    name = name_of(kind)
    headers: CIMultiDict[str] = CIMultiDict({"content-type": _JSON})
    status = position.path[0] == "status" and "status" in kind.subresources
    method = ("POST", "PUT", "PATCH", "PUT" if status else "POST")[turn % 4]
    if (method == "PUT" and "update" not in kind.verbs) or (
        method == "PATCH" and "patch" not in kind.verbs
    ):
        method = "POST"
    if method == "POST":
        value["metadata"]["name"] = "b" if name == "a" else name
    value = planted(value, position, odd)
    query = ""
    path = item(kind, name) + ("/status" if status else "")
    if method == "POST":
        path = collection(kind)
    if method == "PATCH":
        headers["content-type"] = media = _PATCHES[turn // 4 % 3]
        if "apply" in media:
            query = "fieldManager=fuzz&force=true"
        else:
            value = {position.path[0]: value[position.path[0]]}
    return Request(method, path, query, headers, json.dumps(value).encode(), ADMIN, path)
