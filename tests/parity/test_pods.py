"""The life of a pod: phases, restarts, probes, hooks, init containers, logs, exec, images."""

from __future__ import annotations

from datetime import datetime

import pytest

from parity.manifests import SERVE, WAIT, pod, sh
from parity.target import Target, condition, conditions
from roost.api.errors import InternalError, StatusError

ONCE = {"restartPolicy": "Never"}


def ended(target: Target, name: str, key: str = "state") -> dict:
    return target.status(name)[key]["terminated"]


# -- phases and restarts


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [("Never", 0, "Succeeded"), ("Never", 3, "Failed"), ("OnFailure", 0, "Succeeded")],
)
def test_a_pod_ends(target: Target, policy, code, phase):
    target.create(pod("a", f"exit {code}", restartPolicy=policy))
    assert target.phase("a", "Succeeded", "Failed") == phase
    state = ended(target, "a")
    assert state["exitCode"] == code
    assert state["reason"] == ("Completed" if code == 0 else "Error")
    assert target.status("a")["restartCount"] == 0
    done = conditions(target.get("pods", "a"))["Ready"]
    assert done["status"] == "False"
    assert done["reason"] == ("PodCompleted" if phase == "Succeeded" else "PodFailed")


@pytest.mark.parametrize(("policy", "code"), [("Always", 0), ("Always", 1), ("OnFailure", 1)])
def test_a_container_is_restarted_at_once_the_first_time(target: Target, policy, code):
    target.create(pod("a", f"sleep 1; exit {code}", restartPolicy=policy))
    target.wait(lambda: target.status("a").get("restartCount", 0) >= 1)
    assert ended(target, "a", "lastState")["exitCode"] == code
    uid = target.get("pods", "a")["metadata"]["uid"]
    target.waits("a", "CrashLoopBackOff")
    assert target.get("pods", "a")["metadata"]["uid"] == uid
    assert target.get("pods", "a")["status"]["phase"] == "Running"


def test_a_crash_loop_says_how_long_it_waits(target: Target):
    target.create(pod("a", "exit 1"))
    waiting = target.waits("a", "CrashLoopBackOff")["state"]["waiting"]
    uid = target.get("pods", "a")["metadata"]["uid"]
    said = f"restarting failed container=main pod=a_{target.namespace}({uid})"
    assert said in waiting["message"]
    assert waiting["message"].startswith("back-off ")
    event = target.told("a", "BackOff")
    assert event["type"] == "Warning"
    assert "Back-off restarting failed container main" in event["message"]


@pytest.mark.patience(700)
def test_a_crash_loop_waits_longer_each_time(target: Target):
    target.create(pod("a", "exit 1"))
    target.wait(lambda: target.status("a").get("restartCount") == 6, 700)
    began = target.now()
    target.wait(lambda: target.status("a").get("restartCount") == 7, 400)
    assert 290 <= target.now() - began <= 320


def test_a_pod_with_a_deadline(target: Target):
    target.create(pod("a", activeDeadlineSeconds=2, restartPolicy="Never"))
    target.phase("a", "Failed")
    status = target.get("pods", "a")["status"]
    assert status["reason"] == "DeadlineExceeded"
    assert status["message"] == "Pod was active on the node longer than the specified deadline"


def test_all_containers_must_succeed(target: Target):
    target.create(pod("a", containers=[sh("exit 0", "x"), sh("exit 1", "y")], **ONCE))
    assert target.phase("a", "Succeeded", "Failed") == "Failed"


def test_a_pod_is_ready_when_all_its_containers_are(target: Target):
    late = {"exec": {"command": ["test", "-f", "/tmp/ok"]}, "periodSeconds": 1}
    target.create(pod("a", containers=[sh(WAIT, "x"), sh(WAIT, "y", readinessProbe=late)]))
    target.wait(lambda: target.status("a", "y").get("started"))
    found = conditions(target.get("pods", "a"))
    assert found["ContainersReady"]["reason"] == "ContainersNotReady"
    target.wait(
        lambda: "[y]" in conditions(target.get("pods", "a"))["ContainersReady"].get("message", "")
    )
    target.exec("a", "touch", "/tmp/ok", container="y")
    target.ready("a")


def test_the_conditions_of_a_running_pod(target: Target):
    target.start(pod("a"))
    body = target.get("pods", "a")
    wanted = {
        "PodScheduled",
        "Initialized",
        "ContainersReady",
        "Ready",
        "PodReadyToStartContainers",
    }
    assert {t for t, c in conditions(body).items() if c["status"] == "True"} == wanted
    status = body["status"]
    assert status["qosClass"] == "BestEffort"
    assert status["podIP"] == status["podIPs"][0]["ip"]
    assert status["hostIP"]


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "10m"}}, "Burstable"),
        ({"limits": {"cpu": "100m", "memory": "32Mi"}}, "Guaranteed"),
    ],
)
def test_quality_of_service(target: Target, resources, qos):
    made = target.create(pod("a", container={"resources": resources}, nodeSelector={"no": "one"}))
    assert made["status"]["qosClass"] == qos


def test_readiness_gates(target: Target):
    target.create(pod("a", readinessGates=[{"conditionType": "example.com/gate"}]))
    target.wait(lambda: condition(target.get("pods", "a"), "ContainersReady") == "True")
    assert conditions(target.get("pods", "a"))["Ready"]["reason"] == "ReadinessGatesNotReady"
    status = {"conditions": [{"type": "example.com/gate", "status": "True"}]}
    from roost.client.port import PatchType

    target.patch("pods", "a", {"status": status}, type=PatchType.STRATEGIC, subresource="status")
    target.ready("a")


# -- probes

HANDLERS = {
    "exec": (
        {"exec": {"command": ["test", "-f", "/tmp/www/index.html"]}},
        "rm /tmp/www/index.html",
    ),
    "http": ({"httpGet": {"path": "/", "port": 8080}}, "rm /tmp/www/index.html"),
    "http-named": ({"httpGet": {"path": "/", "port": "http"}}, "rm /tmp/www/index.html"),
}
BACK = "hostname > /tmp/www/index.html"
EVERY = {"periodSeconds": 1, "failureThreshold": 1}
PORTS = [{"name": "http", "containerPort": 8080}]


@pytest.mark.parametrize("kind", HANDLERS)
def test_readiness_comes_and_goes_without_restarts(target: Target, kind):
    handler, break_it = HANDLERS[kind]
    target.start(
        pod("a", SERVE, container={"readinessProbe": {**handler, **EVERY}, "ports": PORTS})
    )
    target.exec("a", "sh", "-c", break_it)
    target.wait(lambda: condition(target.get("pods", "a"), "Ready") == "False")
    event = target.told("a", "Unhealthy")
    assert event["message"].startswith("Readiness probe failed:")
    target.exec("a", "sh", "-c", BACK)
    target.ready("a")
    assert target.status("a")["restartCount"] == 0


@pytest.mark.parametrize("kind", HANDLERS)
def test_a_failing_liveness_probe_restarts_the_container(target: Target, kind):
    handler, break_it = HANDLERS[kind]
    probe = {**handler, "periodSeconds": 1, "failureThreshold": 3}
    target.start(pod("a", SERVE, container={"livenessProbe": probe, "ports": PORTS}))
    uid = target.get("pods", "a")["metadata"]["uid"]
    target.exec("a", "sh", "-c", break_it)
    target.wait(lambda: target.status("a")["restartCount"] == 1)
    assert target.get("pods", "a")["metadata"]["uid"] == uid
    told = target.told("a", "Killing")
    assert told["message"] == "Container main failed liveness probe, will be restarted"
    target.ready("a")


@pytest.mark.parametrize("port", [8080, 9])
def test_a_tcp_probe(target: Target, port):
    probe = {"tcpSocket": {"port": port}, **EVERY}
    target.create(pod("a", SERVE, container={"readinessProbe": probe}))
    if port == 8080:
        target.ready("a")
    else:
        event = target.told("a", "Unhealthy")
        assert "connection refused" in event["message"]
        target.wait(lambda: condition(target.get("pods", "a"), "Ready") == "False")


def test_a_startup_probe_holds_back_the_others(target: Target):
    startup = {"exec": {"command": ["test", "-f", "/tmp/up"]}, "periodSeconds": 1,
               "failureThreshold": 100}  # fmt: skip
    no = {"exec": {"command": ["test", "-f", "/tmp/up"]}, **EVERY}
    probes = {"startupProbe": startup, "livenessProbe": no, "readinessProbe": no}
    target.create(pod("a", container=probes))
    target.wait(lambda: "running" in target.status("a").get("state", {}))
    target.never(lambda: target.status("a")["restartCount"] or target.status("a")["started"], 3)
    target.exec("a", "touch", "/tmp/up")
    target.ready("a")
    assert target.status("a")["started"] is True


def test_a_startup_probe_that_gives_up(target: Target):
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 2}
    target.create(pod("a", container={"startupProbe": probe}))
    target.wait(lambda: target.status("a").get("restartCount") == 1)
    told = target.told("a", "Killing")
    assert told["message"] == "Container main failed startup probe, will be restarted"


def test_a_probe_that_cannot_be_run_tells_nothing(target: Target):
    no = {"exec": {"command": ["none"]}, "periodSeconds": 1, "failureThreshold": 1}
    target.create(pod("a", container={"livenessProbe": no}))
    event = target.told("a", "Unhealthy")
    assert event["message"].startswith(
        "Liveness probe errored and resulted in unknown state: rpc error: code = Unknown desc = "
    )
    target.never(lambda: target.status("a").get("restartCount"), 4)


def test_a_probe_that_is_too_slow(target: Target):
    probe = {"exec": {"command": ["sleep", "5"]}, "timeoutSeconds": 1, **EVERY}
    target.create(pod("a", container={"readinessProbe": probe}))
    event = target.told("a", "Unhealthy")
    assert "timed out" in event["message"]


def test_an_http_probe_says_the_status(target: Target):
    probe = {"httpGet": {"path": "/none", "port": 8080}, **EVERY, "initialDelaySeconds": 1}
    target.create(pod("a", SERVE, container={"readinessProbe": probe}))
    target.wait(
        lambda: any("statuscode: 404" in one["message"] for one in target.events("a")),
        what=lambda: [one["message"] for one in target.events("a")],
    )


def test_a_success_threshold(target: Target):
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 2, "successThreshold": 3}
    target.create(pod("a", container={"readinessProbe": probe}))
    target.ready("a")
    running = datetime.fromisoformat(target.status("a")["state"]["running"]["startedAt"])
    told = conditions(target.get("pods", "a"))["Ready"]
    ready = datetime.fromisoformat(told["lastTransitionTime"])
    assert (ready - running).total_seconds() >= 3  # two periods, of times in whole seconds


# -- init and sidecar containers

SHARED = {"volumes": [{"name": "s", "emptyDir": {}}]}
MOUNT = {"volumeMounts": [{"name": "s", "mountPath": "/s"}]}


def test_init_containers_run_in_order_before_the_others(target: Target):
    inits = [sh("echo one >> /s/log", "one", **MOUNT), sh("echo two >> /s/log", "two", **MOUNT)]
    target.create(
        pod("a", "echo main >> /s/log; cat /s/log", initContainers=inits, container=MOUNT,
            **SHARED, **ONCE)
    )  # fmt: skip
    target.phase("a", "Succeeded")
    assert target.logs("a") == "one\ntwo\nmain\n"
    states = [one["state"]["terminated"]["reason"]
              for one in target.get("pods", "a")["status"]["initContainerStatuses"]]  # fmt: skip
    assert states == ["Completed", "Completed"]


def test_a_failing_init_container_is_repeated(target: Target):
    target.create(pod("a", initContainers=[sh("exit 1", "bad")]))
    target.wait(
        lambda: target.status("a", "bad", "initContainerStatuses")
        .get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff"
    )  # fmt: skip
    status = target.get("pods", "a")["status"]
    assert status["phase"] == "Pending"
    assert conditions({"status": status})["Initialized"]["reason"] == "ContainersNotInitialized"
    assert target.status("a")["state"]["waiting"]["reason"] == "PodInitializing"


def test_a_failing_init_container_fails_a_pod_that_never_restarts(target: Target):
    target.create(pod("a", initContainers=[sh("exit 1", "bad")], **ONCE))
    target.phase("a", "Failed")
    assert "terminated" not in target.status("a").get("state", {})


def test_a_sidecar_starts_first_and_ends_last(target: Target):
    side = sh("echo side >> /s/log; trap 'exit 0' TERM; sleep 100000 & wait", "side",
              restartPolicy="Always", **MOUNT)  # fmt: skip
    target.create(
        pod("a", "echo main >> /s/log; cat /s/log", initContainers=[side], container=MOUNT,
            **SHARED, **ONCE)
    )  # fmt: skip
    target.phase("a", "Succeeded")
    assert target.logs("a") == "side\nmain\n"


def test_a_sidecar_must_have_started(target: Target):
    probe = {"exec": {"command": ["test", "-f", "/s/go"]}, "periodSeconds": 1,
             "failureThreshold": 100}  # fmt: skip
    side = sh(WAIT, "side", restartPolicy="Always", startupProbe=probe, **MOUNT)
    target.create(pod("a", initContainers=[side], container=MOUNT, **SHARED))
    target.wait(
        lambda: "running" in target.status("a", "side", "initContainerStatuses").get("state", {})
    )
    target.never(lambda: "running" in target.status("a").get("state", {}), 2)
    target.exec("a", "touch", "/s/go", container="side")
    target.ready("a")


def test_a_sidecar_is_restarted(target: Target):
    side = sh("sleep 1; exit 1", "side", restartPolicy="Always")
    target.create(pod("a", initContainers=[side]))
    target.wait(
        lambda: target.status("a", "side", "initContainerStatuses").get("restartCount", 0) >= 1
    )
    assert target.status("a")["restartCount"] == 0


def test_an_ephemeral_container(target: Target):
    target.start(pod("a"))
    body = target.get("pods", "a")
    body["spec"]["ephemeralContainers"] = [{**sh("echo debug; sleep 100", "dbg"),
                                            "targetContainerName": "main"}]  # fmt: skip
    target.update("pods", body, subresource="ephemeralcontainers")
    target.wait(
        lambda: (
            "running" in target.status("a", "dbg", "ephemeralContainerStatuses").get("state", {})
        )
    )
    assert target.wait(lambda: target.said("a", "dbg")) == "debug\n"
    assert target.exec("a", "echo", "x", container="dbg").out == "x\n"


# -- logs and exec


def test_logs_of_several_containers(target: Target):
    target.create(pod("a", containers=[sh("echo x", "x"), sh("echo y", "y")], **ONCE))
    target.phase("a", "Succeeded")
    assert (target.logs("a", "x"), target.logs("a", "y")) == ("x\n", "y\n")
    with pytest.raises(StatusError) as refused:
        target.logs("a", "nope")
    assert "container nope is not valid for pod a" in str(refused.value)


def test_logs_have_both_streams_and_unfinished_lines(target: Target):
    target.create(pod("a", "echo out; echo err >&2; sleep 0.5; printf rest", **ONCE))
    target.phase("a", "Succeeded")
    assert sorted(target.logs("a").split()) == ["err", "out", "rest"]


def test_logs_of_the_previous_attempt(target: Target):
    script = (
        "if [ -f /s/twice ]; then echo second; sleep 1000; fi; touch /s/twice; echo first; exit 1"
    )
    target.create(pod("a", script, container=MOUNT, **SHARED))
    target.wait(lambda: target.status("a").get("restartCount") == 1)
    target.wait(lambda: target.said("a") == "second\n")
    assert target.logs("a", previous=True) == "first\n"


def test_there_is_no_previous_attempt(target: Target):
    target.start(pod("a"))
    with pytest.raises(StatusError) as refused:
        target.logs("a", previous=True)
    assert 'previous terminated container "main" in pod "a" not found' in str(refused.value)


def test_exec_gives_code_and_streams(target: Target):
    target.start(pod("a"))
    said = target.exec("a", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (said.code, said.out, said.err) == (7, "out\n", "err\n")


def test_exec_in_one_of_several_containers(target: Target):
    target.start(pod("a", containers=[sh(WAIT, "x"), sh(WAIT, "y")]))
    target.exec("a", "touch", "/tmp/mine", container="x")
    assert target.exec("a", "test", "-f", "/tmp/mine", container="x").code == 0
    assert target.exec("a", "test", "-f", "/tmp/mine", container="y").code == 1


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("none", "executable file not found in $PATH"),
        ("/no/such", "stat /no/such: no such file or directory"),
    ],
)
def test_exec_of_a_program_that_is_not_there(target: Target, program, why):
    target.start(pod("a"))
    with pytest.raises(InternalError) as refused:
        target.exec("a", program)
    assert str(refused.value) == (
        "Internal error occurred: error executing command in container: failed to exec in "
        "container: OCI runtime exec failed: exec failed: unable to start container process: "
        f'exec: "{program}": {why}: unknown'
    )
    assert target.exec("a", "sh", "-c", "exit 255").code == 255


def test_exec_in_a_pod_that_has_ended(target: Target):
    target.create(pod("a", "true", **ONCE))
    target.phase("a", "Succeeded")
    with pytest.raises(StatusError):
        target.exec("a", "true")


# -- images and commands


def test_an_image_that_is_not_there(target: Target):
    image = "registry.invalid/nothing:1"
    target.create(pod("a", container={"image": image}))
    status = target.waits("a", "ErrImagePull", "ImagePullBackOff")
    assert status["image"] == image
    failed = target.told("a", "Failed")
    assert failed["type"] == "Warning"
    target.waits("a", "ImagePullBackOff")
    assert target.get("pods", "a")["status"]["phase"] == "Pending"
    target.told("a", "BackOff")


def test_an_image_that_may_not_be_pulled(target: Target):
    target.create(pod("a", container={"image": "none:1", "imagePullPolicy": "Never"}))
    target.waits("a", "ErrImageNeverPull")


def test_an_image_name_that_is_none(target: Target):
    target.create(pod("a", container={"image": "Not A Name"}))
    target.waits("a", "InvalidImageName")


def test_args_go_to_the_command(target: Target):
    container = {
        "command": ["echo", "a"],
        "args": ["b $(X) $$(X)"],
        "env": [{"name": "X", "value": "c"}],
    }
    target.create(pod("a", container=container, **ONCE))
    target.phase("a", "Succeeded")
    assert target.logs("a") == "a b c $(X)\n"


def test_a_command_that_is_not_there(target: Target):
    target.create(pod("a", container={"command": ["/no/such/program"]}, **ONCE))
    target.phase("a", "Failed")
    state = ended(target, "a")
    assert (state["exitCode"], state["reason"]) == (128, "StartError")


def test_events_tell_how_a_pod_started(target: Target):
    target.start(pod("a"))
    target.wait(lambda: {"Scheduled", "Created", "Started"} <= target.reasons("a"))
    [scheduled] = [one for one in target.events("a") if one["reason"] == "Scheduled"]
    node = target.get("pods", "a")["spec"]["nodeName"]
    assert scheduled["message"] == f"Successfully assigned {target.namespace}/a to {node}"
    target.told("a", "Pulled")


def test_equal_events_are_counted(target: Target):
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    target.create(pod("a", container={"readinessProbe": probe}))
    target.wait(lambda: (target.told("a", "Unhealthy").get("count") or 1) >= 2)


# -- the end


def test_a_pod_ends_within_its_grace(target: Target):
    script = "trap '' TERM; touch /tmp/set; while true; do sleep 1; done"
    target.start(pod("a", script, terminationGracePeriodSeconds=2))
    target.wait(lambda: target.exec("a", "test", "-f", "/tmp/set").code == 0)
    began = target.now()
    target.delete("pods", "a")
    body = target.get("pods", "a")
    assert body["metadata"]["deletionGracePeriodSeconds"] == 2
    target.gone("pods", "a")
    assert target.now() - began > 1.5
    target.told("a", "Killing")


def test_a_process_that_heeds_the_signal_ends_at_once(target: Target):
    target.start(pod("a", terminationGracePeriodSeconds=30))
    began = target.now()
    target.delete("pods", "a")
    target.gone("pods", "a", 25)
    assert target.now() - began < 25


def test_a_deletion_can_be_quicker_than_the_pod_says(target: Target):
    target.start(pod("a", "sleep 1000", terminationGracePeriodSeconds=60))
    began = target.now()
    target.delete("pods", "a", grace_s=1)
    target.gone("pods", "a")
    assert target.now() - began < 30


def test_a_deletion_by_force(target: Target):
    target.start(pod("a", "sleep 1000", terminationGracePeriodSeconds=60))
    target.delete("pods", "a", grace_s=0)
    assert target.find("pods", "a") == {}


def test_a_hook_runs_before_the_end(target: Target):
    held = {
        **MOUNT,
        "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "echo hook > /s/said"]}}},
    }
    watcher = sh(
        "while [ ! -f /s/said ]; do sleep 0.1; done; cat /s/said; sleep 2", "watcher", **MOUNT
    )
    made = pod("a", container=held, terminationGracePeriodSeconds=5, **SHARED)
    made["spec"]["containers"].append(watcher)
    made["metadata"]["finalizers"] = ["example.com/hold"]
    target.start(made)
    target.delete("pods", "a")
    target.wait(lambda: target.said("a", "watcher") == "hook\n")
    target.patch("pods", "a", {"metadata": {"finalizers": None}})


def test_a_hook_runs_after_the_start(target: Target):
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "echo started > /tmp/said"]}}}
    target.start(pod("a", container={"lifecycle": hook}))
    assert target.exec("a", "cat", "/tmp/said").out == "started\n"


def test_a_failing_hook_after_the_start(target: Target):
    hook = {"postStart": {"exec": {"command": ["sh", "-c", "exit 4"]}}}
    target.create(pod("a", container={"lifecycle": hook}))
    target.told("a", "FailedPostStartHook")
    target.wait(
        lambda: (
            target.status("a").get("restartCount", 0) >= 1
            or "waiting" in target.status("a").get("state", {})
        )
    )


def test_a_hook_can_sleep(target: Target):
    hook = {"preStop": {"sleep": {"seconds": 2}}}
    target.start(pod("a", container={"lifecycle": hook}, terminationGracePeriodSeconds=10))
    began = target.now()
    target.delete("pods", "a")
    target.gone("pods", "a")
    assert 1.5 < target.now() - began < 9


def test_the_last_words(target: Target):
    target.create(pod("a", "echo why > /dev/termination-log; exit 1", **ONCE))
    target.phase("a", "Failed")
    assert ended(target, "a")["message"] == "why\n"


def test_the_log_can_be_the_last_words(target: Target):
    target.create(
        pod("a", "echo why; exit 1", container={"terminationMessagePolicy": "FallbackToLogsOnError"},
            **ONCE)
    )  # fmt: skip
    target.phase("a", "Failed")
    assert ended(target, "a")["message"] == "why\n"
