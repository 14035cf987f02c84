"""A whole cluster in virtual time: `Cluster`, and what its calls take and return."""

from roost.runtimes.simulated import Behaviour
from roost.simulation.cluster import Cluster, Result
from roost.simulation.loop import Deadlock, VirtualLoop

__all__ = ["Behaviour", "Cluster", "Deadlock", "Result", "VirtualLoop"]
