"""Calls webhooks at real urls for a served cluster, with the client of the real server.

It runs on the loop of the HTTPS server: TLS and timeouts are real, and the cluster's time stands still
meanwhile.
"""

from __future__ import annotations

from functools import partial

from roost.apiserver.admission.webhooks.port import CallFailed, Endpoint, asked_url
from roost.apiserver.http.callout import HttpCaller
from roost.simulation.serving.across import Across


class Abroad:
    """webhooks.port.Caller for coroutines of the cluster's."""

    def __init__(self, across: Across) -> None:
        self._across = across
        self._caller = HttpCaller()

    async def post(self, endpoint: Endpoint, body: bytes, timeout_s: int) -> bytes:
        """Send JSON and return the JSON that answers it. Raises CallFailed."""
        try:
            return await self._across.out(partial(self._caller.post, endpoint, body, timeout_s))
        except ConnectionResetError as error:
            raise CallFailed(f'Post "{asked_url(endpoint, timeout_s)}": {error}') from None

    async def close(self) -> None:
        """End the connections; on the real loop."""
        await self._caller.close()
