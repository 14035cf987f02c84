"""The printed columns of the other kinds."""

from typing import Any

import pytest

from roost.api.columns import control, core, networking, storage, workloads
from roost.api.columns.cells import duration_text, since
from roost.api.groups import ALL_KINDS
from roost.api.kind import Column
from roost.api.values import Object


def cell(columns: tuple[Column, ...], name: str, value: Object) -> Any:
    (column,) = [column for column in columns if column.name == name]
    return column.cell(value, 0.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (5 * 3600 + 600, "5h10m"),
        (8 * 3600, "8h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
        (75 * 3600, "3d3h"),
        (8 * 86400, "8d"),
        (729 * 86400, "729d"),
        (730 * 86400, "2y"),
        (760 * 86400, "2y30d"),
        (3000 * 86400, "8y"),
    ],
)
def test_ages_are_short(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_a_time_that_is_not_there_is_unknown() -> None:
    assert since(None, 0) == "<unknown>"
    assert since("nonsense", 0) == "<unknown>"
    assert since("1970-01-01T00:00:00.500000Z", 10.5) == "10s"


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: f"{kind.group}/{kind.plural}")
def test_every_column_of_every_kind_shows_an_empty_object(kind: Any) -> None:
    for value in ({"metadata": {"name": "x"}}, {"metadata": {}, "spec": {}, "status": {}}):
        for column in kind.columns:
            shown = column.cell(value, 0.0)
            assert shown is None or isinstance(shown, (str, int, float)), column.name


@pytest.mark.parametrize(
    ("spec", "status", "external"),
    [
        ({"type": "ClusterIP"}, {}, "<none>"),
        ({"type": "NodePort", "externalIPs": ["1.2.3.4"]}, {}, "1.2.3.4"),
        ({"type": "LoadBalancer"}, {}, "<pending>"),
        (
            {"type": "LoadBalancer"},
            {"ingress": [{"ip": "9.9.9.9"}, {"hostname": "h"}]},
            "9.9.9.9,h",
        ),
        ({"type": "ExternalName", "externalName": "x.example"}, {}, "x.example"),
    ],
)
def test_external_ips_of_services(spec: Object, status: Object, external: str) -> None:
    value = {"spec": spec, "status": {"loadBalancer": status}}
    assert cell(core.SERVICES, "External-IP", value) == external


def test_ports_of_services() -> None:
    ports = [{"port": 80, "protocol": "TCP", "nodePort": 30080}, {"port": 53, "protocol": "UDP"}]
    assert cell(core.SERVICES, "Port(s)", {"spec": {"ports": ports}}) == "80:30080/TCP,53/UDP"


def test_nodes() -> None:
    node = {
        "metadata": {"labels": {"node-role.kubernetes.io/edge": "", "kubernetes.io/role": "b"}},
        "spec": {"unschedulable": True},
        "status": {
            "conditions": [{"type": "Ready", "status": "Unknown"}],
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
        },
    }
    assert cell(core.NODES, "Status", node) == "NotReady,SchedulingDisabled"
    assert cell(core.NODES, "Roles", node) == "b,edge"
    assert cell(core.NODES, "Internal-IP", node) == "10.0.0.1"
    assert cell(core.NODES, "OS-Image", node) == "<unknown>"


def test_endpoints_show_three_and_count_the_rest() -> None:
    addresses = [{"ip": f"10.0.0.{i}"} for i in range(5)]
    value = {"subsets": [{"addresses": addresses, "ports": [{"port": 80}]}]}
    assert cell(core.ENDPOINTS, "Endpoints", value) == (
        "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 2 more..."
    )
    slices = {"endpoints": [{"addresses": ["a"]}], "ports": [{"name": "x"}, {}]}
    assert cell(networking.ENDPOINT_SLICES, "Ports", slices) == "x,*"
    assert cell(networking.ENDPOINT_SLICES, "Endpoints", {}) == "<unset>"


def test_quotas_tell_requests_from_limits() -> None:
    status = {"hard": {"pods": "2", "limits.cpu": "4"}, "used": {"pods": "1"}}
    assert cell(core.RESOURCE_QUOTAS, "Request", {"status": status}) == "pods: 1/2"
    assert cell(core.RESOURCE_QUOTAS, "Limit", {"status": status}) == "limits.cpu: 0/4"


def test_events_in_both_versions() -> None:
    old = {
        "involvedObject": {"kind": "Pod", "name": "p"},
        "source": {"component": "kubelet", "host": "n"},
        "count": 3,
    }
    new = {
        "regarding": {"kind": "Pod", "name": "p"},
        "reportingController": "kubelet",
        "reportingInstance": "n",
        "series": {"count": 3, "lastObservedTime": "1970-01-01T00:00:00Z"},
        "note": " text ",
    }
    for event in (old, new):
        assert cell(core.EVENTS, "Object", event) == "pod/p"
        assert cell(core.EVENTS, "Source", event) == "kubelet, n"
        assert cell(core.EVENTS, "Count", event) == 3
    assert cell(core.EVENTS, "Message", new) == "text"
    assert cell(core.EVENTS, "Last Seen", new) == "0s"


@pytest.mark.parametrize(
    ("types", "status"),
    [
        ({"Complete": "True"}, "Complete"),
        ({"Failed": "True", "FailureTarget": "True"}, "Failed"),
        ({"Suspended": "True"}, "Suspended"),
        ({"Complete": "False"}, "Running"),
    ],
)
def test_states_of_jobs(types: dict[str, str], status: str) -> None:
    conditions = [{"type": name, "status": value} for name, value in types.items()]
    assert cell(workloads.JOBS, "Status", {"status": {"conditions": conditions}}) == status


def test_completions_of_jobs() -> None:
    def shown(**spec: Any) -> Any:
        return cell(workloads.JOBS, "Completions", {"spec": spec, "status": {"succeeded": 1}})

    assert shown(completions=3) == "1/3"
    assert shown(parallelism=2) == "1/1 of 2"
    assert shown() == "1/1"


def test_targets_of_autoscalers() -> None:
    def metric(name: str, **target: Any) -> Object:
        return {"type": "Resource", "resource": {"name": name, "target": target}}

    spec = {"metrics": [metric("cpu", averageUtilization=80), metric("memory", averageValue="1Gi")]}
    current = {"averageUtilization": 20, "averageValue": "100m"}
    status = {"currentMetrics": [{"type": "Resource", "resource": {"current": current}}]}
    value = {"spec": spec, "status": status}
    columns = workloads.HORIZONTAL_POD_AUTOSCALERS
    assert cell(columns, "Targets", value) == "cpu: 20%/80%, memory: <unknown>/1Gi"
    spec["metrics"].append(metric("x"))
    assert cell(columns, "Targets", value).endswith(" + 1 more...")
    for kind, wanted in (("Pods", "averageValue"), ("External", "value")):
        spec["metrics"] = [{"type": kind, kind.lower(): {"target": {wanted: "5"}}}]
        status["currentMetrics"] = [{"type": kind, kind.lower(): {"current": {}}}]
        assert cell(columns, "Targets", value) == "<nil>/5"


def test_claims_and_volumes() -> None:
    claim = {
        "metadata": {},
        "spec": {"volumeName": "v", "storageClassName": "fast"},
        "status": {
            "phase": "Bound",
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteMany", "ReadWriteOnce"],
        },
    }
    columns = storage.PERSISTENT_VOLUME_CLAIMS
    assert [c.cell(claim, 0.0) for c in columns][1:6] == ["Bound", "v", "1Gi", "RWO,RWX", "fast"]
    volume = {"spec": {"claimRef": {"namespace": "n", "name": "c"}}}
    assert cell(storage.PERSISTENT_VOLUMES, "Claim", volume) == "n/c"
    default = {"metadata": {"name": "s", "annotations": {
        "storageclass.kubernetes.io/is-default-class": "true"}}}  # fmt: skip
    assert cell(storage.STORAGE_CLASSES, "Name", default) == "s (default)"


def test_bindings_list_their_subjects() -> None:
    value = {
        "roleRef": {"kind": "Role", "name": "r"},
        "subjects": [
            {"kind": "User", "name": "u"},
            {"kind": "ServiceAccount", "namespace": "n", "name": "s"},
        ],
    }
    assert [c.cell(value, 0.0) for c in control.ROLE_BINDINGS][1:] == [
        "Role/r", "<unknown>", "u", "", "n/s",
    ]  # fmt: skip


def test_certificate_requests() -> None:
    status = {"conditions": [{"type": "Approved"}], "certificate": "x"}
    columns = control.CERTIFICATE_SIGNING_REQUESTS
    assert cell(columns, "Condition", {"status": status}) == "Approved,Issued"
    assert cell(columns, "Condition", {}) == "Pending"
    assert cell(columns, "RequestedDuration", {"spec": {"expirationSeconds": 3600}}) == "60m"


def test_bindings_of_policies_name_their_parameters_with_a_namespace() -> None:
    def shown(**ref: Any) -> Any:
        spec = {"spec": {"paramRef": ref}} if ref else {"spec": {}}
        return cell(control.ADMISSION_POLICY_BINDINGS, "ParamRef", spec)

    assert shown() == "<unset>"
    assert shown(name="a") == "*/a"
    assert shown(name="a", namespace="b") == "b/a"
    wanted = {"key": "k", "operator": "In", "values": ["a", "b"]}
    assert shown(selector={"matchLabels": {"y": "2", "x": "1"}, "matchExpressions": [wanted]}) == (
        "&LabelSelector{MatchLabels:map[string]string{x: 1,y: 2,},"
        "MatchExpressions:[]LabelSelectorRequirement{"
        "LabelSelectorRequirement{Key:k,Operator:In,Values:[a b],},},}"
    )


@pytest.mark.parametrize(
    ("hosts", "shown"),
    [
        ([""], "*"),
        (["", "a", "b", "c"], "a,b,c"),
        (["a", "b", "c", ""], "a,b,c + 1 more..."),
        (["a", "", "b", "c", "d", "e"], "a,b,c + 3 more..."),
    ],
)
def test_three_hosts_of_an_ingress_are_shown(hosts: list[str], shown: str) -> None:
    rules = [{"host": host} if host else {} for host in hosts]
    assert cell(networking.INGRESSES, "Hosts", {"spec": {"rules": rules}}) == shown


def test_the_default_class_of_attributes_is_marked() -> None:
    mark = "volumeattributesclass.alpha.kubernetes.io/is-default-class"
    value = {"metadata": {"name": "gold", "annotations": {mark: "true"}}}
    assert cell(storage.VOLUME_ATTRIBUTES_CLASSES, "Name", value) == "gold (default)"
