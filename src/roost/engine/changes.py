"""What made the controllers look: for those who keep a journal of causes (roost.ports.causes)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from roost.api.values import Object
from roost.decisions.controller import Key
from roost.ports.causes import Cause, current_cause

#: Of so many keys each controller remembers it.
_KEPT: Final = 10_000


class Changes:
    """The newest change that concerned each key of one controller."""

    def __init__(self, controller: str) -> None:
        self._controller = controller
        self._newest: OrderedDict[Key, int] = OrderedDict()

    def note(self, keys: Iterable[Key], changed: Object) -> None:
        """Remember that a change made keys be looked at."""
        revision = int(changed["metadata"]["resourceVersion"])
        for key in keys:
            self._newest[key] = revision
            self._newest.move_to_end(key)
        while len(self._newest) > _KEPT:
            self._newest.popitem(last=False)

    def act_on(self, key: Key) -> None:
        """Let all that the running task does from now on be for that key."""
        about = "/".join(key).strip("/")
        current_cause.set(Cause(self._controller, about, self._newest.get(key, 0)))
