"""The cluster roles of the controllers: `system:controller:NAME` for the account of that name."""

from __future__ import annotations

from roost.api.values import Object
from roost.apiserver.access.bootstrap.rule import EVENTS, READ, rule

_CERTIFICATES = "certificates.k8s.io"
_COORDINATION = "coordination.k8s.io"
_DISCOVERY = "discovery.k8s.io"
_INTERNAL = "internal.apiserver.k8s.io"
_NETWORKING = "networking.k8s.io"
_RESOURCE = "resource.k8s.io"
_STORAGE = "storage.k8s.io"
_EACH = "get list watch create update delete"


def _status(group: str, resource: str, verbs: str = "update") -> Object:
    return rule(verbs, group, f"{resource}/status")


def _finalizers(group: str, resource: str) -> Object:
    return rule("update", group, f"{resource}/finalizers")


#: Name of the controller's service account in kube-system -> rules.
CONTROLLER_ROLES: dict[str, tuple[Object, ...]] = {
    "attachdetach-controller": (
        rule("list watch", "core", "persistentvolumes persistentvolumeclaims"),
        rule(READ, "core", "nodes"),
        _status("core", "nodes", "patch update"),
        rule("list watch", "core", "pods"),
        EVENTS,
        rule("get create delete list watch", _STORAGE, "volumeattachments"),
        rule(READ, _STORAGE, "csidrivers"),
        rule(READ, _STORAGE, "csinodes"),
    ),
    "clusterrole-aggregation-controller": (
        rule("escalate get list watch update patch", "rbac.authorization.k8s.io", "clusterroles"),
    ),
    "cronjob-controller": (
        rule("get list watch update", "batch", "cronjobs"),
        rule(f"{_EACH} patch", "batch", "jobs"),
        _status("batch", "cronjobs"),
        _finalizers("batch", "cronjobs"),
        rule("list watch delete", "core", "pods"),
        EVENTS,
    ),
    "daemon-set-controller": (
        rule(READ, "extensions apps", "daemonsets"),
        _status("extensions apps", "daemonsets"),
        _finalizers("extensions apps", "daemonsets"),
        rule("list watch", "core", "nodes"),
        rule("list watch create delete patch", "core", "pods"),
        rule("create", "core", "pods/binding"),
        rule(f"{_EACH} patch", "apps", "controllerrevisions"),
        EVENTS,
    ),
    "deployment-controller": (
        rule("get list watch update", "extensions apps", "deployments"),
        _status("extensions apps", "deployments"),
        _finalizers("extensions apps", "deployments"),
        rule(f"{_EACH} patch", "apps extensions", "replicasets"),
        rule("get list watch update", "core", "pods"),
        EVENTS,
    ),
    "disruption-controller": (
        rule(READ, "extensions apps", "deployments"),
        rule(READ, "apps extensions", "replicasets"),
        rule(READ, "core", "replicationcontrollers"),
        rule(READ, "policy", "poddisruptionbudgets"),
        rule(READ, "apps", "statefulsets"),
        _status("policy", "poddisruptionbudgets"),
        _status("core", "pods", "patch update"),
        rule("get", "*", "*/scale"),
        EVENTS,
    ),
    "endpoint-controller": (
        rule(READ, "core", "services pods"),
        rule(_EACH, "core", "endpoints"),
        rule("create", "core", "endpoints/restricted"),
        EVENTS,
    ),
    "endpointslice-controller": (
        rule(READ, "core", "services pods nodes"),
        _finalizers("core", "services"),
        rule(_EACH, _DISCOVERY, "endpointslices"),
        EVENTS,
    ),
    "endpointslicemirroring-controller": (
        rule(READ, "core", "services endpoints"),
        _finalizers("core", "services"),
        _finalizers("core", "endpoints"),
        rule(_EACH, _DISCOVERY, "endpointslices"),
        EVENTS,
    ),
    "expand-controller": (
        rule("get list watch update patch", "core", "persistentvolumes"),
        _status("core", "persistentvolumeclaims", "update patch"),
        rule(READ, "core", "persistentvolumeclaims"),
        EVENTS,
    ),
    "ephemeral-volume-controller": (
        rule(READ, "core", "pods"),
        _finalizers("core", "pods"),
        rule("get list watch create", "core", "persistentvolumeclaims"),
        EVENTS,
    ),
    "resource-claim-controller": (
        rule(READ, "core", "pods"),
        _finalizers("core", "pods"),
        rule("get list watch create delete", _RESOURCE, "resourceclaims"),
        rule("update patch", _RESOURCE, "resourceclaims resourceclaims/status"),
        rule("update patch", "core", "pods/status"),
        EVENTS,
    ),
    "device-taint-eviction-controller": (
        rule("get list watch delete", "core", "pods"),
        _status("core", "pods", "update patch"),
        rule(READ, _RESOURCE, "resourceclaims"),
        rule(READ, _RESOURCE, "resourceslices"),
        rule(READ, _RESOURCE, "deviceclasses"),
        rule(READ, _RESOURCE, "devicetaintrules"),
        EVENTS,
    ),
    "generic-garbage-collector": (
        rule("get list watch patch update delete", "*", "*"),
        EVENTS,
    ),
    "horizontal-pod-autoscaler": (
        rule(READ, "autoscaling", "horizontalpodautoscalers"),
        _status("autoscaling", "horizontalpodautoscalers"),
        rule("get update", "*", "*/scale"),
        rule("list watch", "core", "pods"),
        rule("list watch", "metrics.k8s.io", "pods"),
        rule(READ, "custom.metrics.k8s.io", "*"),
        rule(READ, "external.metrics.k8s.io", "*"),
        EVENTS,
    ),
    "job-controller": (
        rule("get list watch update patch", "batch", "jobs"),
        _status("batch", "jobs"),
        _finalizers("batch", "jobs"),
        rule("list watch create delete patch", "core", "pods"),
        EVENTS,
    ),
    "namespace-controller": (
        rule("get list watch delete", "core", "namespaces"),
        rule("update", "core", "namespaces/finalize namespaces/status"),
        rule("get list watch delete deletecollection", "*", "*"),
    ),
    "node-controller": (
        rule("get list watch update delete patch", "core", "nodes"),
        _status("core", "nodes", "patch update"),
        _status("core", "pods", "patch update"),
        rule("list watch get delete", "core", "pods"),
        EVENTS,
    ),
    "persistent-volume-binder": (
        rule(_EACH, "core", "persistentvolumes"),
        _status("core", "persistentvolumes"),
        rule("get list watch update", "core", "persistentvolumeclaims"),
        _status("core", "persistentvolumeclaims"),
        rule("list watch get create delete", "core", "pods"),
        rule(READ, _STORAGE, "storageclasses"),
        rule("list watch", "core", "nodes"),
        EVENTS,
        rule("watch", "core", "events"),
    ),
    "pod-garbage-collector": (
        rule("list watch delete", "core", "pods"),
        rule(READ, "core", "nodes"),
        _status("core", "pods", "patch"),
    ),
    "replicaset-controller": (
        rule("get list watch update", "apps extensions", "replicasets"),
        _status("apps extensions", "replicasets"),
        _finalizers("apps extensions", "replicasets"),
        rule("list watch patch create delete", "core", "pods"),
        EVENTS,
    ),
    "replication-controller": (
        rule("get list watch update", "core", "replicationcontrollers"),
        _status("core", "replicationcontrollers"),
        _finalizers("core", "replicationcontrollers"),
        rule("list watch patch create delete", "core", "pods"),
        EVENTS,
    ),
    "resourcequota-controller": (
        rule("list watch", "*", "*"),
        _status("core", "resourcequotas"),
        EVENTS,
    ),
    "route-controller": (
        rule("list watch", "core", "nodes"),
        _status("core", "nodes", "patch"),
        EVENTS,
    ),
    "service-account-controller": (rule("create", "core", "serviceaccounts"), EVENTS),
    "service-controller": (
        rule(READ, "core", "services"),
        _status("core", "services", "patch update"),
        rule("list watch", "core", "nodes"),
        EVENTS,
    ),
    "service-cidrs-controller": (
        rule("get list watch patch update", _NETWORKING, "servicecidrs"),
        rule("patch update", _NETWORKING, "servicecidrs/finalizers"),
        _status(_NETWORKING, "servicecidrs", "patch update"),
        rule(READ, _NETWORKING, "ipaddresses"),
        EVENTS,
    ),
    "statefulset-controller": (
        rule("list watch", "core", "pods"),
        rule(READ, "apps", "statefulsets"),
        _status("apps", "statefulsets"),
        _finalizers("apps", "statefulsets"),
        rule("get create delete update patch", "core", "pods"),
        rule(f"{_EACH} patch", "apps", "controllerrevisions"),
        rule("get create list watch", "core", "persistentvolumeclaims"),
        rule("update delete", "core", "persistentvolumeclaims"),
        _finalizers("core", "pods"),
        EVENTS,
    ),
    "ttl-controller": (rule("update patch list watch", "core", "nodes"), EVENTS),
    "certificate-controller": (
        rule("get list watch delete", _CERTIFICATES, "certificatesigningrequests"),
        rule(
            "update",
            _CERTIFICATES,
            "certificatesigningrequests/status certificatesigningrequests/approval",
        ),
        rule("approve", _CERTIFICATES, "signers", "kubernetes.io/kube-apiserver-client-kubelet"),
        rule(
            "sign",
            _CERTIFICATES,
            "signers",
            "kubernetes.io/legacy-unknown kubernetes.io/kube-apiserver-client"
            " kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving",
        ),
        rule("create", "authorization.k8s.io", "subjectaccessreviews"),
        EVENTS,
    ),
    "podcertificaterequestcleaner": (
        rule("get list watch delete", _CERTIFICATES, "podcertificaterequests"),
    ),
    "pvc-protection-controller": (
        rule("get list watch update", "core", "persistentvolumeclaims"),
        rule("list watch get", "core", "pods"),
        EVENTS,
    ),
    "pv-protection-controller": (
        rule("get list watch update", "core", "persistentvolumes"),
        EVENTS,
    ),
    "volumeattributesclass-protection-controller": (
        rule(READ, "core", "persistentvolumeclaims"),
        rule(READ, "core", "persistentvolumes"),
        rule("get list watch update", _STORAGE, "volumeattributesclasses"),
        EVENTS,
    ),
    "ttl-after-finished-controller": (
        rule("get list watch delete", "batch", "jobs"),
        EVENTS,
    ),
    "root-ca-cert-publisher": (rule("create update", "core", "configmaps"), EVENTS),
    "kube-apiserver-serving-clustertrustbundle-publisher": (
        rule("attest", _CERTIFICATES, "signers", "kubernetes.io/kube-apiserver-serving"),
        rule("create update delete list watch", _CERTIFICATES, "clustertrustbundles"),
        EVENTS,
    ),
    "validatingadmissionpolicy-status-controller": (
        rule(READ, "admissionregistration.k8s.io", "validatingadmissionpolicies"),
        _status("admissionregistration.k8s.io", "validatingadmissionpolicies", "get patch update"),
        EVENTS,
    ),
    "storage-version-garbage-collector": (
        rule(READ, _COORDINATION, "leases"),
        rule("get list watch patch update delete", _INTERNAL, "storageversions"),
        _status(_INTERNAL, "storageversions", "get patch update"),
    ),
    "legacy-service-account-token-cleaner": (
        rule("get", "core", "configmaps", "kube-apiserver-legacy-service-account-token-tracking"),
        rule("patch delete", "core", "secrets"),
    ),
    "storage-version-migrator-controller": (
        rule("list watch create patch", "*", "*"),
        _status("storagemigration.k8s.io", "storageversionmigrations"),
    ),
    "selinux-warning-controller": (
        EVENTS,
        rule(READ, "core", "persistentvolumes"),
        rule(READ, "core", "persistentvolumeclaims"),
        rule(READ, "core", "pods"),
        rule(READ, _STORAGE, "csidrivers"),
    ),
}
