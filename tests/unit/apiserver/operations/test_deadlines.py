"""Requests end in time, and are written down."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from fakes.apiserver import running
from roost.api.values import Object
from roost.apiserver.attributes import User
from roost.apiserver.deadlines import Deadlines
from roost.apiserver.messages import Answer, Request
from roost.apiserver.requestinfo import RequestInfo, parse_path
from roost.apiserver.requestlog import RequestLog

ADMIN = User("admin", ("system:masters",))


def test_a_request_that_takes_too_long_is_answered_with_a_timeout() -> None:
    async def scene() -> tuple[int, Object]:
        async with running() as api:
            deadlines = Deadlines(0.02)
            api._deadlines = deadlines

            async def never(*_: object) -> None:
                await asyncio.get_running_loop().create_future()

            api._carry_out = never  # type: ignore[assignment,method-assign]
            watching = asyncio.create_task(deadlines.run())
            answer = await api.handle(Request("GET", "/api/v1/pods", user=ADMIN))
            watching.cancel()
            assert isinstance(answer, Answer)
            place = api.flows.place(ADMIN, parse_path("GET", "/api/v1/pods"))
            assert place.level.in_use == 0
            return answer.code, json.loads(answer.whole())

    code, body = asyncio.run(scene())
    assert (code, body["reason"]) == (504, "Timeout")
    assert body["message"] == "Timeout: request did not complete within the allotted timeout"


def test_a_client_that_goes_is_no_timeout() -> None:
    async def scene() -> None:
        deadlines = Deadlines(60)
        deadline = deadlines.begin(0.0)
        assert not deadlines.missed(deadline)
        deadlines.end(deadline)

    asyncio.run(scene())


def test_lines_cannot_be_forged(caplog: pytest.LogCaptureFixture) -> None:
    request = Request(
        "GET", "/x", "", {"user-agent": 'a" code=200\n'}, user=User("eve evil"), peer="192.0.2.1"
    )
    request.head = b"\r\nAudit-Id: id-1"
    with caplog.at_level(logging.DEBUG, "roost.requests"):
        RequestLog().note(request, RequestInfo("get", "/x"), 503, 0.0123)
    (record,) = caplog.records
    line = record.getMessage()
    assert record.levelno == logging.WARNING
    assert line.startswith("verb=get uri=/x code=503 ms=12.3 user='eve evil' agent=")
    assert line.endswith("ip=192.0.2.1 id=id-1")
    assert "\n" not in line
