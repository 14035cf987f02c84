"""The FlowSchemas and PriorityLevelConfigurations that every cluster begins with.

They are those of the real server. Those in MANDATORY are put right whatever they were changed to; the
others only for as long as they carry the annotation that asks for it.
"""

from __future__ import annotations

from typing import Final

from roost.api.kind import Resource
from roost.api.validation import mandatoryflows
from roost.api.values import Object

GROUP: Final = "flowcontrol.apiserver.k8s.io"
SCHEMAS: Final = Resource(GROUP, "v1", "flowschemas")
LEVELS: Final = Resource(GROUP, "v1", "prioritylevelconfigurations")
AUTO_UPDATE: Final = "apf.kubernetes.io/autoupdate-spec"
MANDATORY: Final = frozenset(mandatoryflows.SCHEMAS)

_API_VERSION: Final = f"{GROUP}/v1"
_EVERY: Final = ["*"]
_TAKING: Final = ["get", "create", "update"]
_MANAGER: Final = "system:kube-controller-manager"
_SCHEDULER: Final = "system:kube-scheduler"


def _level(name: str, spec: Object) -> Object:
    return _object("PriorityLevelConfiguration", name, spec)


def _object(kind: str, name: str, spec: Object) -> Object:
    metadata = {"name": name, "annotations": {AUTO_UPDATE: "true"}}
    return {"apiVersion": _API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def _limited(name: str, shares: int, lendable: int, queues: int, hand: int) -> Object:
    queuing = {"queues": queues, "handSize": hand, "queueLengthLimit": 50}
    limited = {
        "nominalConcurrencyShares": shares,
        "lendablePercent": lendable,
        "limitResponse": {"type": "Queue", "queuing": queuing},
    }
    return _level(name, {"type": "Limited", "limited": limited})


DEFAULT_LEVELS: Final = (
    *(_level(name, spec) for name, spec in mandatoryflows.LEVELS.items()),
    _limited("system", 30, 33, 64, 6),
    _limited("node-high", 40, 25, 64, 6),
    _limited("leader-election", 10, 0, 16, 4),
    _limited("workload-high", 40, 50, 128, 6),
    _limited("workload-low", 100, 90, 128, 6),
    _limited("global-default", 20, 50, 128, 6),
)


def _groups(*names: str) -> list[Object]:
    return [{"kind": "Group", "group": {"name": name}} for name in names]


def _users(*names: str) -> list[Object]:
    return [{"kind": "User", "user": {"name": name}} for name in names]


def _accounts(*names: str) -> list[Object]:
    return [
        {"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": name}}
        for name in names
    ]


def _resources(verbs: list[str], group: str, resources: list[str], *, cluster: bool) -> Object:
    rule: Object = {"verbs": verbs, "apiGroups": [group], "resources": resources}
    if cluster:
        rule["clusterScope"] = True
    rule["namespaces"] = _EVERY
    return rule


_ANYTHING: Final = {
    "resourceRules": [_resources(_EVERY, "*", _EVERY, cluster=True)],
    "nonResourceRules": [{"verbs": _EVERY, "nonResourceURLs": _EVERY}],
}


def _schema(
    name: str, level: str, precedence: int, method: str, subjects: list[Object], rules: Object
) -> Object:
    spec: Object = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence}
    if method:
        spec["distinguisherMethod"] = {"type": method}
    spec["rules"] = [{"subjects": subjects, **rules}]
    return _object("FlowSchema", name, spec)


def _on(*rules: Object) -> Object:
    return {"resourceRules": list(rules)}


_LEASES: Final = _resources(_TAKING, "coordination.k8s.io", ["leases"], cluster=False)
_NODES: Final = _groups("system:nodes")
_EVERYBODY: Final = _groups("system:unauthenticated", "system:authenticated")
_USER: Final = "ByUser"
_NAMESPACE: Final = "ByNamespace"

DEFAULT_SCHEMAS: Final = (
    _schema("exempt", "exempt", 1, "", _groups("system:masters"), _ANYTHING),
    _schema(
        "probes", "exempt", 2, "", _EVERYBODY,
        {
            "nonResourceRules": [
                {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}
            ]
        },
    ),
    _schema(
        "system-leader-election", "leader-election", 100, _USER,
        [*_users(_MANAGER, _SCHEDULER), *_accounts("*")], _on(_LEASES),
    ),
    _schema(
        "endpoint-controller", "workload-high", 150, _USER,
        [*_users(_MANAGER), *_accounts("endpoint-controller", "endpointslicemirroring-controller")],
        _on(_resources(_TAKING, "", ["endpoints"], cluster=False)),
    ),
    _schema(
        "workload-leader-election", "leader-election", 200, _USER, _accounts("*"),
        _on(_resources(_TAKING, "", ["endpoints", "configmaps"], cluster=False), _LEASES),
    ),
    _schema(
        "system-node-high", "node-high", 400, _USER, _NODES,
        _on(
            _resources(_EVERY, "", ["nodes", "nodes/status"], cluster=True),
            _resources(_EVERY, "coordination.k8s.io", ["leases"], cluster=False),
        ),
    ),
    _schema("system-nodes", "system", 500, _USER, _NODES, _ANYTHING),
    _schema(
        "kube-controller-manager", "workload-high", 800, _NAMESPACE, _users(_MANAGER), _ANYTHING
    ),
    _schema("kube-scheduler", "workload-high", 800, _NAMESPACE, _users(_SCHEDULER), _ANYTHING),
    _schema(
        "kube-system-service-accounts", "workload-high", 900, _NAMESPACE, _accounts("*"), _ANYTHING
    ),
    _schema(
        "service-accounts", "workload-low", 9000, _USER, _groups("system:serviceaccounts"),
        _ANYTHING,
    ),
    _schema("global-default", "global-default", 9900, _USER, _EVERYBODY, _ANYTHING),
    _schema("catch-all", "catch-all", 10000, _USER, _EVERYBODY, _ANYTHING),
)  # fmt: skip


def wanted_spec(existing: Object, default: Object) -> Object | None:
    """Return the spec that an existing object should have instead of its own, None if it is right."""
    annotations = existing["metadata"].get("annotations") or {}
    mended = existing["metadata"]["name"] in MANDATORY or annotations.get(AUTO_UPDATE) == "true"
    if not mended or existing.get("spec") == default["spec"]:
        return None
    spec: Object = default["spec"]
    return spec


def dangling(schema: Object, levels: frozenset[str]) -> Object:
    """Return type, status, reason and message of the condition of a FlowSchema."""
    name = schema["spec"]["priorityLevelConfiguration"]["name"]
    text = f'This FlowSchema references the PriorityLevelConfiguration object named "{name}"'
    if name in levels:
        return {
            "type": "Dangling", "status": "False", "reason": "Found",
            "message": f"{text} and it exists",
        }  # fmt: skip
    return {
        "type": "Dangling", "status": "True", "reason": "NotFound",
        "message": f"{text} but there is no such object",
    }  # fmt: skip
