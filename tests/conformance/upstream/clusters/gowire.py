"""Objects as Go's generated code writes them in protobuf.

It writes every field that is no pointer, also when it is empty: "" for texts, an empty message for
structs and zero times. Roost's own writer leaves these out, so requests are encoded here. Which fields
are pointers is not in the schema; NOT_POINTERS lists the plain ones of what the tests send.
"""

from __future__ import annotations

from typing import Any, Final

from roost.api.protobuf import scalars
from roost.api.protobuf.envelope import wrap
from roost.api.protobuf.fields import Field, fields_of, message_of
from roost.api.protobuf.wire import DELIMITED, FIXED64, VARINT, tag, varint

_REFERENCE: Final = "kind namespace name uid apiVersion resourceVersion fieldPath"
NOT_POINTERS: Final[dict[str, frozenset[str]]] = {
    name: frozenset(fields.split())
    for name, fields in {
        "ObjectMeta": "name generateName namespace selfLink uid resourceVersion generation "
        "creationTimestamp",
        "Container": "name image workingDir resources terminationMessagePath imagePullPolicy "
        "stdin stdinOnce tty terminationMessagePolicy",
        "ContainerPort": "name hostPort containerPort protocol hostIP",
        "PodSpec": "restartPolicy dnsPolicy serviceAccountName serviceAccount nodeName "
        "hostNetwork hostPID hostIPC hostname subdomain schedulerName priorityClassName",
        "PodTemplateSpec": "metadata spec",
        "PodStatus": "phase message reason hostIP podIP qosClass nominatedNodeName resize "
        "observedGeneration",
        "PodCondition": "type status lastProbeTime lastTransitionTime reason message "
        "observedGeneration",
        "Volume": "name volumeSource",
        "VolumeMount": "name readOnly mountPath subPath subPathExpr",
        "ServiceSpec": "clusterIP type sessionAffinity loadBalancerIP externalName "
        "externalTrafficPolicy healthCheckNodePort publishNotReadyAddresses",
        "ServicePort": "name protocol port targetPort nodePort",
        "ServiceStatus": "loadBalancer",
        "core.v1.EndpointPort": "name port protocol",
        "EndpointAddress": "ip hostname",
        "discovery.v1.EndpointSlice": "addressType",
        "Endpoint": "conditions",
        "ObjectReference": _REFERENCE,
        "EventSource": "component host",
        "core.v1.Event": "involvedObject reason message source firstTimestamp lastTimestamp count "
        "type eventTime action reportingComponent reportingInstance",
        "events.v1.Event": "eventTime reportingController reportingInstance action reason "
        "regarding note type deprecatedSource deprecatedFirstTimestamp deprecatedLastTimestamp "
        "deprecatedCount",
        "PersistentVolumeSpec": "persistentVolumeReclaimPolicy storageClassName "
        "persistentVolumeSource",
        "PersistentVolumeStatus": "phase message reason",
        "PersistentVolumeClaimSpec": "volumeName resources",
        "PersistentVolumeClaimStatus": "phase",
        "PersistentVolumeClaimCondition": "type status lastProbeTime lastTransitionTime reason "
        "message",
        "CSIPersistentVolumeSource": "driver volumeHandle readOnly fsType",
        "NodeSpec": "podCIDR providerID unschedulable externalID",
        "NodeStatus": "phase daemonEndpoints nodeInfo",
        "NodeCondition": "type status lastHeartbeatTime lastTransitionTime reason message",
        "DeploymentSpec": "template strategy minReadySeconds paused",
        "DeploymentStatus": "observedGeneration replicas updatedReplicas availableReplicas "
        "unavailableReplicas readyReplicas",
        "DeploymentStrategy": "type",
        "DeploymentCondition": "type status reason message lastUpdateTime lastTransitionTime",
        "ReplicaSetSpec": "minReadySeconds template",
        "ReplicaSetStatus": "replicas fullyLabeledReplicas observedGeneration readyReplicas "
        "availableReplicas",
        "StatefulSetSpec": "template serviceName podManagementPolicy updateStrategy "
        "minReadySeconds",
        "StatefulSetStatus": "observedGeneration replicas readyReplicas currentReplicas "
        "updatedReplicas currentRevision updateRevision availableReplicas",
        "StatefulSetUpdateStrategy": "type",
        "DaemonSetSpec": "template updateStrategy minReadySeconds",
        "DaemonSetUpdateStrategy": "type",
        "DaemonSetStatus": "currentNumberScheduled numberMisscheduled desiredNumberScheduled "
        "numberReady observedGeneration updatedNumberScheduled numberAvailable numberUnavailable",
        "ReplicationControllerSpec": "minReadySeconds",
        "ReplicationControllerStatus": "replicas fullyLabeledReplicas observedGeneration "
        "readyReplicas availableReplicas",
        "JobSpec": "template",
        "JobStatus": "active succeeded failed",
        "CronJobSpec": "schedule concurrencyPolicy jobTemplate",
        "JobTemplateSpec": "metadata spec",
        "VolumeAttachmentSpec": "attacher source nodeName",
        "VolumeAttachmentStatus": "attached",
        "LimitRangeItem": "type",
        "CertificateSigningRequestSpec": "username uid signerName",
        "CertificateSigningRequestCondition": "type reason message lastUpdateTime "
        "lastTransitionTime status",
        "SubjectAccessReviewSpec": "user uid",
        "SubjectAccessReviewStatus": "allowed reason evaluationError denied",
        "ResourceAttributes": "namespace verb group version resource subresource name",
        "TokenReviewSpec": "token",
        "TokenReviewStatus": "authenticated user error",
        "UserInfo": "username uid",
        "TokenRequestStatus": "token expirationTimestamp",
        "PriorityClass": "value globalDefault description",
        "RuntimeClass": "handler",
        "StorageClass": "provisioner",
        "CSIStorageCapacity": "storageClassName",
        "VolumeAttributesClass": "driverName",
        "PodDisruptionBudgetStatus": "observedGeneration disruptionsAllowed currentHealthy "
        "desiredHealthy expectedPods",
        "IngressRule": "host ingressRuleValue",
        "IngressClassSpec": "controller",
        "ControllerRevision": "data revision",
    }.items()
}
#: Structs that every kind with such a field holds by value.
_BY_VALUE: Final = frozenset({"metadata", "spec", "status", "template"})
_POINTERS: Final = frozenset({"core.v1.ReplicationControllerSpec.template"})


def encode(api_version: str, kind: str, value: dict[str, Any]) -> bytes:
    """Return an object in its envelope."""
    name = message_of(api_version, kind)
    assert name is not None, (api_version, kind)
    return wrap(api_version, kind, _message(name, value))


def _message(name: str, value: dict[str, Any]) -> bytes:
    short = name.rpartition(".")[2]
    package_and_short = ".".join(name.split(".")[-3:])
    plain = NOT_POINTERS.get(short) or NOT_POINTERS.get(package_and_short) or frozenset()
    parts = []
    for field in fields_of(name):
        if field.inline:
            inner = {f.name for f in fields_of(field.type)}
            found = {key: item for key, item in value.items() if key in inner}
            parts.append(_delimited(field.number, _message(field.type, found)))
        elif value.get(field.name) is not None:
            parts.append(_present(field, value[field.name]))
        elif not (field.repeated or field.mapped) and (field.name in plain or _held(name, field)):
            parts.append(_zero(field))
    return b"".join(parts)


def _held(name: str, field: Field) -> bool:
    return field.is_message and field.name in _BY_VALUE and f"{name}.{field.name}" not in _POINTERS


def _zero(field: Field) -> bytes:
    if field.is_message:
        return _delimited(field.number, _message(field.type, {}))
    if field.type == "intorstring":
        return _delimited(field.number, b"\x08\x00\x10\x00\x1a\x00")
    if field.type in ("bool", "int32", "int64"):
        return tag(field.number, VARINT) + b"\x00"
    return _delimited(field.number, b"")


def _delimited(number: int, raw: bytes) -> bytes:
    return tag(number, DELIMITED) + scalars.delimited(raw)


def _present(field: Field, value: Any) -> bytes:
    if field.repeated:
        return b"".join(_single(field, field.number, item) for item in value)
    if field.mapped:
        text = field._replace(mapped=False)
        return b"".join(
            _delimited(field.number, _delimited(1, key.encode()) + _single(text, 2, item))
            for key, item in value.items()
        )
    return _single(field, field.number, value)


def _single(field: Field, number: int, value: Any) -> bytes:
    if field.is_message:
        return _delimited(number, _message(field.type, value))
    if field.type in ("bool", "int32", "int64"):
        return tag(number, VARINT) + varint(int(value))
    if field.type == "double":
        return tag(number, FIXED64) + scalars.write_double(value)
    return _delimited(number, _RAW[field.type](value))


_RAW: Final = {
    "string": str.encode,
    "bytes": scalars.write_bytes,
    "time": scalars.write_time,
    "microtime": scalars.write_time,
    "quantity": scalars.write_quantity,
    "intorstring": scalars.write_int_or_string,
    "json": scalars.write_json,
    "texts": scalars.write_texts,
}
