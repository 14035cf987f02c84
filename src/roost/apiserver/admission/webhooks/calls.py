"""What is counted of calls to webhooks: how long each took, and how often each refused or failed.

Series are by the names of webhooks, which come and go with their configurations: the oldest are let go
when there are too many.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from roost.apiserver.exposition import Family
from roost.ports.histogram import Histogram

_SECONDS: Final = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 10.0, 25.0)
_SERIES: Final = 1024
_LABELS: Final = ("name", "operation", "rejected", "type")


class Calls:
    """The calls of one server."""

    def __init__(self) -> None:
        self._took: dict[tuple[str, ...], Histogram] = {}

    def note(
        self, name: str, operation: str, seconds: float, *, rejected: bool, mutating: bool
    ) -> None:
        """Count one call."""
        sort = "admit" if mutating else "validating"
        key = (name, operation, "true" if rejected else "false", sort)
        took = self._took.get(key)
        if took is None:
            if len(self._took) >= _SERIES:
                del self._took[next(iter(self._took))]
            took = self._took[key] = Histogram(_SECONDS)
        took.observe(seconds)

    def families(self) -> Iterator[Family]:
        """Yield what was counted, for metrics."""
        took = sorted(self._took.items())
        yield Family(
            "apiserver_admission_webhook_admission_duration_seconds", "histogram",
            "Admission webhook latency histogram in seconds, identified by name and broken out for"
            " each operation and API resource and type (validate or admit).",
            _LABELS, took,
        )  # fmt: skip
        yield Family(
            "apiserver_admission_webhook_request_total", "counter",
            "Admission webhook request total, identified by name and broken out for each admission"
            " type (validating or mutating) and operation.",
            _LABELS, [(key, each.total()) for key, each in took],
        )  # fmt: skip
