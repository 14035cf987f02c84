"""What is wrong with a file that somebody named, in one line."""

from __future__ import annotations

import yaml


def of_yaml(error: yaml.YAMLError) -> str:
    """Return what is wrong with a text, and where."""
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    return what if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: {what}"


def of_reading(error: OSError | UnicodeDecodeError) -> str:
    """Return why a file cannot be read."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no text"
    return error.strerror or type(error).__name__
