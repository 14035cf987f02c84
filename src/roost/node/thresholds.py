"""How little of its resources a node may have left before it gives up pods: `--eviction-hard`. Pure.

Written as the kubelet's: `memory.available<100Mi,nodefs.available<5%`. What is not named has no
threshold, and neither has what is given as 0% or 100%.
"""

from __future__ import annotations

from dataclasses import dataclass

from roost.api import quantity

MEMORY = "memory.available"
PIDS = "pid.available"
#: Signal -> what runs low, as evictions name it.
RESOURCES = {
    MEMORY: "memory",
    "nodefs.available": "ephemeral-storage",
    "nodefs.inodesFree": "inodes",
    "imagefs.available": "ephemeral-storage",
    "imagefs.inodesFree": "inodes",
    PIDS: "pids",
}
#: Less of the disk than with the kubelet (10 %, and 15 % for images): on machines of developers the
#: disk belongs to others too, and is often that full for ever.
DEFAULT = (
    "memory.available<100Mi,nodefs.available<5%,nodefs.inodesFree<5%,"
    "imagefs.available<5%,imagefs.inodesFree<5%"
)


@dataclass(frozen=True, slots=True)
class Level:
    """How much there is of something, and how much of that is left."""

    available: int
    capacity: int


@dataclass(frozen=True, slots=True)
class Threshold:
    """The least that must be left: an amount, or parts of a hundred of all there is."""

    signal: str
    amount: quantity.Written | None = None
    percent: quantity.Exact = 0

    def least(self, level: Level) -> quantity.Exact:
        """Return the amount."""
        if self.amount is not None:
            return quantity.parse(self.amount)
        return int(level.capacity * self.percent / 100)

    def shown(self, level: Level) -> str:
        """Return the amount as evictions show it."""
        if self.amount is not None:
            return quantity.canonical(self.amount)
        return quantity.render(self.least(level), "BinarySI")


def parse_thresholds(text: str) -> tuple[Threshold, ...]:
    """Return the thresholds of a text; raises ValueError, which names what is wrong."""
    found: dict[str, Threshold] = {}
    for part in text.split(",") if text.strip() else ():
        signal, sign, value = (word.strip() for word in part.partition("<"))
        if not sign:
            raise ValueError(f"{part.strip()!r} is no threshold like memory.available<100Mi")
        if signal not in RESOURCES:
            known = ", ".join(RESOURCES)
            raise ValueError(f"unsupported eviction signal {signal} (there are: {known})")
        if signal in found:
            raise ValueError(f"there are two thresholds for {signal}")
        found[signal] = _threshold(signal, value)
    return tuple(one for one in found.values() if one.amount is not None or 0 < one.percent < 100)


def _threshold(signal: str, value: str) -> Threshold:
    if value.endswith("%"):
        try:
            percent = quantity.parse(value[:-1])
        except ValueError:
            raise ValueError(f"eviction threshold {signal} is no percentage: {value}") from None
        if not 0 <= percent <= 100:
            raise ValueError(f"eviction threshold {signal} must be between 0% and 100%: {value}")
        return Threshold(signal, percent=percent)
    try:
        amount = quantity.parse(value)
    except ValueError as error:
        raise ValueError(f"eviction threshold {signal} is no quantity: {value}: {error}") from error
    if amount <= 0:
        raise ValueError(f"eviction threshold {signal} must be positive: {value}")
    return Threshold(signal, value)
