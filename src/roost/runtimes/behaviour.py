"""How a simulated container goes, as data: what is certain, and what is left to chance."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from roost.ports.port import Chance


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How one attempt at a container goes. Times are seconds of the event loop."""

    start_s: float = 0.0  # how long start_container takes
    run_s: float | None = None  # ends by itself after this long; None: never
    exit_code: int = 0  # with which it then ends
    stop_s: float = 0.0  # how long it takes to obey the stop signal
    stop_code: int = 143
    reason: str = ""  # e.g. OOMKilled; "" follows from the code
    message: str = ""
    start_fault: tuple[str, str] | None = None  # (reason, message) of a start that fails
    output: tuple[str, ...] = ()  # lines on stdout
    start_spread_s: float = 0.0  # a start takes so much longer at most, by chance
    run_spread_s: float = 0.0  # and so a life
    crash_odds: float = 0.0  # of 1: how many attempts end before their time, with code 1
    cpu: float = 0.0  # cores that it uses
    memory_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        if not 0 <= self.crash_odds <= 1:
            raise ValueError(f"crash_odds is a share from 0 to 1, not {self.crash_odds}")

    def drawn(self, chance: Chance) -> Behaviour:
        """Return how one attempt goes of those that this stands for. One that crashes does so at
        some time of its life, or of its first minute if that has no end."""
        start_s = self.start_s + self.start_spread_s * chance.uniform()
        run_s = None if self.run_s is None else self.run_s + self.run_spread_s * chance.uniform()
        crashes, when = chance.uniform() < self.crash_odds, chance.uniform()
        certain = replace(self, start_spread_s=0.0, run_spread_s=0.0, crash_odds=0.0)
        if crashes:
            at_s = (60.0 if run_s is None else run_s) * when
            return replace(certain, start_s=start_s, run_s=at_s, exit_code=1, reason="", message="")
        return replace(certain, start_s=start_s, run_s=run_s)


class Finished:
    """runtimes.port.Process of a command that has ended."""

    def __init__(self, code: int, stdout: bytes) -> None:
        self._code = code
        self._stdout = stdout

    async def write(self, data: bytes) -> None:
        """Drop it: the command has ended."""

    async def close_stdin(self) -> None:
        """Nothing to close."""

    async def resize(self, width: int, height: int) -> None:
        """There is no terminal."""

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        if self._stdout:
            yield 1, self._stdout

    async def wait(self) -> int:
        return self._code

    async def close(self) -> None:
        """Nothing to close."""
