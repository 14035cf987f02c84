"""Tables (`as=Table`): what kubectl prints."""

from __future__ import annotations

from collections.abc import Sequence

from roost.api.kind import Kind
from roost.api.values import Object
from roost.ports.port import WallClock


class Tables:
    """Makes tables of objects at the present time."""

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock

    def table(
        self, kind: Kind, values: Sequence[Object], version: str, include: str, metadata: Object
    ) -> Object:
        now = self._clock.now()
        return {
            "kind": "Table",
            "apiVersion": f"meta.k8s.io/{version}",
            "metadata": metadata,
            "columnDefinitions": [
                {
                    "name": column.name, "type": column.type, "format": column.format,
                    "description": column.description, "priority": column.priority,
                }
                for column in kind.columns
            ],
            "rows": [
                {"cells": [column.cell(value, now) for column in kind.columns], "object": value}
                for value in values
            ],
        }  # fmt: skip
