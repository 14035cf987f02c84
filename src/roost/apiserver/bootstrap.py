"""What every cluster has from its first moment: namespaces, the Service `kubernetes`, priority classes.

Run at each start, through a client: creates what is missing, mends where the server is to be found, and
leaves everything else alone.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Final

from roost.api.errors import AlreadyExists, Conflict, NotFound
from roost.api.kind import Resource
from roost.api.values import Object
from roost.apiserver.admission.priority import SYSTEM_CLASSES
from roost.client.port import Client

NAMESPACES: Final = Resource("", "v1", "namespaces")
SERVICES: Final = Resource("", "v1", "services")
ENDPOINTS: Final = Resource("", "v1", "endpoints")
SLICES: Final = Resource("discovery.k8s.io", "v1", "endpointslices")
RANGES: Final = Resource("networking.k8s.io", "v1", "servicecidrs")
PRIORITY_CLASSES: Final = Resource("scheduling.k8s.io", "v1", "priorityclasses")

SYSTEM_NAMESPACES: Final = ("default", "kube-system", "kube-public", "kube-node-lease")
_LABELS: Final = {"component": "apiserver", "provider": "kubernetes"}


@dataclass(frozen=True, slots=True)
class Advertised:
    """Where pods and nodes reach the server: `cluster_ip` leads to `address`:`port`."""

    address: str
    port: int
    cluster_ip: str = "10.96.0.1"
    service_range: str = "10.96.0.0/16"


async def bootstrap_cluster(client: Client, advertised: Advertised) -> None:
    """Create what is missing."""
    for name in SYSTEM_NAMESPACES:
        await ensure(client, NAMESPACES, {"metadata": {"name": name}})
    for body in SYSTEM_CLASSES:
        await ensure(client, PRIORITY_CLASSES, body)
    addresses = {"cidrs": [advertised.service_range]}
    await ensure(client, RANGES, {"metadata": {"name": "kubernetes"}, "spec": addresses})
    await _say_ready(client, addresses)
    await ensure(client, SERVICES, _service(advertised))
    port = {"name": "https", "port": advertised.port, "protocol": "TCP"}
    subsets = [{"addresses": [{"ip": advertised.address}], "ports": [port]}]
    metadata: Object = {"name": "kubernetes", "namespace": "default"}
    skip = {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}
    await ensure(
        client, ENDPOINTS, {"metadata": {**metadata, **skip}, "subsets": subsets}, "subsets"
    )
    labels = {"kubernetes.io/service-name": "kubernetes"}
    piece = {
        "metadata": {**metadata, "labels": labels},
        "addressType": "IPv4",
        "ports": [port],
        "endpoints": [{"addresses": [advertised.address], "conditions": {"ready": True}}],
    }
    await ensure(client, SLICES, piece, "ports", "endpoints")


async def _say_ready(client: Client, spec: Object) -> None:
    """Set the condition of the default range, unless somebody did or changed the range."""
    found = await client.get(RANGES, "kubernetes")
    status = found.get("status") or {}
    if found["spec"] != spec or status.get("conditions"):
        return
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "",
        "message": "Kubernetes default Service CIDR is ready",
        "lastTransitionTime": found["metadata"]["creationTimestamp"],
    }
    changed = {**found, "status": {**status, "conditions": [condition]}}
    with contextlib.suppress(Conflict):  # a second server of the same cluster was faster
        await client.update(RANGES, changed, subresource="status")


def _service(advertised: Advertised) -> Object:
    port = {"name": "https", "port": 443, "protocol": "TCP", "targetPort": advertised.port}
    return {
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": dict(_LABELS)},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": advertised.cluster_ip,
            "ports": [port],
            "sessionAffinity": "None",
        },
    }


async def ensure(client: Client, resource: Resource, body: Object, *kept: str) -> None:
    """Create an object; if it is there, only make its fields `kept` say what they should."""
    metadata = body["metadata"]
    namespace = metadata.get("namespace", "")
    try:
        found = await client.get(resource, metadata["name"], namespace)
    except NotFound:
        try:
            await client.create(resource, body, namespace)
        except AlreadyExists:
            return  # a second server of the same cluster was faster
        return
    if any(found.get(name) != body[name] for name in kept):
        await client.update(resource, {**found, **{name: body[name] for name in kept}}, namespace)
