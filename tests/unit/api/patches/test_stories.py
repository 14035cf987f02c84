"""Replays of what happens to an object: writes by several managers, and who owns what after each.

A story is a JSON file: a definition of the schema, and steps. A step is a write (`do`: create, put,
merge, json, strategic or apply) by a manager, with either the `error` that it gets, or parts of the
object (`is`) and the `owners` after it. No defaults are put in and no admission runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from roost.api.errors import StatusError
from roost.api.patches.apply import apply_configuration
from roost.api.patches.json_patch import apply_json_patch
from roost.api.patches.managed import reset_fields, track_update
from roost.api.patches.merge_patch import apply_merge_patch
from roost.api.patches.strategic import apply_strategic_patch
from roost.api.schema.nodes import node
from roost.api.values import Object, copy_of

STORIES = sorted((Path(__file__).parent / "stories").glob("*.json"))


def written(definition: str, live: Object | None, step: Object, now: str) -> Object:
    schema = node(f"io.k8s.api.{definition}")
    body, do, manager = step["body"], step["do"], step["by"]
    subresource = step.get("through", "")
    reset = reset_fields("", "", subresource)
    if do == "apply":
        return apply_configuration(
            schema, live, body, manager=manager, force=step.get("force", False),
            api_version=body["apiVersion"], now=now, subresource=subresource, reset_fields=reset,
        )  # fmt: skip
    if do in {"create", "put"}:
        new = copy_of(body)
        if live is not None:
            new["metadata"] = {"uid": live["metadata"]["uid"], **new["metadata"]}
    else:
        assert live is not None
        new = {
            "merge": lambda: apply_merge_patch(live, body),
            "json": lambda: apply_json_patch(live, body),
            "strategic": lambda: apply_strategic_patch(live, body, schema),
        }[do]()
    track_update(
        schema, live, new, manager=manager, api_version=new["apiVersion"], now=now,
        subresource=subresource, reset_fields=reset,
    )  # fmt: skip
    return new


def owners(value: Object) -> dict[str, Any]:
    return {
        "/".join(
            filter(None, (entry["manager"], entry["operation"], entry.get("subresource")))
        ): entry["fieldsV1"]
        for entry in value["metadata"].get("managedFields", ())
    }


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path) -> None:
    story = json.loads(path.read_text())
    live: Object | None = None
    for number, step in enumerate(story["steps"]):
        before = copy_of(live)
        now = f"2026-01-01T00:00:{number:02}Z"
        if "error" in step:
            with pytest.raises(StatusError) as caught:
                written(story["definition"], live, step, now)
            assert caught.value.message == step["error"], step["step"]
            continue
        after = written(story["definition"], live, step, now)
        assert live == before, step["step"]
        live = after
        live["metadata"].setdefault("uid", "u")
        assert {key: live.get(key) for key in step["is"]} == step["is"], step["step"]
        assert owners(live) == step["owners"], step["step"]
