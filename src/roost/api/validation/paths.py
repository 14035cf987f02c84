"""Rules for file paths in objects, so that nothing leaves the directory it is meant for."""

from __future__ import annotations

from roost.api.validation.causes import Causes


def no_backsteps(path: str, field: str, causes: Causes) -> None:
    """Refuse a path with `..` in it."""
    if ".." in path and ".." in path.split("/"):
        causes.invalid(field, path, "must not contain '..'")


def descending(path: str, field: str, causes: Causes) -> None:
    """Check a path that stays below where it starts."""
    if path.startswith("/"):
        causes.invalid(field, path, "must be a relative path")
    no_backsteps(path, field, causes)


def not_reserved(path: str, field: str, causes: Causes) -> None:
    """Check a path in a volume: descending, and not one of the names the kubelet uses itself."""
    descending(path, field, causes)
    if path.startswith("..") and not path.startswith("../"):
        causes.invalid(field, path, "must not start with '..'")


def absolute(path: str, field: str, causes: Causes) -> None:
    """Check a path that starts at the root."""
    if not path.startswith("/"):
        causes.invalid(field, path, "must be an absolute path")
