"""The operator of sites, in a cluster whose time passes only here."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def operator(roost_cluster):
    program = Path(__file__).with_name("operator_of_sites.py")
    process = subprocess.Popen([sys.executable, program, roost_cluster.kubeconfig])
    yield process
    process.kill()
    process.wait()


def site(replicas):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "shop", "labels": {"site": ""}},
        "data": {"replicas": str(replicas)},
    }


def replicas_ready(cluster):
    found = cluster.client.list("deployments", "default")
    return found[0].get("status", {}).get("readyReplicas", 0) if found else None


@pytest.mark.roost(nodes=3, seed=1)
def test_a_site_is_a_deployment(roost_cluster, operator):
    roost_cluster.apply(site(replicas=3))
    roost_cluster.run_until(lambda: replicas_ready(roost_cluster) == 3, patience_s=30)
    roost_cluster.apply(site(replicas=5))
    roost_cluster.run_until(lambda: replicas_ready(roost_cluster) == 5)
    roost_cluster.client.delete("configmap", "shop")
    roost_cluster.run_until(lambda: replicas_ready(roost_cluster) is None)
    assert operator.poll() is None
