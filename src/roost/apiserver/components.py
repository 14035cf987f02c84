"""The parts of the cluster as `componentstatuses` show them: computed, never stored.

What the real server asks of healthz ports is asked here in the process: a part that is told of says
itself whether it runs, and one that does not refuses connections as a port that nobody has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from roost.api.kind import Resource
from roost.api.values import Object

RESOURCE: Final = Resource("", "v1", "componentstatuses")
CONTROLLERS: Final = "controller-manager"
SCHEDULER: Final = "scheduler"
STORE: Final = "etcd-0"
#: Where the real server asks each part, in the order in which they are shown.
_PORTS: Final = {SCHEDULER: 10259, CONTROLLERS: 10257, STORE: 2379}


def _always() -> bool:
    return True


class Components:
    """Which parts run. The store does, or nobody could ask."""

    def __init__(self) -> None:
        self._alive: dict[str, Callable[[], bool]] = {STORE: _always}

    def runs(self, name: str, alive: Callable[[], bool] = _always) -> None:
        """Note a part that runs until the end of the server, or for as long as `alive` says so."""
        self._alive[name] = alive

    def objects(self) -> list[Object]:
        """Return a ComponentStatus of each part."""
        return [self._status(name, port) for name, port in _PORTS.items()]

    def _status(self, name: str, port: int) -> Object:
        alive = self._alive.get(name)
        well = alive is not None and alive()
        address = f"127.0.0.1:{port}"
        refused = (
            f'Get "https://{address}/healthz": dial tcp {address}: connect: connection refused'
        )
        condition: Object = {
            "type": "Healthy",
            "status": "True" if well else "False",
            "message": "ok" if well else refused,
        }
        return {
            "kind": "ComponentStatus",
            "apiVersion": "v1",
            "metadata": {"name": name},
            "conditions": [condition],
        }
