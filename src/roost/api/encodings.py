"""Forms that bytes are written in as text."""

from __future__ import annotations

import re

_base64 = re.compile(
    "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})"
).fullmatch


def is_base64(text: str) -> bool:
    """Tell whether a text is base64 of something, as schemas mean it: nothing at all is none."""
    return _base64(text) is not None
