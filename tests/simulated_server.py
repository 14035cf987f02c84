"""`roost sim up` on loopback, as a process of its own: a cluster whose nodes are simulated."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from cluster_scene import clean_environment, eventually


class SimulatedServer:
    """A simulated cluster in which time passes as here; needs no root."""

    def __init__(self, root: Path, nodes: int) -> None:
        self.root = root
        self.kubeconfig = root / "kubeconfig"
        self.nodes = tuple(f"node-{number + 1}" for number in range(nodes))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def said(self) -> str:
        """What the process printed so far."""
        return (self.root / "simulation.log").read_text()

    def start(self) -> None:
        with (self.root / "simulation.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "roost", "sim", "up", "--nodes", str(len(self.nodes)),
                 "--kubeconfig", str(self.kubeconfig)],
                stdout=log, stderr=log, env=clean_environment(),
            )  # fmt: skip

        def serving() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, self.said
            return "Ctrl-C" in self.said

        eventually(serving, 30, lambda: self.said)

    def stop(self) -> None:
        """End it; fails if the simulation itself failed meanwhile."""
        if self._process is not None:
            running = self._process.poll() is None
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)
            assert running, self.said
