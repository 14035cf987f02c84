"""Defaults of what keeps pods running: deployments, replica sets, stateful sets, daemon sets."""

from __future__ import annotations

from roost.api.defaults.filling import fill, part
from roost.api.defaults.pods import pod_template
from roost.api.defaults.volumes import claim_spec
from roost.api.errors import BadRequest
from roost.api.kind import Change
from roost.api.numerals import int64_fault
from roost.api.values import Object

_KEPT_REVISIONS = 10
_PROGRESS_DEADLINE_S = 600
#: Where apps/v1 keeps the number of a DaemonSet's template; it is always written.
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
#: Where apps/v1 keeps the revision that a deployment is to go back to.
_ROLLBACK = "deprecated.deployment.rollback.rollbackTo"


def _read_number(value: Object, kind: str, annotation: str, why: str = "") -> None:
    """Refuse a field that is written as an annotation, if it is no number; raises BadRequest."""
    text = ((value.get("metadata") or {}).get("annotations") or {}).get(annotation)
    if text is not None and (fault := int64_fault(text)):
        why = why.format(text) + fault
        raise BadRequest(f'{kind} in version "v1" cannot be handled as a {kind}: {why}')


def deployment(change: Change) -> None:
    """Fill in a Deployment; raises BadRequest."""
    annotations = (change.object.get("metadata") or {}).get("annotations") or {}
    if annotations.get(_ROLLBACK) == "":
        del annotations[_ROLLBACK]
    why = f"failed to parse annotation[{_ROLLBACK}]={{}} as int64: "
    _read_number(change.object, "Deployment", _ROLLBACK, why)
    spec = part(change.object, "spec")
    part(change.object, "status")
    fill(spec, replicas=1)
    strategy = part(spec, "strategy")
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = part(strategy, "rollingUpdate")
        fill(rolling, maxUnavailable="25%")
        fill(rolling, maxSurge="25%")
    fill(spec, revisionHistoryLimit=_KEPT_REVISIONS)
    fill(spec, progressDeadlineSeconds=_PROGRESS_DEADLINE_S)
    part(spec, "template")
    pod_template(spec)


def replica_set(change: Change) -> None:
    """Fill in a ReplicaSet."""
    spec = part(change.object, "spec")
    fill(part(change.object, "status"), replicas=0)
    fill(spec, replicas=1)
    part(spec, "template")
    pod_template(spec)


def replication_controller(change: Change) -> None:
    """Fill in a ReplicationController; the template's labels serve as selector and labels."""
    spec = part(change.object, "spec")
    fill(part(change.object, "status"), replicas=0)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        if not spec.get("selector"):
            spec["selector"] = dict(labels)
        meta = part(change.object, "metadata")
        if not meta.get("labels"):
            meta["labels"] = dict(labels)
    fill(spec, replicas=1)
    pod_template(spec)


def stateful_set(change: Change) -> None:
    """Fill in a StatefulSet."""
    spec = part(change.object, "spec")
    status = part(change.object, "status")
    fill(status, replicas=0)
    fill(status, availableReplicas=0)
    if not spec.get("podManagementPolicy"):
        spec["podManagementPolicy"] = "OrderedReady"
    fill(spec, serviceName="")
    strategy = part(spec, "updateStrategy")
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        part(strategy, "rollingUpdate")
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == "RollingUpdate" and rolling is not None:
        fill(rolling, partition=0)
    retention = part(spec, "persistentVolumeClaimRetentionPolicy")
    for key in ("whenDeleted", "whenScaled"):
        if not retention.get(key):
            retention[key] = "Retain"
    fill(spec, replicas=1)
    fill(spec, revisionHistoryLimit=_KEPT_REVISIONS)
    part(spec, "template")
    pod_template(spec)
    for claim in spec.get("volumeClaimTemplates") or ():
        claim["kind"] = "PersistentVolumeClaim"
        claim["apiVersion"] = "v1"
        part(claim, "metadata")
        claim_spec(part(claim, "spec"))
        fill(part(claim, "status"), phase="Pending")


def daemon_set(change: Change) -> None:
    """Fill in a DaemonSet; raises BadRequest."""
    _read_number(change.object, "DaemonSet", TEMPLATE_GENERATION)
    annotations = part(part(change.object, "metadata"), "annotations")
    annotations.setdefault(TEMPLATE_GENERATION, "0")
    spec = part(change.object, "spec")
    status = part(change.object, "status")
    for key in (
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
    ):
        fill(status, **{key: 0})
    strategy = part(spec, "updateStrategy")
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
    if strategy["type"] == "RollingUpdate":
        rolling = part(strategy, "rollingUpdate")
        fill(rolling, maxUnavailable=1)
        fill(rolling, maxSurge=0)
    fill(spec, revisionHistoryLimit=_KEPT_REVISIONS)
    part(spec, "template")
    pod_template(spec)


def controller_revision(change: Change) -> None:
    """Fill in a ControllerRevision."""
    fill(change.object, revision=0)
