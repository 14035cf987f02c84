"""`roost up`: a server and an agent on this machine, started, watched and ended together.

This process only supervises, so it imports little. What it starts are the same commands that run a
server and an agent on machines of their own.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final, TextIO

from roost.cli.addresses import machine_address
from roost.cli.output import fail, say
from roost.cli.places import Places
from roost.cli.process import GATE_VARIABLE, READY_VARIABLE, SUPERVISOR_VARIABLE
from roost.cli.service import Orders
from roost.cli.settings import Settings, node_name
from roost.network.plan import NetworkError

_LOOK_S: Final = 0.2
_START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 10.0
_FIRST_REST_S: Final = 0.5
_LAST_REST_S: Final = 30.0
#: A component that ran this long had started well; when it ends the rests begin anew.
_STEADY_S: Final = 30.0
_LOG_BYTES: Final = 16 << 20
#: Program -> Debian package that has it.
_NEEDED: Final = {"conmon": "conmon", "nft": "nftables"}


class Interrupted(Exception):
    """The user or the system asked us to end."""


class Interruption:
    """SIGINT and SIGTERM as something to wait for.

    The handlers raise nothing: an exception in the middle of `subprocess` would leave its lock held,
    and the wait for that process would never end.
    """

    def __init__(self) -> None:
        self._asked, told = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _only_wake)

    def wait(self, timeout_s: float, *others: TextIO) -> bool:
        """Wait until one of `others` can be read; tell whether it can. Raises Interrupted."""
        watched: list[int | TextIO] = [self._asked, *others]
        ready, _, _ = select.select(watched, [], [], timeout_s)
        if self._asked in ready:
            raise Interrupted
        return bool(ready)


def _only_wake(_number: int, _frame: FrameType | None) -> None:
    pass  # the number was written to the wake-up descriptor


@dataclass(slots=True)
class Component:
    """One supervised process."""

    name: str
    argv: Sequence[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    rest_s: float = _FIRST_REST_S
    due: float = 0.0
    log_begins: int = 0  # where in its log the present run begins
    facts: dict[str, Any] = field(default_factory=dict)

    def start(self, *, gated: bool = False) -> tuple[int, int]:
        """Start the process. Returns the descriptor on which it will say that it is ready, and the
        one to close to let it go on, if it is gated (else -1)."""
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        reader, writer = os.pipe()
        gate, opener = os.pipe() if gated else (-1, -1)
        variables = {READY_VARIABLE: str(writer), SUPERVISOR_VARIABLE: str(os.getpid())}
        if gated:
            variables[GATE_VARIABLE] = str(gate)
        with self.log.open("ab") as log:
            self.log_begins = log.tell()
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(writer, gate) if gated else (writer,),
                env={**os.environ, **variables},
                start_new_session=True,  # Ctrl-C is for us; we tell the others
            )
        os.close(writer)
        if gated:
            os.close(gate)
        self.started = time.monotonic()
        return reader, opener

    def wait_ready(self, reader: int, interruption: Interruption) -> None:
        """Wait until the process says that it is ready; end with its own words if it ends first.

        Raises Interrupted.
        """
        with os.fdopen(reader) as pipe:
            ready = interruption.wait(_START_TIMEOUT_S, pipe)
            line = pipe.readline() if ready else ""
        if line:
            self.facts = json.loads(line)
            return
        if not ready:
            fail(
                f"the {self.name} did not become ready in {_START_TIMEOUT_S:.0f} s; see {self.log}"
            )
        assert self.process is not None
        cause = _cause(self.process.wait())
        words = _last_words(self.log, self.log_begins) or f"the {self.name} ended ({cause})"
        fail(f"{words} (see {self.log})")

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _last_words(log: Path, begins: int) -> str:
    """Return the last line that was written after `begins`, without `error: `."""
    try:
        lines = log.read_bytes()[begins:].decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].removeprefix("error: ") if lines else ""


def lock(places: Places) -> TextIO:
    """Take the data directory for ourselves; ends the command if somebody else has it."""
    try:
        places.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (places.root / "up.lock").open("a+")
    except OSError as error:
        fail(f"cannot use {places.root}: {error.strerror}; choose another with --data-dir")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        pid = file.read().strip() or "unknown"
        fail(
            f"roost is already up in {places.root} (pid {pid}); "
            "end that one first, or choose another place with --data-dir"
        )
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def check_machine(runtime: str) -> None:
    """End the command, in one line, if this machine lacks something."""
    if os.geteuid() != 0:
        fail("roost up runs containers and needs root: run it with sudo")
    runtimes = (runtime,) if runtime else ("runc", "crun")
    missing = {package for program, package in _NEEDED.items() if not _which(program)}
    if not any(_which(name) for name in runtimes):
        missing.add(runtimes[0])
    if missing:
        packages = " ".join(sorted(missing))
        fail(f"this machine lacks {packages}; install with: apt-get install {packages}")


def _which(program: str) -> str | None:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin:/usr/local/sbin")


class Supervisor:
    """Starts, watches and ends the components."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._components: list[Component] = []
        self.interruption = Interruption()

    def add(self, name: str, orders: Orders) -> Component:
        """Take a component into our care; it is not started yet."""
        component = Component(name, orders.argv(name), self._places.log(name))
        self._components.append(component)
        return component

    def watch(self, announce: Callable[[str], None]) -> None:
        """Start again what ends. Raises Interrupted, in the end."""
        while True:
            self.interruption.wait(_LOOK_S)
            now = time.monotonic()
            for component in self._components:
                self._look_at(component, now, announce)

    def _look_at(self, component: Component, now: float, announce: Callable[[str], None]) -> None:
        process = component.process
        if process is not None:
            if process.poll() is None:
                self._trim(component.log)
                return
            if now - component.started > _STEADY_S:
                component.rest_s = _FIRST_REST_S
            why = _cause(process.returncode)
            announce(
                f"the {component.name} ended ({why}); "
                f"starting it again in {component.rest_s:g} s (see {component.log})"
            )
            component.due = now + component.rest_s
            component.rest_s = min(component.rest_s * 2, _LAST_REST_S)
            component.process = None
        elif now >= component.due:
            reader, _ = component.start()
            os.close(reader)

    @staticmethod
    def _trim(log: Path) -> None:
        """Keep one older log beside the present one; both are bounded."""
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)  # the process appends, so it goes on at the start

    def stop(self) -> None:
        """End everything, the agent first."""
        for component in reversed(self._components):
            component.stop()


def _cause(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def up(places: Places, settings: Settings) -> None:
    """Run until interrupted."""
    check_machine(settings.runtime)
    held = lock(places)
    begun = time.monotonic()
    try:
        address = machine_address(settings, places)
    except NetworkError as error:
        fail(str(error))
    name = node_name(settings)
    supervisor = Supervisor(places)
    try:
        server = supervisor.add("server", Orders(settings, address, local_node=name))
        agent = supervisor.add("agent", Orders(settings, address))
        server_ready, _ = server.start()
        # Started beside the server, held back until the server has issued its certificates.
        agent_ready, gate = agent.start(gated=True)
        server.wait_ready(server_ready, supervisor.interruption)
        say(f"API server   {server.facts['server']}")
        os.close(gate)
        agent.wait_ready(agent_ready, supervisor.interruption)
        say(f"node         {agent.facts['node']} at {agent.facts['address']}")
        say(f"\nRoost is up after {time.monotonic() - begun:.1f} s. To use it:\n")
        say(f"    export KUBECONFIG={places.admin_kubeconfig}\n")
        say("Ctrl-C ends Roost and leaves your pods running; `roost down` stops the pods too.")
        supervisor.watch(say)
    except Interrupted:
        say("\nending Roost; pods go on running. `roost up` takes them over again, "
            "`roost down` stops them.")  # fmt: skip
    finally:
        supervisor.stop()
        held.truncate(0)
        held.close()
