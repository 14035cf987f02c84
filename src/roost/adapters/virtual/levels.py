"""What a machine has left, as somebody says; see roost.node.tools.Levels."""

from __future__ import annotations

from collections.abc import Mapping

from roost.node.thresholds import Level


class GivenLevels:
    """`known` by signal; nothing at first."""

    def __init__(self) -> None:
        self.known: dict[str, Level] = {}

    def read(self) -> Mapping[str, Level]:
        return dict(self.known)
