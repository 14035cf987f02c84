"""The fixture `roost_cluster`, as people's test suites use it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from roost.simulation.pytest_plugin import RoostCluster

USES = """
import pytest

@pytest.mark.roost(nodes=2, seed=11)
def test_fails(roost_cluster):
    roost_cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}})
    assert len(roost_cluster.client.list("nodes")) == 3

@pytest.mark.roost(knots=2)
def test_is_wrong(roost_cluster):
    pass

@pytest.mark.roost(seed=5)
class TestAll:
    @pytest.mark.roost(nodes=1)
    def test_marks_add_up(self, roost_cluster):
        assert (roost_cluster.cluster.seed, len(roost_cluster.cluster.nodes)) == (5, 1)
"""
USES_NOT = """
import sys

def test_nothing_is_imported():
    heavy = {name for name in sys.modules if name.startswith("roost.")}
    assert heavy <= {"roost.simulation", "roost.simulation.pytest_plugin"}
    assert "aiohttp" not in sys.modules
"""


def run(folder: Path, text: str) -> str:
    (folder / "test_it.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_it.py"],
        check=False, cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout


def test_a_failure_shows_how_to_make_the_cluster_again(tmp_path: Path) -> None:
    said = run(tmp_path, USES)
    assert "1 failed, 1 passed, 1 error" in said or "2 failed, 1 passed" in said
    assert "simulated cluster" in said
    assert "seed 11, 2 nodes, at 0" in said
    assert "namespaces/mine" in said
    assert "@pytest.mark.roost does not know knots; it knows nodes, seed" in said


def test_those_who_do_not_use_it_pay_nothing(tmp_path: Path) -> None:
    assert "1 passed" in run(tmp_path, USES_NOT)


def test_without_a_mark_there_are_three_nodes_and_every_image(roost_cluster: RoostCluster) -> None:
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"},
        "spec": {"containers": [{"name": "main", "image": "registry.example/any:1"}]},
    }  # fmt: skip
    assert len(roost_cluster.client.list("nodes")) == 3
    roost_cluster.apply(pod)
    phase = "Running"
    took = roost_cluster.run_until(
        lambda: roost_cluster.client.get("pods", "one")["status"]["phase"] == phase, 30
    )
    assert took == roost_cluster.now < 5
    assert roost_cluster.quiet()
    roost_cluster.advance(10)
    assert {event["reason"] for event in roost_cluster.events("default")} >= {"Started"}
    assert roost_cluster.logs("one") == ""


def test_the_kubeconfig_leads_to_the_cluster(roost_cluster: RoostCluster) -> None:
    from kubernetes import client, config

    with config.new_client_from_config(roost_cluster.kubeconfig) as api:
        core = client.CoreV1Api(api)
        core.create_namespace({"metadata": {"name": "mine"}})
        assert roost_cluster.client.get("ns", "mine")["status"] == {"phase": "Active"}
        roost_cluster.advance(20, step_s=5)
        assert roost_cluster.now >= 20
    assert roost_cluster.url.startswith("https://127.0.0.1:")


@pytest.mark.roost(nodes=1, realtime=True, speed=500)
def test_in_real_time(roost_cluster: RoostCluster) -> None:
    began = roost_cluster.now
    while roost_cluster.now < began + 10:
        roost_cluster.quiet()
