"""`roost sim run` and `roost sim up`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from roost.cli.simulate import Goal, Wish, duration_s, run

WISH = Wish(nodes=2, seed=0, any_image=True)
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: any}]}
"""


@pytest.fixture
def web(tmp_path: Path) -> Path:
    path = tmp_path / "web.yaml"
    path.write_text(WEB)
    return path


def test_what_came_of_manifests_is_shown(web: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(WISH, [web], "1m", ["deploy/web=Available", "pods=Ready"], "default", "")
    said = capsys.readouterr().out
    rows = [line.split() for line in said.splitlines() if " web-" in line and " 1/1 " in line]
    assert [row[3] for row in rows] == ["Running", "Running"]
    assert "Scaled up replica set" in said


def test_what_does_not_come_is_an_error(web: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strict = Wish(nodes=1, seed=0, any_image=False)
    with pytest.raises(SystemExit) as ended:
        run(strict, [web], "90s", ["deploy/web=Available", "ns/default=Active"], "default", "json")
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.err == "error: after 90 s this does not hold: deploy/web=Available\n"
    facts = json.loads(said.out)
    assert facts["until"] == {"deploy/web=Available": False, "ns/default=Active": True}
    assert facts["seconds"] == 90
    assert {pod["status"]["phase"] for pod in facts["pods"]} == {"Pending"}
    assert "Failed" in {event["reason"] for event in facts["events"]}


@pytest.mark.parametrize("text", ["web", "=Ready", "deploy/web="])
def test_a_goal_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="say KIND/NAME=WHAT"):
        Goal.parse(text, "default")


def test_mistakes_are_one_line(web: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for files, until in (([web.with_name("nix.yaml")], []), ([web], ["planets=Ready"])):
        with pytest.raises(SystemExit):
            run(WISH, files, "1", until, "default", "")
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("nix.yaml: No such file or directory")
    assert second == "error: the server doesn't have a resource type 'planets'"


def test_durations() -> None:
    assert [duration_s(one) for one in ("90", "90s", "1h30m", "1.5m")] == [90, 90, 5400, 90]
    for wrong in ("soon", "-1s", "1x"):
        with pytest.raises(SystemExit):
            duration_s(wrong)


@pytest.mark.slow
def test_up_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    process = subprocess.Popen(
        [sys.executable, "-m", "roost", "sim", "up", "--nodes", "2", "--speed", "10",
         "--kubeconfig", str(kubeconfig)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        assert "nodes        2 ready of 2" in said
        assert f"export KUBECONFIG={kubeconfig}" in said
        got = subprocess.run(
            [sys.executable, "-m", "roost", "get", "nodes", "--kubeconfig", str(kubeconfig)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert "node-2" in got.stdout
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()
