"""What is counted of policies: how often they were checked, what came of it, how long it took.

Policies come and go, so the number of series is bounded: the oldest one goes first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from roost.apiserver.exposition import Family
from roost.ports.histogram import Histogram

_CHECK_SECONDS: Final = (5e-7, 0.001, 0.01, 0.1, 1.0)
_CEL_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SERIES: Final = 4096
_MUTATING: Final = ("policy", "policy_binding", "error_type")
_VALIDATING: Final = (*_MUTATING, "enforcement_action")
#: What stands for "there was no error".
NONE: Final = "no_error"
_FAULTS: Final = {
    "compilation": "compile_error",
    "validation failed due to running out of cost budget": "out_of_budget",
}


def error_type(text: str) -> str:
    """Return the sort of error that a policy could not be checked for, or that denied a request."""
    return next(
        (sort for start, sort in _FAULTS.items() if text.startswith(start)), "invalid_error"
    )


class Watch:
    """A stopwatch: each look gives the seconds since the last one."""

    __slots__ = ("_last", "_now")

    def __init__(self) -> None:
        self._now = asyncio.get_running_loop().time
        self._last = self._now()

    def lap(self) -> float:
        last, self._last = self._last, self._now()
        return self._last - last


class Checks:
    """The checks of one server."""

    def __init__(self) -> None:
        self._validating: dict[tuple[str, ...], Histogram] = {}
        self._mutating: dict[tuple[str, ...], Histogram] = {}
        #: How long evaluations of expressions took.
        self.evaluations = Histogram(_CEL_SECONDS)

    def validated(self, policy: str, binding: str, fault: str, action: str, seconds: float) -> None:
        """Count what a rule of a policy led to: an action (allow, deny, audit, warn)."""
        _note(self._validating, (policy, binding, fault, action), seconds)

    def mutated(self, policy: str, binding: str, fault: str, seconds: float) -> None:
        """Count one mutation."""
        _note(self._mutating, (policy, binding, fault), seconds)

    def families(self) -> Iterator[Family]:
        """Yield what was counted, for metrics."""
        for name, labels, noun, more, took in (
            (
                "validating", _VALIDATING, "Validation", " and enforcement action taken",
                sorted(self._validating.items()),
            ),
            ("mutating", _MUTATING, "Mutation", "", sorted(self._mutating.items())),
        ):  # fmt: skip
            stem = f"apiserver_{name}_admission_policy_check"
            yield Family(
                f"{stem}_total", "counter",
                f"{noun} admission policy check total, labeled by policy and further identified by"
                f" binding{more}.", labels, [(key, each.total()) for key, each in took],
            )  # fmt: skip
            yield Family(
                f"{stem}_duration_seconds", "histogram",
                f"{noun} admission latency for individual {noun.lower()} expressions in seconds,"
                f" labeled by policy and binding{more}.", labels, took,
            )  # fmt: skip
        yield Family(
            "apiserver_cel_evaluation_duration_seconds", "histogram",
            "CEL evaluation time in seconds.", samples=[((), self.evaluations)],
        )  # fmt: skip


def _note(series: dict[tuple[str, ...], Histogram], key: tuple[str, ...], seconds: float) -> None:
    took = series.get(key)
    if took is None:
        if len(series) >= _SERIES:
            del series[next(iter(series))]
        took = series[key] = Histogram(_CHECK_SECONDS)
    took.observe(seconds)
