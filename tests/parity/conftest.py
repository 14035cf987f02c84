"""Runs each behaviour case on the simulator, and on one real cluster where there can be one.

Cases on the real cluster begin together, in threads, each in a namespace of its own; pytest then
collects what became of them one by one. docs/how-to/behaviour-cases.md says how to try another cluster.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from parity.simulated import Simulated
from parity.target import Target
from roost.api.errors import AlreadyExists
from roost.decisions.resources import NAMESPACES

if TYPE_CHECKING:
    from parity.running import Running

_NEEDED = ("conmon", "runc", "nft", "ip", "kubectl", "busybox", "curl")


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
    if os.getuid() != 0:
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


_RUNNING: pytest.StashKey[Running] = pytest.StashKey()


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
        from parity.running import Running  # only here: in a page there are no processes

        cases = [
            item for item in session.items
            if is_case(item) and item.callspec.params["target"] != "simulated"
            and not any(item.iter_markers("skip"))
        ]  # fmt: skip
        root = session.config._tmp_path_factory.mktemp("parity")  # type: ignore[attr-defined]
        given = session.config.getoption("--kubeconfig-under-test")
        session.stash[_RUNNING] = Running(cases, root, given, begin)
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
