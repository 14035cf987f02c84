"""The resources that the tests use."""

from __future__ import annotations

from typedclient import Kind


def _core(kind: str, plural: str, *, namespaced: bool = True) -> Kind:
    return Kind("v1", kind, plural, namespaced=namespaced)


NAMESPACES = _core("Namespace", "namespaces", namespaced=False)
NODES = _core("Node", "nodes", namespaced=False)
PODS = _core("Pod", "pods")
SERVICES = _core("Service", "services")
SECRETS = _core("Secret", "secrets")
CONFIG_MAPS = _core("ConfigMap", "configmaps")
ENDPOINTS = _core("Endpoints", "endpoints")
EVENTS = _core("Event", "events")
LIMIT_RANGES = _core("LimitRange", "limitranges")
QUOTAS = _core("ResourceQuota", "resourcequotas")
POD_TEMPLATES = _core("PodTemplate", "podtemplates")
SERVICE_ACCOUNTS = _core("ServiceAccount", "serviceaccounts")
RCS = _core("ReplicationController", "replicationcontrollers")
PVS = _core("PersistentVolume", "persistentvolumes", namespaced=False)
PVCS = _core("PersistentVolumeClaim", "persistentvolumeclaims")
CONTROLLER_REVISIONS = Kind("apps/v1", "ControllerRevision", "controllerrevisions")
DEPLOYMENTS = Kind("apps/v1", "Deployment", "deployments")
REPLICA_SETS = Kind("apps/v1", "ReplicaSet", "replicasets")
STATEFUL_SETS = Kind("apps/v1", "StatefulSet", "statefulsets")
DAEMON_SETS = Kind("apps/v1", "DaemonSet", "daemonsets")
JOBS = Kind("batch/v1", "Job", "jobs")
CRON_JOBS = Kind("batch/v1", "CronJob", "cronjobs")
PDBS = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
LEASES = Kind("coordination.k8s.io/v1", "Lease", "leases")
NEW_EVENTS = Kind("events.k8s.io/v1", "Event", "events")
SLICES = Kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
INGRESSES = Kind("networking.k8s.io/v1", "Ingress", "ingresses")
INGRESS_CLASSES = Kind("networking.k8s.io/v1", "IngressClass", "ingressclasses", namespaced=False)
SERVICE_CIDRS = Kind("networking.k8s.io/v1", "ServiceCIDR", "servicecidrs", namespaced=False)
IP_ADDRESSES = Kind("networking.k8s.io/v1", "IPAddress", "ipaddresses", namespaced=False)
RUNTIME_CLASSES = Kind("node.k8s.io/v1", "RuntimeClass", "runtimeclasses", namespaced=False)
PRIORITY_CLASSES = Kind(
    "scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", namespaced=False
)
CSRS = Kind(
    "certificates.k8s.io/v1",
    "CertificateSigningRequest",
    "certificatesigningrequests",
    namespaced=False,
)
STORAGE_CLASSES = Kind("storage.k8s.io/v1", "StorageClass", "storageclasses", namespaced=False)
CSI_DRIVERS = Kind("storage.k8s.io/v1", "CSIDriver", "csidrivers", namespaced=False)
CSI_NODES = Kind("storage.k8s.io/v1", "CSINode", "csinodes", namespaced=False)
CAPACITIES = Kind("storage.k8s.io/v1", "CSIStorageCapacity", "csistoragecapacities")
ATTACHMENTS = Kind("storage.k8s.io/v1", "VolumeAttachment", "volumeattachments", namespaced=False)
ATTRIBUTES_CLASSES = Kind(
    "storage.k8s.io/v1", "VolumeAttributesClass", "volumeattributesclasses", namespaced=False
)
DEVICE_CLASSES = Kind("resource.k8s.io/v1", "DeviceClass", "deviceclasses", namespaced=False)
CLAIMS = Kind("resource.k8s.io/v1", "ResourceClaim", "resourceclaims")
CLAIM_TEMPLATES = Kind("resource.k8s.io/v1", "ResourceClaimTemplate", "resourceclaimtemplates")
RESOURCE_SLICES = Kind("resource.k8s.io/v1", "ResourceSlice", "resourceslices", namespaced=False)
TOKEN_REVIEWS = Kind("authentication.k8s.io/v1", "TokenReview", "tokenreviews", namespaced=False)
ACCESS_REVIEWS = Kind(
    "authorization.k8s.io/v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False
)
LOCAL_ACCESS_REVIEWS = Kind(
    "authorization.k8s.io/v1", "LocalSubjectAccessReview", "localsubjectaccessreviews"
)
ROLE_BINDINGS = Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
VALIDATING_WEBHOOKS = Kind(
    "admissionregistration.k8s.io/v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    namespaced=False,
)
MUTATING_WEBHOOKS = Kind(
    "admissionregistration.k8s.io/v1",
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    namespaced=False,
)
