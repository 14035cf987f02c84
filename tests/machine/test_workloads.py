"""How pods run, end, fail and wait; as kubectl shows it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cluster_scene import Cluster, Space, eventually
from images import busybox_image

pytestmark = [pytest.mark.root, pytest.mark.kubectl, pytest.mark.slow]


def job(space: Space, name: str, script: str, **spec: Any) -> dict[str, Any]:
    template = space.pod(name, script, restartPolicy="Never")
    del template["apiVersion"], template["kind"]
    template["metadata"] = {}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": template, **spec},
    }


def test_jobs_complete_and_fail(space: Space):
    space.apply(
        job(space, "good", "echo done", completions=3, parallelism=2),
        job(space, "bad", "exit 1", backoffLimit=0),
        job(space, "late", "sleep 1000", activeDeadlineSeconds=1),
    )
    space.kubectl("wait", "--for=condition=Complete", "job/good", "--timeout=30s")
    assert space.get("job", "good")["status"]["succeeded"] == 3
    assert space.kubectl("logs", "job/good") == "done\n"
    space.kubectl("wait", "--for=condition=Failed", "job/bad", "job/late", "--timeout=40s")
    reasons = {
        name: next(
            c["reason"] for c in space.get("job", name)["status"]["conditions"]
            if c["type"] == "Failed"
        )
        for name in ("bad", "late")
    }  # fmt: skip
    assert reasons == {"bad": "BackoffLimitExceeded", "late": "DeadlineExceeded"}
    assert {"SuccessfulCreate", "Completed"} <= space.events("good")
    assert "BackoffLimitExceeded" in space.events("bad")


def test_init_containers_run_in_order_and_a_failing_one_holds_the_pod(space: Space):
    image = f"{space.registry}/busybox:1"
    shared = [{"name": "s", "mountPath": "/s"}]
    inits = [
        {"name": name, "image": image, "volumeMounts": shared, "command": ["sh", "-c", script]}
        for name, script in (("a", "echo a >> /s/order"), ("b", "sleep 1; echo b >> /s/order"))
    ]
    sidecar = {
        **inits[0], "name": "side", "restartPolicy": "Always",
        "command": ["sh", "-c", "echo side >> /s/order; trap 'exit 0' TERM; sleep 100000 & wait"],
    }  # fmt: skip
    volumes = [{"name": "s", "emptyDir": {}}]
    space.apply(
        space.pod("ordered", "echo main >> /s/order; trap 'exit 0' TERM; sleep 10000 & wait",
                  container={"volumeMounts": shared},
                  initContainers=[inits[0], sidecar, inits[1]], volumes=volumes),
        space.pod("held", initContainers=[{**inits[0], "command": ["false"]}],
                  restartPolicy="Never", volumes=volumes),
    )  # fmt: skip
    space.ready("ordered")
    # (the sidecar starts before b and says so at its own pace)
    order = space.exec("ordered", "cat", "/s/order").split()
    assert [word for word in order if word != "side"] == ["a", "b", "main"]
    assert "2/2" in space.kubectl("get", "pod", "ordered")
    eventually(lambda: space.get("pod", "held")["status"]["phase"] == "Failed", 15)
    assert "Init:Error" in space.kubectl("get", "pod", "held")
    answer = space.ask("logs", "held")
    assert (answer.code, answer.out) == (1, "")
    assert 'container "main" in pod "held" is waiting to start: PodInitializing' in answer.err


def test_a_container_over_its_memory_limit_is_oom_killed(space: Space):
    script = "x=x; while true; do x=$x$x; done"
    limit = {"resources": {"limits": {"memory": "24Mi"}}}
    space.apply(space.pod("greedy", script, container=limit, restartPolicy="Never"))
    ended = eventually(
        lambda: space.status("greedy").get("state", {}).get("terminated"), 30,
        lambda: space.status("greedy"),
    )  # fmt: skip
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    assert "OOMKilled" in space.kubectl("get", "pod", "greedy")


def test_a_pod_that_fits_nowhere_says_why_and_is_placed_when_that_changes(
    cluster: Cluster, space: Space
):
    space.apply(
        space.pod("huge", container={"resources": {"requests": {"cpu": "900"}}}),
        space.pod("picky", nodeSelector={"disk": "fast"}),
    )

    def message(name: str) -> str:
        conditions = space.get("pod", name)["status"].get("conditions") or []
        return next((c.get("message", "") for c in conditions if c["type"] == "PodScheduled"), "")

    eventually(lambda: message("huge") and message("picky"), 10)
    assert message("huge").startswith("0/1 nodes are available: 1 Insufficient cpu.")
    assert message("picky").startswith(
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    )
    assert "FailedScheduling" in space.events("huge")
    assert "0/1 nodes are available" in space.kubectl("describe", "pod", "huge")
    assert space.kubectl("get", "pod", "picky", "--no-headers").split()[2] == "Pending"
    cluster.kubectl("label", "node", cluster.node, "disk=fast")
    try:
        space.ready("picky", within_s=15)
    finally:
        cluster.kubectl("label", "node", cluster.node, "disk-")
    answer = space.ask("logs", "huge")
    assert answer.code in (0, 1)
    assert "Traceback" not in answer.err


def test_a_failing_liveness_probe_restarts_and_a_failing_readiness_probe_withdraws(space: Space):
    probe = {"exec": {"command": ["test", "-e", "/tmp/ok"]}, "periodSeconds": 1}
    space.run("live", "touch /tmp/ok; trap 'exit 0' TERM; sleep 10000 & wait",
              container={"livenessProbe": {**probe, "failureThreshold": 1},
                         "readinessProbe": probe})  # fmt: skip
    space.exec("live", "rm", "/tmp/ok")
    eventually(lambda: space.status("live")["restartCount"] == 1, 20, lambda: space.status("live"))
    assert {"Unhealthy", "Killing"} <= space.events("live")
    described = space.kubectl("describe", "pod", "live")
    assert "Liveness probe failed" in described
    assert "Container main failed liveness probe, will be restarted" in described


# ---------------------------------------------------------------- the end of a pod


def test_a_pod_ends_gracefully_and_a_forced_deletion_at_once(space: Space):
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hook >> /out/log; sleep 1"]}}}
    script = "trap 'echo term >> /out/log; exit 0' TERM; while :; do sleep 0.1; done"
    mount = {"volumeMounts": [{"name": "out", "mountPath": "/out"}]}
    folder = f"{space.cluster.root}/out-{space.name}"
    volumes = [{"name": "out", "hostPath": {"path": folder, "type": "DirectoryOrCreate"}}]
    space.run("polite", script, container={**mount, "lifecycle": hook}, volumes=volumes)
    begun = time.monotonic()
    space.kubectl("delete", "pod", "polite", "--timeout=40s")
    assert 1 <= time.monotonic() - begun < 20
    with open(f"{folder}/log") as log:
        assert log.read() == "hook\nterm\n"

    stubborn = "trap '' TERM; touch /tmp/set; while :; do sleep 0.1; done"
    probe = {"exec": {"command": ["test", "-f", "/tmp/set"]}, "periodSeconds": 1}
    ready = {"readinessProbe": probe}
    space.run("stubborn", stubborn, container=ready, terminationGracePeriodSeconds=2)
    begun = time.monotonic()
    space.kubectl("delete", "pod", "stubborn", "--timeout=40s")
    assert 2 <= time.monotonic() - begun < 20

    space.run("stubborn", stubborn, container=ready, terminationGracePeriodSeconds=600)
    begun = time.monotonic()
    answer = space.ask("delete", "pod", "stubborn", "--grace-period=0", "--force")
    assert "Immediate deletion does not wait for confirmation" in answer.err
    assert 'pod "stubborn" force deleted' in answer.out
    assert time.monotonic() - begun < 20
    marker = f"stubborn_{space.name}"
    run = space.cluster.data / "logs/pods"
    eventually(lambda: not list(run.glob(f"{space.name}_stubborn*")), 20, marker)


def test_cordon_taint_and_drain(cluster: Cluster, space: Space):
    node = cluster.node
    space.apply(f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: d}}
spec:
  selector: {{matchLabels: {{app: d}}}}
  template:
    metadata: {{labels: {{app: d}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{{name: c, image: "{space.registry}/busybox:1", command: [sleep, "100000"]}}]
""")
    space.kubectl("rollout", "status", "deployment/d", "--timeout=20s")
    space.apply(space.pod("alone"))
    space.ready("alone")
    try:
        cluster.kubectl("cordon", node)
        assert "Ready,SchedulingDisabled" in cluster.kubectl("get", "nodes")
        space.apply(space.pod("later"))
        pending = eventually(
            lambda: [c.get("message", "") for c in
                     space.get("pod", "later")["status"].get("conditions") or []], 10)  # fmt: skip
        assert pending[0].startswith("0/1 nodes are available: 1 node(s) were unschedulable.")
        drain = ("drain", node, "--ignore-daemonsets", "--timeout=30s",
                 "--pod-selector=app in (d,alone),!other")  # fmt: skip
        answer = cluster.ask_kubectl(*drain)
        assert answer.code == 1
        assert "cannot delete" in answer.err
        assert f"{space.name}/alone" in answer.err
        out = cluster.kubectl(*drain, "--force", "--delete-emptydir-data")
        assert f"node/{node} drained" in out
        assert not space.get("pod", "alone")
        assert [p["status"]["phase"] for p in space.list("pods", "app=d")] == ["Pending"]
    finally:
        cluster.kubectl("uncordon", node)
    space.ready("later")
    space.kubectl("rollout", "status", "deployment/d", "--timeout=20s")

    cluster.kubectl("taint", "node", node, f"only-{space.name}=x:NoSchedule")
    try:
        space.apply(
            space.pod("no"),
            space.pod("yes", tolerations=[{"key": f"only-{space.name}", "operator": "Exists"}]),
        )
        space.ready("yes")
        said = json.dumps(space.get("pod", "no")["status"])
        assert "1 node(s) had untolerated taint(s)" in said or "untolerated taint" in said
    finally:
        cluster.kubectl("taint", "node", node, f"only-{space.name}-")
    space.ready("no")


# ---------------------------------------------------------------- volumes and the API from inside


VOLUMES = """
apiVersion: v1
kind: Pod
metadata: {name: vols, labels: {tier: "front"}, annotations: {note: "said so"}}
spec:
  containers:
  - name: main
    image: REGISTRY/busybox:1
    command: [sh, -c, "trap 'exit 0' TERM; sleep 100000 & wait"]
    resources: {limits: {cpu: 500m, memory: 32Mi}}
    env:
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    envFrom: [{prefix: CM_, configMapRef: {name: conf}}]
    volumeMounts:
    - {name: empty, mountPath: /empty}
    - {name: ram, mountPath: /ram}
    - {name: host, mountPath: /host, readOnly: true}
    - {name: down, mountPath: /down}
    - {name: all, mountPath: /all}
    - {name: conf, mountPath: /conf}
    - {name: conf, mountPath: /one/file, subPath: color}
  volumes:
  - {name: empty, emptyDir: {}}
  - {name: ram, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - {name: host, hostPath: {path: HOST, type: Directory}}
  - name: down
    downwardAPI:
      items:
      - {path: labels, fieldRef: {fieldPath: metadata.labels}}
      - {path: note, fieldRef: {fieldPath: "metadata.annotations['note']"}}
      - {path: cpu, resourceFieldRef: {containerName: main, resource: limits.cpu, divisor: 1m}}
  - {name: conf, configMap: {name: conf}}
  - name: all
    projected:
      defaultMode: 0400
      sources:
      - {configMap: {name: conf, items: [{key: color, path: c/color}]}}
      - {secret: {name: hush}}
      - {serviceAccountToken: {path: token, audience: vault, expirationSeconds: 600}}
      - {downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}}
"""


def test_volumes_and_a_config_map_that_changes(space: Space, tmp_path):
    (tmp_path / "seen").write_text("from the host\n")
    space.kubectl("create", "configmap", "conf", "--from-literal=color=red")
    space.kubectl("create", "secret", "generic", "hush", "--from-literal=word=quiet")
    space.apply(VOLUMES.replace("REGISTRY", space.registry).replace("HOST", str(tmp_path)))
    space.ready("vols")
    shell = lambda script: space.exec("vols", "sh", "-c", script)  # noqa: E731 - short, used often
    ip = space.get("pod", "vols")["status"]["podIP"]
    assert shell('echo "$IP $NODE $MEMORY $CM_color"') == f"{ip} {space.cluster.node} 32 red\n"
    assert shell("echo x > /empty/x; cat /empty/x; cat /host/seen") == "x\nfrom the host\n"
    assert space.ask("exec", "vols", "--", "touch", "/host/no").code == 1
    assert "tmpfs" in shell("grep ' /ram ' /proc/mounts")
    assert space.ask(
        "exec", "vols", "--", "dd", "if=/dev/zero", "of=/ram/x", "bs=1M", "count=2"
    ).code
    assert shell("cat /down/labels /down/note /down/cpu") == 'tier="front"said so500'
    assert shell("cat /all/c/color /all/word /all/name") == "redquietvols"
    assert shell("stat -Lc %a /all/word") == "400\n"
    assert shell("wc -c < /all/token").strip().isdigit()
    assert shell("cat /one/file /conf/color") == "redred"
    space.kubectl("patch", "configmap", "conf", "-p", '{"data":{"color":"blue"}}')
    space.kubectl("label", "pod", "vols", "tier=back", "--overwrite")
    look = "cat /conf/color /all/c/color /down/labels"
    eventually(lambda: shell(look) == 'bluebluetier="back"', 90, lambda: shell(look))
    assert shell("cat /one/file") == "red"  # a subPath stays as it was


def test_a_volume_that_is_not_there_holds_the_pod_until_it_is(space: Space):
    space.apply(space.pod("waits", container={"volumeMounts": [{"name": "v", "mountPath": "/v"}]},
                          volumes=[{"name": "v", "configMap": {"name": "late"}}]))  # fmt: skip
    eventually(lambda: "FailedMount" in space.events("waits"), 20)
    assert "ContainerCreating" in space.kubectl("get", "pod", "waits")
    assert 'configmap "late" not found' in space.kubectl("describe", "pod", "waits")
    space.kubectl("create", "configmap", "late", "--from-literal=a=b")
    space.ready("waits", within_s=60)
    space.apply(space.pod("keyless", container={"env": [
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "none", "key": "a"}}}]}))  # fmt: skip
    eventually(lambda: "CreateContainerConfigError" in space.kubectl("get", "pod", "keyless"), 20)
    assert 'secret "none" not found' in space.kubectl("describe", "pod", "keyless")


def test_a_service_account_reaches_the_api_from_inside(space: Space):
    space.kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods")
    space.kubectl("create", "rolebinding", "reader", "--role=reader",
                  f"--serviceaccount={space.name}:default")  # fmt: skip
    space.client()
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    ask = (f'curl -sS -m 5 --cacert {folder}/ca.crt -H "Authorization: Bearer '
           f'$(cat {folder}/token)" https://kubernetes.default.svc')  # fmt: skip

    def api(path: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(space.exec("client", "bash", "-c", f"{ask}{path}"))
        return answer

    pods = api(f"/api/v1/namespaces/{space.name}/pods")
    assert [p["metadata"]["name"] for p in pods["items"]] == ["client"]
    refused = api(f"/api/v1/namespaces/{space.name}/secrets")
    assert (refused["code"], refused["reason"]) == (403, "Forbidden")
    assert f'"system:serviceaccount:{space.name}:default"' in refused["message"]
    assert api("/version")["gitVersion"].startswith("v1.36")
    assert space.exec("client", "cat", f"{folder}/namespace") == space.name


# ---------------------------------------------------------------- names and ports


def test_names(space: Space):
    space.run("one", "echo 1 > /tmp/x; httpd -f -p 80 -h /tmp", labels={"app": "web"},
              hostname="one", subdomain="headless")  # fmt: skip
    space.kubectl("expose", "pod", "one", "--name=svc", "--port=80")
    space.kubectl("create", "service", "clusterip", "headless", "--clusterip=None", "--tcp=80")
    space.kubectl("patch", "service", "headless", "-p", '{"spec":{"selector":{"app":"web"}}}')
    space.kubectl("create", "service", "externalname", "ext", "--external-name=svc." + space.name
                  + ".svc.cluster.local")  # fmt: skip
    space.client()
    pod_ip = space.get("pod", "one")["status"]["podIP"]
    svc_ip = space.get("service", "svc")["spec"]["clusterIP"]

    def look(name: str) -> str:
        answer = space.ask("exec", "client", "--", "getent", "ahostsv4", name)
        return answer.out.split()[0] if answer.code == 0 else ""

    eventually(lambda: look("headless") == pod_ip, 10, lambda: look("headless"))
    full = f"{space.name}.svc.cluster.local"
    for name in (
        "svc",
        f"svc.{space.name}",
        f"svc.{space.name}.svc",
        f"svc.{full}",
        f"svc.{full}.",
        "ext",
    ):
        assert look(name) == svc_ip, name
    for name in (f"headless.{full}", f"one.headless.{full}"):
        assert look(name) == pod_ip, name
    assert look("kubernetes.default") == "10.96.0.1"
    begun = time.monotonic()
    assert look("nothing-here") == ""
    assert look(f"nothing.{space.name}.svc.cluster.local.") == ""
    assert time.monotonic() - begun < 8  # two waits for an answer would take longer
    assert space.fetch("client", f"http://svc.{space.name}/x") == "1\n"


def test_host_ports_node_ports_and_the_hosts_network(cluster: Cluster, space: Space):
    space.apply(
        space.pod("hp", "echo hp > /tmp/x; httpd -f -p 80 -h /tmp",
                  container={"ports": [{"containerPort": 80, "hostPort": 18080}]}),
        space.pod("hn", "echo hn > /tmp/x; httpd -f -p 18081 -h /tmp", hostNetwork=True),
    )  # fmt: skip
    space.ready("hp", "hn")
    node_ip = json.loads(cluster.kubectl("get", "node", cluster.node, "-o", "json"))["status"][
        "addresses"
    ][0]["address"]
    space.kubectl("expose", "pod", "hp", "--name=np", "--port=80", "--type=NodePort")
    port = space.get("service", "np")["spec"]["ports"][0]["nodePort"]
    curl = ("curl", "-sS", "-m", "5", "--noproxy", "*")
    run = cluster.namespace.run
    assert run(*curl, f"http://{node_ip}:18080/x") == "hp\n"
    assert run(*curl, f"http://{node_ip}:18081/x") == "hn\n"
    eventually(lambda: cluster.ask(*curl, f"http://{node_ip}:{port}/x").out == "hp\n", 10)
    space.client()
    assert space.fetch("client", f"http://{node_ip}:18080/x") == "hp\n"
    assert space.fetch("client", f"http://{node_ip}:{port}/x") == "hp\n"
    space.apply(space.pod("hp2", container={"ports": [{"containerPort": 80, "hostPort": 18080}]}))
    eventually(
        lambda: re.search(r"1 node\(s\) didn't have free ports for the requested pod ports",
                          space.kubectl("describe", "pod", "hp2")), 10)  # fmt: skip
    space.kubectl("delete", "pod", "hp", "--grace-period=0", "--force")
    space.ready("hp2", within_s=15)
    assert cluster.ask(*curl, f"http://{node_ip}:18080/x").code != 0


def test_a_node_without_memory_says_so_and_evicts_one_pod_after_the_other(own_cluster: Cluster):
    cluster = own_cluster
    cluster.up("--eviction-hard", "memory.available<99%")
    try:
        eventually(lambda: pressure(cluster) == "True", 30)
        node = json.loads(cluster.kubectl("get", "node", cluster.node, "-o", "json"))
        assert [one["key"] for one in node["spec"]["taints"]] == [
            "node.kubernetes.io/memory-pressure"
        ]
        tolerant = [{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}]
        space = cluster.space("default")
        eventually(lambda: space.get("serviceaccount", "default"), 30)
        archive = busybox_image().docker_archive(cluster.root / "busybox.tar", "busybox:1")
        cluster.roost("image", "load", str(archive))
        more = {"tolerations": tolerant, "container": {"image": "busybox:1"}}
        for name in ("a", "b"):
            space.apply(space.pod(name, terminationGracePeriodSeconds=600, **more))
        eventually(lambda: all(evicted(space, name) for name in ("a", "b")), 60)
        message = space.get("pod", "a")["status"]["message"]
        assert message.startswith("The node was low on resource: memory. Threshold quantity: ")
        assert message.endswith("request is 0, has larger consumption of memory. ")
    finally:
        cluster.stop()


@pytest.fixture
def full_disk(own_cluster: Cluster) -> Iterator[Cluster]:
    """A cluster of one's own on a disk of 200 MiB."""
    disk = own_cluster.root / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200M", "tmpfs", str(disk)], check=True)
    own_cluster.data = disk / "data"
    yield own_cluster
    own_cluster.down()
    subprocess.run(["umount", str(disk)], check=True)


def test_a_pod_that_fills_the_disk_goes_with_all_that_it_wrote(full_disk: Cluster):
    cluster = full_disk
    cluster.up()
    space = cluster.space("default")
    eventually(lambda: space.get("serviceaccount", "default"), 30)
    archive = busybox_image().docker_archive(cluster.root / "busybox.tar", "busybox:1")
    cluster.roost("image", "load", str(archive))
    mounted = {"image": "busybox:1", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    script = "dd if=/dev/zero of=/v/f bs=1M count=1000; sleep 1000000"
    volumes = [{"name": "v", "emptyDir": {}}]
    space.apply(space.pod("fill", script, container=mounted, volumes=volumes))

    def agent_log() -> str:
        return (cluster.data / "logs" / "agent.log").read_text()[-5000:]

    eventually(lambda: shutil.disk_usage(cluster.data).free < 1 << 20, 30, agent_log)
    cluster.stop()
    cluster.up("--eviction-hard", "nodefs.available<10%")
    eventually(lambda: evicted(space, "fill"), 60, agent_log)
    message = space.get("pod", "fill")["status"]["message"]
    assert message.startswith("The node was low on resource: ephemeral-storage. Threshold quantity")
    eventually(lambda: shutil.disk_usage(cluster.data).free > 150 << 20, 10, agent_log)
    space.kubectl("create", "configmap", "after")


def pressure(cluster: Cluster) -> str:
    path = '{.status.conditions[?(@.type=="MemoryPressure")].status}'
    return cluster.ask_kubectl("get", "node", cluster.node, "-o", f"jsonpath={path}").out


def evicted(space: Space, name: str) -> bool:
    return space.get("pod", name).get("status", {}).get("reason") == "Evicted"
