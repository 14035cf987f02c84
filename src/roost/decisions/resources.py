"""The addresses of the built-in resources that controllers, the scheduler and the node agent look at."""

from __future__ import annotations

from roost.api.kind import Resource

CONFIG_MAPS = Resource("", "v1", "configmaps")
ENDPOINTS = Resource("", "v1", "endpoints")
EVENTS = Resource("", "v1", "events")
NAMESPACES = Resource("", "v1", "namespaces")
NODES = Resource("", "v1", "nodes")
PERSISTENT_VOLUME_CLAIMS = Resource("", "v1", "persistentvolumeclaims")
PERSISTENT_VOLUMES = Resource("", "v1", "persistentvolumes")
PODS = Resource("", "v1", "pods")
REPLICATION_CONTROLLERS = Resource("", "v1", "replicationcontrollers")
RESOURCE_QUOTAS = Resource("", "v1", "resourcequotas")
SECRETS = Resource("", "v1", "secrets")
SECRETS = Resource("", "v1", "secrets")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts")
SERVICES = Resource("", "v1", "services")

CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions")
DAEMON_SETS = Resource("apps", "v1", "daemonsets")
DEPLOYMENTS = Resource("apps", "v1", "deployments")
REPLICA_SETS = Resource("apps", "v1", "replicasets")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets")

HORIZONTAL_POD_AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers")

CRON_JOBS = Resource("batch", "v1", "cronjobs")
JOBS = Resource("batch", "v1", "jobs")

API_SERVICES = Resource("apiregistration.k8s.io", "v1", "apiservices")
CLUSTER_ROLES = Resource("rbac.authorization.k8s.io", "v1", "clusterroles")
CUSTOM_RESOURCE_DEFINITIONS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices")
CERTIFICATE_SIGNING_REQUESTS = Resource("certificates.k8s.io", "v1", "certificatesigningrequests")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
POD_DISRUPTION_BUDGETS = Resource("policy", "v1", "poddisruptionbudgets")
IP_ADDRESSES = Resource("networking.k8s.io", "v1", "ipaddresses")
SERVICE_CIDRS = Resource("networking.k8s.io", "v1", "servicecidrs")

DEVICE_CLASSES = Resource("resource.k8s.io", "v1", "deviceclasses")
RESOURCE_CLAIMS = Resource("resource.k8s.io", "v1", "resourceclaims")
RESOURCE_CLAIM_TEMPLATES = Resource("resource.k8s.io", "v1", "resourceclaimtemplates")
RESOURCE_SLICES = Resource("resource.k8s.io", "v1", "resourceslices")

CSI_NODES = Resource("storage.k8s.io", "v1", "csinodes")
CSI_STORAGE_CAPACITIES = Resource("storage.k8s.io", "v1", "csistoragecapacities")
CSI_DRIVERS = Resource("storage.k8s.io", "v1", "csidrivers")
STORAGE_CLASSES = Resource("storage.k8s.io", "v1", "storageclasses")
VOLUME_ATTACHMENTS = Resource("storage.k8s.io", "v1", "volumeattachments")
VOLUME_ATTRIBUTES_CLASSES = Resource("storage.k8s.io", "v1", "volumeattributesclasses")
