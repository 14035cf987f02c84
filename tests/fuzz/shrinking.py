"""The smallest request that still shows a bug."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from fuzz.oddities import places
from fuzz.scene import Scene
from roost.apiserver.messages import Request

_TRIES = 300


async def shrunk(
    scene: Scene, request: Request, shows: Callable[[Request], Awaitable[bool]]
) -> Request:
    """Return a request as small as a few tries can make it; the same one, if it alone shows nothing."""
    if not await shows(request):
        return request
    for smaller in (replace(request, query=""), replace(request, headers={})):
        if await shows(smaller):
            request = smaller
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError):
        return request
    tries = _TRIES
    at = 0
    while tries:
        spots = places(value) if isinstance(value, dict | list) else []
        if at >= len(spots):
            break
        container, key = spots[at]
        kept = _without(container, key)
        smaller = replace(request, body=json.dumps(value).encode())
        tries -= 1
        if await shows(smaller):
            request = smaller
        else:
            _back(container, key, kept)
            at += 1
    return request


def _without(container: Any, key: Any) -> Any:
    if isinstance(container, list):
        return container.pop(key)
    kept = list(container.items())
    del container[key]
    return kept


def _back(container: Any, key: Any, kept: Any) -> None:
    if isinstance(container, list):
        container.insert(key, kept)
    else:
        container.clear()
        container.update(kept)
