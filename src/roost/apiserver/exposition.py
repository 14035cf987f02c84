"""Prometheus' text form (version 0.0.4): families of samples, written as lines.

Counting is done elsewhere, in whatever is cheapest there; a family is made only when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from roost.ports.histogram import Histogram

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. A sample is the values of `labels` with a number, or a Histogram."""

    name: str
    kind: str  # counter, gauge or histogram
    help: str
    labels: tuple[str, ...] = ()
    samples: Iterable[tuple[tuple[str, ...], float | Histogram]] = field(default=())


def counter(name: str, help: str, value: float) -> Family:
    """Return a counter without labels."""
    return Family(name, "counter", help, samples=[((), value)])


def gauge(name: str, help: str, value: float) -> Family:
    """Return a gauge without labels."""
    return Family(name, "gauge", help, samples=[((), value)])


def text_of(families: Iterable[Family]) -> bytes:
    """Return families as text, in the order of their names."""
    lines: list[str] = []
    for family in sorted(families, key=lambda family: family.name):
        lines.append(f"# HELP {family.name} {family.help}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        lines.extend(_lines(family))
    lines.append("")
    return "\n".join(lines).encode()


def _lines(family: Family) -> Iterator[str]:
    for values, sample in family.samples:
        labels = ",".join(
            f'{name}="{_escaped(value)}"' for name, value in zip(family.labels, values, strict=True)
        )
        if isinstance(sample, Histogram):
            yield from _histogram(family.name, labels, sample)
        else:
            yield f"{family.name}{_braced(labels)} {_number(sample)}"


def _histogram(name: str, labels: str, sample: Histogram) -> Iterator[str]:
    before = f"{labels}," if labels else ""
    total = 0
    for bound, count in zip(sample.bounds, sample.counts, strict=False):
        total += count
        yield f'{name}_bucket{{{before}le="{_number(bound)}"}} {total}'
    total = sample.total()
    yield f'{name}_bucket{{{before}le="+Inf"}} {total}'
    yield f"{name}_sum{_braced(labels)} {_number(sample.sum)}"
    yield f"{name}_count{_braced(labels)} {total}"


def _braced(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
