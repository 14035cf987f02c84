"""NodeRestriction: a node changes its own Node, its own pods and its own leases, and no others.

The Node authoriser sees only names; this plugin sees the objects. One function per resource says why
a request is refused.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from roost.api.errors import Forbidden, not_found
from roost.api.kind import Resource
from roost.api.values import Object, copy_of
from roost.apiserver.access.identity import node_of, node_username
from roost.apiserver.access.relations import pod_references
from roost.apiserver.admission.base import (
    CLAIMS,
    MIRROR,
    NODES,
    PODS,
    VOLUMES,
    Base,
    is_mirror,
    refuse,
    resource_of,
    spec_of,
)
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import Admission
from roost.decisions.certificates import KUBELET_CLIENT, KUBELET_SERVING
from roost.decisions.volumes import LOCAL_PATH

_PODS = Resource("", "v1", "pods")
_NODES = Resource("", "v1", "nodes")
_CLAIMS = Resource("", "v1", "persistentvolumeclaims")
_VOLUMES = Resource("", "v1", "persistentvolumes")
_DRIVERS = Resource("storage.k8s.io", "v1", "csidrivers")
_LEASE_NAMESPACE = "kube-node-lease"

#: Labels that a kubelet may set although they belong to Kubernetes.
_KUBELET_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
    }
)
_KUBELET_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
_RESTRICTED_DOMAIN = "node-restriction.kubernetes.io"

_Rule: TypeAlias = Callable[[Admission, Lookup, str], Awaitable[str | None]]


class NodeRestriction(Base):
    """Refuses what a node may not do with the objects the Node authoriser let it reach."""

    name = "NodeRestriction"

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        rule = _RULES.get(resource_of(request))
        if rule is None:
            return
        node = node_of(request.user)
        if node is None:
            return
        why = await rule(request, lookup, node)
        if why:
            raise refuse(request, why)


async def _pod(request: Admission, lookup: Lookup, node: str) -> str | None:
    if request.subresource == "":
        if request.operation == "CREATE":
            return await _mirror_fault(request, lookup, node)
        if request.operation == "DELETE":
            pod = await _existing_pod(request, lookup)
            if spec_of(pod).get("nodeName") != node:
                return f'node "{node}" can only delete pods with spec.nodeName set to itself'
            return None
        return (
            f"unexpected operation {request.operation}, node {node} can only create and delete pods"
        )
    if request.subresource == "status":
        return _pod_status_fault(request, node)
    if request.subresource == "eviction":
        pod = await _existing_pod(request, lookup)
        if spec_of(pod).get("nodeName") != node:
            return f"node {node} can only evict pods with spec.nodeName set to itself"
        return None
    return (
        f'unexpected pod subresource "{request.subresource}",'
        " only 'status' and 'eviction' are allowed"
    )


async def _existing_pod(request: Admission, lookup: Lookup) -> Object:
    pod = request.old if request.operation == "DELETE" and request.old else None
    pod = pod or await lookup.get(_PODS, request.name, request.namespace)
    if pod is None:
        raise not_found("", "pods", request.name)
    return pod


async def _mirror_fault(request: Admission, lookup: Lookup, node: str) -> str | None:
    pod = request.object
    assert pod is not None
    if not is_mirror(pod):
        return f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
    if spec_of(pod).get("nodeName") != node:
        return f'node "{node}" can only create pods with spec.nodeName set to itself'
    if fault := await _owner_fault(pod, lookup, node):
        return fault
    for plural in ("serviceaccounts", "secrets", "configmaps", "persistentvolumeclaims"):
        if plural in pod_references(pod):
            what = "a service account" if plural == "serviceaccounts" else plural
            return f'node "{node}" can not create pods that reference {what}'
    if spec_of(pod).get("resourceClaims"):
        return f'node "{node}" can not create pods that reference resourceclaims'
    return None


async def _owner_fault(pod: Object, lookup: Lookup, node: str) -> str | None:
    owners = pod["metadata"].get("ownerReferences") or []
    own = f'node "{node}" can only create pods with an owner reference set to itself'
    if not owners:
        return own
    if len(owners) > 1:
        return f'node "{node}" can only create pods with a single owner reference set to itself'
    (owner,) = owners
    if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
        return own
    if not owner.get("controller"):
        return f'node "{node}" can only create pods with a controller owner reference set to itself'
    if owner.get("blockOwnerDeletion"):
        return f'node "{node}" must not set blockOwnerDeletion on an owner reference'
    found = await lookup.get(_NODES, node)
    if found is None:
        raise not_found("", "nodes", node)
    uid = found["metadata"].get("uid")
    if owner.get("uid") != uid:
        return f"node {node} UID mismatch: expected {owner.get('uid')} got {uid}"
    return None


def _pod_status_fault(request: Admission, node: str) -> str | None:
    old, new = request.old, request.object
    if request.operation != "UPDATE" or old is None or new is None:
        return f"unexpected operation {request.operation} on a pod's status"
    if spec_of(old).get("nodeName") != node:
        only = "can only update pod status for pods with spec.nodeName set to itself"
        return f'node "{node}" {only}'
    if (old["metadata"].get("labels") or {}) != (new["metadata"].get("labels") or {}):
        return f'node "{node}" cannot update labels through pod status'
    claims = "resourceClaimStatuses"
    if (old.get("status") or {}).get(claims) != (new.get("status") or {}).get(claims):
        return f'node "{node}" cannot update resource claim statuses'
    return None


async def _node(request: Admission, _lookup: Lookup, node: str) -> str | None:
    name, new, old = request.name, request.object, request.old
    if request.operation == "CREATE" and new is not None:
        labels = new["metadata"].get("labels") or {}
        forbidden = _forbidden_labels(labels)
        if forbidden:
            listed = ", ".join(forbidden)
            return f'node "{node}" is not allowed to set the following labels: {listed}'
    if name != node:
        return f'node "{node}" is not allowed to modify node "{name}"'
    if request.operation != "UPDATE" or new is None or old is None:
        return None
    if new["metadata"].get("ownerReferences") != old["metadata"].get("ownerReferences"):
        return f'node "{node}" is not allowed to modify ownerReferences'
    if (spec_of(new).get("taints") or []) != (spec_of(old).get("taints") or []):
        return f'node "{node}" is not allowed to modify taints'
    forbidden = _forbidden_labels(_changed(old, new))
    if forbidden:
        return f"is not allowed to modify labels: {', '.join(forbidden)}"
    return None


def _changed(old: Object, new: Object) -> set[str]:
    before, after = old["metadata"].get("labels") or {}, new["metadata"].get("labels") or {}
    return {key for key in {*before, *after} if before.get(key) != after.get(key)}


def _forbidden_labels(labels: Object | set[str]) -> list[str]:
    """Return, sorted, the labels that only others than the node may set."""
    return sorted(label for label in labels if _is_forbidden(label))


def _is_forbidden(label: str) -> bool:
    domain, slash, _ = label.rpartition("/")
    if not slash:
        return False
    if _is_in(domain, _RESTRICTED_DOMAIN):
        return True
    if not (_is_in(domain, "kubernetes.io") or _is_in(domain, "k8s.io")):
        return False
    if label in _KUBELET_LABELS:
        return False
    return not any(_is_in(domain, allowed) for allowed in _KUBELET_DOMAINS)


def _is_in(domain: str, parent: str) -> bool:
    return domain == parent or domain.endswith(f".{parent}")


async def _claim(request: Admission, _lookup: Lookup, node: str) -> str | None:
    if request.subresource != "status" or request.operation != "UPDATE":
        return f'unexpected operation on a claim, node "{node}" can only update its status'
    if request.old is None or request.object is None:
        return None
    if _without_growth(request.old) != _without_growth(request.object):
        return (
            f'node "{node}" is not allowed to update fields other than status.capacity,'
            " status.conditions and what tells of an expansion"
        )
    return None


def _without_growth(claim: Object) -> Object:
    """A claim without what a node reports while it expands a volume."""
    found: Object = copy_of(claim)
    status = found.get("status") or {}
    for field in ("capacity", "conditions", "allocatedResources", "allocatedResourceStatuses"):
        status.pop(field, None)
    for field in ("managedFields", "resourceVersion", "generation"):
        found["metadata"].pop(field, None)
    return found


async def _volume(request: Admission, _lookup: Lookup, node: str) -> str | None:
    """A node lets go of the volumes that it kept itself; that is all it changes of them."""
    old, new = request.old, request.object
    if request.operation != "UPDATE" or request.subresource or old is None or new is None:
        return f'node "{node}" can only update the finalizers of its own volumes'
    required = (spec_of(old).get("nodeAffinity") or {}).get("required") or {}
    hosts = [
        one.get("values")
        for term in required.get("nodeSelectorTerms") or ()
        for one in term.get("matchExpressions") or ()
        if one.get("key") == "kubernetes.io/hostname" and one.get("operator") == "In"
    ]
    before, after = copy_of(old), copy_of(new)
    for one in (before, after):
        one["metadata"].pop("managedFields", None)
    kept = [name for name in before["metadata"].pop("finalizers", ()) if name != LOCAL_PATH]
    if hosts != [[node]] or kept != after["metadata"].pop("finalizers", []) or before != after:
        return f'node "{node}" can only take "{LOCAL_PATH}" from the finalizers of its own volumes'
    return None


async def _token(request: Admission, lookup: Lookup, node: str) -> str | None:
    if request.subresource != "token":
        return None
    spec = (request.object or {}).get("spec") or {}
    reference = spec.get("boundObjectRef") or {}
    is_pod = (reference.get("apiVersion"), reference.get("kind")) == ("v1", "Pod")
    if not is_pod or not reference.get("name"):
        return "node requested token not bound to a pod"
    if not reference.get("uid"):
        return "node requested token with a pod binding without a uid"
    pod = await lookup.get(_PODS, reference["name"], request.namespace)
    if pod is None:
        raise not_found("", "pods", reference["name"])
    if pod["metadata"].get("uid") != reference["uid"]:
        return (
            f"the UID in the bound object reference ({reference['uid']}) does not match the UID"
            " in record. The object might have been deleted and then recreated"
        )
    if spec_of(pod).get("nodeName") != node:
        return "node requested token bound to a pod scheduled on a different node"
    return await _audience_fault(spec.get("audiences") or [], pod, lookup, request.namespace)


async def _audience_fault(
    audiences: list[str], pod: Object, lookup: Lookup, namespace: str
) -> str | None:
    """A node gets only such tokens as the pod's own volumes are for."""
    if len(audiences) > 1:
        return "node may only request 0 or 1 audiences"
    wanted = audiences[0] if audiences else ""
    drivers: list[str] = []
    for volume in spec_of(pod).get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            token = source.get("serviceAccountToken")
            if token is not None and (token.get("audience") or "") == wanted:
                return None
        drivers += await _drivers_of(volume, pod, lookup, namespace)
    for driver in drivers:
        found = await lookup.get(_DRIVERS, driver)
        for asked in spec_of(found or {}).get("tokenRequests") or ():
            if (asked.get("audience") or "") == wanted:
                return None
    return f'audience "{wanted}" not found in pod spec volume'


async def _drivers_of(volume: Object, pod: Object, lookup: Lookup, namespace: str) -> list[str]:
    """Return the CSI driver behind a volume of a pod, if there is one."""
    if "csi" in volume:
        return [volume["csi"].get("driver", "")]
    name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
    if "ephemeral" in volume:
        name = f"{pod['metadata']['name']}-{volume['name']}"
    claim = await lookup.get(_CLAIMS, name, namespace) if name else None
    bound = spec_of(claim or {}).get("volumeName")
    stored = await lookup.get(_VOLUMES, bound) if bound else None
    driver = (spec_of(stored or {}).get("csi") or {}).get("driver")
    return [driver] if driver else []


async def _lease(request: Admission, _lookup: Lookup, node: str) -> str | None:
    if request.namespace != _LEASE_NAMESPACE:
        return f'can only access leases in the "{_LEASE_NAMESPACE}" system namespace'
    if request.name != node:
        return "can only access node lease with the same name as the requesting node"
    return None


async def _csi_node(request: Admission, _lookup: Lookup, node: str) -> str | None:
    if request.name != node:
        return "can only access CSINode with the same name as the requesting node"
    return None


async def _slice(request: Admission, _lookup: Lookup, node: str) -> str | None:
    verb = {"CREATE": "create", "DELETE": "delete"}.get(request.operation)
    obj = request.object if request.operation == "CREATE" else request.old
    if verb and ((obj or {}).get("spec") or {}).get("nodeName") != node:
        return f"can only {verb} ResourceSlice with the same NodeName as the requesting node"
    return None


async def _certificate(request: Admission, _lookup: Lookup, node: str) -> str | None:
    if request.operation != "CREATE" or request.subresource or request.object is None:
        return None
    spec = request.object.get("spec") or {}
    if spec.get("signerName") not in (KUBELET_CLIENT, KUBELET_SERVING):
        return None
    from roost.apiserver.pki.requests import read_request

    try:
        asked = read_request(b64decode(spec.get("request") or "", validate=True))
    except (binascii.Error, ValueError) as error:
        raise Forbidden(f"unable to parse csr: {error}") from error
    if asked.common_name != node_username(node):
        return f"can only create a node CSR with CN={node_username(node)}"
    return None


_RULES: dict[tuple[str, str], _Rule] = {
    PODS: _pod,
    NODES: _node,
    CLAIMS: _claim,
    VOLUMES: _volume,
    ("", "serviceaccounts"): _token,
    ("coordination.k8s.io", "leases"): _lease,
    ("storage.k8s.io", "csinodes"): _csi_node,
    ("resource.k8s.io", "resourceslices"): _slice,
    ("certificates.k8s.io", "certificatesigningrequests"): _certificate,
}
NodeRestriction.resources = frozenset(_RULES)
