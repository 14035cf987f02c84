"""What `roost up` adds to a bare cluster: the Service of cluster DNS.

Its address leads to the DNS process of each node, whatever its endpoints say (see the network's proxy);
the object is there so that nobody else gets the address, and for those who look for it.
"""

from __future__ import annotations

from roost.api.values import Object
from roost.apiserver.bootstrap import SERVICES, ensure
from roost.client.port import Client
from roost.network.plan import DNS_ADDRESS

_PORTS = (("dns", "UDP"), ("dns-tcp", "TCP"))


async def add_addons(client: Client) -> None:
    """Create what is missing."""
    await ensure(client, SERVICES, dns_service())


def dns_service() -> Object:
    """Return the Service `kube-system/kube-dns`."""
    labels = {
        "k8s-app": "kube-dns",
        "kubernetes.io/cluster-service": "true",
        "kubernetes.io/name": "CoreDNS",
    }
    ports = [
        {"name": name, "port": 53, "protocol": protocol, "targetPort": 53}
        for name, protocol in _PORTS
    ]
    return {
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
        "spec": {"clusterIP": DNS_ADDRESS, "ports": ports},
    }
