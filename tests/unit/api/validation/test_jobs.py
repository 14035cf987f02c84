"""Jobs and CronJobs: policies, indexes, templates that may change, statuses, warnings."""

from collections.abc import Callable
from typing import Any

import pytest

from roost.api.kind import Change
from roost.api.validation.batch import JOB

Refused = Callable[..., list[str]]
Spec = dict[str, Any]
META = {"name": "j", "namespace": "ns", "uid": "u", "resourceVersion": "1"}


def template(**fields: Any) -> Spec:
    container = {"name": "c", "image": "i"}
    return {"spec": {"containers": [container], "restartPolicy": "Never", **fields}}


def job(**fields: Any) -> Spec:
    return {"spec": {"template": template(), **fields}}


def indexed(**fields: Any) -> Spec:
    return job(completionMode="Indexed", **{"completions": 5, **fields})


def of_rule(rule: Spec) -> Spec:
    return indexed(successPolicy={"rules": [rule]})


LIMIT = "must be less than or equal to"


@pytest.mark.parametrize(
    ("rule", "causes"),
    [
        ({"succeededIndexes": "0-2,4", "succeededCount": 4}, []),
        ({"succeededCount": 0}, []),
        (
            {"succeededCount": 6},
            [f"{LIMIT} 5 (the number of specified completions)"],
        ),
        ({"succeededIndexes": "7"}, ['too large index: "7"']),
        ({"succeededIndexes": "2,1"}, ["non-increasing order, previous: 2, current: 1"]),
        ({"succeededIndexes": "3-3"}, ["non-increasing order, previous: 3, current: 3"]),
        ({"succeededIndexes": "x"}, ['cannot convert string to integer for index: "x"']),
        (
            {"succeededIndexes": "0-1-2"},
            [
                ('the fragment "0-1-2" violates the requirement that an index interval can have at '
                "most two parts separated by '-'")
            ],
        ),
    ],
)  # fmt: skip
def test_success_policy(refused: Refused, rule: Spec, causes: list[str]) -> None:
    found = refused("batch", "Job", of_rule(rule))
    assert len(found) == len(causes)
    for got, expected in zip(found, causes, strict=True):
        assert got.endswith(expected)


def test_success_policy_needs_indexes(refused: Refused) -> None:
    assert refused("batch", "Job", job(successPolicy={"rules": [{"succeededCount": 1}]})) == [
        (
            'spec.successPolicy: Invalid value: {"Rules":[{"SucceededIndexes":null,'
            '"SucceededCount":1}]}: requires indexed completion mode'
        )
    ]


def test_failure_policy(refused: Refused) -> None:
    conditions = [{"type": "T", "status": "True"}] * 21
    rules = [
        {"action": "Count"},
        {"action": "Count", "onPodConditions": conditions},
        {"action": "Count", "onExitCodes": {"operator": "In", "values": [300, 2]}},
        {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [0]}},
    ]
    path = "spec.podFailurePolicy.rules"
    assert refused("batch", "Job", job(podFailurePolicy={"rules": rules})) == [
        f"{path}[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
        f"{path}[1].onPodConditions: Too many: 21: must have at most 20 items",
        f"{path}[2].onExitCodes.values: Invalid value: [300,2]: must be ordered",
        (
            f'{path}[3].action: Invalid value: "FailIndex": '
            "requires the backoffLimitPerIndex to be set"
        ),
        f"{path}[3].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator",
    ]


def test_very_many_indexes(refused: Refused) -> None:
    many = {"completions": 200_000, "parallelism": 1, "backoffLimitPerIndex": 1}
    text = "when completions are above 100000 and used with backoff limit per index"
    assert refused("batch", "Job", indexed(**many, maxFailedIndexes=20_000)) == [
        f"spec.maxFailedIndexes: Invalid value: 20000: {LIMIT} 10000 {text}"
    ]
    assert refused("batch", "Job", indexed(maxFailedIndexes=1)) == [
        "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"
    ]


def test_warnings(refused: Refused) -> None:
    warnings: list[str] = []
    many = {"completions": 200_000, "parallelism": 20_000}
    assert not refused("batch", "Job", indexed(**many), warnings=warnings)
    cron = {
        "metadata": {"name": "a.b"},
        "spec": {"schedule": "0 0 * * *", "jobTemplate": indexed(**many)},
    }
    assert not refused("batch", "CronJob", cron, warnings=warnings)
    assert [text.partition(":")[0] for text in warnings] == [
        "spec",
        "metadata.name",
        "spec.jobTemplate.spec",
    ]


def test_zone_in_schedule(refused: Refused) -> None:
    warnings: list[str] = []
    spec = {"schedule": "TZ=UTC 0 0 * * *", "jobTemplate": {"spec": {"template": template()}}}
    assert not refused("batch", "CronJob", {"spec": spec}, {"spec": spec}, warnings=warnings)
    assert [text[:45] for text in warnings] == ["cannot use TZ or CRON_TZ in spec.spec.schedul"]


def immutable(old: Spec, new: Spec) -> list[tuple[str, str]]:
    """Return what may not change: the fields, and how the new values are shown."""
    meta = META
    base = {"selector": {"matchLabels": {"a": "b"}}, "manualSelector": True}

    def whole(value: Spec) -> Spec:
        spec = {**base, **value["spec"]}
        spec["template"] = {"metadata": {"labels": {"a": "b"}}, **spec["template"]}
        return {"metadata": meta, "spec": spec, "status": value.get("status", {})}

    causes = JOB(Change(whole(new), whole(old)))
    end = ": field is immutable"
    return [
        (one.field, one.message.removeprefix("Invalid value: ").removesuffix(end))
        for one in causes
        if one.message.endswith(end)
    ]


def changed(old: Spec, new: Spec) -> list[str]:
    return [field for field, _ in immutable(old, new)]


AFFINITY = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}


@pytest.mark.parametrize(
    ("old", "template", "field"),
    [
        ({"spec": {"suspend": True}}, template(nodeSelector={"a": "b"}), ""),
        ({"spec": {"suspend": True}}, template(affinity=AFFINITY), ""),
        ({"spec": {"suspend": True}}, template(affinity={"podAffinity": {}}), "spec.template.spec"),
        ({"spec": {"suspend": True}}, template(hostname="h"), "spec.template.spec"),
        ({"spec": {}}, template(nodeSelector={"a": "b"}), "spec.template"),
        (
            {"spec": {"suspend": True}, "status": {"active": 1}},
            template(nodeSelector={"a": "b"}),
            "spec.template",
        ),
        (
            {"spec": {"suspend": True}, "status": {"startTime": "2026-01-01T00:00:00Z"}},
            template(nodeSelector={"a": "b"}),
            "spec.template",
        ),
    ],
)
def test_template_changes_while_a_job_rests(old: Spec, template: Spec, field: str) -> None:
    before = {**old, "spec": {**job()["spec"], **old["spec"]}}
    found = changed(before, {"spec": {**before["spec"], "template": template}})
    assert found == ([field] if field else [])


def status(new: Spec, old: Spec | None = None, **spec: Any) -> list[str]:
    meta = META
    before = {"metadata": meta, "spec": spec, "status": old or {}}
    change = Change({**before, "status": new}, before, subresource="status")
    return [f"{one.field}: {one.message}" for one in JOB(change)]


def true(*kinds: str) -> list[Spec]:
    return [{"type": kind, "status": "True"} for kind in kinds]


START = "2026-01-01T00:00:00Z"
TIMES = {"startTime": START, "completionTime": "2026-01-02T00:00:00Z"}


@pytest.mark.parametrize(
    ("new", "old", "spec", "causes"),
    [
        (
            {"conditions": true("SuccessCriteriaMet", "Complete"), **TIMES},
            {},
            {},
            [],
        ),
        (
            {"conditions": true("Complete")},
            {},
            {},
            [
                "status.completionTime: Required value: completionTime is required for Complete jobs",
                ("status.conditions: Invalid value: cannot set Complete=True condition without the "
                "SuccessCriteriaMet=true condition"),
                "status.startTime: Required value: startTime is required for finished job",
            ],
        ),
        (
            {"conditions": true("Failed"), "startTime": START, "active": 1},
            {},
            {},
            [
                ("status.conditions: Invalid value: cannot set Failed=True condition without the "
                "FailureTarget=true condition"),
                "status.active: Invalid value: 1: active>0 is invalid for finished job",
            ],
        ),
        (
            {"failed": 1, "succeeded": 1},
            {"failed": 2, "succeeded": 2},
            {},
            [
                "status.failed: Invalid value: 1: cannot decrease the failed counter",
                "status.succeeded: Invalid value: 1: cannot decrease the succeeded counter",
            ],
        ),
        (
            {"succeeded": 1},
            {"succeeded": 2},
            {"completionMode": "Indexed", "completions": 1, "parallelism": 1},
            [],
        ),
        (
            {"ready": 2, "active": 1},
            {},
            {},
            ["status.ready: Invalid value: 2: cannot set more ready pods than active"],
        ),
        (
            {"completedIndexes": "0-2", "failedIndexes": "2,4"},
            {},
            {"completionMode": "Indexed", "completions": 5, "backoffLimitPerIndex": 1},
            [
                ('status.failedIndexes: Invalid value: "2,4": '
                "failedIndexes and completedIndexes overlap at index: 2")
            ],
        ),
        (
            {"completedIndexes": "1"},
            {},
            {"completions": 5},
            [
                ('status.completedIndexes: Invalid value: "1": cannot set non-empty '
                "completedIndexes when non-indexed completion mode")
            ],
        ),
        (
            {},
            {"startTime": START, "conditions": true("FailureTarget")},
            {},
            [
                ("status.conditions: Invalid value: cannot disable the terminal "
                "FailureTarget=True condition"),
                "status.startTime: Required value: startTime cannot be removed for unsuspended job",
            ],
        ),
        (  # it was resumed, and starts anew
            {"startTime": "2026-01-03T00:00:00Z", "conditions": [
                {"type": "Suspended", "status": "False"}]},
            {"startTime": START, "conditions": true("Suspended")},
            {},
            [],
        ),
        (
            {"uncountedTerminatedPods": {"succeeded": ["a", ""], "failed": ["a"]}},
            {},
            {},
            [
                'status.uncountedTerminatedPods.succeeded[1]: Invalid value: "": must not be empty',
                'status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"',
            ],
        ),
    ],
)  # fmt: skip
def test_status(new: Spec, old: Spec, spec: Spec, causes: list[str]) -> None:
    assert status(new, old, **spec) == causes


def test_policies_that_never_change_are_shown_as_structures() -> None:
    codes = {"operator": "In", "values": [1]}
    rule = {"action": "FailJob", "onExitCodes": codes}
    old = job(podFailurePolicy={"rules": [rule]})
    new = job(podFailurePolicy={"rules": [{**rule, "onExitCodes": {**codes, "values": [2]}}]})
    shown = (
        '{"Rules":[{"Action":"FailJob","OnExitCodes":{"ContainerName":null,"Operator":"In",'
        '"Values":[2]},"OnPodConditions":null}]}'
    )
    assert immutable(old, new) == [("spec.podFailurePolicy", shown)]
    assert immutable(old, job(podReplacementPolicy="Failed")) == [("spec.podFailurePolicy", "null")]


def test_exit_codes_that_are_not_given(refused: Refused) -> None:
    for values, shown in (({}, "null"), ({"values": []}, "[]")):
        rule = {"action": "FailJob", "onExitCodes": {"operator": "In", **values}}
        assert refused("batch", "Job", job(podFailurePolicy={"rules": [rule]})) == [
            (
                "spec.podFailurePolicy.rules[0].onExitCodes.values: "
                f"Invalid value: {shown}: at least one value is required"
            )
        ]
