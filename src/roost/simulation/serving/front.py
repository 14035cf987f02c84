"""What the HTTP shell takes for an API server: it leads to the cluster's, wherever that is now.

While the cluster's server is down, connections are closed without an answer, and watches end. Watch
frames cross in batches; a client that does not read them is cut off.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from roost.api.errors import StatusError
from roost.apiserver.access.identity import AUTHENTICATED, MASTERS
from roost.apiserver.attributes import User
from roost.apiserver.authenticator import Credentials, bearer_token
from roost.apiserver.messages import (
    Answer,
    Frames,
    Request,
    Response,
    Sink,
    WatchAnswer,
)
from roost.apiserver.server import error_answer
from roost.simulation.controlplane import ControlPlane
from roost.simulation.serving.across import Across

ADMIN: Final = User("kubernetes-admin", (MASTERS, AUTHENTICATED))
#: A watcher for which so much waits on the way is cut off.
_BEHIND_BYTES: Final = 16 << 20


class Activity:
    """When clients were last heard of. Times are of the real clock, in seconds."""

    def __init__(self) -> None:
        self.last = time.monotonic()
        self.open = 0
        self.count = 0

    def begin(self) -> None:
        self.open += 1
        self.count += 1

    def end(self) -> None:
        self.open -= 1
        self.last = time.monotonic()

    def touch(self) -> None:
        self.last = time.monotonic()

    def quiet_for(self) -> float:
        """Return for how long nothing was asked or told."""
        return 0.0 if self.open else time.monotonic() - self.last


class Front:
    """See the module: apiserver.http.shell.Core."""

    def __init__(self, plane: ControlPlane, across: Across, activity: Activity) -> None:
        self._plane = plane
        self._across = across
        self._activity = activity

    async def handle(self, request: Request) -> Response:
        """Answer a request. Raises ConnectionError while there is no server."""
        self._activity.begin()
        try:
            answer = await self._across.run(partial(self._answer, request), hurry=True)
        finally:
            self._activity.end()
        if isinstance(answer, WatchAnswer):
            return replace(answer, run=partial(self._watch, answer))
        return answer

    async def _answer(self, request: Request) -> Response:
        answer = await self._plane.server.handle(request)
        if isinstance(answer, Answer) and not isinstance(answer.body, bytes):
            # Its pieces are made of what only this side may touch.
            answer.body = answer.whole()
        return answer

    def unauthenticated(self, request: Request, error: StatusError) -> Answer:
        return error_answer(error, request.headers.get("accept", ""))

    async def _watch(self, answer: WatchAnswer, sink: Sink) -> None:
        """Let the watch write over there, and pass on what it writes."""
        far = FarSink(self._across, sink, self._activity)
        running = asyncio.ensure_future(self._across.run(partial(_run, answer, far)))
        far.on_lost = running.cancel
        try:
            await running
        except ConnectionError:
            return  # the server is gone, and the stream ends as if it had closed it
        except asyncio.CancelledError:
            if not far.lost:
                raise
        finally:
            running.cancel()


async def _run(answer: WatchAnswer, sink: Sink) -> None:
    await answer.run(sink)


class FarSink:
    """A Sink on the cluster's loop whose frames come out of another one on the real loop.

    Two threads work on it, so nothing is changed by both but the queue: what is in it was announced.
    """

    def __init__(self, across: Across, sink: Sink, activity: Activity) -> None:
        self._across = across
        self._sink = sink
        self._activity = activity
        self._waiting: deque[Frames] = deque()
        self._written_bytes = 0  # counted over there
        self._passed_bytes = 0  # counted here
        #: The client is gone, or too slow.
        self.lost = False
        self.on_lost: Callable[[], object] = _nothing

    def write(self, frames: Frames) -> None:
        if self.lost:
            return
        self._written_bytes += len(frames.chunked)  # made here, once for all watchers
        self._waiting.append(frames)
        # Only now: were it looked at before, the last one could be passed on in between.
        if len(self._waiting) == 1:
            self._across.tell(self._pass_on)
        if self._written_bytes - self._passed_bytes > _BEHIND_BYTES:
            self.lost = True
            self._across.tell(self._lose)

    def close(self) -> None:
        """The answer's end is told by the end of `run`."""

    def _pass_on(self) -> None:
        """Write what has come since; on the real loop."""
        self._activity.touch()
        while self._waiting:
            frames = self._waiting.popleft()
            self._passed_bytes += len(frames.chunked)
            self._sink.write(frames)
        if getattr(self._sink, "broken", False):
            self._lose()

    def _lose(self) -> None:
        self.lost = True
        self._waiting.clear()
        self.on_lost()


def _nothing() -> None:
    pass


class Door:
    """apiserver.http.shell.Authenticator: the administrator's token, and all that the cluster knows."""

    def __init__(self, plane: ControlPlane, across: Across, token: str) -> None:
        self._plane = plane
        self._across = across
        self._token = token.encode()

    async def authenticate(self, credentials: Credentials) -> User:
        """Return who asks. Raises Unauthorized, and ConnectionError while there is no server."""
        token = bearer_token(credentials.authorization)
        if hmac.compare_digest(token.encode(), self._token):
            return ADMIN
        return await self._across.run(partial(self._ask, credentials), hurry=True)

    async def _ask(self, credentials: Credentials) -> User:
        return await self._plane.authenticator.authenticate(credentials)
