"""The main story: a cluster, an application on it, reached, scaled, rolled, looked at, removed."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from cluster_scene import Cluster, Space, eventually, free_port

pytestmark = [pytest.mark.root, pytest.mark.kubectl, pytest.mark.slow]

WEB = """
apiVersion: v1
kind: ConfigMap
metadata: {name: page}
data: {index.html: "hello from the map\\n", motto: "keep going"}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {password: s3same}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - name: httpd
        image: REGISTRY/busybox:1
        command: [sh, -c]
        args:
        - |
          trap 'echo ending; exit 0' TERM
          mkdir -p /www; hostname > /www/name; cp /etc/release /page/index.html /www
          echo "serving with $PASSWORD and $MOTTO"; httpd -f -p 8080 -h /www & wait
        env:
        - {name: PASSWORD, valueFrom: {secretKeyRef: {name: key, key: password}}}
        - {name: MOTTO, valueFrom: {configMapKeyRef: {name: page, key: motto}}}
        ports: [{name: http, containerPort: 8080}]
        startupProbe: {exec: {command: [test, -e, /www/index.html]}, periodSeconds: 1}
        readinessProbe: {httpGet: {path: /name, port: http}, periodSeconds: 1}
        livenessProbe: {tcpSocket: {port: http}, periodSeconds: 2}
        resources: {requests: {cpu: 10m, memory: 8Mi}, limits: {memory: 64Mi}}
        volumeMounts: [{name: page, mountPath: /page}]
      volumes: [{name: page, configMap: {name: page}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: http}]
"""


def names_behind(space: Space, client: str, tries: int = 30) -> set[str]:
    return set(
        space.fetch(client, f"http://web/name?[1-{tries}]", "-H", "Connection: close").split()
    )


def test_an_application_from_its_first_image_to_its_last_rollback(cluster: Cluster, space: Space):
    space.apply(WEB.replace("REGISTRY", space.registry))
    space.kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    space.client()

    pods = {pod["metadata"]["name"] for pod in space.list("pods", "app=web")}
    assert len(pods) == 3
    assert names_behind(space, "client") == pods
    assert space.fetch("client", "http://web/") == "hello from the map\n"
    one = min(pods)
    assert space.kubectl("logs", one) == "serving with s3same and keep going\n"

    # from the node, by the Service's address and by port-forward
    address = space.get("service", "web")["spec"]["clusterIP"]
    assert cluster.inside(lambda: fetch(f"http://{address}/release")) == "one\n"
    port = free_port(cluster.namespace)
    forward = space.start("port-forward", "service/web", f"{port}:80", stdout=subprocess.PIPE)
    try:
        assert forward.stdout is not None
        assert "Forwarding from 127.0.0.1" in forward.stdout.readline()
        for _ in range(3):
            assert cluster.inside(lambda: fetch(f"http://127.0.0.1:{port}/name")).strip() in pods
    finally:
        forward.terminate()
        forward.communicate(timeout=10)

    space.kubectl("scale", "deployment/web", "--replicas=5")
    space.kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    assert len(names_behind(space, "client", 60)) == 5
    space.kubectl("scale", "deployment/web", "--replicas=2")
    eventually(lambda: len(space.list("pods", "app=web")) == 2, 20)

    space.kubectl("set", "image", "deployment/web", f"httpd={space.registry}/busybox:2")
    space.kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    assert space.fetch("client", "http://web/release") == "two\n"
    history = space.kubectl("rollout", "history", "deployment/web")
    assert re.findall(r"^(\d+)\s", history, re.MULTILINE) == ["1", "2"]
    assert "busybox:1" in space.kubectl("rollout", "history", "deployment/web", "--revision=1")
    space.kubectl("rollout", "undo", "deployment/web")
    space.kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    assert space.fetch("client", "http://web/release") == "one\n"
    history = space.kubectl("rollout", "history", "deployment/web")
    assert re.findall(r"^(\d+)\s", history, re.MULTILINE) == ["2", "3"]

    # a rollout that cannot succeed leaves what runs, and says so
    space.kubectl("set", "image", "deployment/web", f"httpd={space.registry}/nowhere:1")
    answer = space.ask("rollout", "status", "deployment/web", "--timeout=4s")
    assert answer.code == 1
    assert "timed out" in answer.err
    (bad,) = [p for p in space.list("pods", "app=web") if "nowhere" in json.dumps(p["spec"])]
    waiting = space.status(bad["metadata"]["name"])["state"]["waiting"]["reason"]
    assert waiting in ("ErrImagePull", "ImagePullBackOff")
    assert {"Failed", "BackOff"} <= space.events(bad["metadata"]["name"])
    assert space.fetch("client", "http://web/release") == "one\n"
    space.kubectl("rollout", "undo", "deployment/web")
    space.kubectl("rollout", "status", "deployment/web", "--timeout=40s")

    space.kubectl("rollout", "restart", "deployment/web")
    space.kubectl("rollout", "status", "deployment/web", "--timeout=40s")
    space.kubectl("delete", "deployment/web", "service/web", "--timeout=30s")
    eventually(lambda: not space.list("pods", "app=web"), 20)
    assert not space.list("replicasets")
    assert not space.list("endpointslices")


def fetch(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as answer:
        text: str = answer.read().decode()
        return text


# ---------------------------------------------------------------- logs


def test_logs(space: Space):
    script = "for i in $(seq 1000); do echo line $i; sleep 0.2; done"
    space.run("talker", f"echo first; echo oops >&2; {script}")
    follow = space.start("logs", "-f", "talker", stdout=subprocess.PIPE)
    assert follow.stdout is not None
    lines = [follow.stdout.readline() for _ in range(6)]
    assert "oops\n" in lines  # between two streams there is no order
    assert [x for x in lines if x != "oops\n"] == ["first\n", *(f"line {i}\n" for i in range(1, 5))]
    assert len(space.kubectl("logs", "talker", "--tail=2").splitlines()) == 2
    assert space.kubectl("logs", "talker", "--tail=0") == ""
    stamped = space.kubectl("logs", "talker", "--timestamps", "--tail=1")
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d) line \d+\n", stamped)
    time.sleep(1.2)
    recent = space.kubectl("logs", "talker", "--since=1s").splitlines()
    assert 1 <= len(recent) <= 12
    assert "first" not in recent
    assert space.kubectl("logs", "talker", "--limit-bytes=5") == "first"
    assert space.kubectl("logs", "-l", "app=talker", "--tail=1", "--prefix").startswith("[pod/talk")
    answer = space.ask("logs", "talker", "--previous")
    assert answer.code == 1
    assert 'previous terminated container "main" in pod "talker" not found' in answer.err
    answer = space.ask("logs", "talker", "-c", "nobody")
    assert "container nobody is not valid for pod talker" in answer.err
    space.kubectl("delete", "pod", "talker", "--grace-period=1")
    follow.communicate(timeout=10)  # a followed log ends with its container
    assert follow.returncode == 0


def test_a_crash_loop_shows_restarts_the_last_state_and_the_previous_log(space: Space):
    space.apply(space.pod("crash", "echo run; echo why > /dev/termination-log; exit 3"))
    status = eventually(
        lambda: (s := space.status("crash")).get("restartCount", 0) >= 1
        and s["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff" and s,
        30, lambda: space.status("crash"),
    )  # fmt: skip
    last = status["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"], last["message"]) == (3, "Error", "why\n")
    assert last["containerID"].partition("://")[0] in ("runc", "containerd", "cri-o", "roost")
    assert re.search(
        r"back-off \d+s restarting failed container=main pod=crash_", json.dumps(status)
    )
    assert space.kubectl("logs", "crash", "--previous") == "run\n"
    assert "CrashLoopBackOff" in space.kubectl("get", "pod", "crash")
    assert {"Scheduled", "Pulled", "Created", "Started", "BackOff"} <= space.events("crash")
    described = space.kubectl("describe", "pod", "crash")
    assert re.search(r"Last State:\s+Terminated\n\s+Reason:\s+Error", described)
    assert "Back-off restarting failed container main in pod crash" in described


# ---------------------------------------------------------------- exec, attach, copy


def test_exec_carries_input_output_errors_and_exit_codes(space: Space):
    space.run("box")
    assert space.exec("box", "echo", "hello") == "hello\n"
    answer = space.ask("exec", "box", "--", "sh", "-c", "echo out; echo err >&2; exit 42")
    assert (answer.code, answer.out) == (42, "out\n")
    assert answer.err == "err\ncommand terminated with exit code 42\n"
    assert space.exec("box", "cat", given="") == ""
    big = "x" * 3_000_000
    answer = space.ask("exec", "-i", "box", "--", "sh", "-c", "wc -c; cat", given=big)
    assert answer.out.strip() == "3000000"
    assert space.ask("exec", "-i", "box", "--", "cat", given=big).out == big
    assert len(space.exec("box", "sh", "-c", "yes | head -c 5000000")) == 5_000_000
    answer = space.ask("exec", "box", "--", "no-such-program")
    assert answer.code != 0
    assert "no-such-program" in answer.err
    answer = space.ask("exec", "nobody", "--", "true")
    assert answer.err == 'Error from server (NotFound): pods "nobody" not found\n'
    answer = space.ask("exec", "box", "-c", "other", "--", "true")
    assert "container other is not valid for pod box" in answer.err or "not found" in answer.err


def at_a_terminal(
    cluster: Cluster, argv: list[str], typed: list[tuple[str, str]]
) -> tuple[int, str]:
    """Run kubectl at a terminal of 40x100; type each text when the one before it was seen."""
    master, terminal = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = cluster.start_kubectl(*argv, stdin=terminal, stdout=terminal, stderr=terminal,
                                    start_new_session=True)  # fmt: skip
    os.close(terminal)
    seen = ""
    for expected, text in [*typed, ("", "")]:
        deadline = time.monotonic() + 15
        while expected not in seen:
            ready, _, _ = select.select([master], [], [], 0.2)
            if ready:
                seen += os.read(master, 4096).decode(errors="replace")
            assert time.monotonic() < deadline, f"waiting for {expected!r}: {seen!r}"
        if text:
            os.write(master, text.encode())
    code = process.wait(15)
    while select.select([master], [], [], 0)[0]:
        try:
            seen += os.read(master, 4096).decode(errors="replace")
        except OSError:
            break
    os.close(master)
    return code, seen


def test_a_terminal_in_a_container(cluster: Cluster, space: Space):
    space.run("box")
    code, seen = at_a_terminal(
        cluster,
        ["-n", space.name, "exec", "-it", "box", "--", "sh"],
        [
            ("# ", "stty size; tty; echo a-$((40+2))\r"),
            ("a-42", "echo b-$((40+3)); sleep 100\r"),
            ("b-43", "\x03"),
            ("^C", "exit 7\r"),
        ],
    )
    assert "40 100" in seen
    assert "/dev/pts/" in seen
    assert code == 7


def test_attach(cluster: Cluster, space: Space):
    stdin = {"stdin": True, "stdinOnce": True}
    script = "while read line; do echo got $line; done; echo end"
    space.apply(space.pod("echo", script, container=stdin, restartPolicy="Never"))
    space.ready("echo")
    answer = space.ask("attach", "-i", "echo", given="one\ntwo\n", timeout_s=20)
    assert "got one\ngot two\n" in answer.out
    eventually(lambda: space.get("pod", "echo")["status"]["phase"] == "Succeeded", 10)
    image = f"--image={space.registry}/busybox:1"
    answer = space.ask("run", "once", image, "-i", "--rm", "--quiet", "--restart=Never",
                       "--", "sh", "-c", "sleep 1; cat; exit 5", given="in\n")  # fmt: skip
    assert (answer.code, answer.out) == (5, "in\n")
    assert not space.get("pod", "once")


def test_files_are_copied_both_ways(space: Space, tmp_path: Path):
    space.apply({**space.pod("deb"), "spec": {"containers": [
        {"name": "main", "image": f"{space.registry}/debian:1", "command": ["sleep", "1000000"]}],
        "terminationGracePeriodSeconds": 0}})  # fmt: skip
    space.ready("deb")
    (tmp_path / "d/sub").mkdir(parents=True)
    (tmp_path / "d/one").write_text("1\n")
    (tmp_path / "d/sub/big").write_bytes(os.urandom(2_000_000))
    space.kubectl("cp", str(tmp_path / "d"), f"{space.name}/deb:/tmp/d")
    assert space.exec("deb", "cat", "/tmp/d/one") == "1\n"
    space.kubectl("cp", f"{space.name}/deb:/tmp/d", str(tmp_path / "back"))
    assert (tmp_path / "back/sub/big").read_bytes() == (tmp_path / "d/sub/big").read_bytes()
