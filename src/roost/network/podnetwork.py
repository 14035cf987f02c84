"""The network of pods on a real node: namespaces and links, addresses, host ports.

The kernel and the address book on disk are the state: a new process reads the book, and everything that
is linked stays linked. Calls that talk to the kernel run one after the other in one thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from roost.network import links
from roost.network.addresses import AddressBook, Lease
from roost.network.plan import NodeNetwork
from roost.network.services import Frontend, Target

ResultT = TypeVar("ResultT")

#: (protocol, host IP or "", host port, container port) as a pod's containers ask for them.
HostPort = tuple[str, str, int, int]


class BridgePodNetwork:
    """Attaches pods to the node's bridge."""

    def __init__(self, network: NodeNetwork, state_dir: Path, run_dir: Path) -> None:
        self.network = network
        self._run_dir = run_dir
        self._book = AddressBook(state_dir / "addresses", network.pod_range)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pod-network")
        self._attempt = 0
        #: Called after host ports changed; the proxy programs them.
        self.on_host_ports: Callable[[], None] = lambda: None

    async def recover(self) -> Mapping[str, str]:
        """Make sure the bridge is there, and return the address of every pod that is linked.

        Leases whose namespace is gone (the machine was started again) are given back; namespaces
        without a lease, which an attempt that was cut off leaves, are removed.
        """
        await self._run(lambda: links.ensure_bridge(self.network))
        found: dict[str, str] = {}
        for lease in self._book.load():
            self._attempt = max(self._attempt, lease.attempt)
            if links.is_namespace(self.path_of(lease.pod_uid)):
                found[lease.pod_uid] = lease.address
            else:
                await self._release(lease)
        for path in sorted(self.path_of("").glob("*")):
            if (
                self._book.find(path.name) is None
            ):  # a process inside would keep it: only the name goes
                await self._run(partial(links.remove_namespace, path))
        return found

    async def attach(
        self,
        pod_uid: str,
        pod_name: str,
        pod_namespace: str,
        host_ports: Sequence[HostPort] = (),
    ) -> tuple[str, str]:
        """Give a pod its namespace and address: (path of the namespace, address). Idempotent.

        Raises NetworkError.
        """
        path = self.path_of(pod_uid)
        lease = self._book.find(pod_uid)
        if lease is not None and links.is_namespace(path):
            return str(path), lease.address
        if lease is not None:
            await self._release(lease)
        self._attempt += 1
        taken = self._book.take(pod_uid, pod_name, pod_namespace, self._attempt, tuple(host_ports))
        veth = self.network.veth_name(pod_uid, taken.attempt)
        try:
            await self._run(lambda: links.make_pod_link(self.network, path, veth, taken.address))
        except BaseException:
            self._book.give_back(taken)
            raise
        if host_ports:
            self.on_host_ports()
        return str(path), taken.address

    async def detach(self, pod_uid: str) -> None:
        """Take a pod's network away. No error if it has none."""
        lease = self._book.find(pod_uid)
        if lease is not None:
            await self._release(lease)

    async def _release(self, lease: Lease) -> None:
        veth = self.network.veth_name(lease.pod_uid, lease.attempt)
        await self._run(lambda: links.remove_pod_link(self.path_of(lease.pod_uid), veth))
        self._book.give_back(lease)
        if lease.host_ports:
            self.on_host_ports()

    def host_ports(self) -> dict[Frontend, Target]:
        """Return the ports of the host that lead to pods."""
        return {
            Frontend(host_ip, protocol.lower(), host_port): (lease.address, port)
            for lease in self._book.leases()
            for protocol, host_ip, host_port, port in lease.host_ports
        }

    def path_of(self, pod_uid: str) -> Path:
        """Return where a pod's namespace is bound."""
        return self._run_dir / "netns" / pod_uid

    async def remove(self) -> None:
        """Take away every pod's network and the bridge."""
        for lease in self._book.load():
            await self._release(lease)
        await self._run(lambda: links.remove_bridge(self.network))

    async def _run(self, work: Callable[[], ResultT]) -> ResultT:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
