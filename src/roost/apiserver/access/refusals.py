"""The words of a refusal, as the real server writes them."""

from __future__ import annotations

import json

from roost.api.errors import Forbidden
from roost.api.values import Object
from roost.apiserver.attributes import Attributes


def quote(text: str) -> str:
    """Return text in double quotes with escapes, as Go's %q prints it."""
    return json.dumps(text, ensure_ascii=False)


def quote_list(texts: tuple[str, ...] | list[str]) -> str:
    """Return `["a" "b"]`, as Go's %q prints a list of strings."""
    return "[" + " ".join(quote(text) for text in texts) + "]"


def qualified(group: str, resource: str) -> str:
    """Return `pods` or `deployments.apps`."""
    return f"{resource}.{group}" if group else resource


def forbidden(attributes: Attributes, reason: str = "") -> Forbidden:
    """Return the error that refuses a request; `reason` is what an authoriser adds."""
    what = _what(attributes) + (f": {reason}" if reason else "")
    if attributes.path:
        return Forbidden(f"forbidden: {what}", {})
    return refused(attributes.group, attributes.resource, attributes.name, what)


def refused(group: str, resource: str, name: str, why: str) -> Forbidden:
    """Return `pods "x" is forbidden: why` with its details; this is how admission refuses."""
    subject = qualified(group, resource) + (f" {quote(name)}" if name else "")
    details: Object = {"name": name, "group": group, "kind": resource}
    return Forbidden(
        f"{subject} is forbidden: {why}", {key: value for key, value in details.items() if value}
    )


def _what(attributes: Attributes) -> str:
    user = quote(attributes.user.name)
    if attributes.path:
        return f"User {user} cannot {attributes.verb} path {quote(attributes.path)}"
    resource = attributes.resource
    if attributes.subresource:
        resource = f"{resource}/{attributes.subresource}"
    where = (
        f"in the namespace {quote(attributes.namespace)}"
        if attributes.namespace
        else "at the cluster scope"
    )
    return (
        f"User {user} cannot {attributes.verb} resource {quote(resource)}"
        f" in API group {quote(attributes.group)} {where}"
    )
