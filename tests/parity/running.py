"""The behaviour cases on one real cluster: all begin together, in threads, each in its own namespace."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cluster_scene import Cluster, Namespace, debian_image
from images import Entry, TestImage, busybox_image, link
from parity.real import Connected, Real
from parity.target import Target

#: So many cases are under way at once on a real cluster.
TOGETHER = 24
#: What Debian's static busybox cannot: it looks up no names.
_WGET = """#!/bin/sh
quiet= headers= limit=10
while [ $# -gt 0 ]; do
  case "$1" in
    -q|-O-) ;;
    -O) shift ;;
    -T) limit=$2; shift ;;
    --header) headers="$2"; shift ;;
    *) url=$1 ;;
  esac
  shift
done
exec curl -sS -f -m "$limit" ${headers:+-H "$headers"} "$url"
"""


class Running:
    """All cases of this session on a real cluster, begun with the first of them."""

    def __init__(
        self, items: list[pytest.Function], root: Path, kubeconfig: str,
        begin: Callable[[Target], object],
    ) -> None:  # fmt: skip
        self._begin = begin
        self._root = root
        self._own: Cluster | None = None
        self._connected = self._given(kubeconfig) if kubeconfig else self._made()
        self._pool = ThreadPoolExecutor(TOGETHER)
        self._outcomes: dict[str, Future[None]] = {
            item.nodeid: self._pool.submit(self._case, item) for item in items
        }

    def outcome(self, item: pytest.Function) -> None:
        """Wait for a case; raise what it raised."""
        self._outcomes[item.nodeid].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._connected.close()
        if self._own is not None:
            try:
                self._own.down()
            finally:
                self._own.namespace.remove()

    def _given(self, kubeconfig: str) -> Connected:
        image = os.environ.get("ROOST_PARITY_IMAGE", "busybox:1")
        abilities = frozenset(os.environ.get("ROOST_PARITY_ABILITIES", "").split())
        return Connected(Path(kubeconfig), image, abilities=abilities)

    def _made(self) -> Connected:
        cluster = self._own = Cluster(Namespace.make(), self._root)
        cluster.up()
        archive = self._root / "busybox.tar"
        cluster_image().docker_archive(archive, "busybox:1")
        cluster.roost("image", "load", str(archive))
        namespace = cluster.namespace
        return Connected(
            Path(cluster.kubeconfig), "busybox:1",
            prefix=namespace.command(), enter=namespace.enter,
        )  # fmt: skip

    def _case(self, item: pytest.Function) -> None:
        name = re.sub(r"[^a-z0-9]+", "-", item.originalname.removeprefix("test_").lower())
        target = Real(self._connected, name)
        arguments = dict(item.callspec.params) | {"target": target}
        try:
            self._begin(target)
            item.obj(**arguments)
        finally:
            target.close()


def cluster_image() -> TestImage:
    """Return busybox with a wget that looks up names, and curl for it."""
    [debian] = debian_image().layers
    [busybox] = busybox_image().layers
    files: dict[str, Any] = dict(debian)
    for name, entry in busybox.items():
        if name == "bin/":
            continue
        files[name.replace("bin/", "usr/bin/", 1) if name.startswith("bin/") else name] = entry
    files["usr/bin/sh"] = link("busybox")
    files["usr/bin/wget"] = Entry(_WGET.encode(), 0o755)
    files["etc/group"] = "root:x:0:\nweb:x:1001:\nextra:x:2000:web\n"
    return TestImage([files], {"Cmd": ["sh"], "Env": ["PATH=/bin:/usr/bin"]})
