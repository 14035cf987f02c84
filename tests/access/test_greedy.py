"""One client that asks for everything at once does not keep nodes from renewing their leases."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bare_server import BareServer
from cluster_scene import clean_environment
from wire import Caller, administrator

_PODS = 10_000
_CONNECTIONS = 400
_SECONDS = 8.0
#: A renewal is due so often, and has to be answered within so long, in seconds; where the machine
#: has other work, so many times later than the slowest one while nobody is greedy.
_EVERY_S, _WITHIN_S = 0.2, 3.0
_QUIET_S, _SLOWER = 2.0, 10
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_RBAC = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"

pytestmark = pytest.mark.slow


def token(server: BareServer, user: str, *groups: str) -> str:
    """Return a new token for somebody."""
    given = [part for group in groups for part in ("--group", group)]
    done = subprocess.run(
        [sys.executable, "-m", "roost", "token", "create", "--user", user, *given,
         "--data-dir", str(server.data)],
        check=True, capture_output=True, text=True, env=clean_environment(),
    )  # fmt: skip
    return done.stdout.split()[-1]


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareServer]:
    """A server with ten thousand pods, and somebody called `greedy` who may do what admins may."""
    server = BareServer(tmp_path_factory.mktemp("crowded"))
    server.start("--controllers", "namespace-controller,serviceaccount-controller")
    admin = administrator(server.url, server.data)
    for name in ("crowd", "kube-node-lease"):
        admin.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    admin.made(_RBAC, {
        "metadata": {"name": "greedy"},
        "subjects": [{"kind": "User", "name": "greedy", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                    "name": "cluster-admin"},
    })  # fmt: skip
    asyncio.run(populate(server.url, admin, token(server, "setup", "system:masters")))
    yield server
    server.stop()


async def populate(url: str, admin: Caller, bearer: str) -> None:
    admin.made("/api/v1/namespaces/crowd/serviceaccounts", {"metadata": {"name": "crowd"}})
    connector = aiohttp.TCPConnector(limit=40, ssl=ssl.create_default_context(cadata=admin.ca))
    names = iter(range(_PODS))

    async def some(session: aiohttp.ClientSession) -> None:
        for number in names:
            pod = {
                "metadata": {"name": f"p{number}"},
                "spec": {"schedulerName": "nobody", "serviceAccountName": "crowd",
                         "containers": [{"name": "c", "image": "i"}]},
            }  # fmt: skip
            async with session.post(f"{url}/api/v1/namespaces/crowd/pods", json=pod) as answer:
                assert answer.status == 201, await answer.text()

    headers = {"Authorization": f"Bearer {bearer}"}
    async with (
        aiohttp.ClientSession(connector=connector, headers=headers) as session,
        asyncio.TaskGroup() as tasks,
    ):
        for _ in range(40):
            tasks.create_task(some(session))


async def renew(url: str, admin: Caller, bearer: str, for_s: float) -> list[tuple[float, int]]:
    """Renew a lease as a node does; return how long each took and its code."""
    found: list[tuple[float, int]] = []
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=admin.ca))
    headers = {"Authorization": f"Bearer {bearer}"}
    async with aiohttp.ClientSession(url, connector=connector, headers=headers) as session:
        lease: Any = {"metadata": {"name": "n1"}, "spec": {"holderIdentity": "n1"}}
        async with session.post(_LEASES, json=lease) as answer:
            assert answer.status in (201, 409), await answer.text()
        async with session.get(f"{_LEASES}/n1") as answer:
            lease = await answer.json()
        end = time.monotonic() + for_s
        while time.monotonic() < end:
            begun = time.monotonic()
            lease["spec"]["leaseTransitions"] = len(found) + 1
            async with session.put(f"{_LEASES}/n1", json=lease) as answer:
                code, lease = answer.status, await answer.json(content_type=None)
            took = time.monotonic() - begun
            found.append((took, code))
            assert code == 200, lease
            await asyncio.sleep(max(0.0, _EVERY_S - took))
    return found


def report(text: str) -> None:
    """Leave the figures where somebody who runs this by hand sees them (-s)."""
    print(text, file=sys.stderr)


@pytest.mark.parametrize("what", ["list", "create"])
def test_nodes_renew_their_leases_whatever_somebody_else_asks_for(
    crowded: BareServer, what: str
) -> None:
    admin = administrator(crowded.url, crowded.data)
    greedy = token(crowded, "greedy")
    node = token(crowded, "system:node:n1", "system:nodes")
    command = [sys.executable, str(Path(__file__).with_name("greedy.py")), crowded.url, greedy,
               str(_CONNECTIONS), str(_SECONDS), what]  # fmt: skip
    quiet = asyncio.run(renew(crowded.url, admin, node, _QUIET_S))
    within_s = _WITHIN_S + _SLOWER * max(took for took, _ in quiet)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asking:
        renewals = asyncio.run(renew(crowded.url, admin, node, _SECONDS))
        codes = json.loads(asking.communicate(timeout=60)[0])
    slowest = max(took for took, _ in renewals)
    report(f"{what}: {len(renewals)} renewals, the slowest {slowest:.3f} s; greedy: {codes}")
    report(f"the slowest while it was quiet: {max(took for took, _ in quiet):.3f} s")
    assert len(renewals) >= _SECONDS / (_EVERY_S + within_s)
    assert slowest < within_s
    assert codes["200" if what == "list" else "201"] > 0
    if what == "list":  # it asks for more than queues hold, and is told when to come again
        assert codes["429"] > 0
        assert codes["retry-after"] == codes["429"]
