"""Scenes with a server whose webhooks are functions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from fakes.admission import Site, site_of

Scene = Callable[[Site], Awaitable[None]]


@pytest.fixture
def play() -> Callable[[Scene], None]:
    """Runs a scene with a server of its own."""

    def run(scene: Scene) -> None:
        async def main() -> None:
            async with site_of() as site:
                await scene(site)

        asyncio.run(main())

    return run
