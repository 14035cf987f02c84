"""Deployments, stateful and daemon sets, jobs and cron jobs: what they make, keep and change."""

from __future__ import annotations

from datetime import datetime

import pytest

from parity.manifests import WAIT, daemonset, deployment, job, pod, statefulset
from parity.target import Object, Target, condition, conditions
from roost.client.port import PatchType

READY = {"readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1}}


def rolled(target: Target, kind: str, name: str, within_s: float = 60) -> Object:
    """Wait until a rollout is complete."""

    def done() -> Object:
        body = target.get(kind, name)
        status, spec = body.get("status", {}), body["spec"]
        wanted = spec.get("replicas", 1)
        here = (
            status.get("observedGeneration") == body["metadata"]["generation"]
            and status.get("updatedReplicas", 0) == wanted
            and status.get("replicas", 0) == wanted
            and status.get("availableReplicas", 0) == wanted
        )
        return body if here else {}

    return target.wait(done, within_s, lambda: target.get(kind, name).get("status"))


def change(target: Target, kind: str, name: str, value: str = "2") -> None:
    """Change a template."""
    more = {"spec": {"template": {"metadata": {"annotations": {"rev": value}}}}}
    target.patch(kind, name, more)


def sets(target: Target, name: str) -> dict[str, Object]:
    """Return replica sets by revision."""
    return {
        one["metadata"]["annotations"]["deployment.kubernetes.io/revision"]: one
        for one in target.list("replicasets", f"app={name}")
    }


# -- deployments


def test_a_deployment_makes_a_set_that_makes_pods(target: Target):
    target.create(deployment("web", 2))
    body = rolled(target, "deployments", "web")
    assert body["status"]["readyReplicas"] == 2
    [owner] = target.list("replicasets")
    assert owner["metadata"]["ownerReferences"][0]["name"] == "web"
    hash_ = owner["metadata"]["labels"]["pod-template-hash"]
    assert owner["metadata"]["name"] == f"web-{hash_}"
    for one in target.pods():
        assert one["metadata"]["name"].startswith(f"web-{hash_}-")
        assert one["metadata"]["labels"]["pod-template-hash"] == hash_
    found = conditions(target.get("deployments", "web"))
    assert found["Available"]["reason"] == "MinimumReplicasAvailable"
    assert found["Progressing"]["reason"] == "NewReplicaSetAvailable"
    target.told("web", "ScalingReplicaSet")


ROLLS = {
    "surge": ({"maxSurge": 1, "maxUnavailable": 0}, 2, 2, 3),
    "unavailable": ({"maxSurge": 0, "maxUnavailable": 1}, 3, 2, 3),
    "percent": ({"maxSurge": "50%", "maxUnavailable": "50%"}, 2, 1, 3),
    "round-up-and-down": ({"maxSurge": "1%", "maxUnavailable": "99%"}, 2, 1, 3),
}


@pytest.mark.parametrize("case", ROLLS)
def test_a_rolling_update_keeps_its_bounds(target: Target, case):
    bounds, replicas, least, most = ROLLS[case]
    target.create(
        deployment("web", replicas, strategy={"rollingUpdate": bounds}, pods={"container": READY})
    )
    rolled(target, "deployments", "web")
    seen: list[tuple[int, int]] = []
    change(target, "deployments", "web")

    def look() -> bool:
        pods = target.pods("app=web")
        ready = [one for one in pods if condition(one, "Ready") == "True"]
        seen.append((len(ready), len(pods)))
        status = target.get("deployments", "web")["status"]
        return status.get("updatedReplicas") == replicas == status.get("replicas") == len(ready)

    target.wait(look)
    assert min(ready for ready, _ in seen) >= least
    assert max(count for _, count in seen) <= most


def test_recreate_never_mixes(target: Target):
    target.create(deployment("web", 2, strategy={"type": "Recreate"}))
    rolled(target, "deployments", "web")
    change(target, "deployments", "web")
    mixed: list[set[str]] = []

    def look() -> bool:
        alive = [
            one for one in target.list("pods", "app=web") if one["status"]["phase"] == "Running"
        ]
        mixed.append({one["metadata"]["labels"]["pod-template-hash"] for one in alive})
        status = target.get("deployments", "web")["status"]
        return status.get("updatedReplicas") == 2 == status.get("readyReplicas")

    target.wait(look)
    assert max(len(one) for one in mixed) == 1


def test_a_paused_rollout_makes_no_set(target: Target):
    target.create(deployment("web", 1))
    rolled(target, "deployments", "web")
    target.patch("deployments", "web", {"spec": {"paused": True}})
    change(target, "deployments", "web")
    target.wait(
        lambda: (
            conditions(target.get("deployments", "web"))["Progressing"]["reason"]
            == "DeploymentPaused"
        )
    )
    target.never(lambda: len(target.list("replicasets")) > 1, 2)
    target.patch("deployments", "web", {"spec": {"paused": None}})
    rolled(target, "deployments", "web")
    assert len(target.list("replicasets")) == 2


def test_undo_takes_the_template_of_an_old_set(target: Target):
    target.create(deployment("web", 1))
    rolled(target, "deployments", "web")
    change(target, "deployments", "web")
    rolled(target, "deployments", "web")
    assert set(sets(target, "web")) == {"1", "2"}
    first = sets(target, "web")["1"]
    template = first["spec"]["template"]
    labels = {k: v for k, v in template["metadata"]["labels"].items() if k != "pod-template-hash"}
    template = {**template, "metadata": {"labels": labels}}
    step = {"op": "replace", "path": "/spec/template", "value": template}
    target.patch("deployments", "web", [step], type=PatchType.JSON)
    rolled(target, "deployments", "web")
    found = sets(target, "web")
    assert set(found) == {"2", "3"}
    assert found["3"]["metadata"]["uid"] == first["metadata"]["uid"]


def test_old_sets_are_kept_as_the_history_limit_says(target: Target):
    target.create(deployment("web", 0, revisionHistoryLimit=1))
    target.wait(lambda: "1" in sets(target, "web"))
    for value in ("2", "3", "4"):
        change(target, "deployments", "web", value)
        target.wait(lambda value=value: value in sets(target, "web"))
    target.wait(lambda: set(sets(target, "web")) == {"3", "4"})


def test_a_rollout_that_is_stuck_says_so(target: Target):
    target.create(
        deployment("web", 1, progressDeadlineSeconds=2, pods={"nodeSelector": {"no": "x"}})
    )
    target.wait(
        lambda: (
            conditions(target.get("deployments", "web")).get("Progressing", {}).get("reason")
            == "ProgressDeadlineExceeded"
        )
    )
    [owner] = target.list("replicasets")
    found = conditions(target.get("deployments", "web"))
    assert found["Progressing"]["message"] == (
        f'ReplicaSet "{owner["metadata"]["name"]}" has timed out progressing.'
    )
    assert found["Available"]["reason"] == "MinimumReplicasUnavailable"


def test_a_pod_that_is_deleted_is_replaced(target: Target):
    target.create(deployment("web", 2))
    rolled(target, "deployments", "web")
    victim = target.pods()[0]["metadata"]["name"]
    target.delete("pods", victim)
    target.wait(lambda: victim not in [p["metadata"]["name"] for p in target.pods()])
    rolled(target, "deployments", "web")
    assert len(target.pods()) == 2


def test_minimum_ready_seconds(target: Target):
    target.create(deployment("web", 1, minReadySeconds=3))
    target.wait(lambda: target.get("deployments", "web").get("status", {}).get("availableReplicas"))
    [one] = target.pods()
    moments = [
        datetime.fromisoformat(conditions(body)[type_]["lastTransitionTime"])
        for body, type_ in ((one, "Ready"), (target.get("deployments", "web"), "Available"))
    ]
    assert (moments[1] - moments[0]).total_seconds() >= 3


def test_a_set_adopts_and_releases_pods(target: Target):
    target.create(pod("stray", labels={"app": "web"}, nodeSelector={"no": "x"}))
    from parity.manifests import replicaset

    target.create(replicaset("web", 2, pods={"nodeSelector": {"no": "x"}}))
    target.wait(lambda: "ownerReferences" in target.get("pods", "stray")["metadata"])
    target.wait(lambda: len(target.pods("app=web")) == 2)
    target.patch("pods", "stray", {"metadata": {"labels": {"app": "free"}}})
    target.wait(lambda: "ownerReferences" not in target.get("pods", "stray")["metadata"])
    target.wait(lambda: len(target.pods("app=web")) == 2)


def test_scaling_down_prefers_what_does_not_run(target: Target):
    target.create(deployment("web", 1))
    rolled(target, "deployments", "web")
    [good] = target.pods()
    body = {"spec": {"replicas": 2}}
    target.patch("deployments", "web", body, subresource="scale")
    target.wait(lambda: len(target.pods()) == 2)
    [fresh] = [p for p in target.pods() if p["metadata"]["name"] != good["metadata"]["name"]]
    note = {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-5"}}}
    target.patch("pods", fresh["metadata"]["name"], note)
    rolled(target, "deployments", "web")
    target.patch("deployments", "web", {"spec": {"replicas": 1}}, subresource="scale")
    target.wait(lambda: len(target.pods()) == 1)
    assert target.pods()[0]["metadata"]["name"] == good["metadata"]["name"]


# -- stateful sets


def test_a_stateful_set_goes_one_by_one(target: Target):
    probe = {"readinessProbe": {"exec": {"command": ["test", "-f", "/tmp/go"]}, "periodSeconds": 1}}
    target.create(statefulset("db", 2, pods={"container": probe}))
    target.wait(lambda: "running" in target.status("db-0").get("state", {}))
    target.never(lambda: target.find("pods", "db-1"), 1.5)
    target.exec("db-0", "touch", "/tmp/go")
    target.wait(lambda: "running" in target.status("db-1").get("state", {}))
    labels = target.get("pods", "db-1")["metadata"]["labels"]
    assert labels["statefulset.kubernetes.io/pod-name"] == "db-1"
    assert labels["apps.kubernetes.io/pod-index"] == "1"


def test_a_stateful_set_in_parallel(target: Target):
    target.create(
        statefulset("db", 3, podManagementPolicy="Parallel", pods={"nodeSelector": {"no": "x"}})
    )
    target.wait(lambda: [p["metadata"]["name"] for p in target.pods()] == ["db-0", "db-1", "db-2"])


def test_a_stateful_set_scales_down_from_its_end(target: Target):
    target.create(statefulset("db", 3))
    rolled(target, "statefulsets", "db")
    target.patch("statefulsets", "db", {"spec": {"replicas": 1}})
    target.wait(lambda: target.names("pods") == ["db-0"])


def test_a_stateful_pod_keeps_its_name(target: Target):
    target.create(statefulset("db", 1))
    target.ready("db-0")
    before = target.get("pods", "db-0")["metadata"]["uid"]
    assert target.exec("db-0", "hostname").out == "db-0\n"
    target.delete("pods", "db-0")
    target.wait(
        lambda: target.find("pods", "db-0").get("metadata", {}).get("uid", before) != before
    )
    target.ready("db-0")


def test_a_partition_holds_back_an_update(target: Target):
    strategy = {"rollingUpdate": {"partition": 1}}
    target.create(statefulset("db", 2, updateStrategy=strategy))
    rolled(target, "statefulsets", "db")
    change(target, "statefulsets", "db")

    def revision(name: str) -> str:
        body = target.find("pods", name)
        return body.get("metadata", {}).get("labels", {}).get("controller-revision-hash", "")

    old = revision("db-0")
    target.wait(lambda: revision("db-1") not in ("", old))
    target.ready("db-1")
    target.never(lambda: revision("db-0") not in ("", old), 1)
    target.patch(
        "statefulsets", "db", {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}
    )
    target.wait(lambda: revision("db-0") == revision("db-1"))


def test_a_stateful_set_updates_from_its_end(target: Target):
    target.create(statefulset("db", 2))
    rolled(target, "statefulsets", "db")
    with target.watch("pods") as watching:
        change(target, "statefulsets", "db")
        target.wait(lambda: len([1 for kind, _ in watching.told() if kind == "DELETED"]) == 2)
    assert [name for kind, name in watching.told() if kind == "DELETED"] == ["db-1", "db-0"]


def test_an_update_only_on_deletion(target: Target):
    target.create(statefulset("db", 1, updateStrategy={"type": "OnDelete"}))
    rolled(target, "statefulsets", "db")
    uid = target.get("pods", "db-0")["metadata"]["uid"]
    change(target, "statefulsets", "db")
    target.never(lambda: target.get("pods", "db-0")["metadata"]["uid"] != uid, 1.5)
    target.delete("pods", "db-0")
    target.wait(
        lambda: (
            target.find("pods", "db-0").get("metadata", {}).get("annotations", {}).get("rev") == "2"
        )
    )


# -- daemon sets


def test_a_daemon_set_runs_on_every_node(target: Target):
    target.create(daemonset("d"))
    nodes = len(target.list("nodes"))
    target.wait(lambda: target.get("daemonsets", "d").get("status", {}).get("numberReady") == nodes)
    assert len({one["spec"]["nodeName"] for one in target.pods()}) == nodes
    status = target.get("daemonsets", "d")["status"]
    assert status["desiredNumberScheduled"] == nodes == status["currentNumberScheduled"]


def test_a_daemon_set_chooses_nodes(target: Target):
    target.create(daemonset("d", pods={"nodeSelector": {"example.com/none": "x"}}))
    target.wait(lambda: target.get("daemonsets", "d").get("status", {}).get("observedGeneration"))
    assert target.get("daemonsets", "d")["status"]["desiredNumberScheduled"] == 0
    assert target.pods() == []


def test_a_daemon_set_updates(target: Target):
    target.create(daemonset("d"))
    nodes = len(target.list("nodes"))
    target.wait(lambda: target.get("daemonsets", "d").get("status", {}).get("numberReady") == nodes)
    change(target, "daemonsets", "d")

    def done() -> bool:
        status = target.get("daemonsets", "d")["status"]
        updated = status.get("updatedNumberScheduled") == nodes == status.get("numberAvailable")
        return updated and status["observedGeneration"] == 2 and len(target.pods()) == nodes

    target.wait(done)
    notes = [one["metadata"]["annotations"]["rev"] for one in target.pods()]
    assert notes == ["2"] * nodes


def test_a_new_node_gets_a_daemon(target: Target):
    target.needs("new-nodes")
    target.create(daemonset("d"))
    nodes = len(target.list("nodes"))
    target.wait(lambda: target.get("daemonsets", "d").get("status", {}).get("numberReady") == nodes)
    target.cluster.add_node("extra")  # type: ignore[attr-defined]  # the simulator's own
    target.wait(
        lambda: target.get("daemonsets", "d").get("status", {}).get("numberReady") == nodes + 1
    )


# -- jobs


def finished(target: Target, name: str, kind: str = "Complete", within_s: float = 60) -> Object:
    """Wait for a Job's end; return the condition."""
    target.wait(
        lambda: condition(target.get("jobs", name), kind) == "True",
        within_s, lambda: target.get("jobs", name).get("status"),
    )  # fmt: skip
    return conditions(target.get("jobs", name))[kind]


def test_a_job_runs_to_its_end(target: Target):
    target.create(job("j", "echo done"))
    assert finished(target, "j")["reason"] == "CompletionsReached"
    status = target.get("jobs", "j")["status"]
    assert status["succeeded"] == 1
    assert status["completionTime"]
    [one] = target.list("pods", "job-name=j")
    assert target.logs(one["metadata"]["name"]) == "done\n"
    target.told("j", "SuccessfulCreate")
    target.told("j", "Completed")


def test_a_job_in_parallel(target: Target):
    target.create(job("j", "sleep 1", completions=4, parallelism=2))
    most: list[int] = []

    def look() -> bool:
        alive = [p for p in target.pods("job=j") if p["status"]["phase"] in ("Pending", "Running")]
        most.append(len(alive))
        return condition(target.get("jobs", "j"), "Complete") == "True"

    target.wait(look)
    assert max(most) == 2
    assert target.get("jobs", "j")["status"]["succeeded"] == 4


def test_an_indexed_job(target: Target):
    target.create(
        job(
            "j",
            "echo $JOB_COMPLETION_INDEX",
            completions=3,
            parallelism=3,
            completionMode="Indexed",
        )
    )
    finished(target, "j")
    assert target.get("jobs", "j")["status"]["completedIndexes"] == "0-2"
    notes = "batch.kubernetes.io/job-completion-index"
    for one in target.list("pods", "job=j"):
        name, index = one["metadata"]["name"], one["metadata"]["annotations"][notes]
        assert name.startswith(f"j-{index}-")
        assert target.logs(name) == f"{index}\n"


def test_a_job_gives_up(target: Target):
    target.create(job("j", "exit 1", backoffLimit=0))
    failed = finished(target, "j", "Failed")
    assert failed["reason"] == "BackoffLimitExceeded"
    assert failed["message"] == "Job has reached the specified backoff limit"
    assert target.get("jobs", "j")["status"]["failed"] == 1


@pytest.mark.patience(60)
def test_a_job_tries_again_and_again(target: Target):
    target.create(job("j", "exit 1", backoffLimit=2))
    finished(target, "j", "Failed", 200)
    assert target.get("jobs", "j")["status"]["failed"] == 3


def test_a_job_has_a_deadline(target: Target):
    target.create(job("j", "sleep 100", activeDeadlineSeconds=2))
    failed = finished(target, "j", "Failed")
    assert failed["reason"] == "DeadlineExceeded"
    target.wait(lambda: not target.pods("job=j"))


@pytest.mark.parametrize(
    ("action", "kind", "reason"),
    [("FailJob", "Failed", "PodFailurePolicy"), ("Count", "Failed", "BackoffLimitExceeded")],
)
def test_a_policy_for_failures(target: Target, action, kind, reason):
    rule = {"action": action, "onExitCodes": {"operator": "In", "values": [42]}}
    limit = 5 if action == "FailJob" else 0
    target.create(job("j", "exit 42", backoffLimit=limit, podFailurePolicy={"rules": [rule]}))
    assert finished(target, "j", kind)["reason"] == reason
    assert target.get("jobs", "j")["status"]["failed"] == 1


def test_a_suspended_job(target: Target):
    target.create(job("j", "true", suspend=True))
    target.wait(lambda: condition(target.get("jobs", "j"), "Suspended") == "True")
    assert target.list("pods", "job=j") == []
    target.patch("jobs", "j", {"spec": {"suspend": False}})
    finished(target, "j")
    assert condition(target.get("jobs", "j"), "Suspended") == "False"


def test_a_finished_job_goes_in_its_time(target: Target):
    target.create(job("j", "true", ttlSecondsAfterFinished=1))
    target.gone("jobs", "j")
    target.wait(lambda: not target.list("pods", "job=j"))


def test_a_job_that_restarts_its_containers(target: Target):
    script = "if [ -f /s/x ]; then exit 0; fi; touch /s/x; exit 1"
    pods = {
        "restartPolicy": "OnFailure", "volumes": [{"name": "s", "emptyDir": {}}],
        "container": {"volumeMounts": [{"name": "s", "mountPath": "/s"}]},
    }  # fmt: skip
    target.create(job("j", script, pods=pods))
    finished(target, "j")
    [one] = target.list("pods", "job=j")
    assert target.status(one["metadata"]["name"])["restartCount"] == 1


def test_a_job_takes_its_pods_along(target: Target):
    target.create(job("j", WAIT))
    target.wait(lambda: target.pods("job=j"))
    target.delete("jobs", "j")
    target.wait(lambda: not target.list("pods", "job=j"))


def test_a_successful_index_is_enough(target: Target):
    policy = {"rules": [{"succeededIndexes": "0"}]}
    target.create(
        job("j", "[ $JOB_COMPLETION_INDEX = 0 ] || sleep 1000", completions=2, parallelism=2,
            completionMode="Indexed", successPolicy=policy)
    )  # fmt: skip
    assert finished(target, "j")["reason"] == "SuccessPolicy"


def cron(name: str, schedule: str = "* * * * *", **spec: object) -> Object:
    body = job(name, "echo tick")
    return {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name},
        "spec": {"schedule": schedule, "jobTemplate": {"spec": body["spec"]}, **spec},
    }  # fmt: skip


@pytest.mark.patience(150)
def test_a_cron_job_starts_jobs(target: Target):
    target.create(cron("c"))
    target.wait(lambda: len(target.list("jobs")) == 2, 150)
    for one in target.list("jobs"):
        assert one["metadata"]["name"].startswith("c-")
        assert one["metadata"]["ownerReferences"][0]["kind"] == "CronJob"
    assert target.get("cronjobs", "c")["status"]["lastScheduleTime"]
    target.told("c", "SuccessfulCreate")


@pytest.mark.patience(400)
def test_a_cron_job_keeps_few_old_jobs(target: Target):
    target.create(cron("c", successfulJobsHistoryLimit=1))
    target.sleep(300)
    assert len(target.list("jobs")) <= 2


@pytest.mark.patience(150)
def test_a_suspended_cron_job(target: Target):
    target.create(cron("c", suspend=True))
    target.never(lambda: target.list("jobs"), 130)


@pytest.mark.parametrize("schedule", ["nonsense", "* * * *", "61 * * * *"])
def test_a_bad_schedule(target: Target, schedule):
    from roost.api.errors import Invalid

    with pytest.raises(Invalid) as refused:
        target.create(cron("c", schedule))
    assert "spec.schedule: Invalid value" in str(refused.value)
