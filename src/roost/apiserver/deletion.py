"""The options of a deletion, read from body and query."""

from __future__ import annotations

from roost.api.errors import BadRequest, Cause
from roost.api.protobuf import objects
from roost.api.protobuf.wire import Malformed as MalformedProtobuf
from roost.api.schema import yaml
from roost.api.schema.body import Malformed, read
from roost.apiserver import failures
from roost.apiserver.messages import YAML, Request
from roost.apiserver.negotiation import PROTOBUF, body_type
from roost.apiserver.options import DeleteRequest, check_dry_run, parse_int, parse_optional_bool

_POLICIES = ("Foreground", "Background", "Orphan")
_GO_NAMES = {str: "string", bool: "bool", list: "array", dict: "object"}
_TYPES: dict[str, tuple[type, str]] = {
    "gracePeriodSeconds": (int, "int64"),
    "propagationPolicy": (str, "string"),
    "orphanDependents": (bool, "bool"),
    "preconditions": (dict, "v1.Preconditions"),
    "dryRun": (list, "[]string"),
}
_SCHEME = 'in scheme "pkg/apis/meta/internalversion/scheme/register.go:27"'


def delete_request(request: Request, query: dict[str, str]) -> DeleteRequest:
    """Return the options of a DELETE; the body wins over the query. Raises BadRequest, Invalid."""
    options = _from_body(request) if request.body else _from_query(query)
    if query.get("dryRun"):
        check_dry_run([query["dryRun"]], "DeleteOptions")
        options.dry_run = True
    _check(options)
    return options


def _from_query(query: dict[str, str]) -> DeleteRequest:
    return DeleteRequest(
        grace_period_s=parse_int(query.get("gracePeriodSeconds")),
        propagation=query.get("propagationPolicy"),
        orphan_dependents=parse_optional_bool(query.get("orphanDependents")),
    )


def _from_body(request: Request) -> DeleteRequest:
    media = body_type(request.headers.get("content-type", ""))
    if media == PROTOBUF:
        try:
            return from_object(objects.decode(request.body)[2])
        except MalformedProtobuf as error:
            raise BadRequest(str(error)) from None
    try:
        value = yaml.parse(request.body)[0] if media == YAML else read(request.body)
    except (Malformed, yaml.MalformedYAML) as error:
        raise BadRequest(f"couldn't get version/kind; json parse error: {error}") from None
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise BadRequest("couldn't get version/kind; json parse error: not an object")
    return from_object(value)


def from_object(value: dict[str, object]) -> DeleteRequest:
    """Read a DeleteOptions object; raises BadRequest, Invalid."""
    kind, api_version = value.get("kind") or "DeleteOptions", value.get("apiVersion") or "v1"
    if kind != "DeleteOptions":
        raise BadRequest(f'no kind "{kind}" is registered for version "{api_version}" {_SCHEME}')
    for name, (wanted, go_type) in _TYPES.items():
        found = value.get(name)
        wrong = found is not None and not isinstance(found, wanted)
        if wrong or (wanted is int and isinstance(found, bool)):
            shown = _GO_NAMES.get(type(found), "number")
            raise BadRequest(
                f"json: cannot unmarshal {shown} into Go struct field DeleteOptions.{name} "
                f"of type {go_type}"
            )
    dry_run = [str(item) for item in _list(value.get("dryRun"))]
    check_dry_run(dry_run, "DeleteOptions")
    conditions = value.get("preconditions")
    conditions = conditions if isinstance(conditions, dict) else {}
    grace, policy = value.get("gracePeriodSeconds"), value.get("propagationPolicy")
    orphan = value.get("orphanDependents")
    return DeleteRequest(
        grace_period_s=grace if isinstance(grace, int) else None,
        propagation=policy if isinstance(policy, str) else None,
        orphan_dependents=orphan if isinstance(orphan, bool) else None,
        uid=conditions.get("uid"),
        resource_version=conditions.get("resourceVersion"),
        dry_run=bool(dry_run),
        raw=value,
    )


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _check(options: DeleteRequest) -> None:
    policy = options.propagation
    if policy is None:
        return
    if options.orphan_dependents is not None:
        text = f'Invalid value: "{policy}": orphanDependents and deletionPropagation cannot be both set'
        cause = Cause("FieldValueInvalid", text, "propagationPolicy")
        raise failures.bad_options("DeleteOptions", cause)
    if policy not in _POLICIES:
        listed = ", ".join(f'"{name}"' for name in (*_POLICIES, "nil"))
        text = f'Unsupported value: "{policy}": supported values: {listed}'
        cause = Cause("FieldValueNotSupported", text, "propagationPolicy")
        raise failures.bad_options("DeleteOptions", cause)
