"""The cluster in memory keeps those parts of the client's contract that controllers rest on.

Not among them: validation, filling in kinds, field selectors, server-side apply, JSON patches, and
selectors that turn changes into events.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from fakes.cluster import Cluster

sys.path.insert(0, str(Path(__file__).parent))
from client_contract import (  # noqa: F401 - its tests are run here
    Play,
    Scenario,
    test_a_live_watch_hears_of_new_objects,
    test_a_watch_goes_on_where_a_list_ended,
    test_a_write_that_changes_nothing_writes_nothing,
    test_delete_and_its_preconditions,
    test_finalizers_hold_an_object,
    test_status_is_written_apart,
    test_update_needs_the_newest_version,
)


@pytest.fixture
def play() -> Play:
    """Runs a scenario against an empty cluster in memory."""

    def run(scenario: Scenario) -> None:
        asyncio.run(asyncio.wait_for(scenario(Cluster()), 5))

    return run
