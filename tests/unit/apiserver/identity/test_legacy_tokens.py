"""Tokens in Secrets: on which day they were last used is noted, once a day."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import pytest

from roost.api.errors import Unauthorized
from roost.api.values import Object
from roost.apiserver.authenticator import CACHE_S, Authenticator, Credentials
from roost.apiserver.legacy_tokens import issue
from roost.controllers.legacytokens import INVALID_SINCE, LAST_USED, day


def secret(token: str, **labels: str) -> Object:
    metadata = {"name": "s", "namespace": "ns", "uid": "u-s", "labels": labels}
    return {"metadata": metadata, "data": {"token": b64encode(token.encode()).decode()}}


def test_the_day_of_a_use_is_noted_once(clock, keys, objects) -> None:
    token = issue(keys, "ns", "s", "low", "sa-1")
    marks: list[str] = []

    async def mark(found: Object, today: str) -> None:
        marks.append(today)
        objects.put("secrets", secret(token, **{LAST_USED: today}))

    objects.put("secrets", secret(token))
    authenticator = Authenticator(clock, keys, objects, mark=mark)

    async def ask() -> str:
        return (await authenticator.authenticate(Credentials(f"Bearer {token}"))).name

    assert asyncio.run(ask()) == "system:serviceaccount:ns:low"
    today = day(clock.now())
    clock.time += CACHE_S + 1
    asyncio.run(ask())
    assert marks == [today]
    clock.time += 24 * 3600
    asyncio.run(ask())
    assert marks == [today, day(clock.now())]


def test_a_use_of_an_invalid_token_is_noted_too(clock, keys, objects) -> None:
    token = issue(keys, "ns", "s", "low", "sa-1")
    marks: list[str] = []

    async def mark(found: Object, today: str) -> None:
        marks.append(today)

    objects.put("secrets", secret(token, **{INVALID_SINCE: "2026-01-01"}))
    authenticator = Authenticator(clock, keys, objects, mark=mark)
    with pytest.raises(Unauthorized):
        asyncio.run(authenticator.authenticate(Credentials(f"Bearer {token}")))
    assert marks == [day(clock.now())]
