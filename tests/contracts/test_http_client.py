"""The HTTP client against a server over TLS, run through the contract of clients."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from fakes.apiserver import running
from roost.adapters.real.clock import SystemClock
from roost.adapters.real.files import DiskFiles
from roost.apiserver.attributes import User
from roost.apiserver.authenticator import Credentials
from roost.apiserver.http.shell import HttpServer
from roost.apiserver.pki.authority import Authority
from roost.client.http import HttpClient
from roost.client.kubeconfig import Connection

sys.path.insert(0, str(Path(__file__).parent))
from client_contract import *  # noqa: F403 - its tests are run here
from client_contract import Play, Scenario


class Everybody:
    """Takes every caller for the same user."""

    async def authenticate(self, credentials: Credentials) -> User:
        return User("somebody", ("system:authenticated",))


@asynccontextmanager
async def client_of_server(folder: Path) -> AsyncIterator[HttpClient]:
    authority = Authority.open(DiskFiles(), str(folder), SystemClock())
    identity = authority.server(["127.0.0.1"])
    own = Connection("", "", identity.certificate.decode(), identity.key.decode())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_certificate(tls)
    async with running() as api:
        server = HttpServer(api, Everybody())
        port = await server.listen("127.0.0.1", 0, tls)
        connection = Connection(f"https://127.0.0.1:{port}", authority.certificate.decode())
        try:
            async with HttpClient(connection) as client:
                yield client
        finally:
            await server.close(0.1)


@pytest.fixture
def play(tmp_path: Path) -> Play:
    def run(scenario: Scenario) -> None:
        async def main() -> None:
            async with client_of_server(tmp_path) as client:
                await scenario(client)

        asyncio.run(main())

    return run
