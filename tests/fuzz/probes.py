"""Requests by others while something that acts on them is there: a policy, a quota, a definition."""

from __future__ import annotations

from typing import Any

from fuzz.rules import check_answer
from fuzz.scene import Scene, collection, whole
from fuzz.seeds import seed_of
from roost.api.kind import Kind
from roost.apiserver.requestinfo import RequestInfo

_DRY = "dryRun=All"
_PROBED = (
    ("apps", "v1", "deployments"), ("", "v1", "pods"), ("fuzz.example", "v1", "widgets"),
    ("", "v1", "persistentvolumeclaims"),
)  # fmt: skip
_CUSTOM: tuple[dict[str, Any], ...] = (
    {}, {"spec": {"n": 1, "s": "a", "list": [{"k": "a", "v": 1}]}},
    {"spec": {"n": "x", "list": [{"k": None}, {"k": "a"}, {"k": "a"}], "map": {"a": "b"}}},
    {"spec": None}, {"spec": {"n": 3, "s": "aaaa\u00df", "raw": {"kind": 5}, "alt": {"x": "1",
    "y": "2"}}},
)  # fmt: skip


async def probe(scene: Scene, acting: RequestInfo) -> None:
    """Write what is good, and see that the answer is one; raises Broken."""
    registry = scene.api.registry
    if acting.resource == "customresourcedefinitions":
        for kind in [kind for kind in registry.kinds() if kind.resource not in scene.nodes]:
            await _custom(scene, kind)
        return
    for resource in _PROBED:
        kind = registry.find(*resource)
        assert kind is not None
        answer = await scene.ask("POST", collection(kind), whole(kind, seed_of(kind), "p"), _DRY)
        check_answer(answer)


async def _custom(scene: Scene, kind: Kind) -> None:
    """Objects of a definition that nobody has seen before."""
    path = collection(kind)
    for number, value in enumerate(_CUSTOM):
        body = whole(kind, value, f"p{number}")
        check_answer(await scene.ask("POST", path, body))
        check_answer(await scene.ask("PUT", f"{path}/p{number}", body))
        check_answer(await scene.ask("PATCH", f"{path}/p{number}", {"spec": {"n": 2, "s": None}},
                                     content_type="application/merge-patch+json"))  # fmt: skip
        check_answer(await scene.ask("PATCH", f"{path}/p{number}", body, "fieldManager=f&force=1",
                                     content_type="application/apply-patch+yaml"))  # fmt: skip
        check_answer(await scene.ask("GET", f"{path}/p{number}/scale"))
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    check_answer(await scene.ask("GET", path, accept=table))
    check_answer(await scene.ask("GET", path, query="fieldSelector=spec.s%3Da"))
    check_answer(await scene.ask("GET", "/openapi/v3/apis/a.example/v1"))
