"""How long admission takes: each plugin, and all of them together.

Series are by plugin and operation, so there are few; each is found by one lookup.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from roost.apiserver.exposition import Family
from roost.ports.histogram import Histogram

ADMIT: Final = "admit"
VALIDATE: Final = "validate"
#: The name under which the whole of a step is noted; no plugin has it.
WHOLE: Final = ""

_SECONDS: Final = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5)
_LABELS: Final = ("operation", "rejected", "type")


class Durations:
    """The durations of one chain of plugins."""

    def __init__(self) -> None:
        self._took: dict[tuple[str, str, bool, str], Histogram] = {}

    def of(self, name: str, operation: str, step: str, *, rejected: bool = False) -> Histogram:
        """Return where is counted what one plugin takes, or all together."""
        key = (name, operation, rejected, step)
        took = self._took.get(key)
        if took is None:
            took = self._took[key] = Histogram(_SECONDS)
        return took

    def families(self) -> Iterator[Family]:
        """Yield what was counted, for metrics."""
        whole: list[tuple[tuple[str, ...], Histogram]] = []
        each: list[tuple[tuple[str, ...], Histogram]] = []
        for (name, operation, rejected, step), took in sorted(self._took.items()):
            if not took.total():
                continue
            labels = (operation, "true" if rejected else "false", step)
            if name == WHOLE:
                whole.append((labels, took))
            else:
                each.append(((name, *labels), took))
        yield Family(
            "apiserver_admission_controller_admission_duration_seconds", "histogram",
            "Admission controller latency histogram in seconds, identified by name and broken out"
            " for each operation and API resource and type (validate or admit).",
            ("name", *_LABELS), each,
        )  # fmt: skip
        yield Family(
            "apiserver_admission_step_admission_duration_seconds", "histogram",
            "Admission sub-step latency histogram in seconds, broken out for each operation and"
            " API resource and step type (validate or admit).",
            _LABELS, whole,
        )  # fmt: skip
