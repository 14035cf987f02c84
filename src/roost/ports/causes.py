"""Why something is written: who does it, and what they saw that made them.

It travels with the task that acts (a context variable) down to a store that keeps a journal of it, as
the simulation's does; elsewhere nobody looks. Rule: it explains, and never decides anything.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final, NamedTuple


class Cause(NamedTuple):
    """`about` is what the actor was looking at (namespace/name, or a command), `seen` the revision of
    the change that made it look; 0 where that is not known."""

    actor: str
    about: str = ""
    seen: int = 0


#: The cause of what the running task does.
current_cause: Final[ContextVar[Cause | None]] = ContextVar("current_cause", default=None)
