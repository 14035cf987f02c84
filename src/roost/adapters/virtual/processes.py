"""Programs without processes: a function answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from roost.ports.port import Exit


def _succeed(_argv: Sequence[str]) -> Exit:
    return Exit(0, b"", b"")


class ScriptedProcesses:
    """ports.Processes; `ran` keeps every command line."""

    def __init__(self, answer: Callable[[Sequence[str]], Exit] = _succeed) -> None:
        self._answer = answer
        self.ran: list[tuple[str, ...]] = []

    async def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 30.0
    ) -> Exit:
        del stdin, timeout_s
        self.ran.append(tuple(argv))
        return self._answer(argv)
