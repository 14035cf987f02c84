"""The images of Kubernetes' own tests, in a strict cluster: agnhost's programs, busybox, web servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from roost.simulation import Cluster

_OWN = "registry.k8s.io/e2e-test-images"
AGNHOST = f"{_OWN}/agnhost:2.63.0"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(nodes=1) as made:
        yield made


def run(cluster: Cluster, image: str, **container: Any) -> dict[str, Any]:
    """Run a pod that does not restart for five seconds; return its status."""
    container |= {"name": "main", "image": image}
    spec = {"containers": [container], "restartPolicy": "Never"}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec})
    cluster.advance(5)
    status: dict[str, Any] = cluster.client.get("pods", "x", "default")["status"]
    return status


def is_ready(status: dict[str, Any]) -> bool:
    return bool(status["phase"] == "Running" and status["containerStatuses"][0]["ready"])


def probe(port: int, path: str, **more: Any) -> dict[str, Any]:
    return {"httpGet": {"port": port, "path": path, **more}, "periodSeconds": 1}


@pytest.mark.parametrize(
    ("program", "port", "path"),
    [
        (["test-webserver"], 80, "/"),
        (["netexec", "--http-port=81"], 81, "/healthz"),
        (["liveness"], 8080, "/healthz"),
        (["webhook", "-v=4", "--port=8444"], 8444, "/readyz"),
        (["crd-conversion-webhook", "--port=9444"], 9444, "/readyz"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_servers_answer(cluster: Cluster, program: list[str], port: int, path: str):
    scheme = "HTTPS" if "webhook" in program[0] else "HTTP"
    check = probe(port, path, scheme=scheme)
    assert is_ready(run(cluster, AGNHOST, args=program, readinessProbe=check))


def test_a_server_answers_on_no_other_port(cluster: Cluster):
    status = run(cluster, AGNHOST, args=["test-webserver"], readinessProbe=probe(81, "/"))
    assert status["phase"] == "Running"
    assert not is_ready(status)


def test_the_web_server_has_the_files_of_its_container(cluster: Cluster):
    run(cluster, AGNHOST, args=["test-webserver"])
    cluster.exec("x", ["sh", "-c", "echo hi > /greeting"])
    address = cluster.client.get("pods", "x", "default")["status"]["podIP"]
    assert cluster.fetch(f"http://{address}/greeting").text == "hi\n"
    assert '<a href="greeting">' in cluster.fetch(f"http://{address}/").text
    assert cluster.fetch(f"http://{address}/none").status == 404


def test_the_web_server_fails_its_probe_while_a_file_is_away(cluster: Cluster):
    run(cluster, AGNHOST, args=["test-webserver"], readinessProbe=probe(80, "/localhost.crt"))

    def ready_after(command: str) -> bool:
        assert cluster.exec("x", ["sh", "-c", command]).code == 0
        cluster.advance(5)
        return is_ready(cluster.client.get("pods", "x", "default")["status"])

    assert ready_after("true")
    assert not ready_after("mv -v /localhost.crt /tmp/ || true")
    assert ready_after("mv -v /tmp/localhost.crt / || true")


def test_liveness_ends_after_a_while(cluster: Cluster):
    run(cluster, AGNHOST, args=["liveness"])
    address = cluster.client.get("pods", "x", "default")["status"]["podIP"]
    assert cluster.fetch(f"http://{address}:8080/healthz").status == 200
    cluster.advance(10)
    assert cluster.fetch(f"http://{address}:8080/healthz").status == 500


@pytest.mark.parametrize(
    ("image", "container", "code", "said"),
    [
        (AGNHOST, {"args": ["entrypoint-tester", "a"]}, 0, "[/agnhost entrypoint-tester a]\n"),
        (AGNHOST, {"args": ["nonsense"]}, 1, 'Error: unknown command "nonsense" for "app"\n'),
        (AGNHOST, {"command": ["/bin/sh", "-c", "exit 3"]}, 3, ""),
        (f"{_OWN}/busybox:1.37.0-1", {"command": ["/bin/false"]}, 1, ""),
        (f"{_OWN}/busybox:1.37.0-1", {"command": ["sh", "-c", "[[ -r /no ]] || exit 4"]}, 4, ""),
        (f"{_OWN}/busybox:1.37.0-1",
         {"command": ["sh", "-c", "[ $RANDOM -lt 32768 ] && case $((RANDOM)) in *[0-9]) ;; esac"]},
         0, ""),
    ],
)  # fmt: skip
def test_programs_end(
    cluster: Cluster, image: str, container: dict[str, Any], code: int, said: str
):
    status = run(cluster, image, **container)
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == code
    assert cluster.logs("x") == said


def test_a_pause_says_that_it_was_asked_to_end(cluster: Cluster):
    spec = {"containers": [{"name": "main", "image": AGNHOST}], "restartPolicy": "Never"}
    meta = {"name": "x", "finalizers": ["example.com/keep"]}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    cluster.advance(2)
    cluster.client.delete("pods", "x", "default")
    cluster.advance(2)
    status = cluster.client.get("pods", "x", "default")["status"]
    assert status["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 2


@pytest.mark.parametrize("server", ["httpd:2.4.38-4", "nginx:1.14-4"])
def test_servers_of_files(cluster: Cluster, server: str):
    check = probe(80, "/index.html")
    assert is_ready(run(cluster, f"{_OWN}/{server}", readinessProbe=check))
