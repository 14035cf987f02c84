"""For how long the request that is being answered has waited for others: for seats, for webhooks.

What the server took itself is the rest, and that is what a service level is promised for.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

_WAITED_S: Final[ContextVar[float]] = ContextVar("waited", default=0.0)


def waited(seconds: float) -> None:
    """Note that the current request had to wait."""
    _WAITED_S.set(_WAITED_S.get() + seconds)


def taken() -> float:
    """Return for how long the current request has waited in all, and begin anew: it has ended."""
    seconds = _WAITED_S.get()
    if seconds:
        _WAITED_S.set(0.0)
    return seconds
