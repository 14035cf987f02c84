"""The options of a deletion, read from body and query."""

from __future__ import annotations

from typing import Final

from roost.api.errors import BadRequest
from roost.api.protobuf import objects
from roost.api.protobuf.wire import Malformed as MalformedProtobuf
from roost.api.schema import yaml
from roost.api.schema.body import Malformed, head_problem, read
from roost.api.schema.decode import decode
from roost.api.schema.nodes import node
from roost.api.schema.scalars import Mismatch
from roost.api.validation.causes import Causes
from roost.api.values import Value
from roost.apiserver import failures
from roost.apiserver.messages import YAML, Request
from roost.apiserver.negotiation import PROTOBUF, body_type
from roost.apiserver.options import (
    DeleteRequest,
    check_dry_run,
    dry_runs,
    parse_int,
    parse_optional_bool,
)

_POLICIES: Final = ("Foreground", "Background", "Orphan", "nil")
_SCHEME: Final = 'in scheme "pkg/apis/meta/internalversion/scheme/register.go:27"'
_DEFINITION: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"


def delete_request(request: Request, query: dict[str, str]) -> DeleteRequest:
    """Return the options of a DELETE: those in its body, or else in the query, never of both.

    So of a request with a body the query counts for nothing, `dryRun` included, as in Kubernetes.
    Raises BadRequest, Invalid.
    """
    return _from_body(request) if request.body else _from_query(query)


def _from_query(query: dict[str, str]) -> DeleteRequest:
    dry_run = dry_runs(query)
    options = DeleteRequest(
        grace_period_s=parse_int(query.get("gracePeriodSeconds")),
        propagation=query.get("propagationPolicy"),
        orphan_dependents=parse_optional_bool(query.get("orphanDependents")),
        uid=query.get("uid") or None,
        resource_version=query.get("resourceVersion") or None,
        dry_run=bool(dry_run),
    )
    _check(options, dry_run)
    return options


def _from_body(request: Request) -> DeleteRequest:
    media = body_type(request.headers.get("content-type", ""))
    if media == PROTOBUF:
        try:
            return from_object(objects.decode(request.body)[2])
        except MalformedProtobuf as error:
            raise BadRequest(str(error)) from None
    try:
        value = yaml.parse(request.body)[0] if media == YAML else read(request.body)
        return from_object({} if value is None else value)
    except (Malformed, yaml.MalformedYAML) as error:
        raise BadRequest(f"couldn't get version/kind; json parse error: {error}") from None


def from_object(value: Value) -> DeleteRequest:
    """Read a DeleteOptions object; raises BadRequest, Invalid, Malformed for what is no object."""
    problem = head_problem(value)
    if problem:
        raise Malformed(problem)
    assert isinstance(value, dict)
    kind, api_version = value.get("kind") or "DeleteOptions", value.get("apiVersion") or "v1"
    if kind != "DeleteOptions":
        raise BadRequest(f'no kind "{kind}" is registered for version "{api_version}" {_SCHEME}')
    try:
        given, _ = decode(node(_DEFINITION), value)
    except Mismatch as error:
        raise BadRequest(str(error)) from None
    conditions = given.get("preconditions") or {}
    dry_run = given.get("dryRun") or []
    options = DeleteRequest(
        grace_period_s=given.get("gracePeriodSeconds"),
        propagation=given.get("propagationPolicy"),
        orphan_dependents=given.get("orphanDependents"),
        uid=conditions.get("uid"),
        resource_version=conditions.get("resourceVersion"),
        dry_run=bool(dry_run),
        raw=value,
    )
    _check(options, dry_run)
    return options


def _check(options: DeleteRequest, dry_run: list[str]) -> None:
    causes, policy = Causes(), options.propagation
    path = "propagationPolicy"
    if policy is not None:
        if options.orphan_dependents is not None:
            text = "orphanDependents and deletionPropagation cannot be both set"
            causes.invalid(path, policy, text)
        if policy not in _POLICIES[:-1]:
            causes.not_supported(path, policy, _POLICIES)
    check_dry_run(dry_run, causes)
    if causes:
        raise failures.bad_options("DeleteOptions", causes)
