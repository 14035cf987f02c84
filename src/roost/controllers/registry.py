"""All controllers by the names of kube-controller-manager, and its way of choosing some of them.

`chosen("*,-job-controller")` gives names; `controllers(names, setup)` the declarations for them. Those
in EVERYWHERE depend on what the server serves and are made anew when that changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from types import MappingProxyType

from roost.controllers import (
    attachdetach,
    bootstraptokens,
    certificates,
    clusterroleaggregation,
    cronjob,
    daemonset,
    deployment,
    disruption,
    endpointslicemirroring,
    ephemeralvolume,
    ipaddresses,
    job,
    legacytokens,
    localpath,
    nodettl,
    policystatus,
    replicaset,
    resourceclaim,
    servicecidr,
    statefulset,
    storageprotection,
    ttlafterfinished,
    volumebinding,
    volumeexpand,
)
from roost.controllers.certificates import CertificateRules
from roost.controllers.devicetainteviction import device_taint_eviction
from roost.controllers.endpoints import endpoints_controller
from roost.controllers.endpointslice import endpoint_slices
from roost.controllers.garbagecollector import garbage_collector
from roost.controllers.namespace import namespace_controller
from roost.controllers.nodeipam import Ranges, node_ipam
from roost.controllers.nodelifecycle import GRACE_S, node_lifecycle
from roost.controllers.podautoscaler import horizontal_pod_autoscaler
from roost.controllers.podgc import pod_collector
from roost.controllers.resourcequota import QuotaRules, resource_quota
from roost.controllers.secrettokens import Sign, secret_tokens
from roost.controllers.serviceaccount import SERVICE_ACCOUNT, root_ca_publisher
from roost.controllers.servicelb import service_load_balancer
from roost.controllers.tainteviction import taint_eviction
from roost.decisions.controller import AnyController
from roost.decisions.served import Served


@dataclass(frozen=True, slots=True)
class Setup:
    """What declarations need beside the facts in the API."""

    ca_pem: str = ""
    served: tuple[Served, ...] = ()
    quota: QuotaRules | None = None
    certificates: CertificateRules | None = None
    #: Makes the tokens of Secrets; None where there is no key to sign them by.
    sign_token: Sign | None = None
    node_grace_s: float = GRACE_S
    #: TCP ports on which the nodes listen themselves; None where no node takes what comes for its own
    #: address, and Services of type LoadBalancer are left to others.
    node_ports: frozenset[int] | None = None
    #: The range that nodes get pieces of for their pods (None: they get none), and how many bits long
    #: these are; and the range of Services, which is left out.
    cluster_cidr: IPv4Network | None = None
    node_cidr_bits: int = 24
    service_cidr: IPv4Network | None = None


Make = Callable[[Setup], AnyController]


def _always(controller: AnyController) -> Make:
    return lambda _setup: controller


def _rules(setup: Setup) -> QuotaRules:
    if setup.quota is None:
        raise ValueError("resourcequota-controller needs the rules of quotas")
    return setup.quota


def _ports(setup: Setup) -> frozenset[int]:
    if setup.node_ports is None:
        raise ValueError("service-lb-controller needs to know what the nodes' own ports are")
    return setup.node_ports


def _node_ipam(setup: Setup) -> AnyController:
    if setup.cluster_cidr is None:
        raise ValueError("node-ipam-controller needs the range of the cluster's pods")
    return node_ipam(Ranges(setup.cluster_cidr, setup.node_cidr_bits, setup.service_cidr))


def _certificates(setup: Setup) -> CertificateRules:
    if setup.certificates is None:
        raise ValueError("the controllers of certificates need an authority")
    return setup.certificates


#: Controllers that look at every resource.
EVERYWHERE: Mapping[str, Make] = MappingProxyType(
    {
        "garbage-collector-controller": lambda setup: garbage_collector(setup.served),
        "horizontal-pod-autoscaler-controller": lambda setup: horizontal_pod_autoscaler(
            setup.served
        ),
        "namespace-controller": lambda setup: namespace_controller(setup.served),
        "resourcequota-controller": lambda setup: resource_quota(setup.served, _rules(setup)),
    }
)

#: All controllers.
ALL: Mapping[str, Make] = MappingProxyType(
    {
        **{
            controller.name: _always(controller)
            for controller in (
                attachdetach.CONTROLLER,
                bootstraptokens.CLEANER,
                bootstraptokens.SIGNER,
                certificates.CLEANER,
                clusterroleaggregation.CONTROLLER,
                cronjob.CONTROLLER,
                daemonset.CONTROLLER,
                deployment.CONTROLLER,
                disruption.CONTROLLER,
                endpointslicemirroring.CONTROLLER,
                ephemeralvolume.CONTROLLER,
                job.CONTROLLER,
                legacytokens.CLEANER,
                localpath.CONTROLLER,
                nodettl.CONTROLLER,
                policystatus.CONTROLLER,
                replicaset.CONTROLLER,
                replicaset.REPLICATION,
                resourceclaim.CONTROLLER,
                SERVICE_ACCOUNT,
                servicecidr.CONTROLLER,
                statefulset.CONTROLLER,
                storageprotection.CLAIMS,
                storageprotection.CLASSES,
                storageprotection.VOLUMES,
                ttlafterfinished.CONTROLLER,
                volumebinding.CONTROLLER,
                volumeexpand.CONTROLLER,
            )
        },
        "device-taint-eviction-controller": lambda _setup: device_taint_eviction(),
        "node-ipam-controller": _node_ipam,
        "node-lifecycle-controller": lambda setup: node_lifecycle(setup.node_grace_s),
        "endpoints-controller": lambda _setup: endpoints_controller(),
        "endpointslice-controller": lambda _setup: endpoint_slices(),
        "taint-eviction-controller": lambda _setup: taint_eviction(),
        "service-lb-controller": lambda setup: service_load_balancer(_ports(setup)),
        "pod-garbage-collector-controller": lambda _setup: pod_collector(),
        "serviceaccount-token-controller": lambda setup: secret_tokens(
            setup.ca_pem, setup.sign_token
        ),
        "root-ca-certificate-publisher-controller": lambda setup: root_ca_publisher(setup.ca_pem),
        "certificatesigningrequest-approving-controller": lambda setup: certificates.approving(
            _certificates(setup)
        ),
        "certificatesigningrequest-signing-controller": lambda setup: certificates.signing(
            _certificates(setup)
        ),
        **EVERYWHERE,
    }
)

#: What kube-apiserver does itself: always on, and not among the names that are chosen from.
OWN: tuple[AnyController, ...] = (
    ipaddresses.CONTROLLER,
    legacytokens.TRACKER,
    servicecidr.DEFAULT,
)

#: Controllers that need a certificate authority.
AUTHORITY = frozenset(
    {
        "certificatesigningrequest-approving-controller",
        "certificatesigningrequest-signing-controller",
    }
)

#: Controllers that `*` does not choose, as in kube-controller-manager.
OFF = frozenset({"bootstrap-signer-controller", "token-cleaner-controller"})

#: Names that are also understood: those before Kubernetes 1.28.
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "csrapproving": "certificatesigningrequest-approving-controller",
        "csrcleaner": "certificatesigningrequest-cleaner-controller",
        "csrsigning": "certificatesigningrequest-signing-controller",
        "cronjob": "cronjob-controller",
        "clusterrole-aggregation": "clusterrole-aggregation-controller",
        "daemonset": "daemonset-controller",
        "deployment": "deployment-controller",
        "disruption": "disruption-controller",
        "endpoint": "endpoints-controller",
        "endpointslice": "endpointslice-controller",
        "endpointslicemirroring": "endpointslice-mirroring-controller",
        "ephemeral-volume": "ephemeral-volume-controller",
        "garbagecollector": "garbage-collector-controller",
        "horizontalpodautoscaling": "horizontal-pod-autoscaler-controller",
        "job": "job-controller",
        "legacy-service-account-token-cleaner": "legacy-serviceaccount-token-cleaner-controller",
        "namespace": "namespace-controller",
        "nodeipam": "node-ipam-controller",
        "nodelifecycle": "node-lifecycle-controller",
        "persistentvolume-binder": "persistentvolume-binder-controller",
        "persistentvolume-expander": "persistentvolume-expander-controller",
        "attachdetach": "persistentvolume-attach-detach-controller",
        "bootstrapsigner": "bootstrap-signer-controller",
        "service": "service-lb-controller",
        "tokencleaner": "token-cleaner-controller",
        "ttl": "ttl-controller",
        "podgc": "pod-garbage-collector-controller",
        "pvc-protection": "persistentvolumeclaim-protection-controller",
        "pv-protection": "persistentvolume-protection-controller",
        "replicaset": "replicaset-controller",
        "replicationcontroller": "replicationcontroller-controller",
        "resourcequota": "resourcequota-controller",
        "root-ca-cert-publisher": "root-ca-certificate-publisher-controller",
        "serviceaccount": "serviceaccount-controller",
        "serviceaccount-token": "serviceaccount-token-controller",
        "statefulset": "statefulset-controller",
        "ttl-after-finished": "ttl-after-finished-controller",
    }
)


def chosen(text: str, known: Iterable[str] = ALL) -> tuple[str, ...]:
    """Return the names that a --controllers value chooses, in the order of `known`.

    Items are `*` (all that is on by default), `name` and `-name`. Raises ValueError for a name that is
    not known. A caller with components of its own (the scheduler) adds their names to `known`.
    """
    names = tuple(known)
    on: set[str] = set()
    off: set[str] = set()
    everything = False
    for item in (part.strip() for part in text.split(",")):
        if item == "*":
            everything = True
            continue
        name = ALIASES.get(item.removeprefix("-"), item.removeprefix("-"))
        if name not in names:
            raise ValueError(f'"{item.removeprefix("-")}" is not in the list of known controllers')
        (off if item.startswith("-") else on).add(name)
    usual = off | OFF
    return tuple(n for n in names if n in on or (everything and n not in usual))


def controllers(names: Iterable[str], setup: Setup) -> tuple[AnyController, ...]:
    """Return the declarations of the named controllers.

    Names that are not here are left out, and so are those that need what the setup does not have: an
    authority, ports of nodes, a range for pods.
    """
    able = ALL.keys() if setup.certificates is not None else ALL.keys() - AUTHORITY
    if setup.node_ports is None:
        able = able - {"service-lb-controller"}
    if setup.cluster_cidr is None:
        able = able - {"node-ipam-controller"}
    return tuple(ALL[name](setup) for name in names if name in able)
