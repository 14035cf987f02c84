"""What a cluster keeps by itself: addresses of Services, ends of namespaces, hints, nodes' taints."""

from __future__ import annotations

from parity.manifests import config, deployment, pod, service
from parity.target import Object, Target, conditions
from roost.decisions.resources import CONFIG_MAPS, NODES

MANAGED = "ipaddress.kubernetes.io/managed-by"
LABELS = {"ipaddress.kubernetes.io/ip-family": "IPv4", MANAGED: "ipallocator.k8s.io"}
IN_USE = (
    "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new "
    "ServiceCIDR"
)
HELD = (
    "Some content in the namespace has finalizers remaining: "
    "example.com/hold in 1 resource instances"
)
#: How long until the server has looked at all addresses again.
ROUND_S = 240.0


def cidr(name: str, text: str) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": name},
        "spec": {"cidrs": [text]},
    }  # fmt: skip


def parent(target: Target, name: str) -> Object:
    return {"group": "", "resource": "services", "namespace": target.namespace, "name": name}


# -- addresses


def test_a_service_has_its_address_as_an_object(target: Target):
    ip = target.create(service("web"))["spec"]["clusterIP"]
    found = target.get("ipaddresses", ip)
    assert {"group": "", **found["spec"]["parentRef"]} == parent(target, "web")
    assert found["metadata"]["labels"] == LABELS
    target.delete("services", "web")
    target.gone("ipaddresses", ip)


def test_a_headless_service_has_no_address(target: Target):
    target.create(service("web", clusterIP="None"))
    owners = [(one["spec"]["parentRef"]["namespace"]) for one in target.list("ipaddresses")]
    assert target.namespace not in owners


def test_an_address_that_is_lost_comes_back(target: Target):
    ip = target.create(service("web"))["spec"]["clusterIP"]
    target.delete("ipaddresses", ip)
    target.wait(lambda: target.find("ipaddresses", ip), ROUND_S)
    event = target.told("web", "ClusterIPNotAllocated", ROUND_S)
    assert event["message"] == f"Cluster IP [IPv4]: {ip} is not allocated; repairing"


def test_an_address_that_its_service_does_not_have_goes(target: Target):
    ip = target.create(service("web"))["spec"]["clusterIP"]
    first, _, last = ip.rpartition(".")
    wrong = f"{first}.{int(last) ^ 64}"
    body = {
        "apiVersion": "networking.k8s.io/v1", "kind": "IPAddress",
        "metadata": {"name": wrong, "labels": LABELS},
        "spec": {"parentRef": {"resource": "services", "namespace": target.namespace,
                               "name": "web"}},
    }  # fmt: skip
    target.create(body, outside=False)
    target.gone("ipaddresses", wrong)
    assert target.find("ipaddresses", ip)


def test_a_range_goes_with_the_last_of_its_addresses(target: Target):
    name = f"{target.namespace}-range"
    target.create(cidr(name, "10.234.7.0/28"), outside=False)
    target.wait(lambda: conditions(target.get("servicecidrs", name)).get("Ready"))
    ready = conditions(target.get("servicecidrs", name))["Ready"]
    assert (ready["status"], ready["message"]) == ("True", "Kubernetes Service CIDR is ready")

    def made() -> Object:
        if not target.find("services", "far"):
            target.create(service("far", clusterIP="10.234.7.9"))
        return target.get("services", "far")

    assert target.wait(made)["spec"]["clusterIPs"] == ["10.234.7.9"]
    target.delete("servicecidrs", name)

    def kept() -> Object:
        found = conditions(target.get("servicecidrs", name))["Ready"]
        return found if found["status"] == "False" else {}

    held = target.wait(kept)
    assert (held["reason"], held["message"]) == (
        "Terminating",
        IN_USE,
    )  # fmt: skip
    target.delete("services", "far")
    target.gone("servicecidrs", name)


# -- namespaces


def test_a_namespace_that_ends_says_what_remains(target: Target):
    name = f"{target.namespace}-end"
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    target.create(body, outside=False)
    held = config("held", a="b")
    held["metadata"] |= {"namespace": name, "finalizers": ["example.com/hold"]}
    target.create(held)
    target.delete("namespaces", name)

    def remaining() -> dict[str, Object]:
        found = conditions(target.get("namespaces", name))
        return found if found.get("NamespaceContentRemaining", {}).get("status") == "True" else {}

    found = target.wait(remaining)
    told = {kind: (one["status"], one["reason"], one["message"]) for kind, one in found.items()}
    assert told == {
        "NamespaceDeletionDiscoveryFailure": (
            "False", "ResourcesDiscovered", "All resources successfully discovered",
        ),
        "NamespaceDeletionGroupVersionParsingFailure": (
            "False", "ParsedGroupVersions", "All legacy kube types successfully parsed",
        ),
        "NamespaceDeletionContentFailure": (
            "False", "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        "NamespaceContentRemaining": (
            "True", "SomeResourcesRemain",
            "Some resources are remaining: configmaps. has 1 resource instances",
        ),
        "NamespaceFinalizersRemaining": (
            "True", "SomeFinalizersRemain",
            HELD,
        ),
    }  # fmt: skip
    free = {"metadata": {"finalizers": None}}
    target.run(target.client.patch(CONFIG_MAPS, "held", free, name))
    target.gone("namespaces", name)


# -- endpoints and autoscalers


def test_hints_by_zone_need_more_than_one_zone(target: Target):
    near = service("web")
    near["metadata"]["annotations"] = {"service.kubernetes.io/topology-mode": "Auto"}
    target.create(near)
    target.start(pod("web", labels={"app": "web"}))
    message = target.told("web", "TopologyAwareHintsDisabled")["message"]
    assert message == (
        "Insufficient Node information: allocatable CPU or zone not specified on one or more "
        "nodes, addressType: IPv4"
    )


def test_hints_by_zone_follow_the_nodes(target: Target):
    target.needs("new-nodes")
    zones = dict(zip(target.names("nodes"), "abb", strict=True))

    def place(name: str, zone: str) -> None:
        labels = {"metadata": {"labels": {"topology.kubernetes.io/zone": zone}}}
        target.run(target.client.patch(NODES, name, labels))

    for name, zone in zones.items():
        place(name, zone)
    near = service("web")
    near["metadata"]["annotations"] = {"service.kubernetes.io/topology-mode": "Auto"}
    target.create(near)
    pods = [(f"p{at}", list(zones)[at % 3]) for at in range(6)]
    target.start(*(pod(name, labels={"app": "web"}, nodeName=node) for name, node in pods))

    def hints() -> list[str]:
        (one,) = target.list("endpointslices")
        found = [e.get("hints", {}).get("forZones", [{}]) for e in one["endpoints"] or ()]
        return sorted(zones[0].get("name", "") for zones in found)

    target.wait(lambda: hints() == ["a", "a", "b", "b", "b", "b"], what=hints)
    message = target.told("web", "TopologyAwareHintsEnabled")["message"]
    assert message == "Topology Aware Hints has been enabled, addressType: IPv4"
    place(list(zones)[1], "a")
    target.wait(lambda: hints() == ["a", "a", "a", "a", "b", "b"], what=hints)


def test_two_autoscalers_of_the_same_pods(target: Target):
    target.create(deployment("web", 1))
    target.wait(lambda: target.get("deployments", "web").get("status", {}).get("readyReplicas"))
    scaled = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    for name in ("a", "b"):
        body = {
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": name}, "spec": {"scaleTargetRef": scaled, "maxReplicas": 3},
        }  # fmt: skip
        target.create(body)

    def refused() -> Object:
        found = target.get("horizontalpodautoscalers", "a")
        active = conditions(found).get("ScalingActive", {})
        return active if active.get("reason") == "AmbiguousSelector" else {}

    space = target.namespace
    text = f"are controlled by multiple HPAs: [{{a {space}}} {{b {space}}}]"
    assert target.wait(refused)["message"].endswith(text)
    assert target.told("a", "AmbiguousSelector")["type"] == "Warning"


# -- nodes


def test_an_eviction_is_called_off_when_the_taint_goes(target: Target):
    target.needs("new-nodes")
    taint = {"key": "example.com/t", "effect": "NoExecute"}
    toleration = {**taint, "operator": "Exists", "tolerationSeconds": 60}
    target.start(pod("a", tolerations=[toleration]))
    for taints in ([taint], None):
        for name in target.names("nodes"):
            target.run(target.client.patch(NODES, name, {"spec": {"taints": taints}}))
        target.sleep(20)
    event = target.told("a", "TaintManagerEviction")
    assert event["message"] == f"Cancelling deletion of Pod {target.namespace}/a"
    target.never(lambda: not target.find("pods", "a"), 90)


def test_without_any_node_nobody_is_evicted(target: Target):
    target.needs("new-nodes")
    target.start(pod("a"))
    names = target.names("nodes")
    for name in names:
        target.cluster.stop_node(name)  # type: ignore[attr-defined]  # the simulator's own
    target.sleep(600)
    for name in names:
        taints = target.get("nodes", name)["spec"].get("taints") or []
        assert {taint["effect"] for taint in taints} == {"NoSchedule"}
    assert target.find("pods", "a")
