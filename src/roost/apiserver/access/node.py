"""The Node authoriser: a node may see what its own pods lead to, and change what is its own.

`decide` answers over the index of relations; None means "no node asks", and leaves it to others.
What only the object itself can tell, the NodeRestriction admission plugin checks.
"""

from __future__ import annotations

from roost.apiserver.access.bootstrap.cluster import NODE_RULES
from roost.apiserver.access.identity import node_of
from roost.apiserver.access.rbac import rules_allow
from roost.apiserver.access.relations import Relations
from roost.apiserver.attributes import Attributes, Decision

_ALLOWED = Decision(allowed=True)
_LEASES = "kube-node-lease"
_WRITES = ("get", "create", "update", "patch", "delete")


def decide(relations: Relations, request: Attributes) -> Decision | None:
    """Return what the Node authoriser thinks of a request; None if no node asks."""
    node = node_of(request.user)
    if node is None:
        return None
    handler = None if request.path else _HANDLERS.get((request.group, request.resource))
    if handler is None:
        return _ALLOWED if rules_allow(NODE_RULES, request) else _no("")
    refusal = handler(relations, node, request)
    return _ALLOWED if refusal is None else _no(refusal)


def _no(reason: str) -> Decision:
    return Decision(allowed=False, reason=reason)


def _related(relations: Relations, node: str, request: Attributes) -> str | None:
    if not request.name:
        return "No Object name found"
    start = (request.resource, request.namespace, request.name)
    if relations.leads_to(node, start):
        return None
    return f"no relationship found between node '{node}' and this object"


def _read_object(relations: Relations, node: str, request: Attributes) -> str | None:
    if request.verb not in ("get", "list", "watch"):
        return "can only read resources of this type"
    if request.subresource:
        return "cannot read subresource"
    if not request.namespace:
        return "can only read namespaced object of this type"
    return _related(relations, node, request)


def _get(relations: Relations, node: str, request: Attributes) -> str | None:
    if request.verb != "get":
        return "can only get individual resources of this type"
    if request.subresource:
        return "cannot get subresource"
    return _related(relations, node, request)


def _claim(relations: Relations, node: str, request: Attributes) -> str | None:
    if request.subresource != "status":
        return _get(relations, node, request)
    if request.verb not in ("update", "patch"):
        return "can only get/update/patch this type"
    return _related(relations, node, request)


def _token(relations: Relations, node: str, request: Attributes) -> str | None:
    if request.verb != "create" or not request.name:
        return "can only create tokens for individual service accounts"
    if request.subresource != "token":
        return "can only create token subresource of serviceaccount"
    return _related(relations, node, request)


def _lease(_relations: Relations, node: str, request: Attributes) -> str | None:
    if request.verb not in _WRITES:
        return "can only get, create, update, patch, or delete a node lease"
    if request.namespace != _LEASES:
        return f'can only access leases in the "{_LEASES}" system namespace'
    if request.verb != "create" and request.name != node:
        return "can only access node lease with the same name as the requesting node"
    return None


def _csi_node(_relations: Relations, node: str, request: Attributes) -> str | None:
    if request.verb not in _WRITES:
        return "can only get, create, update, patch, or delete a CSINode"
    if request.subresource:
        return "cannot authorize CSINode subresources"
    if request.verb != "create" and request.name != node:
        return "can only access CSINode with the same name as the requesting node"
    return None


def _slice(relations: Relations, node: str, request: Attributes) -> str | None:
    if request.subresource:
        return "cannot authorize ResourceSlice subresources"
    if request.verb == "create":
        return None
    if request.verb in _WRITES:
        return _related(relations, node, request)
    if request.verb in ("list", "watch", "deletecollection"):
        if _selects(request.field_selector, "nodeName", node):
            return None
        return "can only list/watch/deletecollection resourceslices with nodeName field selector"
    return (
        "only the following verbs are allowed for a ResourceSlice: "
        "get, watch, list, create, update, patch, delete, deletecollection"
    )


def _node(_relations: Relations, node: str, request: Attributes) -> str | None:
    if request.subresource == "status":
        return None if request.verb in ("update", "patch") else ""
    if request.subresource:
        return ""
    if request.verb in ("create", "update", "patch"):
        return None  # the NodeRestriction plugin sees that it is the node's own
    if request.verb in ("get", "list", "watch"):
        if request.name == node or _selects(request.field_selector, "metadata.name", node):
            return None
        if not request.name:
            return f"node '{node}' cannot read all nodes, only its own Node object"
        return f"node '{node}' cannot read '{request.name}', only its own Node object"
    return ""


def _pod(relations: Relations, node: str, request: Attributes) -> str | None:
    allowed = {"": ("create", "delete"), "status": ("update", "patch"), "eviction": ("create",)}
    if request.verb in allowed.get(request.subresource, ()):
        return None  # the NodeRestriction plugin sees that the pod is the node's own
    if request.subresource:
        return ""
    if request.verb == "get":
        return _related(relations, node, request)
    if request.verb in ("list", "watch"):
        if _selects(request.field_selector, "spec.nodeName", node):
            return None
        if request.name:
            return _related(relations, node, request)
        return "can only list/watch pods with spec.nodeName field selector"
    return ""


def _selects(selector: str, field: str, value: str) -> bool:
    terms = selector.split(",") if selector else ()
    return any(term in (f"{field}={value}", f"{field}=={value}") for term in terms)


_HANDLERS = {
    ("", "secrets"): _read_object,
    ("", "configmaps"): _read_object,
    ("", "persistentvolumeclaims"): _claim,
    ("", "persistentvolumes"): _get,
    ("resource.k8s.io", "resourceclaims"): _get,
    ("storage.k8s.io", "volumeattachments"): _get,
    ("", "serviceaccounts"): _token,
    ("coordination.k8s.io", "leases"): _lease,
    ("storage.k8s.io", "csinodes"): _csi_node,
    ("resource.k8s.io", "resourceslices"): _slice,
    ("", "nodes"): _node,
    ("", "pods"): _pod,
}
