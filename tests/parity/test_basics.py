"""The set itself works: a pod runs, answers and prints, whatever the cluster is."""

from __future__ import annotations

from parity.manifests import SERVE, pod, service
from parity.target import Target


def test_a_pod_runs_prints_and_takes_commands(target: Target):
    target.start(pod("a", "echo hello; exec sleep 1000"))
    assert target.wait(lambda: target.said("a")) == "hello\n"
    assert target.exec("a", "sh", "-c", "echo out; exit 3").code == 3
    assert target.exec("a", "echo", "x").out == "x\n"


def test_a_service_answers_by_name(target: Target):
    target.create(service("web"))
    target.start(pod("web", SERVE))
    target.wait(
        lambda: target.fetch("http://web").out == "web\n", what=lambda: target.fetch("http://web")
    )
