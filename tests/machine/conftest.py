"""Tests on the real kernel: each in a network namespace of its own, which is removed again.

They say why when they skip; in CI, where `CI` is set, they do not skip but fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator

import pytest

NEEDED = ("conmon", "runc", "nft", "ip")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    why = ""
    if os.geteuid() != 0:
        why = "needs root"
    elif missing := [name for name in NEEDED if not shutil.which(name)]:
        why = f"needs {', '.join(missing)}"
    for item in items:
        if "root" in item.keywords and why and not os.environ.get("CI"):
            item.add_marker(pytest.mark.skip(reason=why))


class Namespace:
    """A network namespace. `run` runs a command in it; mounts stay those of the machine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = f"/run/netns/{name}"

    def command(self, *argv: str) -> list[str]:
        return ["nsenter", f"--net={self.path}", "--", *argv]

    def run(self, *argv: str, timeout_s: float = 20) -> str:
        done = subprocess.run(
            self.command(*argv), capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert done.returncode == 0, f"{argv}: {done.stderr or done.stdout}"
        return done.stdout


@pytest.fixture
def make_namespace() -> Iterator[Callable[[], Namespace]]:
    made: list[Namespace] = []

    def make() -> Namespace:
        namespace = Namespace(f"roost-test-{uuid.uuid4().hex[:8]}")
        subprocess.run(["ip", "netns", "add", namespace.name], check=True)
        made.append(namespace)
        namespace.run("ip", "link", "set", "lo", "up")
        return namespace

    yield make
    for namespace in made:
        subprocess.run(["ip", "netns", "del", namespace.name], check=True)


@pytest.fixture
def namespace(make_namespace: Callable[[], Namespace]) -> Namespace:
    return make_namespace()
