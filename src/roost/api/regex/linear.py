"""RE2 itself, with its complaints in Go's words. Importing this fails where there is no RE2."""

from __future__ import annotations

from typing import Any

import re2

from roost.api.regex.faults import BadPattern

#: What a compiled pattern may use, in bytes; a larger one is refused.
_MEMORY_BYTES = 2 << 20
_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.max_mem = _MEMORY_BYTES

#: How RE2 begins a complaint -> how Go does.
_WORDS = {
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid repetition size": "invalid repeat count",
    "invalid named capture group": "invalid named capture",
    "trailing \\": "trailing backslash at end of expression",
    "pattern too large - compile failed": "expression too large",
}


def compile_pattern(pattern: str) -> Any:
    """Return the pattern compiled. Raises BadPattern."""
    try:
        return re2.compile(pattern, _OPTIONS)
    except re2.error as error:
        raise BadPattern(_problem(error.args[0])) from None
    except UnicodeEncodeError:
        raise BadPattern(f"invalid UTF-8: `{pattern!a}`") from None


def _problem(complaint: bytes | str) -> str:
    text = complaint.decode("utf-8", "replace") if isinstance(complaint, bytes) else complaint
    kind, _, part = text.partition(": ")
    return f"{_WORDS.get(kind, kind)}: `{part}`"
