"""Which address others reach this machine by."""

from __future__ import annotations

from roost.adapters.real.machine import outbound_address
from roost.cli.places import Places
from roost.cli.settings import Settings


def machine_address(settings: Settings, places: Places) -> str:
    """Return where nodes and pods reach this machine.

    A machine without any network of its own is reached at its bridge's address. Raises NetworkError when
    there is no room for that bridge.
    """
    found = settings.node_ip or settings.advertise_address or outbound_address()
    if found:
        return found
    # Only here, because it loads what speaks to the kernel, which the supervisor can do without.
    from roost.cli.nodeplan import plan_network

    return plan_network(settings, places).gateway
