"""The kubelets' API of simulated nodes, for those inside: what metrics are made of.

Implements the API server's Fetcher. Rule: a node is found by its address, as on a real network, and one
that is down or cut off cannot be reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roost.apiserver.messages import Proxy
from roost.node.agent import NodeAgent
from roost.simulation.nodes import SimulatedNode


class Kubelets:
    """See the module. `nodes` by name, and `isolated` the names of those that are cut off."""

    def __init__(self, nodes: Mapping[str, SimulatedNode], isolated: Mapping[str, None]) -> None:
        self._nodes = nodes
        self._isolated = isolated

    def find(self, address: str) -> tuple[SimulatedNode, NodeAgent]:
        """Return the node of an address and its agent; raises ConnectionError."""
        for node in self._nodes.values():
            if node.address == address:
                if node.agent is None:
                    raise ConnectionRefusedError(
                        f"dial tcp {address}:10250: connect: connection refused"
                    )
                if node.name in self._isolated:
                    raise ConnectionAbortedError(f"dial tcp {address}:10250: i/o timeout")
                return node, node.agent
        raise ConnectionAbortedError(f"dial tcp {address}:10250: connect: no route to host")

    async def fetch(self, proxy: Proxy, accept: str) -> tuple[int, Any]:
        """Return code and document of a kubelet's answer. Raises ConnectionError."""
        del accept
        if not proxy.kubelet:
            raise ConnectionRefusedError(f"{proxy.host} is not simulated")
        _, agent = self.find(proxy.host)
        if proxy.path != "/stats/summary":
            return 404, None
        return 200, await agent.summary()
