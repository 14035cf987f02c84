"""Errors that only the server's front door makes, with the real server's texts."""

from __future__ import annotations

from collections.abc import Sequence

from roost.api.errors import (
    BadRequest,
    Cause,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    StatusError,
    Timeout,
    UnsupportedMediaType,
    invalid,
)
from roost.api.numerals import natural
from roost.api.validation.causes import quoted


class Unclassified(StatusError):
    """A failure of something that the server relies on: 500 without a reason."""

    code = 500
    reason = ""


def no_such_path() -> NotFound:
    return NotFound("the server could not find the requested resource", {})


def method_not_allowed() -> MethodNotAllowed:
    return MethodNotAllowed("the server does not allow this method on the requested resource", {})


def not_supported(group: str, plural: str, verb: str) -> MethodNotAllowed:
    """Return what is said of a verb that a resource at this path does not have; "" is none at all."""
    details = {"group": group, "kind": plural} if group else {"kind": plural}
    kind = f"{plural}.{group}" if group else plural
    return MethodNotAllowed(f'{verb} is not supported on resources of kind "{kind}"', details)


def no_name() -> BadRequest:
    return BadRequest("name must be provided")


def no_creation(group: str, plural: str) -> MethodNotAllowed:
    """The definition of the custom resource is on its way out."""
    return MethodNotAllowed(
        "create not allowed while custom resource definition is terminating",
        {"group": group, "kind": plural},
    )


def not_acceptable(offered: Sequence[str]) -> NotAcceptable:
    """None of the accepted media types can be produced at all."""
    listed = ", ".join(offered)
    return NotAcceptable(f"406: Not Acceptable\n\nAvailable representations: {listed}", {})


def only_accepted(offered: Sequence[str]) -> NotAcceptable:
    """The media type exists, but not with these parameters."""
    return NotAcceptable("only the following media types are accepted: " + ", ".join(offered))


def unknown_format(accepted: Sequence[str]) -> UnsupportedMediaType:
    return UnsupportedMediaType(
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted)
    )


def unsupported_patch() -> UnsupportedMediaType:
    return UnsupportedMediaType("415: Unsupported Media Type", {})


def bad_name(name: str, faults: Sequence[str]) -> BadRequest:
    """What a path names cannot be the name of anything that is stored."""
    return BadRequest(f"Name parameter invalid: {quoted(name)}: {';'.join(faults)}")


def bad_integer(text: str) -> BadRequest:
    return BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax')


def too_deep() -> BadRequest:
    """What is sent, or what a patch makes, has more levels than can be walked."""
    return BadRequest("the object is nested too deeply")


def bad_version(text: str) -> BadRequest:
    """A resourceVersion is no number: the asker's fault, where the real server blames itself (500)."""
    why = "value out of range" if natural(text) is not None else "invalid syntax"
    return BadRequest(
        f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": {why}'
    )


def too_large_version(asked: int, current: int) -> Timeout:
    return Timeout(
        f"Timeout: Too large resource version: {asked}, current: {current}",
        {
            "causes": [
                {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            ],
            "retryAfterSeconds": 1,
        },
    )


def bad_options(kind: str, causes: Sequence[Cause]) -> StatusError:
    """Return `ListOptions.meta.k8s.io "" is invalid: ...`."""
    return invalid("meta.k8s.io", kind, "", list(causes))
