"""What `roost up` adds to a bare cluster: the Service of cluster DNS, and a default class of storage.

The Service's address leads to the DNS process of each node, whatever its endpoints say (see the
network's proxy); the object is there so that nobody else gets the address, and for those who look for
it. The class makes directories of the node; nodes need to see volumes to remove theirs.
"""

from __future__ import annotations

from roost.api.values import Object
from roost.apiserver.access.bootstrap.objects import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES
from roost.apiserver.access.bootstrap.rule import rule
from roost.apiserver.bootstrap import SERVICES, ensure
from roost.client.port import Client, Query
from roost.decisions.resources import STORAGE_CLASSES
from roost.decisions.volumes import LOCAL_PATH, is_default
from roost.network.plan import DNS_ADDRESS

_PORTS = (("dns", "UDP"), ("dns-tcp", "TCP"))
_NODES = "roost:local-path"


async def add_addons(client: Client) -> None:
    """Create what is missing. Who has a default class already keeps that one."""
    await ensure(client, SERVICES, dns_service())
    await ensure(client, CLUSTER_ROLES, _role())
    await ensure(client, CLUSTER_ROLE_BINDINGS, _binding())
    classes = (await client.list(Query(STORAGE_CLASSES))).items
    await ensure(client, STORAGE_CLASSES, storage_class(default=not any(map(is_default, classes))))


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


def storage_class(*, default: bool) -> Object:
    """Return the StorageClass `local-path`."""
    mark = {"storageclass.kubernetes.io/is-default-class": "true" if default else "false"}
    return {
        "metadata": {"name": "local-path", "annotations": mark},
        "provisioner": LOCAL_PATH,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
    }


def _role() -> Object:
    """What a node needs to remove the directories of volumes; NodeRestriction narrows the patch."""
    rules = [rule("get list watch patch", "core", "persistentvolumes")]
    return {"metadata": {"name": _NODES}, "rules": rules}


def _binding() -> Object:
    group = "rbac.authorization.k8s.io"
    return {
        "metadata": {"name": _NODES},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": _NODES},
        "subjects": [{"apiGroup": group, "kind": "Group", "name": "system:nodes"}],
    }
