"""Rules of flows, API services, leases and runtime classes."""

import copy
from collections.abc import Callable
from typing import Any

from roost.api.kind import Change
from roost.api.strategies.disabled import prepare_lease
from roost.api.validation.flowcontrol import FLOW_SCHEMA, PRIORITY_LEVEL
from roost.api.validation.mandatoryflows import LEVELS, SCHEMAS
from roost.apiserver.fairness.defaults import DEFAULT_LEVELS, DEFAULT_SCHEMAS

Refused = Callable[..., list[str]]
FLOWS, SERVICES = "flowcontrol.apiserver.k8s.io", "apiregistration.k8s.io"


def test_what_every_cluster_begins_with_is_as_it_must_be() -> None:
    for found, wanted in ((DEFAULT_SCHEMAS, SCHEMAS), (DEFAULT_LEVELS, LEVELS)):
        made = {one["metadata"]["name"]: one["spec"] for one in found}
        assert {name: made[name] for name in wanted} == wanted


def test_mandatory_objects_stay_what_they_are(refused: Refused) -> None:
    spec = {**SCHEMAS["exempt"], "matchingPrecedence": 5}
    [found] = refused(FLOWS, "FlowSchema", {"metadata": {"name": "exempt"}, "spec": spec})
    assert found.startswith(
        'spec: Invalid value: {"PriorityLevelConfiguration":{"Name":"exempt"},'
        '"MatchingPrecedence":5,"DistinguisherMethod":null,"Rules":[{"Subjects":'
        '[{"Kind":"Group","User":null,"Group":{"Name":"system:masters"},"ServiceAccount":null}]'
    )
    assert found.endswith("spec of 'exempt' must equal the fixed value")
    level = copy.deepcopy(LEVELS["catch-all"])
    level["limited"]["nominalConcurrencyShares"] = 6
    kind = "PriorityLevelConfiguration"
    assert refused(FLOWS, kind, {"metadata": {"name": "catch-all"}, "spec": level}) == [
        (
            'spec: Invalid value: {"Type":"Limited","Limited":{"NominalConcurrencyShares":6,'
            '"LimitResponse":{"Type":"Reject","Queuing":null},"LendablePercent":0,'
            '"BorrowingLimitPercent":null},"Exempt":null}: '
            "spec of 'catch-all' must equal the fixed value"
        )
    ]
    exempt = {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 9}}
    assert refused(FLOWS, kind, {"metadata": {"name": "exempt"}, "spec": exempt}) == []


def test_local_api_services(refused: Refused) -> None:
    spec = {
        "group": "e.com", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1,
        "caBundle": "eHl6", "insecureSkipTLSVerify": True,
    }  # fmt: skip
    assert refused(SERVICES, "APIService", {"metadata": {"name": "v1.e.com"}, "spec": spec}) == [
        ('spec.caBundle: Invalid value: "3 bytes": local APIServices may not have a caBundle'),
        (
            "spec.insecureSkipTLSVerify: Invalid value: true: "
            "local APIServices may not have insecureSkipTLSVerify"
        ),
    ]


def test_elections_by_the_server_are_off() -> None:
    change = Change({"metadata": {}, "spec": {"strategy": "X", "preferredHolder": "a"}})
    prepare_lease(change)
    assert change.object["spec"] == {}
    had: dict[str, Any] = {"metadata": {}, "spec": {"strategy": "OldestEmulationVersion"}}
    change = Change({"metadata": {}, "spec": {"strategy": "X"}}, old=had)
    prepare_lease(change)
    assert change.object["spec"] == {"strategy": "X"}


def test_runtime_classes(refused: Refused) -> None:
    twice = [{"key": "a"}, {"key": "a", "tolerationSeconds": 1}]
    body = {
        "metadata": {"name": "x"},
        "handler": "h",
        "overhead": {"podFixed": {"cpu": "-1"}},
        "scheduling": {"tolerations": twice},
    }
    found = refused("node.k8s.io", "RuntimeClass", body)
    assert found[0].startswith("overhead.limits[cpu]: Invalid value")
    assert found[-1] == (
        'scheduling.tolerations[1]: Duplicate value: {"Key":"a","Operator":"","Value":"",'
        '"Effect":"","TolerationSeconds":1}'
    )


def _of_status(kind: str, status: dict[str, Any]) -> list[str]:
    rules = {"FlowSchema": FLOW_SCHEMA, "PriorityLevelConfiguration": PRIORITY_LEVEL}[kind]
    meta = {"name": "x", "uid": "u", "resourceVersion": "1"}
    old = {"metadata": meta}
    change = Change({"metadata": meta, "status": status}, old, subresource="status")
    return [f"{cause.field}: {cause.message}" for cause in rules(change)]


def test_each_condition_of_a_flow_has_a_type_of_its_own() -> None:
    status = {"conditions": [{"type": "A"}, {"type": "A"}, {}]}
    for kind in ("FlowSchema", "PriorityLevelConfiguration"):
        assert _of_status(kind, status) == [
            'status.conditions[1].type: Duplicate value: "A"',
            "status.conditions[2].type: Required value: must not be empty",
        ]
