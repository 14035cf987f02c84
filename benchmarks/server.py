"""A bare Roost server in a process of its own, for the benchmarks of the API."""

from __future__ import annotations

import base64
import contextlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

START_TIMEOUT_S = 30
#: What pods need to be created at all, and nothing that would act on them meanwhile.
CONTROLLERS = "serviceaccount-controller,namespace-controller"
_COMMAND = (sys.executable, "-m", "roost")


@dataclass(frozen=True)
class Server:
    """A running server and how to reach it."""

    process: _Process
    token: str
    cacert: str
    kubeconfig: Path

    @property
    def url(self) -> str:
        return self.process.url

    def rss_mb(self) -> float:
        """Return the memory that the server holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 1e6

    def restart(self) -> float:
        """Start the server anew; return the seconds until it serves."""
        self.process.stop()
        started = time.perf_counter()
        self.process.start()
        return time.perf_counter() - started

    def load(self, *arguments: object) -> dict[str, Any]:
        """Run the load client; return what it measured."""
        argv = [sys.executable, "-m", "benchmarks.load", self.url, self.token, self.cacert]
        done = subprocess.run(
            [*argv, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=600
        )
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise RuntimeError(f"the load client failed: {last}")
        return json.loads(done.stdout)

    def apply(self, text: str) -> None:
        """Apply a definition of a custom resource and wait until it is served."""
        kubectl = ["kubectl", "--kubeconfig", str(self.kubeconfig)]
        given = text.encode()
        subprocess.run([*kubectl, "apply", "-f", "-"], input=given, check=True, capture_output=True)
        wait = ["wait", "--for=condition=Established", "-f", "-", "--timeout=10s"]
        subprocess.run([*kubectl, *wait], input=given, check=True, capture_output=True)

    def namespace(self, name: str) -> None:
        """Make a namespace and wait for its default service account."""
        kubectl = ["kubectl", "--kubeconfig", str(self.kubeconfig)]
        subprocess.run([*kubectl, "create", "namespace", name], check=True, capture_output=True)
        for _ in range(100):
            found = subprocess.run(
                [*kubectl, "get", "serviceaccount", "default", "-n", name],
                check=False,
                capture_output=True,
            )
            if found.returncode == 0:
                return
            time.sleep(0.05)
        raise RuntimeError(f"{name} got no service account")


class _Process:
    """The server's process; it can be started again with the same data."""

    def __init__(self, data: Path, controllers: str) -> None:
        self._data = data
        self._controllers = controllers
        self.url = ""
        self._process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        """Start, and return once it serves."""
        argv = [*_COMMAND, "server", "--data-dir", str(self._data), "--port", "0"]
        self._process = subprocess.Popen(
            [*argv, "--controllers", self._controllers],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().decode()
        if not line.startswith("serving on "):
            raise RuntimeError("the server did not start")
        self.url = line.removeprefix("serving on ").partition(";")[0]

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate()


@contextlib.contextmanager
def running(controllers: str = CONTROLLERS) -> Iterator[Server]:
    """Run a server with an empty data directory on a free port."""
    with tempfile.TemporaryDirectory(prefix="roost-bench-") as folder:
        data = Path(folder) / "data"
        process = _Process(data, controllers)
        process.start()
        try:
            token = subprocess.run(
                [*_COMMAND, "token", "create", "--user", "bench", "--group", "system:masters",
                 "--data-dir", str(data)],
                check=True, capture_output=True, text=True,
            ).stdout.strip()  # fmt: skip
            kubeconfig = data / "admin.kubeconfig"
            cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
            cacert = Path(folder) / "ca.crt"
            cacert.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
            yield Server(process, token, str(cacert), kubeconfig)
        finally:
            process.stop()
