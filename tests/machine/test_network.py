"""Pods, Services and names on the real kernel."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

SCENE = Path(__file__).parent / "network_scene.py"


@pytest.mark.root
@pytest.mark.slow
def test_pods_reach_each_other_services_and_names(namespace, tmp_path):
    said = json.loads(
        namespace.run(sys.executable, str(SCENE), str(tmp_path), "t3st00", timeout_s=100)
    )
    a, b, gateway = said["addresses"]
    # A pod's own address is seen by the other side; only what comes back to itself is masqueraded.
    assert said["balanced"] == sorted([f"{a} b", f"{gateway} a"])
    assert said["udp"] == f"{a} b"
    assert said["pod"] == f"{a} b"
    assert said["itself"] == f"{gateway} a"
    assert said["sticky"] == 1
    assert said["refused"] == ["ConnectionRefusedError"] * 2
    assert said["refused_fast"]
    assert said["node"] == f"{gateway} a"
    assert said["node_port"] == [f"{gateway} b"] * 2
    assert said["host_port"] == f"{gateway} b"
    assert said["name"] == ["0 10.96.0.50"] * 2
    assert said["no_name"] == "3"
    assert said["recovered"] == {"uid-a": a, "uid-b": b}
    assert said["again"][1] == a
    assert said["c"][0]
    assert said["c"][1] != a
    assert not said["stray"]
    assert said["same_dns"]
    assert said["reprogrammed"] == f"{a} b"
    assert said["repaired"]
    assert said["left"] == [1, "", [], []]
