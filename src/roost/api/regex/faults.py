"""What is wrong with a regular expression, in the words of Go's regexp package."""

from __future__ import annotations


class BadPattern(ValueError):
    """The text is no regular expression; the message is Go's."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"error parsing regexp: {problem}")
