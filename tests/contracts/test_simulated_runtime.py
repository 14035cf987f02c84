"""The simulated runtime keeps the contract of all runtimes."""

from __future__ import annotations

from contracts.runtime_contract import Bench, RuntimeContract
from fakes.cluster import FixedClock
from fakes.timeless import run
from roost.runtimes.behaviour import Behaviour
from roost.runtimes.port import ContainerSpec, SandboxSpec
from roost.runtimes.simulated import SimulatedRuntime

_BEHAVIOURS = {
    "ends": Behaviour(run_s=0.1, exit_code=3),
    "stays": Behaviour(stop_s=0.1, stop_code=0),
    "stubborn": Behaviour(stop_s=1e9),
}


def _behave(spec: ContainerSpec) -> Behaviour:
    return _BEHAVIOURS[spec.name]


class TestSimulatedRuntime(RuntimeContract):
    def bench(self) -> Bench:
        runtime = SimulatedRuntime(
            FixedClock().now, behave=_behave, commands=lambda _name, _argv: (5, b"hello\n")
        )
        sandbox = SandboxSpec("box", "web", "default", "uid-1", "web", "/logs")
        return Bench(runtime, lambda: runtime, sandbox, "app:1", "/logs", run)
