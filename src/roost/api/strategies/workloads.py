"""Strategies of what keeps pods running."""

from __future__ import annotations

from roost.api.defaults.workloads import TEMPLATE_GENERATION
from roost.api.kind import Change
from roost.api.numerals import natural
from roost.api.strategies.disabled import drop_of_template
from roost.api.strategies.strategy import Strategy, next_generation, take
from roost.api.values import Object

_REVISION = "deployment.kubernetes.io/revision"


def _annotations(value: Object | None) -> Object:
    found: Object = ((value or {}).get("metadata") or {}).get("annotations") or {}
    return found


def _deployment_update(change: Change) -> None:
    """Annotations count too: they are how rollouts are paused and restarted from outside."""
    drop_of_template(change)
    if _annotations(change.object) != _annotations(change.old):
        next_generation(change)


def _deployment_status(change: Change) -> None:
    take(change.object["metadata"], (change.old or {}).get("metadata") or {}, "labels")


def _drop(change: Change) -> None:
    drop_of_template(change)


def _drop_of_bare(change: Change) -> None:
    drop_of_template(change, "template")


def _rolling(value: Object | None) -> Object:
    strategy = ((value or {}).get("spec") or {}).get("updateStrategy") or {}
    found: Object = strategy.get("rollingUpdate") or {}
    return found


def _drop_of_stateful_set(change: Change) -> None:
    drop_of_template(change)
    if _rolling(change.old).get("maxUnavailable") is None:
        _rolling(change.object).pop("maxUnavailable", None)


DEPLOYMENT = Strategy(
    status={},
    counted=("spec",),
    create=_drop,
    update=_deployment_update,
    status_update=_deployment_status,
)
REPLICA_SET = REPLICATION_CONTROLLER = Strategy(
    status={"replicas": 0}, counted=("spec",), create=_drop, update=_drop
)
STATEFUL_SET = Strategy(
    status={"replicas": 0, "availableReplicas": 0},
    counted=("spec",),
    create=_drop_of_stateful_set,
    update=_drop_of_stateful_set,
)
POD_TEMPLATE = Strategy(counted=("template",), create=_drop_of_bare, update=_drop_of_bare)


def _set_template_generation(change: Change, number: str) -> None:
    change.object["metadata"].setdefault("annotations", {})[TEMPLATE_GENERATION] = number


def _daemon_set_create(change: Change) -> None:
    drop_of_template(change)
    _set_template_generation(change, "1")


def _daemon_set_update(change: Change) -> None:
    drop_of_template(change)
    old = change.old or {}
    number = _annotations(old).get(TEMPLATE_GENERATION, "1")
    before, after = old.get("spec") or {}, change.object.get("spec") or {}
    if before.get("template") != after.get("template"):
        number = str((natural(number) or 0) + 1)
    _set_template_generation(change, number)


DAEMON_SET = Strategy(
    status={
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
    },
    counted=("spec",),
    create=_daemon_set_create,
    update=_daemon_set_update,
)
