"""One line for each request, for who looks for one: all at `debug`, the bad and slow ones always.

The line is key=value, and its `id` is the Audit-Id of the answer and of the audit log.
"""

from __future__ import annotations

import logging
from typing import Final

from roost.apiserver.identities import identity_of
from roost.apiserver.messages import Request
from roost.apiserver.requestinfo import RequestInfo

log = logging.getLogger("roost.requests")

#: From here on a request is slow, in seconds.
SLOW_S: Final = 1.0
_SHOWN_CHARACTERS: Final = 1024


class RequestLog:
    """Knows whether anybody reads, so that nobody pays for lines that are not written."""

    def __init__(self) -> None:
        self.all = log.isEnabledFor(logging.DEBUG)

    def note(self, request: Request, info: RequestInfo, code: int, seconds: float) -> None:
        """Write the line of an answered request."""
        level = logging.INFO if seconds >= SLOW_S else logging.DEBUG
        if code >= 500:
            level = logging.WARNING
        if not log.isEnabledFor(level):
            return
        uri = f"{request.raw_path or request.path}?{request.query}".removesuffix("?")
        log.log(
            level,
            "verb=%s uri=%s code=%d ms=%.1f user=%s agent=%s ip=%s id=%s",
            info.verb, _quoted(uri), code, seconds * 1000, _quoted(request.user.name),
            _quoted(request.headers.get("user-agent", "")), request.peer,
            identity_of(request.head),
        )  # fmt: skip


def _quoted(text: str) -> str:
    """Return a text that cannot end its line, nor pretend to be another field."""
    shown = text[:_SHOWN_CHARACTERS]
    plain = shown.isprintable() and " " not in shown and '"' not in shown
    return shown if plain and shown else ascii(shown).replace('"', '\\"')
