"""A whole cluster in virtual time: `Cluster`, and what its calls take and return."""

from roost.runtimes.simulated import Behaviour
from roost.simulation.cluster import Cluster
from roost.simulation.containers import Result
from roost.simulation.loop import Deadlock, VirtualLoop
from roost.simulation.network.messages import Exchange, Fault, Hop, Request, Response
from roost.simulation.workloads.context import Context
from roost.simulation.workloads.image import Image

__all__ = [
    "Behaviour", "Cluster", "Context", "Deadlock", "Exchange", "Fault", "Hop", "Image", "Request",
    "Response", "Result", "VirtualLoop",
]  # fmt: skip
