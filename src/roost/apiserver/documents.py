"""Any document of the API as a decoded value, for those in the process: `reader(api, user)`.

Also what nodes and extension servers answer, as metrics are. It goes the way of an HTTP request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from roost.api.errors import NotFound, ServiceUnavailable, from_status
from roost.api.values import Object
from roost.apiserver.aggregation.remote import Fetcher
from roost.apiserver.attributes import User
from roost.apiserver.encoding import decode
from roost.apiserver.messages import Answer, Proxy, Request
from roost.apiserver.server import ApiServer
from roost.decisions.asking import Ask

_NOT_SERVED = "the server could not find the requested resource"
_UNABLE = "the server is currently unable to handle the request"


def reader(
    api: ApiServer, user: User, fetcher: Fetcher | None
) -> Callable[[Ask], Awaitable[Object]]:
    """Return what gets documents as `user`; raises StatusError, OSError or TimeoutError."""

    async def read(ask: Ask) -> Object:
        headers = {"accept": "application/json", "user-agent": user.name}
        request = Request("GET", ask.path, ask.query, headers, user=user, raw_path=ask.path)
        answer = await api.handle(request)
        if isinstance(answer, Proxy) and fetcher is not None:
            code, body = await fetcher.fetch(answer, "application/json")
        elif isinstance(answer, Answer):
            code = answer.code
            body = decode(answer.whole()) if answer.whole()[:1] == b"{" else None
        else:
            raise NotFound(f"{ask.path} is a stream")
        if code < 300 and isinstance(body, dict):
            return body
        if isinstance(body, dict) and body.get("kind") == "Status" and body.get("reason"):
            raise from_status(body, code)
        if code == 404:
            raise NotFound(_NOT_SERVED)
        raise ServiceUnavailable(_UNABLE)

    return read
