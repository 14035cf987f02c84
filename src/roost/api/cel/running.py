"""One evaluation: the values of its variables, and what it has cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from roost.api.cel.values import CostExceeded


class Run:
    """`cost` counts up to `limit`."""

    __slots__ = ("cost", "exhausted", "limit", "values")

    def __init__(self, values: list[Any], limit: int) -> None:
        self.values = values
        self.limit = limit
        self.cost = 0
        self.exhausted = False

    def spend(self, cost: int) -> None:
        """Raises CostExceeded when that was more than allowed."""
        self.cost += cost
        if self.cost > self.limit:
            self.exhausted = True
            raise CostExceeded("operation cancelled: actual cost limit exceeded")


Step = Callable[[Run], Any]
