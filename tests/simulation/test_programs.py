"""Programs in simulated containers: what they may do, and what becomes of those that misbehave."""

from __future__ import annotations

from typing import Any

import pytest

from roost.api.errors import InternalError
from roost.simulation import Behaviour, Cluster, Context, Image
from roost.simulation.workloads.program import Stuck


class Greeter(Image):
    name, version = "greeter", "1.0"

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        ctx.print("serving as", ctx.pod.name)
        return await ctx.serve(8080, lambda request: f"hello {request.header('x-name')}")


class Thrower(Image):
    name = "thrower"

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        ctx.print("about to fail")
        raise LookupError("no luck")


class Glutton(Image):
    name = "glutton"

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        while True:
            ctx.allocate(16 << 20)
            await ctx.sleep(1)


class Polite(Image):
    name = "polite"

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        async def leave() -> None:
            ctx.print("leaving")
            await ctx.sleep(float(ctx.env.get("NEEDS_S", "2")))
            ctx.exit(0)

        ctx.on_signal("SIGTERM", leave)
        return await self.exec(ctx, ("pause",))


class Flood(Image):
    name = "flood"

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        while True:
            for number in range(2000):
                ctx.print("a line of the flood", number)
            await ctx.sleep(0.1)


class Careless(Image):
    name = "careless"

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        async def fail() -> None:
            await ctx.sleep(1)
            raise RuntimeError("the helper failed")

        ctx.spawn(fail())
        return await self.exec(ctx, ("pause",))


class Hanging(Image):
    name = "hanging"

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int | None:
        ctx.print("it hangs")
        while True:
            pass


IMAGES = (Hanging, Greeter, Thrower, Glutton, Polite, Flood, Careless)


@pytest.fixture
def cluster():
    with Cluster(nodes=2) as made:
        for image in IMAGES:
            made.register(image)
        yield made


def pod(image: str, name: str = "x", **spec: Any) -> dict[str, Any]:
    container = {
        key: spec.pop(key)
        for key in ("command", "args", "env", "envFrom", "resources", "volumeMounts")
        if key in spec
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "image": image, **container}], **spec},
    }


def status(cluster: Cluster, name: str = "x") -> dict[str, Any]:
    found: dict[str, Any] = cluster.client.get("pods", name, "default")["status"]
    return found


def terminated(cluster: Cluster, name: str = "x") -> dict[str, Any]:
    one = status(cluster, name)["containerStatuses"][0]
    found: dict[str, Any] = one["state"].get("terminated") or one["lastState"]["terminated"]
    return found


@pytest.mark.parametrize("reference", [
    "greeter", "greeter:latest", "greeter:1.0", "docker.io/library/greeter:1.0", "library/greeter",
])  # fmt: skip
def test_an_image_is_found_by_every_form_of_its_name(cluster, reference):
    cluster.apply(pod(reference))
    cluster.advance(0.1)
    assert status(cluster)["phase"] == "Running"
    assert cluster.logs("x") == "serving as x\n"


@pytest.mark.parametrize("reference", ["nobody", "greeter:2.0", "quay.io/library/greeter"])
def test_an_image_that_nobody_registered_cannot_be_pulled(cluster, reference):
    cluster.apply(pod(reference))
    cluster.advance(0.1)
    waiting = status(cluster)["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "ErrImagePull"
    assert "not found" in waiting["message"]
    cluster.advance(20)
    waiting = status(cluster)["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] in {"ImagePullBackOff", "ErrImagePull"}
    assert {"Failed", "BackOff"} <= {event["reason"] for event in cluster.events("default")}


def test_any_image_runs_where_the_cluster_is_told_so():
    with Cluster(nodes=1, any_image=True) as cluster:
        probed = pod("nobody")
        probed["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"port": 80}}
        cluster.apply(probed)
        cluster.advance(11)
        assert status(cluster)["containerStatuses"][0]["ready"]


@pytest.mark.parametrize(
    ("command", "phase"),
    [("echo hi; sleep 1", "Succeeded"), ("exit 3", "Failed"), ("exec nobody", "Running")],
)
def test_plain_commands_are_run_in_any_image(command: str, phase: str):
    with Cluster(nodes=1, any_image=True) as cluster:
        cluster.apply(pod("nobody", restartPolicy="Never", command=["sh", "-c", command]))
        cluster.advance(2)
        assert status(cluster)["phase"] == phase
        if phase == "Succeeded":
            assert cluster.logs("x") == "hi\n"
        if phase == "Failed":
            assert terminated(cluster)["exitCode"] == 3


def test_what_is_waited_for_ends_in_any_image():
    with Cluster(nodes=1, any_image=True) as cluster:
        before = {"name": "before", "image": "nobody", "command": ["migrate"]}
        beside = {"name": "beside", "image": "nobody", "restartPolicy": "Always"}
        template = pod("nobody", restartPolicy="Never", initContainers=[before, beside])
        cluster.apply(pod("nobody", initContainers=[before]))
        cluster.apply(
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"},
             "spec": {"template": {"spec": template["spec"]}}}
        )  # fmt: skip
        cluster.advance(0.5)
        assert status(cluster)["phase"] == "Pending"
        cluster.advance(5)
        assert status(cluster)["phase"] == "Running"
        assert cluster.client.get("jobs", "j", "default")["status"]["succeeded"] == 1


@pytest.mark.parametrize(
    ("script", "printed", "code"),
    [
        ("cp -r /a /c && cat /c/b/x /c/y && cat /a/y", "x\ny\ny\n", 0),
        ("mkdir /c; cp -R /a /c; cp -a /a/. /c; cat /c/a/y /c/b/x", "y\nx\n", 0),
        ("cp /a /c", "cp: omitting directory '/a'\n", 1),
        ("cp /a/y /a/b/x /c", "cp: target '/c' is not a directory\n", 1),
        ("mv -v /a /c; cat /c/b/x; ls /a", "'/a' -> '/c'\nx\nls: /a: No such file or directory\n", 1),
        ("mv /a/y /a/b/x /tmp && ls /tmp", "x\ny\n", 0),
        ("chmod +x /a/y && chown -R 1000:1000 /a", "", 0),
        ("chmod 600 /no", "chmod: /no: No such file or directory\n", 1),
    ],
)  # fmt: skip
def test_files_are_copied_and_moved(cluster, script: str, printed: str, code: int):
    cluster.apply(pod("busybox", command=["sleep", "inf"]))
    cluster.advance(1)
    made = "mkdir -p /a/b; echo x > /a/b/x; echo y > /a/y; "
    result = cluster.exec("x", ["sh", "-c", made + script])
    assert (result.stdout + result.stderr, result.code) == (printed, code)


@pytest.mark.parametrize("image", ["registry.k8s.io/e2e-test-images/agnhost:2", "nobody"])
def test_containers_can_take_a_moment_to_stop(image: str):
    with Cluster(nodes=1, any_image=True, stop_s=0.5) as cluster:
        cluster.apply(pod(image))
        cluster.advance(1)
        cluster.client.delete("pods", "x", "default")
        cluster.advance(0.4)
        assert cluster.client.get("pods", "x", "default")["metadata"]["deletionTimestamp"]
        cluster.advance(0.2)
        assert cluster.client.list("pods", "default") == []


def test_an_exception_is_exit_code_1_with_its_last_words_in_the_log(cluster):
    cluster.apply(pod("thrower", restartPolicy="Never"))
    cluster.advance(0.1)
    assert status(cluster)["phase"] == "Failed"
    assert terminated(cluster)["exitCode"] == 1
    assert cluster.logs("x").startswith("about to fail\n")
    assert cluster.logs("x").endswith("LookupError: no luck\n")


def test_what_a_program_has_begun_fails_it_too(cluster):
    cluster.apply(pod("careless", restartPolicy="Never"))
    cluster.advance(0.5)
    assert status(cluster)["phase"] == "Running"
    cluster.advance(1)
    assert terminated(cluster)["exitCode"] == 1


def test_memory_over_the_limit_is_oom_killed_and_the_pod_goes_on(cluster):
    cluster.apply(pod("glutton", resources={"limits": {"memory": "64Mi"}}))
    cluster.advance(4.5)
    assert status(cluster)["containerStatuses"][0]["restartCount"] == 1
    assert terminated(cluster) | {"exitCode": 137, "reason": "OOMKilled"} == terminated(cluster)


def test_a_program_that_hangs_is_killed_and_the_world_goes_on(cluster, monkeypatch):
    from roost.adapters.real.stepguard import ThreadGuard  # there are no threads in a page

    monkeypatch.setattr(cluster.machines, "_guard", ThreadGuard(Stuck, step_s=0.2))
    cluster.apply(pod("hanging", restartPolicy="Never"))
    cluster.advance(0.1)
    assert terminated(cluster)["exitCode"] == 137
    assert cluster.logs("x").startswith("it hangs\n")
    cluster.apply(pod("greeter", "y"))
    cluster.advance(0.1)
    assert status(cluster, "y")["phase"] == "Running"


def test_a_flood_of_output_stays_small(cluster):
    cluster.apply(pod("flood"))
    cluster.advance(20)
    log = cluster.logs("x")
    assert len(log) < 1 << 20
    assert log.endswith("a line of the flood 1999\n")


def test_a_program_that_takes_the_signal_ends_in_its_own_time(cluster):
    cluster.apply(pod("polite", terminationGracePeriodSeconds=5))
    cluster.run_until(lambda: status(cluster)["phase"] == "Running")
    cluster.advance(0.1)
    cluster.client.delete("pods", "x", "default")
    cluster.advance(1)
    assert cluster.logs("x") == "leaving\n"
    assert cluster.run_until(lambda: not cluster.client.list("pods", "default")) < 2


def test_one_that_takes_too_long_is_killed_when_its_grace_is_over(cluster):
    env = [{"name": "NEEDS_S", "value": "100"}]
    cluster.apply(pod("polite", env=env, terminationGracePeriodSeconds=5))
    cluster.run_until(lambda: status(cluster)["phase"] == "Running")
    cluster.advance(0.1)
    cluster.client.delete("pods", "x", "default")
    took = cluster.run_until(lambda: not cluster.client.list("pods", "default"))
    assert 4.9 < took < 7


@pytest.mark.parametrize(("command", "ends"), [
    (["sleep", "1000"], 30), (["pause"], 0), (["sh", "-c", "trap 'exit 0' TERM; sleep 99 & wait"], 0),
    (["sh", "-c", "trap 'exit 0' TERM; sleep 12"], 12),
])  # fmt: skip
def test_the_first_process_gets_only_signals_that_it_handles(cluster, command, ends):
    cluster.apply(pod("busybox", command=command, restartPolicy="Never"))
    cluster.run_until(lambda: status(cluster)["phase"] == "Running")
    cluster.client.delete("pods", "x", "default")
    took = cluster.run_until(lambda: not cluster.client.list("pods", "default"))
    assert ends <= took < ends + 1


def test_a_behaviour_comes_before_the_image(cluster):
    cluster.behave("main", Behaviour(run_s=3, exit_code=7))
    cluster.apply(pod("greeter", restartPolicy="Never"))
    cluster.advance(4)
    assert terminated(cluster)["exitCode"] == 7


def test_config_maps_secrets_and_the_pod_itself_are_seen_inside(cluster):
    cluster.apply(
        """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {COLOUR: blue, "app.ini": "[app]"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {TOKEN: s3cret}
"""
    )
    env = [
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ]
    references = [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "keys"}}]
    volumes = [{"name": "v", "configMap": {"name": "settings"}}]
    mounts = [{"name": "v", "mountPath": "/etc/app"}]
    cluster.apply(
        pod("busybox", command=["pause"], env=env, envFrom=references, volumes=volumes,
            volumeMounts=mounts)
    )  # fmt: skip
    cluster.advance(1)
    shown = dict(line.split("=", 1) for line in cluster.exec("x", ["env"]).stdout.splitlines())
    assert (shown["COLOUR"], shown["TOKEN"], shown["HOSTNAME"]) == ("blue", "s3cret", "x")
    assert shown["IP"] == status(cluster)["podIP"]
    assert shown["NODE"] in cluster.nodes
    assert shown["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert cluster.exec("x", ["cat", "/etc/app/app.ini"]).stdout == "[app]"
    assert cluster.exec("x", ["hostname"]).stdout == "x\n"


def test_a_changed_config_map_is_seen_in_a_volume(cluster):
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}}
    cluster.apply({**settings, "data": {"a": "old"}})
    volumes = [{"name": "v", "configMap": {"name": "s"}}]
    mounts = [{"name": "v", "mountPath": "/s"}]
    cluster.apply(pod("busybox", command=["pause"], volumes=volumes, volumeMounts=mounts))
    cluster.advance(1)
    cluster.apply({**settings, "data": {"a": "new"}})
    cluster.advance(120)
    assert cluster.exec("x", ["cat", "/s/a"]).stdout == "new"


def test_a_missing_config_map_keeps_the_container_from_starting(cluster):
    cluster.apply(pod("busybox", envFrom=[{"configMapRef": {"name": "nothing"}}]))
    cluster.advance(5)
    waiting = status(cluster)["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "CreateContainerConfigError"
    assert waiting["message"] == 'configmap "nothing" not found'


def test_containers_of_a_pod_share_a_volume_and_the_init_container_comes_first(cluster):
    mounts = [{"name": "v", "mountPath": "/shared"}]
    shared = pod(
        "busybox", command=["sh", "-c", "cat /shared/made; pause"], volumeMounts=mounts,
        volumes=[{"name": "v", "emptyDir": {}}],
    )  # fmt: skip
    shared["spec"]["initContainers"] = [
        {"name": "maker", "image": "busybox", "volumeMounts": mounts,
         "command": ["sh", "-c", "sleep 3; echo ready > /shared/made"]},
    ]  # fmt: skip
    cluster.apply(shared)
    cluster.advance(1)
    assert status(cluster)["phase"] == "Pending"
    cluster.advance(4)
    assert cluster.logs("x") == "ready\n"


def test_an_init_container_that_fails_keeps_the_pod_from_running(cluster):
    failing = pod("greeter")
    failing["spec"]["initContainers"] = [
        {"name": "check", "image": "busybox", "command": ["false"]}
    ]
    cluster.apply(failing)
    cluster.advance(60)
    shown = status(cluster)
    assert shown["phase"] == "Pending"
    waiting = shown["initContainerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "CrashLoopBackOff"
    assert shown["initContainerStatuses"][0]["restartCount"] >= 2


def test_commands_in_a_container_give_code_stdout_and_stderr(cluster):
    cluster.apply(pod("busybox", command=["pause"]))
    cluster.advance(0.1)
    result = cluster.exec("x", ["sh", "-c", "echo out; ls /nothing || echo missing"])
    assert (result.code, result.stdout) == (0, "out\nmissing\n")
    assert "No such file" in result.stderr
    assert cluster.exec("x", ["sh", "-c", "no-such-command"]).code == 127
    with pytest.raises(InternalError, match=r'exec: "no-such-command": executable file not found'):
        cluster.exec("x", ["no-such-command"])
    assert cluster.exec("x", ["sh", "-c", "exit 3"]).code == 3
    assert cluster.exec("x", ["sh", "-c", "cat << end"]).code == 2


def test_a_read_only_root_refuses_writes_but_not_in_volumes(cluster):
    locked = pod(
        "busybox", command=["pause"], volumes=[{"name": "v", "emptyDir": {}}],
        volumeMounts=[{"name": "v", "mountPath": "/tmp"}],
    )  # fmt: skip
    locked["spec"]["containers"][0]["securityContext"] = {"readOnlyRootFilesystem": True}
    cluster.apply(locked)
    cluster.advance(0.1)
    assert cluster.exec("x", ["sh", "-c", "echo a > /etc/x"]).code == 1
    assert cluster.exec("x", ["sh", "-c", "echo a > /tmp/x && cat /tmp/x"]).stdout == "a\n"


def test_the_termination_message_is_what_was_written(cluster):
    words = ["sh", "-c", "echo so it ends > /dev/termination-log; exit 4"]
    cluster.apply(pod("busybox", command=words, restartPolicy="Never"))
    cluster.advance(0.1)
    assert terminated(cluster)["message"] == "so it ends\n"


def test_logs_of_the_run_before(cluster):
    cluster.apply(pod("busybox", command=["sh", "-c", "echo once; sleep 1; exit 1"]))
    cluster.advance(2)
    assert cluster.logs("x", previous=True) == "once\n"


def test_a_local_volume_outlives_its_pod(cluster):
    cluster.apply(
        pod("busybox", command=["sh", "-c", "echo kept > /data/f; pause"], nodeName="node-1",
            volumes=[{"name": "v", "hostPath": {"path": "/srv/data"}}],
            volumeMounts=[{"name": "v", "mountPath": "/data"}])
    )  # fmt: skip
    cluster.advance(0.1)
    cluster.client.delete("pods", "x", "default")
    cluster.advance(40)
    cluster.apply(
        pod("busybox", "y", command=["pause"], nodeName="node-1",
            volumes=[{"name": "v", "hostPath": {"path": "/srv/data"}}],
            volumeMounts=[{"name": "v", "mountPath": "/data"}])
    )  # fmt: skip
    cluster.advance(0.1)
    assert cluster.exec("y", ["cat", "/data/f"]).stdout == "kept\n"
