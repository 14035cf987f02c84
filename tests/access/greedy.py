"""A client that asks for far more than its share: `python greedy.py URL TOKEN CONNECTIONS SECONDS WHAT`.

WHAT is `list` (every pod, over and over) or `create`. It does not wait when it is told to. When it is
done it prints how often it got which code, and how many refusals said when to come again.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections import Counter
from contextlib import suppress

import aiohttp

_PODS = "/api/v1/namespaces/crowd/pods"
_MAPS = "/api/v1/namespaces/crowd/configmaps"


async def _greedy(url: str, token: str, connections: int, what: str, codes: Counter[str]) -> None:
    numbers = itertools.count()
    connector = aiohttp.TCPConnector(limit=connections, ssl=False)  # it is our own server
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}

    async def one(session: aiohttp.ClientSession) -> None:
        while True:
            if what == "list":
                asking = session.get(url + _PODS)
            else:
                body = {"metadata": {"name": f"m{next(numbers)}"}, "data": {"a": "b" * 1000}}
                asking = session.post(url + _MAPS, json=body)
            async with asking as answer:
                codes[str(answer.status)] += 1
                if answer.status == 429 and answer.headers.get("Retry-After") == "1":
                    codes["retry-after"] += 1
                while await answer.content.readany():
                    pass

    async with (
        aiohttp.ClientSession(connector=connector, headers=headers) as session,
        asyncio.TaskGroup() as tasks,
    ):
        for _ in range(connections):
            tasks.create_task(one(session))


async def main() -> None:
    url, token, connections, seconds, what = sys.argv[1:]
    codes: Counter[str] = Counter()
    with suppress(TimeoutError):
        async with asyncio.timeout(float(seconds)):
            await _greedy(url, token, int(connections), what, codes)
    print(json.dumps(codes))


if __name__ == "__main__":
    asyncio.run(main())
