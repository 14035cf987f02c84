"""Warning headers: what a client should know of its request, though it was answered."""

from __future__ import annotations

from collections.abc import Sequence


def warning_headers(warnings: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return Warning headers: each text once, quoted as RFC 7234 wants it."""
    lines = (line for text in warnings for line in _lines(text))
    return tuple(("Warning", f'299 - "{_quoted(line)}"') for line in dict.fromkeys(lines))


def _lines(text: str) -> list[str]:
    """Return the complaint of a YAML reader as one warning for each line; others as they are."""
    if not text.startswith("yaml: "):
        return [text]
    return [line.strip() for line in text.removeprefix("yaml: ").split("\n")]


def _quoted(text: str) -> str:
    # What is warned of may be the asker's own text: no control character may end the header's line.
    plain = "".join(" " if char < " " or char == "\x7f" else char for char in text)
    return plain.replace("\\", "\\\\").replace('"', '\\"')
