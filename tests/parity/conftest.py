"""Runs each behaviour case on the simulator, and on one real cluster where there can be one.

Cases on the real cluster begin together, in threads, each in a namespace of its own; pytest then
collects what became of them one by one. docs/how-to/behaviour-cases.md says how to try another cluster.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cluster_scene import Cluster, Namespace, debian_image
from images import Entry, TestImage, busybox_image, link
from parity.real import Connected, Real
from parity.simulated import Simulated
from parity.target import Target
from roost.api.errors import AlreadyExists
from roost.decisions.resources import NAMESPACES

#: So many cases are under way at once on a real cluster.
TOGETHER = 24
_NEEDED = ("conmon", "runc", "nft", "ip", "kubectl", "busybox", "curl")
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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" not in metafunc.fixturenames:
        return
    patience = metafunc.definition.get_closest_marker("patience")
    ready_for_s = float(metafunc.config.getoption("--patience"))
    quick = patience is None or patience.args[0] <= ready_for_s
    marks = [] if quick else [pytest.mark.skip(reason=f"needs --patience {patience.args[0]}")]
    params = [pytest.param("simulated"), pytest.param("real", marks=[*_real_marks(), *marks])]
    if metafunc.config.getoption("--kubeconfig-under-test"):
        params = [pytest.param("given", marks=marks)]
    metafunc.parametrize("target", params, indirect=True)


def _real_marks() -> list[pytest.MarkDecorator]:
    marks = [pytest.mark.root, pytest.mark.kubectl, pytest.mark.slow]
    why = ""
    if os.geteuid() != 0:
        why = "needs root"
    elif missing := [name for name in _NEEDED if not shutil.which(name)]:
        why = f"needs {', '.join(missing)}"
    if why and not os.environ.get("CI"):
        marks.append(pytest.mark.skip(reason=why))
    return marks


@pytest.fixture
def target(request: pytest.FixtureRequest) -> Iterator[Target | None]:
    """The cluster under test. Cases on real ones get theirs in `Running` instead."""
    if request.param != "simulated":
        yield None
        return
    simulated = Simulated()
    yield simulated
    simulated.close()


class Running:
    """All cases of this session on a real cluster, begun with the first of them."""

    def __init__(self, items: list[pytest.Function], root: Path, kubeconfig: str) -> None:
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
            begin(target)
            item.obj(**arguments)
        finally:
            target.close()


def begin(target: Target) -> None:
    """Make the case's namespace."""
    body = {
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": target.namespace},
    }  # fmt: skip
    try:
        target.run(target.client.create(NAMESPACES, body))
    except AlreadyExists:
        return
    target.wait(lambda: target.find("serviceaccounts", "default"), what="no service account")


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


_RUNNING = pytest.StashKey[Running]()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a case: here on the simulator, elsewhere by `Running`."""
    if not is_case(pyfuncitem):
        return None
    session = pyfuncitem.session
    if pyfuncitem.callspec.params["target"] == "simulated":
        begin(pyfuncitem.funcargs["target"])
        return None
    if _RUNNING not in session.stash:
        cases = [
            item for item in session.items
            if is_case(item) and item.callspec.params["target"] != "simulated"
            and not any(item.iter_markers("skip"))
        ]  # fmt: skip
        root = session.config._tmp_path_factory.mktemp("parity")  # type: ignore[attr-defined]
        given = session.config.getoption("--kubeconfig-under-test")
        session.stash[_RUNNING] = Running(cases, root, given)
    session.stash[_RUNNING].outcome(pyfuncitem)
    return True


def is_case(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and "target" in getattr(
        getattr(item, "callspec", None), "params", ()
    )


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the cluster with the last case: the tests after it need the machine."""
    running = item.session.stash.get(_RUNNING, None)
    if running and (nextitem is None or not is_case(nextitem)):
        del item.session.stash[_RUNNING]
        running.close()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _RUNNING in session.stash:  # the run was stopped early
        session.stash[_RUNNING].close()
