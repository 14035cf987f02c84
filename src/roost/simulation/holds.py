"""Why a virtual clock stands still: calls to the real world that have not come back yet.

Rule: while there is one, everything goes on that is due now, and no time passes. A thread that can do
nothing else waits at the bell, without keeping others from driving the loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Bell(Protocol):
    """Where threads wait for what others do; see roost.adapters.real.crossing."""

    def ring(self) -> None:
        """Let everybody who waits look again."""
        ...

    def wait(self, until: Callable[[], bool]) -> None:
        """Return when it holds; it is looked at first, and then whenever somebody rings."""
        ...


class Holds:
    """The calls of one loop, entered as a context by each of them. `bell` must be set before.

    Everything but `wait` is for whoever drives the loop.
    """

    def __init__(self) -> None:
        self.bell: Bell | None = None
        self._count = 0
        self._news = 0

    def __bool__(self) -> bool:
        return self._count > 0

    def __enter__(self) -> None:
        if self.bell is None:
            raise RuntimeError("nobody could wait for a call to come back")
        self._count += 1

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        self.tell()

    def tell(self) -> None:
        """Say that a call came back or was given up."""
        self._news += 1
        if self.bell is not None:
            self.bell.ring()

    def mark(self) -> int:
        """Return how much news there was, for `wait`."""
        return self._news

    def wait(self, mark: int) -> None:
        """Return when there is more news than there was at a mark."""
        assert self.bell is not None
        self.bell.wait(lambda: self._news != mark)
