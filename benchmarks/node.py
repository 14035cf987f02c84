"""How fast a whole cluster is: `roost up` in a network namespace of its own, with a real container.

Needs root, conmon, runc and nftables.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.api import Result, result

ROOT = Path(__file__).resolve().parent.parent
_IMAGE = "localhost/bench:1"
_TIMEOUT_S = 60


def _image(path: Path) -> None:
    """Write a docker-archive of busybox, with the builder that the tests use."""
    spec = importlib.util.spec_from_file_location("images", ROOT / "tests" / "images.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["images"] = module
    spec.loader.exec_module(module)
    module.busybox_image().docker_archive(path, _IMAGE)


class Cluster:
    """`roost up` in a namespace. Times are wall time, in seconds."""

    def __init__(self, folder: Path, namespace: str) -> None:
        self.data = folder / "data"
        self._namespace = namespace
        self._folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *argv: str) -> list[str]:
        return ["nsenter", f"--net=/run/netns/{self._namespace}", "--", *argv]

    def roost(self, *argv: str) -> list[str]:
        return self.command(sys.executable, "-m", "roost", *argv, "--data-dir", str(self.data))

    def kubectl(self, *argv: str) -> str:
        kubeconfig = str(self.data / "admin.kubeconfig")
        done = subprocess.run(
            self.command("kubectl", "--kubeconfig", kubeconfig, *argv),
            capture_output=True, text=True, check=False, timeout=_TIMEOUT_S,
        )  # fmt: skip
        return done.stdout

    def up(self) -> float:
        """Start it; return the seconds until its node is Ready, as the API says."""
        started = time.monotonic()
        with (self._folder / "up.log").open("wb") as log:
            self.process = subprocess.Popen(
                self.roost("up", "--node-name", "bench"), stdout=log, stderr=log, cwd=ROOT
            )
        said = self._folder / "up.log"
        while "Roost is up" not in said.read_text():
            if self.process.poll() is not None or time.monotonic() - started > _TIMEOUT_S:
                raise RuntimeError(f"roost up: {said.read_text().strip()[-300:]}")
            time.sleep(0.01)
        ready = "jsonpath={.items[0].status.conditions[?(@.type=='Ready')].status}"
        while self.kubectl("get", "nodes", "-o", ready) != "True":
            if time.monotonic() - started > _TIMEOUT_S:
                raise RuntimeError("the node did not become Ready")
        return time.monotonic() - started

    def end(self) -> None:
        """End Roost; pods go on."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(_TIMEOUT_S)
            self.process = None

    def services(self) -> dict[str, int]:
        """Return the pids of the server and the agent."""
        found = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                mine = any(str(self.data).encode() in word for word in words)
                if mine and b"roost.cli.service" in words:
                    found[words[words.index(b"roost.cli.service") + 1].decode()] = int(entry.name)
        return found

    def down(self) -> None:
        self.end()
        subprocess.run(
            self.roost("down", "--delete-data", "--yes"), check=False, capture_output=True
        )


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Make a namespace for a cluster, and remove both."""
    if os.geteuid() != 0:
        raise RuntimeError("needs root")
    name = f"roost-bench-{uuid.uuid4().hex[:6]}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        with tempfile.TemporaryDirectory(prefix="roost-bench-") as folder:
            made = Cluster(Path(folder), name)
            try:
                subprocess.run(made.command("ip", "link", "set", "lo", "up"), check=True)
                yield made
            finally:
                made.down()
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


def up_ready() -> Iterator[Result]:
    with cluster() as made:
        first = made.up()
        times = []
        for _ in range(3):
            made.end()
            times.append(made.up())
        yield result(
            "up_ready_s", sorted(times)[1], "s",
            runs=[round(t, 2) for t in times], with_empty_data_dir=round(first, 2),
        )  # fmt: skip


_DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: main, image: "localhost/bench:1", command: ["/bin/sleep", "1000"]}
"""


def apply_to_running() -> Iterator[Result]:
    with cluster() as made:
        made.up()
        with tempfile.TemporaryDirectory(prefix="roost-bench-") as folder:
            archive = Path(folder) / "image.tar"
            _image(archive)
            subprocess.run(
                made.roost("image", "load", str(archive)), check=True, capture_output=True
            )
            times = [_time_one(made, Path(folder), f"bench{turn}") for turn in range(6)]
        middle = sorted(times)[len(times) // 2]
        yield result("apply_to_running_s", middle, "s", runs=[round(t, 2) for t in times])


def _time_one(made: Cluster, folder: Path, name: str) -> float:
    manifest = folder / f"{name}.yaml"
    manifest.write_text(_DEPLOYMENT.replace("NAME", name))
    started = time.monotonic()
    made.kubectl("apply", "-f", str(manifest))
    phase = "jsonpath={.items[*].status.phase}"
    while made.kubectl("get", "pods", "-l", f"app={name}", "-o", phase) != "Running":
        if time.monotonic() - started > _TIMEOUT_S:
            raise RuntimeError(f"{name} did not run")
    took = time.monotonic() - started
    made.kubectl("delete", "deployment", name)
    return took


def idle_rss() -> Iterator[Result]:
    with cluster() as made:
        made.up()
        time.sleep(20)
        kilobytes = {name: _rss_kb(pid) for name, pid in made.services().items()}
        assert made.process is not None
        extra: dict[str, Any] = {
            f"{name}_mb": round(kb / 1024, 1) for name, kb in kilobytes.items()
        }
        extra["up_mb"] = round(_rss_kb(made.process.pid) / 1024, 1)
        yield result("idle_rss_mb", sum(kilobytes.values()) / 1024, "MB", **extra)


def _rss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


BENCHMARKS: dict[str, Callable[[], Iterator[Result]]] = {
    "up_ready_s": up_ready,
    "apply_to_running_s": apply_to_running,
    "idle_rss_mb": idle_rss,
}
