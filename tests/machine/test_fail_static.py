"""Rule 1 and 2 of failure: whatever ends or lies, no container is stopped that should run."""

from __future__ import annotations

import http.server
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from cluster_scene import (
    Cluster,
    Space,
    clean_environment,
    debian_image,
    eventually,
    shell_pod,
    with_data,
)
from images import busybox_image
from roost.network.plan import instance_of

pytestmark = [pytest.mark.root, pytest.mark.kubectl, pytest.mark.slow]

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 20
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: httpd
        image: busybox:1
        imagePullPolicy: Never
        command: [httpd, -f, -p, "8080", -h, /etc]
        readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
        livenessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1, failureThreshold: 2}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
"""

ASKING = """
while :; do
  if curl -sS -f -m 5 http://web/passwd >/dev/null 2>>/tmp/bad; then echo >> /tmp/good
  else echo failed >> /tmp/bad; fi
done
"""


def containers(cluster: Cluster) -> dict[int, str]:
    """Return the first processes of the web containers: pid -> start time.

    httpd forks a child for each request it answers: only number 1 of a process namespace counts.
    """
    group = f"/roost-{instance_of(str(cluster.data))}/"
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes().startswith(b"httpd\0-f"):
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
                first = re.search(r"^NSpid:.*\t1$", (folder / "status").read_text(), re.MULTILINE)
                if first and group in (folder / "cgroup").read_text():
                    found[int(folder.name)] = stat[19]
        except OSError:
            continue
    return found


def restarts(space: Space) -> list[int]:
    return [
        status["restartCount"]
        for pod in space.list("pods", "app=web")
        for status in pod["status"]["containerStatuses"]
    ]


class Asking:
    """Asks the Service from the node, over and over."""

    def __init__(self, cluster: Cluster, url: str) -> None:
        self.good = 0
        self.bad: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: cluster.inside(lambda: self._ask(url)))
        self._thread.start()

    def _ask(self, url: str) -> None:
        import urllib.request

        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while not self._over.wait(0.02):
            try:
                with opener.open(url, timeout=5) as answer:
                    answer.read()
                self.good += 1
            except OSError as error:
                self.bad.append(repr(error))

    def end(self) -> None:
        self._over.set()
        self._thread.join()


@contextmanager
def asked(cluster: Cluster, space: Space) -> Iterator[None]:
    """Check that requests from the node and from a pod all succeed meanwhile."""
    address = space.get("service", "web")["spec"]["clusterIP"]
    before = lines(space, "good")
    asking = Asking(cluster, f"http://{address}/passwd")
    try:
        yield
    finally:
        asking.end()
    assert asking.good > 20
    assert asking.bad == []
    assert lines(space, "good") > before + 20
    assert space.exec("client", "cat", "/tmp/bad") == ""


def lines(space: Space, name: str) -> int:
    return len(space.exec("client", "cat", f"/tmp/{name}"))


def test_nothing_stops_whatever_is_killed_or_lies(own_cluster: Cluster):
    cluster = own_cluster
    cluster.up()
    for image, name in ((busybox_image(), "busybox:1"), (debian_image(), "debian:1")):
        archive = image.docker_archive(cluster.root / "image.tar", name)
        assert f"docker.io/library/{name}" in cluster.roost("image", "load", str(archive))
    space = cluster.space("default")
    space.apply(WEB, shell_pod("client", "debian:1", f": > /tmp/good; : > /tmp/bad; {ASKING}",
                               terminationGracePeriodSeconds=0))  # fmt: skip
    space.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    space.ready("client")
    eventually(lambda: lines(space, "good") > 3, 20)
    space.exec("client", "sh", "-c", ": > /tmp/bad")  # what it asked before the Service had ends
    began = containers(cluster)
    assert len(began) == 20

    with asked(cluster, space):
        kill_everything_in_turn(cluster)
    assert containers(cluster) == began
    eventually(lambda: restarts(space) == [0] * 20, 10)

    cluster.stop()
    assert containers(cluster) == began
    with Parts(cluster) as parts:
        parts.start("server")
        parts.start("agent")
        while_the_agent_is_away(space, parts)
        assert containers(cluster) == began
        parts.stop("server")
        parts.stop("agent")
        for lie in LIES:
            believes_no_lie(cluster, parts, lie, began)
        parts.start("server")
        parts.start("agent")
        eventually(lambda: space.ask("exec", "client", "--", "date").code == 0, 20)
        with asked(cluster, space):
            time.sleep(2)
        assert containers(cluster) == began
        assert restarts(space) == [0] * 20
        space.kubectl("delete", "deployment/web", "--timeout=30s")
        eventually(lambda: not containers(cluster), 20)


def kill_everything_in_turn(cluster: Cluster) -> None:
    for round_ in range(2):
        for names in (["agent"], ["server"], ["agent", "server"], ["up"]):
            if names == ["up"]:
                assert cluster.process is not None
                cluster.process.kill()
                cluster.process.wait()
                eventually(lambda: not cluster.component("agent"), 15, lambda: agent_state(cluster))
                eventually(lambda: not cluster.component("server"), 15, "the server goes on")
                cluster.up()
                continue
            old = {name: cluster.component(name) for name in names}
            assert all(old.values()), (round_, old)
            for pid in old.values():
                os.kill(pid, signal.SIGKILL)
            for name in names:
                eventually(lambda: cluster.component(name) not in (0, old[name]), 40, name)  # noqa: B023
        eventually(lambda: cluster.ask_kubectl("get", "--raw", "/readyz").out == "ok", 20)
        time.sleep(0.5)


def agent_state(cluster: Cluster) -> str:
    """Return why the agent might not end."""
    pid = cluster.component("agent")
    return (
        f"the agent {pid} goes on: {Path(f'/proc/{pid}/status').read_text()}"
        f"{(cluster.data / 'logs/agent.log').read_text()[-3000:]}"
    )


class Parts:
    """`roost server` and `roost agent` as processes of their own."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for name in list(self.running):
            self.stop(name)

    def start(self, name: str) -> None:
        log = (self.cluster.root / f"{name}.log").open("ab")
        more = ["--node-name", self.cluster.node] if name == "agent" else []
        words = [sys.executable, "-m", "roost", *with_data([name, *more], self.cluster.data)]
        self.running[name] = subprocess.Popen(
            self.cluster.namespace.command(*words), stdout=log, stderr=log,
            env=clean_environment(), cwd=self.cluster.root,
        )  # fmt: skip
        if name == "server":
            ready = lambda: self.cluster.ask_kubectl("get", "--raw", "/readyz").out == "ok"  # noqa: E731
            eventually(ready, 20, "the server is not ready")

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        process = self.running.pop(name)
        process.send_signal(number)
        process.wait(20)

    def log(self, name: str) -> str:
        return (self.cluster.root / f"{name}.log").read_text()


def while_the_agent_is_away(space: Space, parts: Parts) -> None:
    """What ended meanwhile has its exit code; what was deleted meanwhile is stopped."""
    space.apply(
        shell_pod("ends", "busybox:1", "true; sleep 4; exit 7", restartPolicy="Never"),
        shell_pod("again", "busybox:1", "true; sleep 4; exit 8"),
        shell_pod("unwanted", "busybox:1", "sleep 100000", terminationGracePeriodSeconds=1),
    )
    space.ready("ends", "again", "unwanted")
    parts.stop("agent", signal.SIGKILL)
    space.kubectl("delete", "pod", "unwanted", "--wait=false")
    time.sleep(4.5)
    assert space.get("pod", "ends")["status"]["phase"] == "Running"
    assert space.get("pod", "unwanted")["metadata"]["deletionTimestamp"]
    parts.start("agent")
    eventually(lambda: space.get("pod", "ends")["status"]["phase"] == "Failed", 20)
    assert space.status("ends")["state"]["terminated"]["exitCode"] == 7
    eventually(lambda: space.status("again").get("restartCount") == 1, 20)
    assert space.status("again")["lastState"]["terminated"]["exitCode"] == 8
    eventually(lambda: not space.get("pod", "unwanted"), 20)
    space.kubectl("delete", "pod", "again", "ends", "--grace-period=0", "--force")


# ---------------------------------------------------------------- an API server that lies


def status(code: int, reason: str) -> tuple[int, bytes]:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "metadata": {},
            "reason": reason, "message": reason}  # fmt: skip
    return code, json.dumps(body).encode()


EMPTY_LIST = {
    "kind": "PodList",
    "apiVersion": "v1",
    "metadata": {"resourceVersion": "9"},
    "items": [],
}
LIES: dict[str, tuple[int, bytes]] = {
    "503": status(503, "ServiceUnavailable"),
    "401": status(401, "Unauthorized"),
    "403": status(403, "Forbidden"),
    "404": status(404, "NotFound"),
    "bare 404": (404, b"404 page not found"),
    "garbage": (200, b"\x00<html>it works!</html>"),
    "empty": (200, b""),
    "empty object": (200, b"{}"),
    "half a list": (200, json.dumps(EMPTY_LIST).encode()[:-10]),
    "a stranger": (200, json.dumps(EMPTY_LIST).encode()),
}


def believes_no_lie(cluster: Cluster, parts: Parts, lie: str, began: dict[int, str]) -> None:
    asked_for: list[str] = []
    with lying_server(cluster, lie, asked_for):
        parts.start("agent")
        if lie == "a stranger":  # nobody speaks to it
            time.sleep(3)
            assert not asked_for
        else:
            eventually(lambda: len([p for p in asked_for if "/pods" in p]) >= 2, 20, asked_for)
            time.sleep(0.5)
        assert parts.running["agent"].poll() is None, f"{lie}: {parts.log('agent')[-2000:]}"
        parts.stop("agent")
    assert containers(cluster) == began, lie


@contextmanager
def lying_server(cluster: Cluster, lie: str, asked_for: list[str]) -> Iterator[None]:
    """Serve one answer to everything on the API server's port; a stranger has another certificate."""
    code, body = LIES[lie]

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            asked_for.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, *args: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(cluster, stranger=lie == "a stranger"))

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self) -> Any:
            connection, peer = super().get_request()
            connection.settimeout(5)
            return context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            ), peer

        def handle_error(self, *args: Any) -> None:
            pass

    server = cluster.inside(lambda: Server(("0.0.0.0", 6443), Handler))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificate(cluster: Cluster, *, stranger: bool) -> tuple[str, str]:
    pki = cluster.data / "server" / "pki"
    if not stranger:
        return str(pki / "server.crt"), str(pki / "server.key")
    folder = cluster.root / "stranger"
    folder.mkdir(exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=x",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key", "-out", folder / "crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    return str(folder / "crt"), str(folder / "key")
