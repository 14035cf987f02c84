"""What a path means: resource or not, verb, namespace, name, subresource.

The rules are those of the Kubernetes request info resolver; nothing here knows which kinds exist.
"""

from __future__ import annotations

from dataclasses import dataclass

_VERBS = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
#: What may follow a namespace's name without being a resource in it.
_NAMESPACE_PARTS = frozenset({"status", "finalize"})
_PROXIED = frozenset({"nodes", "pods", "services"})


@dataclass(slots=True)
class RequestInfo:
    """One path, understood. `rest` is what follows a subresource (only proxies have it)."""

    verb: str
    path: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    rest: str = ""
    legacy_watch: bool = False
    #: Is the resource in the path of a namespace?
    inside: bool = False
    is_resource: bool = True
    #: Whether there is such a resource; found out on the way.
    served: bool = False
    #: "", "All" or "invalid".
    dry_run: str = ""

    def out_of_scope(self, namespaced: bool) -> bool:
        """Whether a path is in a namespace, for a kind that has none, or not, for one that has."""
        if not namespaced:
            return bool(self.namespace)
        return not self.namespace and self.verb not in ("list", "watch")


_SELECTING = frozenset({"list", "watch", "deletecollection"})


def selected_name(verb: str, fields: str) -> str:
    """Return the name of the one object that a field selector asks for; "" if it asks for more."""
    if verb not in _SELECTING or not fields.startswith("metadata.name="):
        return ""
    return fields.removeprefix("metadata.name=").removeprefix("=").partition(",")[0]


def parse_path(method: str, path: str, *, watch: bool = False) -> RequestInfo:
    """Return what `method path` asks for; `watch` says that the query has watch=true."""
    parts = path.split("/")
    if parts[-1] == "" and len(parts) > 2:
        parts.pop()
    count = len(parts)  # parts[0] is the empty text before the first slash
    if count > 3 and parts[1] == "api":
        info = RequestInfo(_VERBS.get(method, ""), path, "", parts[2])
        at = 3
    elif count > 4 and parts[1] == "apis":
        info = RequestInfo(_VERBS.get(method, ""), path, parts[2], parts[3])
        at = 4
    else:
        return RequestInfo(method.lower(), path, is_resource=False)
    if parts[at] == "watch" and count > at + 1:
        info.legacy_watch = True
        at += 1
    if parts[at] == "namespaces" and count > at + 1:
        info.namespace = parts[at + 1]
        if count > at + 2 and parts[at + 2] not in _NAMESPACE_PARTS:
            info.inside = True
            at += 2
    info.resource = parts[at]
    if count > at + 1:
        info.name = parts[at + 1]
        if count > at + 2:
            info.subresource = parts[at + 2]
            if count > at + 3:
                info.rest = path.split("/", at + 3)[at + 3]
    if info.resource == "namespaces":
        info.namespace = info.name  # as authorisers see it; the object itself has none
    _refine_verb(info, watch)
    return info


def is_proxied(path: str) -> bool:
    """Whether a path leads through the API to a node, a pod or a service, whatever it says there.

    What is sent there may be longer than anything that the API itself takes.
    """
    if "/proxy" not in path:
        return False
    info = parse_path("", path)
    return info.subresource == "proxy" and not info.group and info.resource in _PROXIED


def _refine_verb(info: RequestInfo, watch: bool) -> None:
    if info.legacy_watch:
        info.verb = "watch"
    elif not info.name:
        if info.verb == "get":
            info.verb = "watch" if watch else "list"
        elif info.verb == "delete":
            info.verb = "deletecollection"
