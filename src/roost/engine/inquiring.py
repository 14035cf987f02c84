"""Gets what controllers ask the server, and keeps what they remember, per key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from roost.api.errors import ServiceUnavailable, StatusError
from roost.api.values import Object
from roost.decisions.asking import Ask, Told
from roost.decisions.controller import AnyController, Key

#: Gets a document of the API; raises StatusError, OSError or TimeoutError.
Reader = Callable[[Ask], Awaitable[Object]]

#: Answers may lead to further questions, so many times.
_ROUNDS = 5


class Inquirer:
    """Asks through `reader`; without one every question is refused."""

    def __init__(self, reader: Reader | None) -> None:
        self._reader = reader
        self._memory: dict[tuple[str, Key], Any] = {}

    async def answered(self, controller: AnyController, key: Key, view: Any) -> Any:
        """Return the view with all answers, and what was remembered."""
        inquiry = controller.inquiry
        assert inquiry is not None
        answers: dict[Ask, Object | StatusError] = {}
        memory = self._memory.get((controller.name, key))
        for _ in range(_ROUNDS):
            view = inquiry.told(view, Told(dict(answers), memory))
            wanted = [ask for ask in inquiry.asks(view) if ask not in answers]
            if not wanted:
                break
            for ask in dict.fromkeys(wanted):
                answers[ask] = await self._get(ask)
        return inquiry.told(view, Told(answers, memory))

    async def _get(self, ask: Ask) -> Object | StatusError:
        if self._reader is None:
            return ServiceUnavailable("the server is currently unable to handle the request")
        try:
            return await self._reader(ask)
        except StatusError as error:
            return error
        except (OSError, TimeoutError) as error:
            return ServiceUnavailable(str(error) or "the server did not answer")

    def remember(self, name: str, key: Key, memory: Any) -> None:
        """Keep what a plan wants remembered; None forgets."""
        if memory is None:
            self._memory.pop((name, key), None)
        else:
            self._memory[name, key] = memory

    def forget(self, name: str, key: Key) -> None:
        self._memory.pop((name, key), None)
