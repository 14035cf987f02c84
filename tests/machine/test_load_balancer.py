"""A Service of type LoadBalancer gets the node's address, and the node takes what comes for it."""

from __future__ import annotations

import pytest

from cluster_scene import Space, eventually

pytestmark = [pytest.mark.root, pytest.mark.kubectl, pytest.mark.slow]


def ingress(space: Space, name: str) -> str:
    balancer = space.get("service", name).get("status", {}).get("loadBalancer", {})
    return "".join(one["ip"] for one in balancer.get("ingress", ()))


def test_the_node_answers_on_the_port_of_the_service(space: Space):
    script = "echo hello > /tmp/index.html; exec httpd -f -p 8080 -h /tmp"
    space.run("web", script, terminationGracePeriodSeconds=1)
    space.kubectl(
        "expose", "pod", "web", "--port=8088", "--target-port=8080", "--type=LoadBalancer"
    )
    address = eventually(lambda: ingress(space, "web"), 20, "no address")
    client = space.client()
    eventually(
        lambda: "hello" in space.ask(
            "exec", client, "--", "curl", "-sS", "-m", "2", f"http://{address}:8088/"
        ).out, 20, "no answer",
    )  # fmt: skip
    space.kubectl("patch", "service", "web", "-p", '{"spec": {"type": "ClusterIP"}}')
    eventually(lambda: not ingress(space, "web"), 10, "the address stays")
