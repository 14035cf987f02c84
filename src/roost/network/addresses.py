"""Which pod has which address: one small file per address, named like it.

Files are the record because they outlive every process: a file is made exclusively before an address is
used and removed after the pod's network is gone, so two pods never share one, whatever crashes when.
"""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from roost.network.plan import NetworkError


@dataclass(frozen=True, slots=True)
class Lease:
    """A pod's address and link. `host_ports` are (protocol, host IP or "", host port, pod port)."""

    address: str
    pod_uid: str
    pod_name: str
    pod_namespace: str
    attempt: int
    host_ports: tuple[tuple[str, str, int, int], ...] = ()


class AddressBook:
    """The leases of one node, in a folder of its own."""

    def __init__(self, folder: Path, pod_range: str) -> None:
        self._folder = folder
        self._range = ipaddress.IPv4Network(pod_range)
        self._leases: dict[str, Lease] = {}
        self._last = 1

    def load(self) -> list[Lease]:
        """Read every lease from disk; files that cannot be read keep their address taken."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._leases = {}
        for file in sorted(self._folder.iterdir()):
            if file.suffix == ".new":
                file.unlink()
                continue
            try:
                content = json.loads(file.read_text())
                content["host_ports"] = tuple(tuple(port) for port in content["host_ports"])
                lease = Lease(**content)
            except (ValueError, TypeError, KeyError, OSError):
                lease = Lease(file.name, "", "", "", 0)
            self._leases[lease.address] = lease
        return [lease for lease in self._leases.values() if lease.pod_uid]

    def find(self, pod_uid: str) -> Lease | None:
        """Return a pod's lease."""
        return next((x for x in self._leases.values() if x.pod_uid == pod_uid), None)

    def leases(self) -> list[Lease]:
        """Return all leases, by address."""
        return [lease for lease in self._leases.values() if lease.pod_uid]

    def take(
        self,
        pod_uid: str,
        pod_name: str,
        pod_namespace: str,
        attempt: int,
        host_ports: tuple[tuple[str, str, int, int], ...] = (),
    ) -> Lease:
        """Take the next free address, round robin, so that one just given back rests a while.

        Raises NetworkError when the range is used up.
        """
        size = self._range.num_addresses
        for step in range(size):
            number = (self._last + 1 + step) % size
            if number < 2 or number == size - 1:  # network, gateway, broadcast
                continue
            address = str(self._range[number])
            if address in self._leases:
                continue
            lease = Lease(address, pod_uid, pod_name, pod_namespace, attempt, host_ports)
            self._write(lease)
            self._leases[address] = lease
            self._last = number
            return lease
        raise NetworkError(f"all addresses of {self._range} are in use")

    def give_back(self, lease: Lease) -> None:
        """Forget a lease. No error if it is gone already."""
        (self._folder / lease.address).unlink(missing_ok=True)
        self._leases.pop(lease.address, None)

    def _write(self, lease: Lease) -> None:
        temporary = self._folder / f"{lease.address}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(lease), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._folder / lease.address)
