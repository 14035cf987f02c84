"""Requests end in time, and are written down."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from fakes.apiserver import running
from roost.api.errors import BadRequest
from roost.api.values import Object
from roost.apiserver.attributes import User
from roost.apiserver.deadlines import Deadlines, requested_s
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


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("1m30s", 90), ("1.5s", 1.5), (".5m", 30), ("100ms", 0.1), ("0", 0), ("-3s", -3)],
)
def test_a_request_says_how_long_it_may_take(text: str, seconds: float) -> None:
    assert requested_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("soon", 'invalid duration "soon"'),
        ("5", 'missing unit in duration "5"'),
        ("5parsecs", 'unknown unit "parsecs" in duration "5parsecs"'),
        ("1s.", 'invalid duration "1s."'),
    ],
)
def test_what_is_no_duration(text: str, why: str) -> None:
    with pytest.raises(BadRequest) as refused:
        requested_s(text)
    assert refused.value.message == f"invalid timeout specified in the request URL - time: {why}"


def test_a_request_ends_after_the_time_that_it_gave() -> None:
    async def scene() -> list[int]:
        async with running() as api:
            reached = asyncio.Event()

            async def slowly(*_: object) -> Answer:
                reached.set()
                await asyncio.sleep(0.05)
                return Answer(200, b"{}")

            api._carry_out = slowly  # type: ignore[assignment,method-assign]
            codes = []
            for query in (
                "timeout=5ms",
                "timeout=30s",
                "timeout=0",
                "watch=1&timeout=5ms",
                "timeout=x",
            ):
                answer = await api.handle(Request("GET", "/api/v1/pods", query, user=ADMIN))
                codes.append(answer.code)
            return codes

    assert asyncio.run(scene()) == [504, 200, 200, 200, 400]
