"""A bare Roost server in a process of its own, for the benchmarks of the API."""

from __future__ import annotations

import base64
import contextlib
import json
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


@dataclass(frozen=True)
class Server:
    """A running server and how to reach it."""

    url: str
    token: str
    cacert: str
    kubeconfig: Path
    pid: int

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


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Run a server with an empty data directory on a free port."""
    with tempfile.TemporaryDirectory(prefix="roost-bench-") as folder:
        data = Path(folder) / "data"
        command = [sys.executable, "-m", "roost"]
        argv = [*command, "server", "--data-dir", str(data), "--port", "0"]
        with subprocess.Popen(
            [*argv, "--controllers", CONTROLLERS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None
            try:
                line = process.stdout.readline().decode()
                if not line.startswith("serving on "):
                    raise RuntimeError("the server did not start")
                url = line.removeprefix("serving on ").partition(";")[0]
                token = subprocess.run(
                    [*command, "token", "create", "--user", "bench", "--group", "system:masters",
                     "--data-dir", str(data)],
                    check=True, capture_output=True, text=True,
                ).stdout.strip()  # fmt: skip
                kubeconfig = data / "admin.kubeconfig"
                cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
                cacert = Path(folder) / "ca.crt"
                cacert.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
                yield Server(url, token, str(cacert), kubeconfig, process.pid)
            finally:
                process.terminate()
                process.wait()
