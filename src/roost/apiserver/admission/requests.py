"""A request as webhooks and expressions are told of it: kinds, versions, objects, the asker.

What a rule matched may be another version of the resource than the one that was asked for; objects are
then converted, and what a webhook makes of them is converted back. A scale is shown as a Scale.
"""

from __future__ import annotations

from dataclasses import dataclass

from roost.api.kind import Kind
from roost.api.values import Object
from roost.apiserver.admission.matching import namespace_of
from roost.apiserver.attributes import Admission, User
from roost.apiserver.scaling import scale_of, with_scale

_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}


@dataclass(frozen=True, slots=True)
class Named:
    """Group, version and kind of what a request carries."""

    group: str
    version: str
    name: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def body(self) -> Object:
        return {"group": self.group, "version": self.version, "kind": self.name}


def kind_of(kind: Kind, subresource: str) -> Named:
    """Return what a request for a resource, or a subresource of it, carries."""
    sub = kind.subresources.get(subresource) if subresource else None
    if sub is None:
        return Named(kind.group, kind.version, kind.name)
    group = kind.group if sub.group is None else sub.group
    version = kind.version if sub.version is None else sub.version
    return Named(group, version, sub.kind)


def shown_as(request: Admission, kind: Kind, value: Object | None) -> Object | None:
    """Return an object of a request in the version of `kind`, with its kind and apiVersion."""
    if value is None:
        return None
    if request.subresource == "scale":
        return scale_of(kind, value, 0)
    named = kind_of(kind, request.subresource)
    if kind != request.kind and named.name == kind.name:
        value = converted(request.kind, kind, value)
    return {**value, "kind": named.name, "apiVersion": named.api_version}


def taken_back(request: Admission, kind: Kind, value: Object) -> Object:
    """Return what was made of an object in the version of `kind` in that of the request."""
    assert request.object is not None
    if request.subresource == "scale":
        return with_scale(request.object, value, request.kind.replicas)
    named = kind_of(request.kind, request.subresource)
    if kind != request.kind and named.name == request.kind.name:
        value = converted(kind, request.kind, value)
    return {**value, "kind": named.name, "apiVersion": named.api_version}


def converted(source: Kind, target: Kind, value: Object) -> Object:
    """Convert between two kinds that are stored together."""
    if source.convert is not None:
        value = source.convert.to_storage(value)
    if target.convert is not None:
        value = target.convert.from_storage(value)
    return value


def user_info(user: User) -> Object:
    """Return the asker as a UserInfo."""
    info: Object = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info


def options_of(request: Admission) -> Object | None:
    """Return the options of the operation, None for CONNECT."""
    name = _OPTIONS.get(request.operation)
    if name is None:
        return None
    named: Object = {"kind": name, "apiVersion": "meta.k8s.io/v1"}
    given = {k: v for k, v in request.options.items() if v not in (None, "", [])}
    given.pop("kind", None)
    given.pop("apiVersion", None)
    if request.dry_run:
        given["dryRun"] = ["All"]
    return {**named, **given}


def described(request: Admission, kind: Kind) -> Object:
    """Return an AdmissionRequest without its uid and its objects: what `request` is in CEL."""
    asked = request.kind
    body: Object = {
        "kind": kind_of(kind, request.subresource).body(),
        "resource": {"group": kind.group, "version": kind.version, "resource": kind.plural},
        "requestKind": kind_of(asked, request.subresource).body(),
        "requestResource": {
            "group": asked.group, "version": asked.version, "resource": asked.plural,
        },
        "operation": request.operation,
        "userInfo": user_info(request.user),
        "dryRun": request.dry_run,
        "options": options_of(request),
    }  # fmt: skip
    if request.subresource:
        body["subResource"] = body["requestSubResource"] = request.subresource
    if request.name:
        body["name"] = request.name
    if namespace_of(request):
        body["namespace"] = namespace_of(request)
    return body
