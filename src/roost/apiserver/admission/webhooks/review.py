"""AdmissionReview v1: the question as it is sent, the answer as it is checked. Pure."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from roost.api.errors import StatusError
from roost.api.kind import Kind
from roost.api.values import Object
from roost.apiserver.admission.refusing import refusal
from roost.apiserver.admission.requests import described, shown_as
from roost.apiserver.attributes import Admission

API_VERSION: Final = "admission.k8s.io/v1"
_WANTED: Final = "admission.k8s.io/v1, Kind=AdmissionReview"
_encode: Final = msgspec.json.Encoder().encode


class BadAnswer(Exception):
    """What a webhook answered is no answer to the question; the text says why."""


class Response(msgspec.Struct, rename="camel", frozen=True):
    """The `response` of an AdmissionReview. `patch` is JSON (sent in base64)."""

    uid: str = ""
    allowed: bool = False
    status: dict[str, Any] | None = None
    patch: bytes | None = None
    patch_type: str | None = None
    audit_annotations: dict[str, str] | None = None
    warnings: list[str] | None = None


class _Review(msgspec.Struct, rename="camel", frozen=True):
    api_version: str = ""
    kind: str = ""
    response: Response | None = None


_decode: Final = msgspec.json.Decoder(_Review).decode


def question(request: Admission, kind: Kind, uid: str) -> bytes:
    """Return the body that asks a webhook about a request, with objects in the version of `kind`."""
    asked: Object = {"uid": uid, **described(request, kind)}
    asked["object"] = shown_as(request, kind, request.object)
    asked["oldObject"] = shown_as(request, kind, request.old)
    return _encode({"kind": "AdmissionReview", "apiVersion": API_VERSION, "request": asked})


def read_answer(body: bytes, uid: str, *, mutating: bool) -> Response:
    """Return the response in a body. Raises BadAnswer, and ValueError for what is no review."""
    try:
        review = _decode(body)
    except msgspec.DecodeError as error:
        raise ValueError(f"couldn't get version/kind; json parse error: {error}") from None
    response = review.response
    if response is None:
        raise BadAnswer("webhook response was absent")
    if response.uid != uid:
        raise BadAnswer(f'expected response.uid="{uid}", got "{response.uid}"')
    if (review.api_version, review.kind) != (API_VERSION, "AdmissionReview"):
        got = f"{_group_version(review.api_version)}, Kind={review.kind}"
        raise BadAnswer(f"expected webhook response of {_WANTED}, got {got}")
    _check_patch(response, mutating)
    return response


def _group_version(api_version: str) -> str:
    return api_version if "/" in api_version else f"/{api_version}"


def _check_patch(response: Response, mutating: bool) -> None:
    patch, kind = response.patch, response.patch_type
    if not mutating:
        if patch:
            raise BadAnswer("validating webhook may not return response.patch")
        if kind is not None:
            raise BadAnswer("validating webhook may not return response.patchType")
    elif patch and kind is None:
        raise BadAnswer("webhook returned response.patch but not response.patchType")
    elif not patch and kind is not None:
        raise BadAnswer("webhook returned response.patchType but not response.patch")
    elif kind == "":
        raise BadAnswer('webhook returned invalid response.patchType of ""')


def denial(name: str, status: Object | None) -> StatusError:
    """Return the error for a request that a webhook denied: its own code, reason and details."""
    status = status or {}
    by = f'admission webhook "{name}" denied the request'
    code, reason = status.get("code"), _text(status.get("reason"))
    message = _text(status.get("message")) or reason
    details = status.get("details")
    return refusal(
        code if isinstance(code, int) else 0,
        reason,
        f"{by}: {message}" if message else f"{by} without explanation",
        details if isinstance(details, dict) else None,
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
