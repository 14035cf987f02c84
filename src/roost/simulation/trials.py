"""What one tries a simulated cluster with: faults, invariants, stories, and doing it all again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from roost.simulation.atrest import at_rest
from roost.simulation.client import SyncClient
from roost.simulation.controlplane import ControlPlane
from roost.simulation.faults import Fault, FaultPlan, Injector
from roost.simulation.invariants import Checker
from roost.simulation.journal import JournalStore
from roost.simulation.loop import VirtualLoop
from roost.simulation.replay import Recording, ReplayError, digest, play, read, recorded
from roost.simulation.trace import story
from roost.simulation.view import View

_COMMANDS: Final = (
    "advance", "_step", "_apply", "behave", "register", "fetch", "outside", "exec", "add_node",
    "remove_node", "stop_node", "start_node", "partition", "heal", "crash", "restart", "inject",
    "end",
)  # fmt: skip
_CLIENT_COMMANDS: Final = ("get", "list", "create", "update", "patch", "delete", "_pass")


class Trials:
    """This part of a Cluster. Rule: what is recorded is a method with `recorded`."""

    start: float
    loop: VirtualLoop
    plane: ControlPlane
    faults: Injector
    checker: Checker | None
    recording: Recording
    _store: JournalStore

    if TYPE_CHECKING:  # what the Cluster itself has

        def __init__(self, **options: Any) -> None: ...

        @property
        def client(self) -> SyncClient: ...

        @property
        def now(self) -> float: ...

        @property
        def log(self) -> str: ...

        def settle(self) -> None: ...

        def close(self) -> None: ...

    @recorded
    def inject(self, fault: Fault | FaultPlan, for_s: float | None = None) -> None:
        """Let a fault begin now, and end after `for_s` seconds; or let a plan begin."""
        self.loop.finish(self.faults.inject(fault, for_s))

    @recorded
    def end(self, fault: Fault | None = None) -> None:
        """End a fault; without one, all of them and what is planned."""
        self.loop.finish(self.faults.end_all() if fault is None else self.faults.end(fault))
        self.settle()

    @contextmanager
    def fault(self, fault: Fault) -> Iterator[None]:
        """Let a fault last as long as the block."""
        self.inject(fault)
        try:
            yield
        finally:
            self.end(fault)

    @contextmanager
    def checking(self) -> Iterator[Checker]:
        """Look at the invariants meanwhile; raises Violated. See simulation.invariants."""
        before, self.checker = self.checker, Checker(self.faults.world, self.faults)
        try:
            yield self.checker
            self.checker.check()
        finally:
            self.checker.leave()
            self.checker = before

    def settled(self) -> list[str]:
        """Return where the cluster, left alone for long, is not as its objects say it should be."""
        return [str(found) for found in at_rest(View(self.faults.world))]

    def story(self, name: str) -> str:
        """Tell how an object ("pod/x", "namespace/pod/x") came to be what it is, back to commands."""
        with self.loop.gate:
            return story(self._store, self.plane.registry, name, self.start)

    # -- again --------------------------------------------------------------------------------

    @property
    def record(self) -> str:
        """What the cluster was told to do, for `Cluster.replay`: lines of JSON."""
        return self.recording.lines()

    def snapshot(self) -> bytes:
        """Return what `restore` makes a cluster of whose future is that of this one.

        Raises ReplayError when something outside of the simulation had a part in its past.
        """
        self.recording.check_left()
        end = {"do": "end", "with": [self.now, digest(self.log)]}
        return (self.record + msgspec.json.encode(end).decode() + "\n").encode()

    @classmethod
    def restore(cls, snapshot: bytes, code: Mapping[str, Any] | None = None) -> Self:
        """Make the cluster of a snapshot, by doing again all that was done. See `replay`."""
        return cls.replay(snapshot.decode(), code)

    @classmethod
    def replay(cls, record: str, code: Mapping[str, Any] | None = None) -> Self:
        """Do again what a record says. `code` holds the images and functions it names.

        Raises ReplayError for what cannot be read or went another way.
        """
        options, commands = read(record, code or {})
        cluster = cls(**options)
        try:
            for command in commands:
                play(command, cluster.commands())
        except BaseException:
            cluster.close()
            raise
        return cluster

    def commands(self) -> dict[str, Callable[..., object]]:
        """Return what a record may hold, by name."""
        client = self.client
        of = {f"SyncClient.{name}": getattr(client, name) for name in _CLIENT_COMMANDS}
        own = {f"Cluster.{name}": getattr(self, name) for name in _COMMANDS}
        return {**of, **own, "end": self._expect}

    def _expect(self, now: float, expected: str) -> None:
        if (self.now, digest(self.log)) != (now, expected):
            raise ReplayError(
                "the replay went another way: was the record made by another version?"
            )
