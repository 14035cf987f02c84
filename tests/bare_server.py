"""`roost server` on loopback, without a node, as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import yaml

from cluster_scene import clean_environment, eventually


class BareServer:
    """The API server with controllers and scheduler, its data below `root`; needs no root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "data"
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *flags: str) -> None:
        with (self.root / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "roost", "server", "--data-dir", str(self.data),
                 "--port", "0", "--bind-address", "127.0.0.1", *flags],
                stdout=log, stderr=log, env=clean_environment(),
            )  # fmt: skip

        def serving() -> str:
            assert self._process is not None
            said = (self.root / "server.log").read_text()
            assert self._process.poll() is None, said
            found = re.search(r"serving on (https://\S+);", said)
            return found[1] if found else ""

        self.url = eventually(serving, 30, "the server does not say that it serves")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)

    def resident_bytes(self) -> int:
        """Return the memory that the server uses."""
        assert self._process is not None
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def kubeconfig(self) -> Path:
        return self.data / "admin.kubeconfig"


def surroundings(folder: Path, kubeconfig: Path, data: Path, namespace: str) -> dict[str, str]:
    """Return the environment of commands that use a cluster: kubectl works in `namespace`, `roost`
    is on the path."""
    own = folder / ".own"
    own.mkdir()
    document = yaml.safe_load(kubeconfig.read_text())
    document["contexts"][0]["context"]["namespace"] = namespace
    (own / "kubeconfig").write_text(yaml.safe_dump(document))
    program = own / "roost"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m roost "$@"\n')
    program.chmod(0o755)
    return {
        **clean_environment(),
        "PATH": os.pathsep.join([str(own), os.environ["PATH"]]),
        "HOME": str(own),
        "KUBECONFIG": str(own / "kubeconfig"),
        "KUBECACHEDIR": str(own / "cache"),
        "DATA": str(data),
        "NS": namespace,
        "TMPDIR": str(own),
        "TERM": "dumb",
        "TZ": "UTC",
    }
