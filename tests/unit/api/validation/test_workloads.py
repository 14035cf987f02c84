"""Rules of workloads, jobs and schedules."""

from collections.abc import Callable
from typing import Any

import pytest

from roost.api.validation import schedules

Refused = Callable[..., list[str]]
LABELS = {"app": "x"}


def template(labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    containers = [{"name": "c", "image": "i:1"}]
    return {
        "metadata": {"labels": LABELS if labels is None else labels},
        "spec": {"containers": containers, **spec},
    }


def deployment(**spec: Any) -> dict[str, Any]:
    return {"spec": {"selector": {"matchLabels": LABELS}, "template": template(), **spec}}


def job(**spec: Any) -> dict[str, Any]:
    return {"spec": {"template": template(restartPolicy="Never"), **spec}}


def test_a_plain_deployment_passes(refused: Refused) -> None:
    assert refused("apps", "Deployment", deployment()) == []


def test_a_selector_selects_its_template(refused: Refused) -> None:
    (cause,) = refused("apps", "Deployment", deployment(template=template({"app": "y"})))
    assert cause == (
        'spec.template.metadata.labels: Invalid value: {"app":"y"}: '
        "`selector` does not match template `labels`"
    )


def test_a_selector_is_for_ever(refused: Refused) -> None:
    other = {"app": "y"}
    changed = deployment(selector={"matchLabels": other}, template=template(other))
    (cause,) = refused("apps", "Deployment", changed, deployment())
    assert cause.startswith("spec.selector: Invalid value: ")
    assert cause.endswith("field is immutable")


def test_replicas_are_not_negative(refused: Refused) -> None:
    assert refused("apps", "ReplicaSet", deployment(replicas=-1)) == [
        "spec.replicas: Invalid value: -1: must be greater than or equal to 0"
    ]


def test_a_deployment_restarts_always(refused: Refused) -> None:
    causes = refused("apps", "Deployment", deployment(template=template(restartPolicy="Never")))
    assert causes == [
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'
    ]


def test_a_rolling_update_gets_somewhere(refused: Refused) -> None:
    rolling = {"maxUnavailable": 0, "maxSurge": 0}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    assert refused("apps", "Deployment", deployment(strategy=strategy)) == [
        (
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: "
            "may not be 0 when `maxSurge` is 0"
        )
    ]


def test_a_job_ends(refused: Refused) -> None:
    assert refused("batch", "Job", job()) == []
    (cause,) = refused("batch", "Job", {"spec": {"template": template()}})
    assert cause.startswith('spec.template.spec.restartPolicy: Required value: valid values: "')


def test_a_jobs_completions_are_for_ever(refused: Refused) -> None:
    causes = refused("batch", "Job", job(completions=2), job(completions=1))
    assert causes == ["spec.completions: Invalid value: 2: field is immutable"]


@pytest.mark.parametrize(
    "schedule", ["* * * * *", "*/5 0-3 1,15 JAN mon", "@daily", "@every 1h30m"]
)
def test_schedules(schedule: str) -> None:
    assert schedules.fault_of(schedule) == ""


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("a * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
    ],
)
def test_faults_of_schedules(schedule: str, said: str) -> None:
    assert schedules.fault_of(schedule) == said


def test_stateful_sets_warn_and_check_their_claims(refused: Refused) -> None:
    labels = {"a": "b"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    claim = {"metadata": {"name": "v"}, "spec": {"accessModes": ["ReadWriteOnce"]}}
    spec = {
        "selector": {"matchLabels": labels},
        "template": template,
        "serviceName": "s",
        "revisionHistoryLimit": -1,
        "volumeClaimTemplates": [claim],
    }
    assert refused("apps", "StatefulSet", {"spec": spec}) == [
        "spec.volumeClaimTemplates[0].spec.resources[storage]: Required value"
    ]
    claim["spec"]["resources"] = {"requests": {"storage": "500m"}}  # type: ignore[index]  # a dict
    warnings: list[str] = []
    assert not refused("apps", "StatefulSet", {"spec": spec}, warnings=warnings)
    assert [text.partition(":")[0] for text in warnings] == [
        "spec.volumeClaimTemplates[0].resources.requests[storage]",
        "spec.revisionHistoryLimit",
    ]
    bad = {"metadata": {"name": "a.b"}, "spec": spec}
    assert refused("apps", "StatefulSet", bad)[0].startswith("metadata.name: Invalid value")
