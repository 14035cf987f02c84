"""A node in memory for each test."""

from __future__ import annotations

import pytest

from fakes.node import World
from roost.decisions.resources import SERVICES


@pytest.fixture
def world() -> World:
    found = World()
    found.cluster.add(
        SERVICES,
        {
            "metadata": {"name": "kubernetes", "namespace": "default"},
            "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443}]},
        },
    )
    return found
