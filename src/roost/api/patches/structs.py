"""What the schema document does not say of Go's structs, and field ownership depends on.

In the real server a built-in object is a struct: its fields that are no pointers and not left out
when empty are always there, so that nobody adds them (`f:spec` is no member when a Pod is created,
`f:data` of a ConfigMap is). Keys of list items have defaults that the document does not carry.
"""

from __future__ import annotations

from typing import Any

from roost.api.schema.node import Node

#: Definition (its last part) -> field -> the value that it has when nothing was set.
_ZERO: dict[str, dict[str, Any]] = {
    "PodSpec": {"containers": None},
    "PodTemplateSpec": {"metadata": {}, "spec": {}},
    "PodTemplate": {"template": {}},
    "DeploymentSpec": {"selector": None, "template": {}, "strategy": {}},
    "ReplicaSetSpec": {"selector": None, "template": {}},
    "StatefulSetSpec": {
        "selector": None, "template": {}, "serviceName": "", "updateStrategy": {},
    },
    "DaemonSetSpec": {"selector": None, "template": {}, "updateStrategy": {}},
    "JobSpec": {"template": {}},
    "JobTemplateSpec": {"metadata": {}, "spec": {}},
    "CronJobSpec": {"schedule": "", "jobTemplate": {}},
    "ServiceStatus": {"loadBalancer": {}},
    "IngressStatus": {"loadBalancer": {}},
    "PersistentVolumeClaimSpec": {"resources": {}},
    "PersistentVolumeClaimTemplate": {"metadata": {}, "spec": {}},
    "NetworkPolicySpec": {"podSelector": {}},
    "HorizontalPodAutoscalerSpec": {"scaleTargetRef": {}, "maxReplicas": 0},
    "CrossVersionObjectReference": {"kind": "", "name": ""},
    "Event": {
        "involvedObject": {}, "source": {}, "firstTimestamp": None, "lastTimestamp": None,
        "eventTime": None, "reportingComponent": "", "reportingInstance": "", "regarding": {},
        "deprecatedSource": {}, "deprecatedFirstTimestamp": None, "deprecatedLastTimestamp": None,
    },
    "NodeStatus": {"daemonEndpoints": {}, "nodeInfo": {}},
    "NodeDaemonEndpoints": {"kubeletEndpoint": {}},
    "Binding": {"target": {}},
    "Role": {"rules": None},
    "ClusterRole": {"rules": None},
    "RoleBinding": {"roleRef": {}},
    "ClusterRoleBinding": {"roleRef": {}},
    "RoleRef": {"apiGroup": "", "kind": "", "name": ""},
    "EndpointSlice": {"addressType": "", "endpoints": None},
    "ControllerRevision": {"revision": 0},
    "StorageClass": {"provisioner": ""},
    "CSINodeSpec": {"drivers": None},
    "VolumeAttachmentSpec": {"attacher": "", "source": {}, "nodeName": ""},
    "VolumeAttachmentStatus": {"attached": False},
    "RuntimeClass": {"handler": ""},
    "PriorityClass": {"value": 0},
    "CertificateSigningRequestSpec": {"request": None, "signerName": ""},
    "LimitRangeSpec": {"limits": None},
    "FlowSchemaSpec": {"priorityLevelConfiguration": {}, "matchingPrecedence": 0},
    "PriorityLevelConfigurationReference": {"name": ""},
    "PriorityLevelConfigurationSpec": {"type": ""},
    "CustomResourceDefinitionSpec": {"group": "", "names": {}, "scope": "", "versions": None},
    "CustomResourceDefinitionNames": {"plural": "", "kind": ""},
    "CustomResourceDefinitionStatus": {
        "conditions": None, "acceptedNames": {}, "storedVersions": None,
    },
    "ResourceClaimSpec": {"devices": {}},
    "ResourceClaimTemplateSpec": {"metadata": {}, "spec": {}},
    "ResourceSliceSpec": {"driver": "", "pool": {}},
    "ResourcePool": {"name": "", "generation": 0, "resourceSliceCount": 0},
    "APIServiceSpec": {"groupPriorityMinimum": 0, "versionPriority": 0},
    "ScaleStatus": {"replicas": 0},
    "TokenRequestSpec": {"audiences": None, "expirationSeconds": None, "boundObjectRef": None},
    "SubjectAccessReviewStatus": {"allowed": False},
}  # fmt: skip
#: The parts of a built-in object that are structs whatever its kind.
_PARTS = {"metadata": {}, "spec": {}, "status": {}}  # type: dict[str, dict[str, Any]]
_BUILT_IN = "io.k8s."
_KEY_DEFAULTS = {"protocol": "TCP"}


def zeros_of(node: Node) -> dict[str, Any]:
    """Return the fields of a built-in type that are always there, with what they are when not set."""
    zeros = node.zeros
    if zeros is None:
        zeros = node.zeros = _zeros(node)
    return zeros


def _zeros(node: Node) -> dict[str, Any]:
    if not node.name.startswith(_BUILT_IN):
        return {}
    whole = "kind" in node.fields and "apiVersion" in node.fields
    return {**(_PARTS if whole else {}), **_ZERO.get(node.name.rpartition(".")[2], {})}


def key_default(items: Node, key: str) -> Any:
    """Return the value of a key that an item of a list omits; None if there is none."""
    child = items.fields.get(key)
    if child is None:
        return None
    child = child.resolve()
    if child.default is not None:
        return child.default
    if not items.name.startswith(_BUILT_IN):
        return None
    if key in _KEY_DEFAULTS:
        return _KEY_DEFAULTS[key]
    return "" if child.type == "string" and key in items.required else None
