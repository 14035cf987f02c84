"""What changed between two objects, for messages that refuse the change."""

from __future__ import annotations

import difflib
import json
from typing import Any


def difference(old: Any, new: Any) -> str:
    """Return the lines in which two values differ, as a unified diff below the message."""
    lines = difflib.unified_diff(_lines(old), _lines(new), lineterm="")
    return "".join(f"\n{line}" for line in lines if not line.startswith(("---", "+++")))


def _lines(value: Any) -> list[str]:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).splitlines()
