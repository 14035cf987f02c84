"""[sig-node] [DRA] CRUD Tests of Kubernetes' conformance tests.

They are one general test (test/e2e/framework/conformance) with data for each resource: all operations
with a dynamic client, while informers, one of them for the namespace, have to see every change.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from framework import Framework
from kinds import CLAIM_TEMPLATES, CLAIMS, DEVICE_CLASSES, RESOURCE_SLICES
from typedclient import (
    APPLY,
    JSON_PATCH,
    MERGE,
    STRATEGIC,
    Kind,
    Thing,
    Watch,
    newer,
    until,
)

pytestmark = pytest.mark.slow
_LABEL = "e2e-test.kubernetes.io"


@dataclass(frozen=True)
class Case:
    """Data for the general test; patches without target, by media type."""

    kind: Kind
    spec: Thing
    update: Callable[[Thing], Any]
    patches: list[tuple[str, Any]]
    status: Thing | None = None
    status_patches: list[tuple[str, Any]] = field(default_factory=list)


def _label(value: Thing) -> None:
    value["metadata"].setdefault("labels", {})["test.dra.example.com"] = "test"


_REQUEST = {"name": "req-0", "exactly": {"deviceClassName": "dra.example.com"}}
_LABELS = {"metadata": {"labels": {"test.dra.example.com": "test"}}}
_ALLOCATED: Thing = {"status": {"allocation": {}}}
_NEVER = {"spec": {"selectors": [{"cel": {"expression": "1 == 0"}}]}}
_DEVICES = {"spec": {"devices": [{"name": "device-0"}]}}
CASES = {
    "DeviceClass": Case(
        DEVICE_CLASSES, {"selectors": [{"cel": {"expression": "false"}}]},
        lambda value: value.update(_NEVER), [(STRATEGIC, _NEVER)],
    ),
    "ResourceClaim": Case(
        CLAIMS, {"devices": {"requests": [_REQUEST]}}, _label,
        [
            (STRATEGIC, _LABELS), (APPLY, _LABELS), (MERGE, _LABELS),
            (JSON_PATCH, [{"op": "add", "path": "/metadata/labels/test.dra.example.com",
                           "value": "test"}]),
        ],
        {"allocation": {}},
        [
            (STRATEGIC, _ALLOCATED), (APPLY, _ALLOCATED), (MERGE, _ALLOCATED),
            (JSON_PATCH, [{"op": "add", "path": "/status/allocation", "value": {}}]),
        ],
    ),
    "ResourceClaimTemplate": Case(
        CLAIM_TEMPLATES, {"spec": {"devices": {"requests": [_REQUEST]}}}, _label,
        [(STRATEGIC, _LABELS)],
    ),
    "ResourceSlice": Case(
        RESOURCE_SLICES,
        {
            "driver": "dra.example.com", "nodeName": "no-such-node",
            "pool": {"name": "cluster", "generation": 1, "resourceSliceCount": 1},
        },
        lambda value: value["spec"].update(_DEVICES["spec"]), [(STRATEGIC, _DEVICES)],
    ),
}  # fmt: skip


class Informer:
    """What an informer sees: the events since they were last asked for."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        while True:
            kind, value = watch.next()
            notes = value["metadata"].get("annotations") or {}
            assert kind == "BOOKMARK"
            if notes.get("k8s.io/initial-events-end") == "true":
                return

    def expect(self, expression: str, value: Thing) -> None:
        text = ""
        while not re.search(expression, text):
            kind, seen = self.watch.next()
            if kind != "BOOKMARK":
                assert seen["metadata"]["uid"] == value["metadata"]["uid"]
                assert seen["apiVersion"] == value["apiVersion"]
                text += kind.lower() + ","


@pytest.mark.parametrize("name", CASES)
def test_crud(f: Framework, name: str):
    """[DRA] CRUD Tests resource.k8s.io/v1 DeviceClass, ResourceClaim, ResourceClaimTemplate,
    ResourceSlice"""
    case = CASES[name]
    own, everywhere = f.dynamic(case.kind), f.client.dynamic(case.kind)
    labels = f"{_LABEL}={f.unique}"
    wanted = {
        "metadata": {
            "name": "test" if case.kind.namespaced else f"test-{f.namespace}",
            "labels": {_LABEL: f.unique},
        },
        "spec": case.spec,
    }
    named = wanted["metadata"]["name"]
    listed = f.client.raw("/apis/resource.k8s.io/v1")["resources"]
    assert case.kind.plural in [item["name"] for item in listed]
    streamed = {
        "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true", "timeoutSeconds": "400",
    }  # fmt: skip
    informers = [Informer(everywhere.watch(labels, **streamed))]
    if case.kind.namespaced:
        informers.append(Informer(own.watch(labels, **streamed)))

    def seen(expression: str, value: Thing) -> None:
        for informer in informers:
            informer.expect(expression, value)

    def again() -> Thing:
        own.delete(named)
        until(lambda: not own.exists(named))
        seen("^(modified,)*deleted,$", current)
        return own.create(copy.deepcopy(wanted))

    def target(patch: Any, value: Thing) -> Any:
        if isinstance(patch, list):
            return patch
        names = {key: value["metadata"][key] for key in ("name", "namespace", "uid")
                 if key in value["metadata"]}  # fmt: skip
        result = copy.deepcopy(patch)
        result.setdefault("metadata", {}).update(names)
        return {**result, "apiVersion": value["apiVersion"], "kind": value["kind"]}

    current = own.create(copy.deepcopy(wanted), fieldValidation="Strict")
    seen("^added,(modified,)*$", current)
    assert own.get(named) == current
    changed = copy.deepcopy(current)
    case.update(changed)
    changed = own.update(changed)
    seen("^(modified,)+$", current)
    assert newer(changed, current)
    if case.status is not None:
        updated = own.update({**changed, "status": case.status}, "status")
        seen("^(modified,)+$", updated)
        assert own.get(named, "status")["status"] == case.status
    for media, patch in case.patches:
        current = again()
        query = {"fieldManager": "test-apply", "force": "true"} if media == APPLY else {}
        patched = own.patch(named, target(patch, current), media, fieldValidation="Strict", **query)
        seen("^added,(modified,)+$", current)
        assert patched["spec"] == changed["spec"], media
        assert patched["metadata"]["labels"] == changed["metadata"]["labels"]
    for media, patch in case.status_patches:
        current = again()
        update = copy.deepcopy(current)
        case.update(update)
        current = own.update(update)
        query = {"fieldManager": "test-apply", "force": "true"} if media == APPLY else {}
        patched = own.patch(
            named, target(patch, current), media, "status", fieldValidation="Strict", **query
        )
        seen("^added,modified,(modified,)+$", current)
        assert patched["status"] == case.status, (media, json.dumps(patched))
    for where in (own, everywhere):
        assert [item["metadata"]["name"] for item in where.items(labels)] == [named]
    own.delete_collection(labels)
    until(lambda: not own.exists(named))
    seen("^(modified,)*deleted,$", current)
    for informer in informers:
        informer.watch.stop()
