"""A cluster and its HTTPS server, together: what tests, the command line and operators hold on to."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from roost.adapters.real.clock import SystemClock
from roost.adapters.real.crossing import LoopThread, wait_while
from roost.adapters.virtual.files import MemoryFiles
from roost.apiserver.http.shell import HttpServer
from roost.apiserver.http.tls import server_context
from roost.apiserver.pki.authority import Authority
from roost.client.kubeconfig import Connection, kubeconfig_text
from roost.simulation.serving.abroad import Abroad
from roost.simulation.serving.across import Across
from roost.simulation.serving.doors import Doors
from roost.simulation.serving.front import Activity, Door, Front

if TYPE_CHECKING:
    from roost.simulation.cluster import Cluster

#: Clients are quiet when they said and were told nothing for so long, in real seconds.
QUIET_S: Final = 0.05
#: What clients may keep us waiting in one go, in real seconds.
PATIENCE_S: Final = 10.0
#: So long we wait, once time has passed in vain, for clients to do something.
_SLOW_CLIENT_S: Final = 30.0
_CLOSE_S: Final = 0.2
_STEP_S: Final = 1.0
#: Clients that were slower than the time keep us for so many times their patience at most, and get so
#: much more of the cluster's time whenever they do something.
_ROUNDS: Final = 3
_MORE_S: Final = 30.0


class Served:
    """A served cluster. `close` ends the server; the cluster goes on.

    `kubeconfig` is a file for the administrator, `url` where the server is. In `realtime` time passes
    by itself, as `cluster.speed` says; else only in `advance` and `run_until`, here or of the cluster.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        port: int = 0,
        realtime: bool = False,
        kubeconfig: Path | None = None,
    ) -> None:
        self.cluster = cluster
        self.activity = Activity()
        self._home = LoopThread("cluster's server")
        self._across = Across(cluster.loop, self._home, cluster.pace, realtime=realtime)
        self._abroad = Abroad(self._across)
        self._token = secrets.token_urlsafe(24)
        # Certificates are of the real time: that is when clients look at them.
        authority = Authority.open(MemoryFiles(), "pki", SystemClock(), "roost-simulation-ca")
        self._tls = server_context(authority.certificate.decode(), authority.server())
        self._folder = Path(tempfile.mkdtemp(prefix="roost-sim-")) if kubeconfig is None else None
        self.kubeconfig = kubeconfig or Path(str(self._folder), "kubeconfig")
        cluster.plane.wire.on_change.append(self._across.sever)
        cluster.outgoing.abroad = self._abroad
        self._home.start()
        self._across.start()
        self._open = True
        try:
            self.port = self._home.run(self._listen(port))
        except BaseException:
            self.close()
            raise
        self.url = f"https://127.0.0.1:{self.port}"
        connection = Connection(self.url, authority.certificate.decode(), token=self._token)
        self._write(kubeconfig_text(connection, "roost-sim"))

    async def _listen(self, port: int) -> int:
        plane = self.cluster.plane
        self._server = HttpServer(
            Front(plane, self._across, self.activity),
            Door(plane, self._across, self._token),
            Doors(
                self._across, self.cluster.kubelets, self.cluster.machines, self.cluster.nodes,
                self.cluster.clock,
            ),
        )  # fmt: skip
        return await self._server.listen("127.0.0.1", port, self._tls)

    def _write(self, text: str) -> None:
        descriptor = os.open(self.kubeconfig, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, 0o600)
            file.write(text)

    # -- time, with clients that live outside of it

    def quiet(self, quiet_s: float = QUIET_S, timeout_s: float = PATIENCE_S) -> bool:
        """Wait, in real time, until clients have been quiet for so long; return whether they are."""

        def busy() -> bool:
            return not self._across.idle or self.activity.quiet_for() < quiet_s

        return wait_while(busy, timeout_s)

    def advance(self, seconds: float, *, step_s: float = 0.0) -> None:
        """Let time pass; with `step_s` in steps, between which clients can answer what they see."""
        self.quiet()
        end = self.cluster.now + seconds
        while step_s and end - self.cluster.now > step_s:
            self.cluster.advance(step_s)
            self.quiet()
        self.cluster.advance(max(0.0, end - self.cluster.now))
        self.quiet()

    def run_until(
        self,
        condition: Callable[[], object],
        timeout_s: float = 300.0,
        *,
        patience_s: float = _SLOW_CLIENT_S,
    ) -> float:
        """Let time pass until a condition holds; return for how long, in seconds.

        Time stands still while a client is at work, and until the first one has come. Raises
        TimeoutError when `timeout_s` of the cluster's time have passed, and clients did nothing more
        in `patience_s` of real time, or nothing that helped in three times as long.
        """
        began = self.cluster.now
        wait_while(lambda: not self.activity.count and not condition(), patience_s, QUIET_S)
        left_s, end = timeout_s, time.monotonic() + _ROUNDS * patience_s
        while not self._pass_until(condition, self.cluster.now + left_s):
            # A client may have been slower than the time; a busy one gets some more of it.
            if time.monotonic() > end or not self._stirred(condition, patience_s):
                break
            left_s = min(timeout_s, _MORE_S)
        if condition():
            return self.cluster.now - began
        raise TimeoutError(f"it did not happen within {timeout_s:g} s of the cluster's time")

    def _stirred(self, condition: Callable[[], object], timeout_s: float) -> bool:
        """Wait, in real time, for a client to do something; return whether one did, or it holds."""
        before = self.activity.count
        return wait_while(
            lambda: self.activity.count == before and not condition(), timeout_s, QUIET_S
        )

    def _pass_until(self, condition: Callable[[], object], end: float) -> bool:
        """Let time pass until a condition holds or it is `end`; return whether it holds."""
        cluster = self.cluster
        while True:
            self.quiet()
            if condition():
                return True
            left = end - cluster.now
            if left <= 0:
                return False
            due = cluster.loop.next_due()
            pause = _STEP_S if due is None else min(_STEP_S, max(due - cluster.now, 0.001))
            cluster.advance(min(pause, left))

    @property
    def failure(self) -> BaseException | None:
        """The newest bug that showed in a client's request or while time passed by itself."""
        return self._across.failure

    # -- its end

    def close(self) -> None:
        """End the server and what clients had open."""
        if not self._open:
            return
        self._open = False
        if self._folder is not None:  # first: whoever is impatient with the rest leaves no secret
            shutil.rmtree(self._folder, ignore_errors=True)
        self.cluster.plane.wire.on_change.remove(self._across.sever)
        self.cluster.outgoing.abroad = None
        self._across.stop()
        self._home.run(self._abroad.close())
        if hasattr(self, "_server"):
            self._home.run(self._server.close(_CLOSE_S))
        self._home.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
