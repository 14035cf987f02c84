"""A server without a node, for clients that other people wrote."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bare_server import BareServer


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareServer]:
    server = BareServer(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.stop()
