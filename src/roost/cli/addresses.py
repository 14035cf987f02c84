"""Which address others reach this machine by."""

from __future__ import annotations

from roost.adapters.real.machine import outbound_address
from roost.cli.settings import Settings
from roost.network.plan import NodeNetwork


def server_address(settings: Settings) -> str:
    """Return where nodes and pods reach a server on this machine.

    A machine without any network of its own is reached at its bridge's address.
    """
    fallback = NodeNetwork("", settings.pod_cidr).gateway
    return settings.advertise_address or outbound_address() or fallback
