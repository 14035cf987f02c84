"""The API server's core, run through the contract of clients."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from fakes.apiserver import running

sys.path.insert(0, str(Path(__file__).parent))
from client_contract import *  # noqa: F403 - its tests are run here
from client_contract import Play, Scenario


@pytest.fixture
def play() -> Play:
    """Runs a scenario against an empty server in this process."""

    def run(scenario: Scenario) -> None:
        async def main() -> None:
            async with running() as api:
                await scenario(api.client())

        asyncio.run(main())

    return run
