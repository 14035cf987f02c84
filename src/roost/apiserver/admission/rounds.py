"""Reinvocation: who of one plugin's hooks must be asked again in the second round.

A hook that asks for it (IfNeeded) is asked again if the object changed after it had been asked. Hooks
that were not asked in the first round are not asked in the second.
"""

from __future__ import annotations

from collections.abc import Hashable

from roost.api.values import Object, copy_of
from roost.apiserver.attributes import Admission, Reinvocation


class Rounds:
    """The state of one plugin over both rounds of one request."""

    __slots__ = ("_asked", "_last", "_shared", "_to_ask")

    def __init__(self, shared: Reinvocation) -> None:
        self._shared = shared
        self._asked: set[Hashable] = set()
        self._to_ask: set[Hashable] = set()
        self._last: Object | None = None

    @staticmethod
    def of(request: Admission, plugin: str) -> Rounds:
        """Return the state that a plugin keeps with a request."""
        if request.reinvocation is None:
            request.reinvocation = Reinvocation()
        memory = request.reinvocation.memory
        found: Rounds | None = memory.get(plugin)
        if found is None:
            found = memory[plugin] = Rounds(request.reinvocation)
        return found

    def start(self, value: Object | None) -> None:
        """Begin a round; if others changed the object since the last one, all are to be asked."""
        if self._shared.second and value != self._last:
            self._ask_again()

    def skips(self, hook: Hashable) -> bool:
        """Is this the second round, and the hook not one that it is for?"""
        return self._shared.second and hook not in self._to_ask

    def asked(self, hook: Hashable, *, changed: bool, again: bool) -> None:
        """Note that a hook was asked, whether it changed the object, and if it wants to be again."""
        if changed:
            self._ask_again()
            self._shared.wanted = True
        if again:
            self._asked.add(hook)

    def end(self, value: Object | None) -> None:
        """Remember what the round left. A copy: what follows changes the object in place."""
        if self._shared.wanted or self._asked:
            self._last = copy_of(value)

    def _ask_again(self) -> None:
        self._to_ask |= self._asked
        self._asked.clear()
