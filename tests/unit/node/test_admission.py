"""Whether a node takes a pod, as values."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.node import container, pod
from roost.node import resources
from roost.node.admission import admit
from roost.node.facts import Verdict

NODE: dict[str, Any] = {
    "metadata": {"name": "node-1", "labels": {"disk": "ssd", "cores": "8"}},
    "spec": {},
    "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "3"}},
}


def reason(body: dict[str, Any], *others: dict[str, Any], node: Any = NODE) -> str:
    found = admit(body, node, [resources.of_pod(other) for other in others])
    return "" if found is None else found.reason


def wanting(**amounts: str) -> dict[str, Any]:
    return pod("web", container(resources={"requests": amounts}))


def test_a_plain_pod_is_taken() -> None:
    assert admit(pod("web"), NODE, []) is None


def test_room_counts_what_others_have() -> None:
    assert reason(wanting(cpu="3"), wanting(cpu="1")) == ""
    assert reason(wanting(cpu="3"), wanting(cpu="1100m")) == "OutOfcpu"
    assert reason(wanting(memory="9Gi")) == "OutOfmemory"
    assert reason(pod("web"), pod("a"), pod("b"), pod("c")) == "OutOfpods"
    found = admit(wanting(**{"example.com/gpu": "1"}), NODE, [])
    assert found == Verdict(
        "OutOfexample.com/gpu",
        "Pod was rejected: Node didn't have enough resource: example.com/gpu, "
        "requested: 1, used: 0, capacity: 0",
    )


def affinity(*expressions: dict[str, Any], fields: bool = False) -> dict[str, Any]:
    term = {"matchFields" if fields else "matchExpressions": list(expressions)}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return pod("web", affinity={"nodeAffinity": required})


@pytest.mark.parametrize(
    ("key", "operator", "values", "matches"),
    [
        ("disk", "In", ["ssd", "hdd"], True),
        ("disk", "In", ["hdd"], False),
        ("disk", "NotIn", ["hdd"], True),
        ("none", "NotIn", ["x"], True),
        ("disk", "Exists", [], True),
        ("none", "Exists", [], False),
        ("none", "DoesNotExist", [], True),
        ("cores", "Gt", ["4"], True),
        ("cores", "Lt", ["4"], False),
        ("disk", "Gt", ["4"], False),
    ],
)
def test_node_affinity(key: str, operator: str, values: list[str], *, matches: bool) -> None:
    body = affinity({"key": key, "operator": operator, "values": values})
    assert reason(body) == ("" if matches else "NodeAffinity")


def test_node_selector_and_fields() -> None:
    assert reason(pod("web", nodeSelector={"disk": "ssd"})) == ""
    assert reason(pod("web", nodeSelector={"disk": "hdd"})) == "NodeAffinity"
    by_name = {"key": "metadata.name", "operator": "In", "values": ["node-1"]}
    assert reason(affinity(by_name, fields=True)) == ""
    assert reason(affinity({**by_name, "values": ["other"]}, fields=True)) == "NodeAffinity"


def test_only_no_execute_taints_keep_a_bound_pod_out() -> None:
    taint = {"key": "k", "value": "v", "effect": "NoExecute"}
    node = {**NODE, "spec": {"taints": [taint, {"key": "z", "effect": "NoSchedule"}]}}
    assert reason(pod("web"), node=node) == "TaintToleration"
    for toleration in (
        {"operator": "Exists"},
        {"key": "k", "operator": "Exists"},
        {"key": "k", "value": "v", "effect": "NoExecute"},
    ):
        assert reason(pod("web", tolerations=[toleration]), node=node) == ""
    for toleration in (
        {"key": "k", "value": "w"},
        {"key": "k", "value": "v", "effect": "NoSchedule"},
    ):
        assert reason(pod("web", tolerations=[toleration]), node=node) == "TaintToleration"


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"hostUsers": False}, "spec.hostUsers: false"),
        ({"resourceClaims": [{"name": "c"}]}, "spec.resourceClaims"),
        ({"os": {"name": "windows"}}, "spec.os.name: windows"),
    ],
)
def test_what_the_node_cannot_do_is_named(spec: dict[str, Any], field: str) -> None:
    found = admit(pod("web", **spec), NODE, [])
    assert found is not None
    assert found.message == f"Pod was rejected: {field} is not supported by this node"


@pytest.mark.parametrize(
    ("name", "more", "taken"),
    [
        ("net.ipv4.tcp_syncookies", {}, True),
        ("net/ipv4/tcp_syncookies", {}, True),
        ("kernel.shm_rmid_forced", {}, True),
        ("kernel.shmall", {}, False),
        ("net.core.somaxconn", {}, False),
        ("net.ipv4.tcp_syncookies", {"hostNetwork": True}, False),
        ("kernel.shm_rmid_forced", {"hostIPC": True}, False),
    ],
)
def test_only_safe_sysctls_are_let_in(name: str, more: dict[str, Any], *, taken: bool) -> None:
    context = {"sysctls": [{"name": name, "value": "1"}]}
    assert reason(pod("web", securityContext=context, **more)) == (
        "" if taken else "SysctlForbidden"
    )
