"""Tables (`as=Table`) at the present time: what kubectl prints."""

from __future__ import annotations

from collections.abc import Sequence

from roost.api.kind import Kind
from roost.api.table import METADATA, table
from roost.api.values import Object
from roost.ports.port import WallClock


class Tables:
    """Makes tables of objects."""

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock

    def table(
        self,
        kind: Kind,
        values: Sequence[Object],
        version: str,
        include: str,
        metadata: Object,
        *,
        with_definitions: bool = True,
    ) -> Object:
        return table(
            kind, values, now=self._clock.now(), metadata=metadata, version=version,
            include=include or METADATA, with_definitions=with_definitions,
        )  # fmt: skip
