"""Fields that never change, and that an update leaves out: as text they are empty, not missing."""

from collections.abc import Callable
from typing import Any

import pytest

Refused = Callable[..., list[str]]
SLICE = {"driver": "a.example", "nodeName": "n", "pool": {"name": "p", "resourceSliceCount": 1}}


@pytest.mark.parametrize(
    ("group", "name", "old", "new", "path"),
    [
        ("networking.k8s.io", "IngressClass", {"spec": {"controller": "a.example/b"}}, {},
         "spec.controller"),
        ("node.k8s.io", "RuntimeClass", {"handler": "h"}, {}, "handler"),
        ("storage.k8s.io", "StorageClass", {"provisioner": "p"}, {}, "provisioner"),
        ("discovery.k8s.io", "EndpointSlice", {"addressType": "IPv4"}, {}, "addressType"),
        ("resource.k8s.io", "ResourceSlice", {"spec": SLICE}, {"spec": {**SLICE, "driver": ""}},
         "spec.driver"),
        ("resource.k8s.io", "ResourceSlice", {"spec": SLICE}, {"spec": {**SLICE, "pool": {}}},
         "spec.pool.name"),
    ],
)  # fmt: skip
def test_a_text_that_is_left_out_is_shown_as_empty(
    refused: Refused, group: str, name: str, old: dict[str, Any], new: dict[str, Any], path: str
) -> None:
    assert f'{path}: Invalid value: "": field is immutable' in refused(group, name, new, old)
