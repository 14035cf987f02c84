"""How deep the values in a client's text may lie in one another.

Rule: whoever decodes text that a client sent decodes it `guarded`. On a machine that changes nothing:
Python knows where its stack ends and raises RecursionError before. In a page it does not: the stack
there is that of the page's engine, which ends much sooner, and the whole program with it. So there a
text is looked at first, and RecursionError raised for it as elsewhere.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from itertools import accumulate
from typing import Any, Final, TypeVar, cast

#: So many levels are decoded in a page: more than an object may have, and far from the end of its stack.
MAX_DEPTH: Final = 250
#: Whether Python knows where its stack ends.
_KNOWS: Final = sys.platform != "emscripten"
_NO_BRACKETS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[^"\[\]{}]++', re.DOTALL)
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}

DecodeT = TypeVar("DecodeT", bound=Callable[..., Any])


def depth_of(text: bytes) -> int:
    """Return how many arrays and objects of JSON text lie in one another; it may be broken."""
    brackets = _NO_BRACKETS.sub(b"", text)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def bounded(decode: DecodeT, levels: int = MAX_DEPTH) -> DecodeT:
    """Return a decoder of JSON text that raises RecursionError for text with more levels."""

    def decode_bounded(text: bytes | str, **more: Any) -> Any:
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
        # Most texts have fewer brackets than levels are allowed: nothing is to be counted.
        if raw.count(b"[") + raw.count(b"{") > levels and depth_of(raw) > levels:
            raise RecursionError("exceeded max depth")
        return decode(text, **more)

    return cast(DecodeT, decode_bounded)


def guarded(decode: DecodeT) -> DecodeT:
    """Return a decoder that raises RecursionError for what is too deep, wherever it runs."""
    return decode if _KNOWS else bounded(decode)
