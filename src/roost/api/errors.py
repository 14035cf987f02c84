"""Errors are answers: one class per reason of the Kubernetes API, each with its code.

Anything that refuses a request raises one of these; the HTTP layer turns it into the `Status` body
that the real server gives, and a client turns such a body back into the same class (`from_status`).
Rule: no other exception may reach a user. Reasons and codes follow the API conventions
("Response Status Kind").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from roost.api.values import Object


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of an invalid object: `reason` is e.g. FieldValueRequired, `field` a path."""

    reason: str
    message: str
    field: str = ""

    def to_json(self) -> Object:
        body: Object = {"reason": self.reason, "message": self.message}
        if self.field:
            body["field"] = self.field
        return body


#: The cause of a refusal to create something in a namespace that ends.
NAMESPACE_ENDS: Final = "NamespaceTerminating"


class StatusError(Exception):
    """The abstract base: raise a subclass.

    `details` holds name, group, kind, uid, causes, retryAfterSeconds, as in `Status.details`.
    """

    code: ClassVar[int] = 500
    reason: ClassVar[str] = ""
    #: May the same request succeed when it is simply sent again later?
    retriable: ClassVar[bool] = False

    def __init__(self, message: str, details: Object | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: Object | None = details

    def has_cause(self, reason: str) -> bool:
        """Say whether one of the causes in the details has that reason."""
        causes = (self.details or {}).get("causes") or ()
        return any(cause.get("reason") == reason for cause in causes)

    def status(self) -> Object:
        """Return the `Status` object that answers the request."""
        body: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        body["code"] = self.code
        return body


class BadRequest(StatusError):
    """The request cannot be understood: 400."""

    code = 400
    reason = "BadRequest"


class Unauthorized(StatusError):
    """Nobody knows who asks: 401."""

    code = 401
    reason = "Unauthorized"


class Forbidden(StatusError):
    """The asker is known and may not: 403."""

    code = 403
    reason = "Forbidden"


class NotFound(StatusError):
    """No such object or path: 404."""

    code = 404
    reason = "NotFound"


class MethodNotAllowed(StatusError):
    """The resource has no such verb: 405."""

    code = 405
    reason = "MethodNotAllowed"


class NotAcceptable(StatusError):
    """No offered media type can be answered: 406."""

    code = 406
    reason = "NotAcceptable"


class AlreadyExists(StatusError):
    """The name is taken: 409."""

    code = 409
    reason = "AlreadyExists"


class Conflict(StatusError):
    """Somebody else wrote first, or an applied field has another owner: 409."""

    code = 409
    reason = "Conflict"


class Expired(StatusError):
    """The revision asked for is gone by compaction: 410."""

    code = 410
    reason = "Expired"


class Gone(StatusError):
    """What was asked for is gone for good: 410."""

    code = 410
    reason = "Gone"


class RequestEntityTooLarge(StatusError):
    """The body is over the limit: 413."""

    code = 413
    reason = "RequestEntityTooLarge"


class UnsupportedMediaType(StatusError):
    """The body's media type cannot be read: 415."""

    code = 415
    reason = "UnsupportedMediaType"


class Invalid(StatusError):
    """The object breaks rules; `details.causes` lists each: 422."""

    code = 422
    reason = "Invalid"


class TooManyRequests(StatusError):
    """Ask again after `details.retryAfterSeconds`: 429."""

    code = 429
    reason = "TooManyRequests"
    retriable = True


class InternalError(StatusError):
    """The server's own fault: 500."""

    code = 500
    reason = "InternalError"
    retriable = True

    @classmethod
    def because(cls, why: str) -> InternalError:
        """Return `Internal error occurred: why`."""
        return cls(f"Internal error occurred: {why}", {"causes": [{"message": why}]})


class ServerTimeout(StatusError):
    """The server could not finish in time and the request may be sent again: 500."""

    code = 500
    reason = "ServerTimeout"
    retriable = True


class ServiceUnavailable(StatusError):
    """The server, or what it needs, is not there: 503."""

    code = 503
    reason = "ServiceUnavailable"
    retriable = True


class Timeout(StatusError):
    """The request took longer than it was allowed to: 504."""

    code = 504
    reason = "Timeout"
    retriable = True


_BY_REASON: dict[str, type[StatusError]] = {
    cls.reason: cls
    for cls in (
        BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, NotAcceptable,
        AlreadyExists, Conflict, Expired, Gone, RequestEntityTooLarge, UnsupportedMediaType,
        Invalid, TooManyRequests, InternalError, ServerTimeout, ServiceUnavailable, Timeout,
    )
}  # fmt: skip
_BY_CODE: dict[int, type[StatusError]] = {
    400: BadRequest, 401: Unauthorized, 403: Forbidden, 404: NotFound, 405: MethodNotAllowed,
    406: NotAcceptable, 409: Conflict, 410: Gone, 413: RequestEntityTooLarge,
    415: UnsupportedMediaType, 422: Invalid, 429: TooManyRequests, 503: ServiceUnavailable,
    504: Timeout,
}  # fmt: skip


def from_status(body: Object, code: int) -> StatusError:
    """Return the error that a `Status` body (or, without one, an HTTP code) stands for."""
    cls = _BY_REASON.get(body.get("reason", "")) or _BY_CODE.get(code) or InternalError
    return cls(body.get("message") or f"the server answered {code}", body.get("details"))


def _details(group: str, kind: str, name: str) -> Object:
    details: Object = {"name": name, "group": group, "kind": kind}
    return {key: value for key, value in details.items() if value}


def _qualified(group: str, kind: str) -> str:
    return f"{kind}.{group}" if group else kind


def not_found(group: str, plural: str, name: str) -> NotFound:
    """Return `pods "x" not found`; details.kind is the resource, as in the real server."""
    return NotFound(
        f'{_qualified(group, plural)} "{name}" not found', _details(group, plural, name)
    )


def already_exists(group: str, plural: str, name: str) -> AlreadyExists:
    """Return `pods "x" already exists`."""
    return AlreadyExists(
        f'{_qualified(group, plural)} "{name}" already exists', _details(group, plural, name)
    )


def conflict(group: str, plural: str, name: str, why: str) -> Conflict:
    """Return `Operation cannot be fulfilled on pods "x": why`."""
    return Conflict(
        f'Operation cannot be fulfilled on {_qualified(group, plural)} "{name}": {why}',
        _details(group, plural, name),
    )


def invalid(group: str, kind: str, name: str, causes: list[Cause]) -> Invalid:
    """Return `Pod "x" is invalid: ...` with its causes (kind is the Kind's name, not the plural)."""
    texts = list(dict.fromkeys(f"{c.field}: {c.message}" for c in causes))
    listed = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    details = _details(group, kind, name)
    details["causes"] = [cause.to_json() for cause in causes]
    return Invalid(f'{_qualified(group, kind)} "{name}" is invalid: {listed}', details)
