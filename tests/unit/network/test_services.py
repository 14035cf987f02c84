"""Services become a table: which addresses lead where."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from roost.network.plan import NodeNetwork
from roost.network.rules import Rules, change_script
from roost.network.services import Backend, Frontend, ServiceTable, service_table


def service(name="web", **spec):
    spec = {"clusterIP": "10.96.0.20", "ports": [{"port": 80, "protocol": "TCP"}], **spec}
    return {"metadata": {"name": name, "namespace": "ns"}, "spec": spec}


def endpoint(ip, node="n1", **conditions):
    return {"addresses": [ip], "nodeName": node, "conditions": conditions}


def endpoint_slice(*endpoints, port=8080, name=None, of="web"):
    ports = [{"port": port, "protocol": "TCP", **({"name": name} if name else {})}]
    labels = {"kubernetes.io/service-name": of}
    return {
        "metadata": {"name": "s", "namespace": "ns", "labels": labels},
        "addressType": "IPv4",
        "ports": ports,
        "endpoints": list(endpoints),
    }


def targets(table, address="10.96.0.20", port=80):
    return table.backends[Frontend(address, "tcp", port)].targets


def test_ready_endpoints_are_the_targets():
    slices = [endpoint_slice(endpoint("10.244.0.9", ready=True), endpoint("10.244.0.3"))]
    slices[0]["endpoints"].append(endpoint("10.244.0.4", ready=False))
    assert targets(service_table([service()], slices, "n1")) == (
        ("10.244.0.3", 8080),
        ("10.244.0.9", 8080),
    )


def test_without_ready_endpoints_those_that_still_serve_are_used():
    leaving = endpoint("10.244.0.5", ready=False, serving=True, terminating=True)
    starting = endpoint("10.244.0.6", ready=False, serving=False)
    table = service_table([service()], [endpoint_slice(leaving, starting)], "n1")
    assert targets(table) == (("10.244.0.5", 8080),)


def test_a_service_without_endpoints_refuses():
    assert targets(service_table([service()], [], "n1")) == ()


def test_ports_are_matched_by_name():
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]
    slices = [endpoint_slice(endpoint("10.244.0.3"), port=9000, name="b")]
    table = service_table([service(ports=ports)], slices, "n1")
    assert targets(table, port=80) == ()
    assert targets(table, port=81) == (("10.244.0.3", 9000),)


def test_headless_and_external_name_services_have_no_frontends():
    services = [service(clusterIP="None"), service("x", type="ExternalName", externalName="a.b")]
    assert service_table(services, [], "n1") == ServiceTable()


def test_node_ports_and_external_addresses_lead_to_the_same_targets():
    ports = [{"port": 80, "nodePort": 30080}]
    made = service(type="NodePort", ports=ports, externalIPs=["192.0.2.7"])
    table = service_table([made], [endpoint_slice(endpoint("10.244.0.3"))], "n1")
    assert set(table.backends) == {
        Frontend("", "tcp", 30080),
        Frontend("10.96.0.20", "tcp", 80),
        Frontend("192.0.2.7", "tcp", 80),
    }


def test_policies_that_say_local_keep_to_this_node():
    slices = [endpoint_slice(endpoint("10.244.0.3", "n1"), endpoint("10.244.1.3", "n2"))]
    inside = service_table([service(internalTrafficPolicy="Local")], slices, "n2")
    assert targets(inside) == (("10.244.1.3", 8080),)
    ports = [{"port": 80, "nodePort": 30080}]
    outside = service_table([service(externalTrafficPolicy="Local", ports=ports)], slices, "n1")
    assert targets(outside) == (("10.244.0.3", 8080), ("10.244.1.3", 8080))
    assert targets(outside, "", 30080) == (("10.244.0.3", 8080),)


NETWORK = NodeNetwork("abc123")
FRONTENDS = st.builds(
    Frontend, st.sampled_from(["10.96.0.1", "10.96.0.2", ""]), st.just("tcp"), st.integers(80, 83)
)
BACKENDS = st.builds(
    Backend,
    st.lists(st.sampled_from([("10.244.0.2", 1), ("10.244.0.3", 2)]), unique=True).map(tuple),
    st.booleans(),
)
TABLES = st.dictionaries(FRONTENDS, BACKENDS).map(ServiceTable)


class Kernel:
    """Runs change scripts on sets, as strictly as nft: no double add, no delete of what is absent."""

    def __init__(self):
        self.chains: dict[str, str] = {}
        self.elements: set[tuple[str, str]] = set()

    def run(self, script: str) -> None:
        for line in script.splitlines():
            words = line.split(" ", 4)
            verb, what = words[:2]
            if (verb, what) == ("add", "chain"):
                assert words[4] not in self.chains
                self.chains[words[4]] = ""
            elif (verb, what) == ("add", "rule"):
                name, _, rule = words[4].partition(" ")
                self.chains[name] += rule
            elif (verb, what) == ("delete", "chain"):
                assert not any(name.endswith(words[4]) for _, name in self.elements), "in use"
                del self.chains[words[4]]
            elif what == "element":
                where, _, listed = words[4].partition(" ")
                for element in listed.strip("{} ").split(", "):
                    if verb == "add":
                        assert (where, element) not in self.elements
                        self.elements.add((where, element))
                    else:
                        self.elements.remove((where, element))


@given(TABLES, TABLES)
def test_a_change_leads_to_what_a_fresh_start_would_program(old, new):
    changed, fresh = Kernel(), Kernel()
    changed.run(change_script(NETWORK, Rules(), Rules(old)))
    changed.run(change_script(NETWORK, Rules(old), Rules(new)))
    fresh.run(change_script(NETWORK, Rules(), Rules(new)))
    assert changed.elements == fresh.elements
    assert changed.chains == fresh.chains


@given(TABLES)
def test_no_change_is_no_script(table):
    assert change_script(NETWORK, Rules(table), Rules(ServiceTable(dict(table.backends)))) == ""


def test_a_change_of_one_service_touches_nothing_else():
    many = {Frontend(f"10.96.1.{n}", "tcp", 80): Backend((("10.244.0.2", n),)) for n in range(99)}
    one = Frontend("10.96.0.5", "tcp", 80)
    script = change_script(
        NETWORK,
        Rules(ServiceTable({**many, one: Backend(())})),
        Rules(ServiceTable({**many, one: Backend((("10.244.0.2", 5),))})),
    )
    assert len(script.splitlines()) <= 3
