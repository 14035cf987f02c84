"""The clusters that the programme is run against, all of them with two ready nodes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from standin import Nodes
from typedclient import GoClient

from bare_server import BareServer


class Scene(Protocol):
    """One cluster."""

    @property
    def kubeconfig(self) -> Path: ...

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the nodes."""
        ...

    def held(self) -> contextlib.AbstractContextManager[None]:
        """Within this, no pod vanishes that was only just deleted."""
        ...


class WithStandIns:
    """`roost server`, with stand-ins for nodes that only say that pods run."""

    def __init__(self, root: Path) -> None:
        self._server = BareServer(root)
        self.nodes = ("node-a", "node-b")

    def start(self) -> None:
        self._server.start()
        self._nodes = Nodes(GoClient(self.kubeconfig), self.nodes)
        self._nodes.start()

    def stop(self) -> None:
        self._nodes.stop()
        self._server.stop()

    @property
    def kubeconfig(self) -> Path:
        return self._server.kubeconfig

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        self._nodes.pause()
        try:
            yield
        finally:
            self._nodes.go_on()


class Simulated:
    """`roost sim up`, whose nodes have agents; it is shared, and not ended here."""

    def __init__(self, kubeconfig: Path, nodes: tuple[str, ...]) -> None:
        self.kubeconfig = kubeconfig
        self.nodes = nodes

    def held(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()  # containers need a moment to end
