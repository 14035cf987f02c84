"""Connections without sockets: a table says who answers what."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence


class TableNetwork:
    """ports.Network. `pages` maps a URL to its answer, `listening` holds (host, port); what is in
    neither refuses; URLs in `silent` time out."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[int, bytes]] = {}
        self.listening: set[tuple[str, int]] = set()
        self.silent: set[str] = set()
        self.asked: list[str] = []

    async def connect(self, host: str, port: int, *, timeout_s: float) -> None:
        del timeout_s
        self.asked.append(f"tcp://{host}:{port}")
        if (host, port) not in self.listening:
            raise ConnectionRefusedError(f"dial tcp {host}:{port}: connect: connection refused")

    async def http_get(
        self, url: str, headers: Sequence[tuple[str, str]], *, timeout_s: float
    ) -> tuple[int, bytes]:
        del headers
        self.asked.append(url)
        if url in self.silent:
            await asyncio.sleep(timeout_s)
            raise TimeoutError(url)
        if url not in self.pages:
            raise ConnectionRefusedError(f'Get "{url}": dial tcp: connect: connection refused')
        return self.pages[url]
