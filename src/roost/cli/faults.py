"""What is wrong with what somebody named, in one line: a file, a port."""

from __future__ import annotations

import os

import yaml


def of_yaml(error: yaml.YAMLError) -> str:
    """Return what is wrong with a text, and where."""
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    return what if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: {what}"


def of_reading(error: OSError | UnicodeDecodeError) -> str:
    """Return why a file cannot be read."""
    return "it is no text" if isinstance(error, UnicodeDecodeError) else of_system(error)


def of_system(error: OSError) -> str:
    """Return what the system refuses, in its own words: libraries tell more than anybody wants."""
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__
