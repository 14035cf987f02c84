"""The official client for Node.js against a server without a node: calls, patches, an informer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from kubernetes import client, config

from bare_server import BareServer
from cluster_scene import clean_environment

SOURCE = Path(__file__).parent / "node"
CACHE = Path(__file__).resolve().parents[2] / ".cache"
MISSING = [name for name in ("node", "npm") if shutil.which(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(MISSING) and not os.environ.get("CI"), reason=f"needs {' and '.join(MISSING)}"
    ),
]


@pytest.fixture(scope="module")
def program() -> Path:
    """Install what the lock names, once for each lock, and return the program beside it."""
    lock = sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = CACHE / f"node-client-{lock}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "client.js"):
        shutil.copy(SOURCE / name, folder)
    if not (folder / "installed").exists():
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder,
                       check=True, capture_output=True, timeout=120)  # fmt: skip
        (folder / "installed").touch()
    return folder / "client.js"


@pytest.fixture
def space(server: BareServer) -> Iterator[str]:
    with config.new_client_from_config(str(server.kubeconfig)) as api:
        core = client.CoreV1Api(api)
        made = core.create_namespace({"metadata": {"generateName": "node-"}}).metadata.name
        yield made
        core.delete_namespace(made)


def test_the_client_for_node(program: Path, server: BareServer, space: str):
    done = subprocess.run(
        ["node", str(program), space],
        capture_output=True, text=True, timeout=30, check=False,
        env={**clean_environment(), "KUBECONFIG": str(server.kubeconfig)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "created": True,
        "cached": "3",
        "listed": ["before", "one"],
        "seen": ["add before 0", "add one 1", "update one 2", "update one 3", "delete one 3"],
        "missing": [404, "NotFound"],
        "strategy": "RollingUpdate",
        "applied": ["node Apply"],
    }


def test_the_lock_names_no_host():
    packages = json.loads((SOURCE / "package-lock.json").read_text())["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert all(package.get("integrity") for name, package in packages.items() if name)
