"""Questions of a controller to the server that no informer can answer: metrics, scales, discovery.

A controller that has such questions says, from its view, what it wants to know (`Inquiry.asks`); the
engine gets the answers and puts them into the view (`Inquiry.told`), and asks again as long as new
questions come of it. What it remembers from the last time is told with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from roost.api.errors import StatusError
from roost.api.values import Object


@dataclass(frozen=True, slots=True)
class Ask:
    """A GET of a path of the API; `query` is without the question mark, encoded."""

    path: str
    query: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """The answers so far, a StatusError for each question that was refused; and what was remembered
    with the last plan for this key that was carried out (None: nothing yet)."""

    answers: Mapping[Ask, Object | StatusError] = field(default_factory=dict)
    memory: Any = None


ViewT = TypeVar("ViewT")


@dataclass(frozen=True, slots=True)
class Inquiry(Generic[ViewT]):
    """How a controller asks. Both are pure; `asks` may name what is answered already."""

    asks: Callable[[ViewT], Iterable[Ask]]
    told: Callable[[ViewT, Told], ViewT]
