"""Names, security and mounts: what a runtime is told of a pod."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.node import container, pod
from roost.node import podspec, resources
from roost.node.facts import ContainerFacts, PodFacts, Seen
from roost.node.launch import container_mounts, sandbox_spec, target_of, wanted_mounts
from roost.node.layout import Layout
from roost.node.naming import ClusterNames, hostname_of, hosts_file, resolv_conf
from roost.node.podnetwork import host_ports_of
from roost.node.security import security_of
from roost.node.sources import Refused
from roost.runtimes.port import Mount, State

LAYOUT = Layout.under("/data")
NAMES = ClusterNames(host_resolv_conf="search corp.example\nnameserver 1.1.1.1\noptions rotate\n")


def test_cluster_first_asks_the_cluster_and_then_the_hosts_domains() -> None:
    assert resolv_conf(pod("web"), NAMES) == (
        "search default.svc.cluster.local svc.cluster.local cluster.local corp.example\n"
        "nameserver 10.96.0.10\noptions ndots:5\n"
    )


def test_default_policy_is_the_hosts() -> None:
    text = "search corp.example\nnameserver 1.1.1.1\noptions rotate\n"
    assert resolv_conf(pod("web", dnsPolicy="Default"), NAMES) == text
    assert resolv_conf(pod("web", hostNetwork=True), NAMES) == text


def test_dns_config_is_added() -> None:
    config = {
        "nameservers": ["9.9.9.9"],
        "searches": ["mine.example"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
    }
    assert resolv_conf(pod("web", dnsPolicy="None", dnsConfig=config), NAMES) == (
        "search mine.example\nnameserver 9.9.9.9\noptions ndots:2 edns0\n"
    )
    joined = resolv_conf(pod("web", dnsConfig=config), NAMES)
    assert "nameserver 10.96.0.10\nnameserver 9.9.9.9\n" in joined
    assert joined.endswith("options ndots:2 edns0\n")


def test_hosts_file_with_subdomain_and_aliases() -> None:
    body = pod(
        "web",
        hostname="w",
        subdomain="sub",
        hostAliases=[{"ip": "1.2.3.4", "hostnames": ["a", "b"]}],
    )
    text = hosts_file(body, ["10.244.0.3"], NAMES)
    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert "10.244.0.3\tw.sub.default.svc.cluster.local\tw\n" in text
    assert text.endswith("\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n")


def test_hostnames() -> None:
    assert hostname_of(pod("web"), "node-1", "cluster.local") == "web"
    assert hostname_of(pod("web", hostNetwork=True), "node-1", "cluster.local") == "node-1"
    long = pod("x" * 62 + "-y")
    assert hostname_of(long, "node-1", "cluster.local") == "x" * 62
    fqdn = pod("web", subdomain="sub", setHostnameAsFQDN=True)
    assert hostname_of(fqdn, "n", "cluster.local") == "web.sub.default.svc.cluster.local"


def security(own: Any = None, shared: Any = None, user: str = "") -> Any:
    one = container(securityContext=own or {})
    return security_of(pod("web", one, securityContext=shared or {}), one, user)


def test_the_container_wins_over_the_pod() -> None:
    found = security(
        {"runAsUser": 5, "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}},
        {"runAsUser": 1, "runAsGroup": 2, "supplementalGroups": [7], "fsGroup": 8},
    )
    assert (found.user, found.group, found.supplemental_groups) == (5, 2, (7, 8))
    assert (found.add_capabilities, found.drop_capabilities) == (("NET_ADMIN",), ("ALL",))


def test_privilege_escalation() -> None:
    assert security({"allowPrivilegeEscalation": False}).no_new_privileges
    assert not security().no_new_privileges


@pytest.mark.parametrize(
    ("own", "user", "message"),
    [
        ({"runAsUser": 0}, "", "container's runAsUser breaks non-root policy"),
        ({}, "", "container has runAsNonRoot and image will run as root"),
        ({}, "0:5", "container has runAsNonRoot and image will run as root"),
        ({}, "www", "container has runAsNonRoot and image has non-numeric user (www)"),
    ],
)
def test_non_root_is_enforced(own: dict[str, Any], user: str, message: str) -> None:
    with pytest.raises(Refused, match=message.replace("(", r"\(").replace(")", r"\)")):
        security(own, {"runAsNonRoot": True}, user)


def test_non_root_is_content_with_a_numeric_user() -> None:
    assert security({}, {"runAsNonRoot": True}, "1000:1000").user_name == "1000:1000"
    assert security({"runAsUser": 3}, {"runAsNonRoot": True}).user == 3


def test_a_local_seccomp_profile_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="type Localhost is not supported"):
        security({"seccompProfile": {"type": "Localhost"}})


def test_outer_mounts_come_before_inner_ones_and_volumes_replace_own_files() -> None:
    one = container()
    volumes = [Mount("/v/b", "/a/b"), Mount("/v/a", "/a"), Mount("/v/h", "/etc/hosts")]
    found = container_mounts(pod("web", one), one, 2, volumes, LAYOUT)
    targets = [mount.target for mount in found]
    assert targets.index("/a") < targets.index("/a/b")
    assert [mount.source for mount in found if mount.target == "/etc/hosts"] == ["/v/h"]
    assert Mount("/data/pods/uid-web/containers/main/2", "/dev/termination-log") in found


def test_sub_path_expressions_are_expanded_and_may_not_climb() -> None:
    mount = {"name": "v", "mountPath": "/m", "subPathExpr": "$(WHO)/x"}
    (found,) = wanted_mounts(container(volumeMounts=[mount]), {"WHO": "me"})
    assert found.sub_path == "me/x"
    for env in ({"WHO": "../.."}, {"WHO": "/etc"}, {}):
        with pytest.raises(Refused):
            wanted_mounts(container(volumeMounts=[mount]), env)


def test_propagation() -> None:
    mounts = [
        {"name": "v", "mountPath": "/a", "mountPropagation": "Bidirectional"},
        {"name": "v", "mountPath": "/b", "mountPropagation": "HostToContainer", "readOnly": True},
    ]
    found = wanted_mounts(container(volumeMounts=mounts), {})
    assert [(one.propagation, one.read_only) for one in found] == [
        ("rshared", False),
        ("rslave", True),
    ]


def test_host_ports_are_the_pods_unless_it_shares_the_hosts_network() -> None:
    port = {"containerPort": 80, "hostPort": 8080, "hostIP": "127.0.0.1"}
    one = container(ports=[port, {"containerPort": 81}])
    assert host_ports_of(pod("web", one)) == (("TCP", "127.0.0.1", 8080, 80),)
    assert host_ports_of(pod("web", one, hostNetwork=True)) == ()


def test_the_sandbox_carries_the_pods_surroundings() -> None:
    body = pod(
        "web",
        hostPID=True,
        shareProcessNamespace=True,
        securityContext={"sysctls": [{"name": "net.core.somaxconn", "value": "9"}]},
    )
    spec = sandbox_spec(body, 0, "web", "/run/netns/x", LAYOUT)
    assert spec.host_pid
    assert spec.share_processes
    assert spec.sysctls == {"net.core.somaxconn": "9"}
    assert spec.log_dir == "/data/logs/default_web_uid-web"
    assert spec.qos == "BestEffort"


def limited(name: str = "main", **amounts: str) -> dict[str, Any]:
    return container(name, resources={"limits": amounts, "requests": amounts})


@pytest.mark.parametrize(
    ("containers", "qos"),
    [
        ([container()], "BestEffort"),
        ([limited(cpu="1", memory="1Gi")], "Guaranteed"),
        ([limited(cpu="1", memory="1Gi"), container("other")], "Burstable"),
        ([limited(cpu="1")], "Burstable"),
    ],
)
def test_quality_of_service(containers: list[dict[str, Any]], qos: str) -> None:
    assert resources.qos_class(pod("web", *containers)) == qos


def test_what_is_kept_of_a_pod_has_no_managed_fields() -> None:
    body = pod("web")
    body["metadata"]["managedFields"] = [{"manager": "kubelet"}]
    kept = podspec.unmanaged(body)
    assert "managedFields" in body["metadata"]
    del body["metadata"]["managedFields"]
    assert kept == body


def test_quality_of_service_stays_what_the_api_says() -> None:
    resized = pod("web", limited(cpu="1", memory="1Gi"))
    resized["status"] = {"qosClass": "Burstable"}
    assert resources.qos_class(resized) == "Burstable"


def test_oom_scores() -> None:
    memory = 8 << 30
    best, guaranteed = container(), limited(cpu="1", memory="1Gi")
    half = container(resources={"requests": {"memory": "4Gi"}})
    assert resources.oom_score_adj(pod("a", best), best, memory) == 1000
    assert resources.oom_score_adj(pod("a", guaranteed), guaranteed, memory) == -997
    assert resources.oom_score_adj(pod("a", half), half, memory) == 500


def test_requests_of_a_pod_count_init_containers_and_sidecars() -> None:
    body = pod(
        "web",
        limited(cpu="1"),
        limited("b", cpu="1"),
        initContainers=[
            {**limited("side", cpu="500m"), "restartPolicy": "Always"},
            limited("init", cpu="4"),
        ],
        overhead={"cpu": "100m"},
    )
    assert resources.of_pod(body)["cpu"] * 1000 == 4600


def test_container_limits_round_up() -> None:
    one = container(resources={"limits": {"cpu": "1500u", "memory": "1Ki"}})
    found = resources.container_limits(pod("a", one), one, 1 << 30)
    assert (found.cpu_millis, found.memory_bytes) == (2, 1024)


def test_a_debugging_container_is_told_whom_to_look_into() -> None:
    debugger = {**container("look"), "targetContainerName": "main"}
    seen = Seen("id-main", "sandbox", 0, State.RUNNING)
    known = PodFacts(containers={"main": ContainerFacts(seen=seen)})
    assert target_of(debugger, known) == "id-main"
    assert target_of(container("look"), PodFacts()) == ""
    with pytest.raises(Refused, match="unable to find target container main"):
        target_of(debugger, PodFacts())
