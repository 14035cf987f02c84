"""The clocks of a simulated world: what each component takes for the time of day."""

from __future__ import annotations

from roost.ports.port import WallClock


class SkewedClock:
    """ports.WallClock that goes wrong by `skew_s` seconds."""

    def __init__(self, right: WallClock) -> None:
        self.skew_s = 0.0
        self._right = right

    def now(self) -> float:
        return self._right.now() + self.skew_s
