"""The cluster roles for people and for the parts of a cluster, and who has them at the start."""

from __future__ import annotations

from roost.api.values import Object
from roost.apiserver.access.bootstrap.rule import (
    EVENTS,
    READ,
    READ_UPDATE,
    READ_WRITE,
    WRITE,
    rule,
    urls,
)

_AUTHENTICATION = "authentication.k8s.io"
_AUTHORIZATION = "authorization.k8s.io"
_CERTIFICATES = "certificates.k8s.io"
_COORDINATION = "coordination.k8s.io"
_NETWORKING = "networking.k8s.io"
_RBAC = "rbac.authorization.k8s.io"
_RESOURCE = "resource.k8s.io"
_STORAGE = "storage.k8s.io"
_CSR = "certificatesigningrequests"
#: The group of the bootstrap tokens with which nodes join.
JOINERS = "system:bootstrappers:roost:nodes"
_STREAMS = "pods/attach pods/proxy pods/exec pods/portforward"

#: What a node may do with things that the Node authoriser does not decide one by one.
NODE_RULES: tuple[Object, ...] = (
    rule("create", _AUTHENTICATION, "tokenreviews"),
    rule("create", _AUTHORIZATION, "subjectaccessreviews localsubjectaccessreviews"),
    rule(READ, "core", "services"),
    rule("create get list watch", "core", "nodes"),
    rule("update patch", "core", "nodes/status"),
    rule("update patch", "core", "nodes"),
    rule("create update patch", "core events.k8s.io", "events"),
    rule(READ, "core", "pods"),
    rule("create delete", "core", "pods"),
    rule("update patch", "core", "pods/status"),
    rule("create", "core", "pods/eviction"),
    rule(READ, "core", "secrets configmaps"),
    rule("get", "core", "persistentvolumeclaims persistentvolumes"),
    rule("get", "core", "endpoints"),
    rule("create get list watch", _CERTIFICATES, _CSR),
    rule("get create update patch delete", _COORDINATION, "leases"),
    rule("get", _STORAGE, "volumeattachments"),
    rule("get update patch", "core", "persistentvolumeclaims/status"),
    rule("create", "core", "serviceaccounts/token"),
    rule(READ, _STORAGE, "csidrivers"),
    rule("get create update patch delete", _STORAGE, "csinodes"),
    rule(READ, "node.k8s.io", "runtimeclasses"),
    rule("get", _RESOURCE, "resourceclaims"),
    rule("deletecollection", _RESOURCE, "resourceslices"),
    rule("get list watch create update patch delete", _RESOURCE, "resourceslices"),
    rule(READ, _CERTIFICATES, "clustertrustbundles"),
    rule("create get list watch", _CERTIFICATES, "podcertificaterequests"),
)

_EDIT: tuple[Object, ...] = (
    rule(READ, "core", f"{_STREAMS} secrets services/proxy"),
    rule("impersonate", "core", "serviceaccounts"),
    rule(WRITE, "core", f"pods {_STREAMS}"),
    rule("create", "core", "pods/eviction"),
    rule(
        WRITE,
        "core",
        "replicationcontrollers replicationcontrollers/scale serviceaccounts services services/proxy"
        " persistentvolumeclaims configmaps secrets events",
    ),
    rule("create", "core", "serviceaccounts/token"),
    rule(
        WRITE,
        "apps",
        "statefulsets statefulsets/scale daemonsets deployments deployments/scale"
        " deployments/rollback replicasets replicasets/scale",
    ),
    rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
    rule(WRITE, "batch", "jobs cronjobs"),
    rule(
        WRITE,
        "extensions",
        "daemonsets deployments deployments/scale deployments/rollback ingresses replicasets"
        " replicasets/scale replicationcontrollers/scale networkpolicies",
    ),
    rule(WRITE, "policy", "poddisruptionbudgets"),
    rule(WRITE, _NETWORKING, "networkpolicies ingresses"),
    rule(READ_WRITE, _COORDINATION, "leases"),
    rule(WRITE, _RESOURCE, "resourceclaims resourceclaimtemplates"),
)

_VIEW: tuple[Object, ...] = (
    rule(
        READ,
        "core",
        "pods replicationcontrollers replicationcontrollers/scale serviceaccounts services"
        " services/status endpoints persistentvolumeclaims persistentvolumeclaims/status configmaps",
    ),
    rule(
        READ,
        "core",
        "limitranges resourcequotas bindings events pods/status resourcequotas/status"
        " namespaces/status replicationcontrollers/status pods/log",
    ),
    rule(READ, "core", "namespaces"),
    rule(READ, "discovery.k8s.io", "endpointslices"),
    rule(
        READ,
        "apps",
        "controllerrevisions statefulsets statefulsets/status statefulsets/scale daemonsets"
        " daemonsets/status deployments deployments/status deployments/scale replicasets"
        " replicasets/status replicasets/scale",
    ),
    rule(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    rule(READ, "batch", "jobs cronjobs cronjobs/status jobs/status"),
    rule(
        READ,
        "extensions",
        "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses"
        " ingresses/status replicasets replicasets/scale replicasets/status"
        " replicationcontrollers/scale networkpolicies",
    ),
    rule(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
    rule(READ, _NETWORKING, "networkpolicies ingresses ingresses/status"),
    rule(READ, _RESOURCE, "resourceclaims resourceclaims/status resourceclaimtemplates"),
)

_CONTROLLER_MANAGER: tuple[Object, ...] = (
    EVENTS,
    rule("create", _COORDINATION, "leases"),
    rule("get update", _COORDINATION, "leases", "kube-controller-manager"),
    rule("create", "core", "secrets serviceaccounts"),
    rule("delete", "core", "secrets"),
    rule("get", "core", "namespaces secrets serviceaccounts configmaps"),
    rule("update", "core", "secrets serviceaccounts"),
    rule("create", _AUTHENTICATION, "tokenreviews"),
    rule("create", _AUTHORIZATION, "subjectaccessreviews"),
    rule("list watch", "*", "*"),
    rule("create", "core", "serviceaccounts/token"),
)

_SCHEDULER: tuple[Object, ...] = (
    EVENTS,
    rule("create", _COORDINATION, "leases"),
    rule("get update", _COORDINATION, "leases", "kube-scheduler"),
    rule("create", _COORDINATION, "leasecandidates"),
    rule(READ_UPDATE + " delete deletecollection", _COORDINATION, "leasecandidates"),
    rule(READ, "core", "nodes"),
    rule("get list watch delete", "core", "pods"),
    rule("create", "core", "pods/binding bindings"),
    rule("patch update", "core", "pods/status"),
    rule(READ, "core", "services replicationcontrollers"),
    rule(READ, "apps extensions", "replicasets"),
    rule(READ, "apps", "statefulsets"),
    rule(READ, "policy", "poddisruptionbudgets"),
    rule(READ, "core", "persistentvolumeclaims persistentvolumes"),
    rule("create", _AUTHENTICATION, "tokenreviews"),
    rule("create", _AUTHORIZATION, "subjectaccessreviews"),
    rule(READ, _STORAGE, "csinodes"),
    rule(READ, "core", "namespaces"),
    rule(READ, _STORAGE, "csidrivers"),
    rule(READ, _STORAGE, "csistoragecapacities"),
    rule(READ, _STORAGE, "volumeattachments"),
    rule(READ, _RESOURCE, "deviceclasses"),
    rule(READ_UPDATE, _RESOURCE, "resourceclaims"),
    rule("update patch", _RESOURCE, "resourceclaims/status"),
    rule("update patch", "core", "pods/finalizers"),
    rule(READ, _RESOURCE, "resourceslices"),
    rule(READ, _RESOURCE, "devicetaintrules"),
)


def _approver(name: str, signer: str) -> tuple[str, tuple[Object, ...]]:
    signer = f"kubernetes.io/{signer}"
    return f"system:{_CERTIFICATES}:{name}", (rule("approve", _CERTIFICATES, "signers", signer),)


#: Name -> rules.
ROLES: dict[str, tuple[Object, ...]] = {
    "cluster-admin": (rule("*", "*", "*"), {"verbs": ["*"], "nonResourceURLs": ["*"]}),
    "system:discovery": (
        urls(
            "/livez /readyz /healthz /version /version/ /openapi /openapi/* /api /api/* /apis /apis/*"
        ),
    ),
    "system:monitoring": (
        urls(
            "/metrics /metrics/slis /livez /readyz /healthz /livez/* /readyz/* /healthz/*"
            " /statusz /flagz"
        ),
    ),
    "system:basic-user": (
        rule("create", _AUTHORIZATION, "selfsubjectaccessreviews selfsubjectrulesreviews"),
        rule("create", _AUTHENTICATION, "selfsubjectreviews"),
    ),
    "system:public-info-viewer": (urls("/livez /readyz /healthz /version /version/"),),
    "system:aggregate-to-admin": (
        rule("create", _AUTHORIZATION, "localsubjectaccessreviews"),
        rule(READ_WRITE, _RBAC, "roles rolebindings"),
    ),
    "system:aggregate-to-edit": _EDIT,
    "system:aggregate-to-view": _VIEW,
    "system:node": NODE_RULES,
    "system:node-problem-detector": (
        rule("get", "core", "nodes"),
        rule("patch", "core", "nodes/status"),
        EVENTS,
    ),
    "system:kubelet-api-admin": (
        rule(READ, "core", "nodes"),
        rule("proxy", "core", "nodes"),
        rule(
            "*",
            "core",
            "nodes/proxy nodes/metrics nodes/stats nodes/log nodes/configz nodes/healthz nodes/pods",
        ),
    ),
    "system:node-bootstrapper": (rule("create get list watch", _CERTIFICATES, _CSR),),
    "system:auth-delegator": (
        rule("create", _AUTHENTICATION, "tokenreviews"),
        rule("create", _AUTHORIZATION, "subjectaccessreviews"),
    ),
    "system:kube-aggregator": (rule(READ, "core", "services endpoints"),),
    "system:kube-controller-manager": _CONTROLLER_MANAGER,
    "system:kube-dns": (rule("list watch", "core", "endpoints services"),),
    "system:persistent-volume-provisioner": (
        rule("get list watch create delete", "core", "persistentvolumes"),
        rule("get list watch update", "core", "persistentvolumeclaims"),
        rule(READ, _STORAGE, "storageclasses"),
        rule("watch", "core", "events"),
        EVENTS,
    ),
    f"system:{_CERTIFICATES}:{_CSR}:nodeclient": (
        rule("create", _CERTIFICATES, f"{_CSR}/nodeclient"),
    ),
    f"system:{_CERTIFICATES}:{_CSR}:selfnodeclient": (
        rule("create", _CERTIFICATES, f"{_CSR}/selfnodeclient"),
    ),
    "system:volume-scheduler": (
        rule(READ_UPDATE, "core", "persistentvolumes"),
        rule(READ, _STORAGE, "storageclasses"),
        rule(READ_UPDATE, "core", "persistentvolumeclaims"),
    ),
    **dict(
        (
            _approver("legacy-unknown-approver", "legacy-unknown"),
            _approver("kubelet-serving-approver", "kubelet-serving"),
            _approver("kube-apiserver-client-approver", "kube-apiserver-client"),
            _approver("kube-apiserver-client-kubelet-approver", "kube-apiserver-client-kubelet"),
        )
    ),
    "system:service-account-issuer-discovery": (
        urls(
            "/.well-known/openid-configuration /.well-known/openid-configuration/"
            " /openid/v1/jwks /openid/v1/jwks/"
        ),
    ),
    "system:node-proxier": (
        rule("list watch", "core", "services endpoints"),
        rule(READ, "core", "nodes"),
        EVENTS,
        rule("list watch", "discovery.k8s.io", "endpointslices"),
        rule("list watch", _NETWORKING, "servicecidrs"),
    ),
    "system:kube-scheduler": _SCHEDULER,
}

#: Role -> the label by which it selects its parts.
AGGREGATED: dict[str, str] = {
    "admin": f"{_RBAC}/aggregate-to-admin",
    "edit": f"{_RBAC}/aggregate-to-edit",
    "view": f"{_RBAC}/aggregate-to-view",
}

#: Role -> the label by which it becomes part of another.
PARTS: dict[str, str] = {
    "edit": AGGREGATED["admin"],
    "view": AGGREGATED["edit"],
    "system:aggregate-to-admin": AGGREGATED["admin"],
    "system:aggregate-to-edit": AGGREGATED["edit"],
    "system:aggregate-to-view": AGGREGATED["view"],
}

#: What lets a machine that holds a join token become a node, beside what Kubernetes starts with:
#: binding -> (role, subject).
JOINING: dict[str, tuple[str, tuple[str, str]]] = {
    "roost:node-bootstrap": ("system:node-bootstrapper", ("Group", JOINERS)),
    "roost:node-autoapprove-bootstrap": (
        f"system:{_CERTIFICATES}:{_CSR}:nodeclient",
        ("Group", JOINERS),
    ),
    "roost:node-autoapprove-certificate-rotation": (
        f"system:{_CERTIFICATES}:{_CSR}:selfnodeclient",
        ("Group", "system:nodes"),
    ),
}

#: Role -> who has it, as (kind, name) or, for a service account, (kind, namespace/name).
BINDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "cluster-admin": (("Group", "system:masters"),),
    "system:monitoring": (("Group", "system:monitoring"),),
    "system:discovery": (("Group", "system:authenticated"),),
    "system:basic-user": (("Group", "system:authenticated"),),
    "system:public-info-viewer": (
        ("Group", "system:authenticated"),
        ("Group", "system:unauthenticated"),
    ),
    "system:node-proxier": (("User", "system:kube-proxy"),),
    "system:kube-controller-manager": (("User", "system:kube-controller-manager"),),
    "system:kube-dns": (("ServiceAccount", "kube-system/kube-dns"),),
    "system:kube-scheduler": (("User", "system:kube-scheduler"),),
    "system:volume-scheduler": (("User", "system:kube-scheduler"),),
    # Nodes have the Node authoriser; the binding stays, without subjects, as in the real server.
    "system:node": (),
    "system:service-account-issuer-discovery": (("Group", "system:serviceaccounts"),),
}
