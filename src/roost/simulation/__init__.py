"""A whole cluster in virtual time: `Cluster`, and what its calls take and return.

Names are imported when they are used: what only looks whether somebody wants a cluster, such as the
plugin for pytest, costs nothing.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from roost.runtimes.behaviour import Behaviour
    from roost.simulation.cluster import Cluster
    from roost.simulation.containers import Result
    from roost.simulation.faults import (
        ClockSkew,
        Crash,
        Delay,
        Duplicate,
        FaultPlan,
        FullDisk,
        Kill,
        Oom,
        Partition,
        PowerOff,
        PullFailure,
        Restart,
        Shortage,
    )
    from roost.simulation.invariants import Violated
    from roost.simulation.loop import Deadlock, VirtualLoop
    from roost.simulation.network.messages import Exchange, Fault, Hop, Request, Response
    from roost.simulation.serving.served import Served
    from roost.simulation.workloads.context import Context
    from roost.simulation.workloads.image import Image

__all__ = [
    "Behaviour",
    "ClockSkew",
    "Cluster",
    "Context",
    "Crash",
    "Deadlock",
    "Delay",
    "Duplicate",
    "Exchange",
    "Fault",
    "FaultPlan",
    "FullDisk",
    "Hop",
    "Image",
    "Kill",
    "Oom",
    "Partition",
    "PowerOff",
    "PullFailure",
    "Request",
    "Response",
    "Restart",
    "Result",
    "Served",
    "Shortage",
    "Violated",
    "VirtualLoop",
]

# What components have to say is for those who ask for it: a broken cluster is full of warnings.
logging.getLogger("roost").addHandler(logging.NullHandler())

_FAULTS: Final = "roost.simulation.faults"
_MESSAGES: Final = "roost.simulation.network.messages"
_HOMES: Final = {
    "Behaviour": "roost.runtimes.behaviour",
    "Cluster": "roost.simulation.cluster",
    "Context": "roost.simulation.workloads.context",
    "Deadlock": "roost.simulation.loop",
    "Exchange": _MESSAGES,
    "Fault": _MESSAGES,
    "Hop": _MESSAGES,
    "Image": "roost.simulation.workloads.image",
    "Request": _MESSAGES,
    "Response": _MESSAGES,
    "Result": "roost.simulation.containers",
    "Served": "roost.simulation.serving.served",
    "VirtualLoop": "roost.simulation.loop",
    "Violated": "roost.simulation.invariants",
    **dict.fromkeys(
        (
            "ClockSkew",
            "Crash",
            "Delay",
            "Duplicate",
            "FaultPlan",
            "FullDisk",
            "Kill",
            "Oom",
            "Partition",
            "PowerOff",
            "PullFailure",
            "Restart",
            "Shortage",
        ),
        _FAULTS,
    ),
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(home), name)
    globals()[name] = found
    return found
