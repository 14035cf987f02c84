"""A rolling update keeps its promises, whatever pods do in between."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from roost.api.values import Object
from roost.controllers.deployment import View, reconcile
from roost.controllers.deployment.revision import name_of_new
from roost.controllers.deployment.rollout import Budget
from roost.decisions.plan import Create, Delete, Update
from roost.decisions.resources import DEPLOYMENTS, REPLICA_SETS

amounts = st.one_of(st.integers(0, 5), st.integers(0, 100).map(lambda n: f"{n}%"))


class Stage:
    """A deployment and its ReplicaSets, with pods reduced to counts."""

    def __init__(self, replicas: int, surge: int | str, unavailable: int | str) -> None:
        self.now = 1_800_000_000.0
        self.made = 0
        self.sets: dict[str, Object] = {}
        self.deployment: Object = {
            "metadata": {"name": "web", "namespace": "d", "uid": "u", "generation": 1},
            "spec": {
                "replicas": replicas,
                "progressDeadlineSeconds": 600,
                "selector": {"matchLabels": {"app": "web"}},
                "strategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
                },
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [{"image": "v0"}]},
                },
            },
        }

    def edit(self, **spec: Any) -> None:
        metadata = self.deployment["metadata"]
        self.deployment = {
            **self.deployment,
            "metadata": {**metadata, "generation": metadata["generation"] + 1},
            "spec": {**self.deployment["spec"], **spec},
        }

    def image(self, image: str) -> None:
        template = self.deployment["spec"]["template"]
        self.edit(template={**template, "spec": {"containers": [{"image": image}]}})

    def decide(self) -> int:
        """Let the controller act once; return how many ReplicaSets it wrote."""
        self.now += 1
        name = name_of_new(self.deployment, self.deployment.get("status") or {})
        owned = tuple(self.sets.values())
        view = View(self.deployment, owned, (), self.sets.get(name), old_pods=False, now=self.now)
        plan = reconcile(view)
        written = 0
        for action in plan.actions:
            match action:
                case Create(resource=resource, object=body) if resource == REPLICA_SETS:
                    self.made += 1
                    stamp = f"2027-01-01T00:00:{self.made % 60:02d}Z"
                    metadata = {
                        **body["metadata"],
                        "uid": str(self.made),
                        "creationTimestamp": stamp,
                    }
                    self.sets[metadata["name"]] = {**body, "metadata": metadata, "status": {}}
                    written += 1
                case Update(resource=resource, object=body) if resource == REPLICA_SETS:
                    self.sets[body["metadata"]["name"]] = body
                    written += 1
                case Update(resource=resource, object=body) if resource == DEPLOYMENTS:
                    assert action.subresource == "status"
                    metadata = {
                        **self.deployment["metadata"],
                        "annotations": body["metadata"].get("annotations"),
                    }
                    self.deployment = {**body, "metadata": metadata}
                case Delete(ref=ref):
                    del self.sets[ref.name]
        return written

    def follow(self, name: str, become_ready: int) -> None:
        """Let a ReplicaSet have all its pods, and some more of them become available."""
        replica_set = self.sets[name]
        size = replica_set["spec"]["replicas"]
        status = replica_set["status"]
        available = min(status.get("availableReplicas", 0) + become_ready, size)
        counts = {"replicas": size, "readyReplicas": available, "availableReplicas": available}
        self.sets[name] = {
            **replica_set,
            "status": {
                **counts,
                "observedGeneration": replica_set["metadata"].get("generation", 0),
            },
        }

    def settle(self) -> None:
        for _ in range(400):
            written = self.decide()
            for name in list(self.sets):
                self.follow(name, 100)
            if not written and not self.decide():
                return
        raise AssertionError("the rollout does not end")

    @property
    def total(self) -> int:
        return sum(rs["spec"]["replicas"] for rs in self.sets.values())

    @property
    def available(self) -> int:
        return sum(
            min(rs["status"].get("availableReplicas", 0), rs["spec"]["replicas"])
            for rs in self.sets.values()
        )


@settings(max_examples=120, deadline=None)
@given(
    st.integers(0, 12),
    amounts,
    amounts,
    st.lists(st.tuples(st.sampled_from(["v1", "v2", "v3"]), st.integers(1, 6)), max_size=4),
    st.data(),
)
def test_surge_and_unavailability_stay_within_bounds(
    replicas: int,
    surge: int | str,
    unavailable: int | str,
    edits: list[tuple[str, int]],
    data: st.DataObject,
) -> None:
    stage = Stage(replicas, surge, unavailable)
    stage.settle()
    assert (stage.total, stage.available) == (replicas, replicas)
    budget = Budget.of(stage.deployment)
    for image, steps in edits:
        stage.image(image)
        for _ in range(steps):
            stage.decide()
            assert stage.total <= replicas + budget.surge
            assert stage.available >= replicas - budget.unavailable
            for name in list(stage.sets):
                stage.follow(name, data.draw(st.integers(0, 3)))
    stage.settle()
    assert stage.total == stage.available == replicas
    images = [
        rs["spec"]["template"]["spec"]["containers"][0]["image"]
        for rs in stage.sets.values()
        if rs["spec"]["replicas"]
    ]
    assert len(images) == (1 if replicas else 0)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 6))
def test_scaling_in_the_middle_of_a_rollout_keeps_proportions_and_ends(
    before: int, after: int, steps: int
) -> None:
    stage = Stage(before, "25%", "25%")
    stage.settle()
    stage.image("v1")
    for _ in range(steps):
        stage.decide()
        for name in list(stage.sets):
            stage.follow(name, 1)
    stage.edit(replicas=after)
    stage.decide()
    assert stage.total <= after + Budget.of(stage.deployment).surge
    stage.settle()
    assert stage.total == stage.available == after


def test_a_paused_deployment_does_not_roll_and_goes_on_where_it_stopped() -> None:
    stage = Stage(4, 1, 1)
    stage.settle()
    stage.edit(paused=True)
    stage.image("v1")
    stage.decide()
    assert len(stage.sets) == 1
    conditions = {c["type"]: c["reason"] for c in stage.deployment["status"]["conditions"]}
    assert conditions["Progressing"] == "DeploymentPaused"
    stage.edit(paused=False)
    stage.settle()
    assert sorted(rs["spec"]["replicas"] for rs in stage.sets.values()) == [0, 4]


def test_going_back_to_an_old_template_reuses_its_replica_set() -> None:
    stage = Stage(2, 1, 0)
    stage.settle()
    first = next(iter(stage.sets))
    stage.image("v1")
    stage.settle()
    stage.image("v0")
    stage.settle()
    assert len(stage.sets) == 2
    assert stage.sets[first]["spec"]["replicas"] == 2
    annotations = stage.sets[first]["metadata"]["annotations"]
    assert annotations["deployment.kubernetes.io/revision"] == "3"
    assert annotations["deployment.kubernetes.io/revision-history"] == "1"
    assert stage.deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


def test_old_revisions_beyond_the_limit_are_removed() -> None:
    stage = Stage(1, 1, 0)
    stage.edit(revisionHistoryLimit=2)
    for number in range(6):
        stage.image(f"v{number}")
        stage.settle()
    revisions = sorted(
        int(rs["metadata"]["annotations"]["deployment.kubernetes.io/revision"])
        for rs in stage.sets.values()
    )
    assert revisions == [4, 5, 6]


def test_a_rollout_that_makes_no_progress_times_out() -> None:
    stage = Stage(2, 1, 0)
    stage.settle()
    stage.image("broken")
    for _ in range(3):
        stage.decide()
    stage.now += 700
    stage.decide()
    progress = stage.deployment["status"]["conditions"][-1]
    assert (progress["type"], progress["status"], progress["reason"]) == (
        "Progressing", "False", "ProgressDeadlineExceeded",
    )  # fmt: skip
    assert progress["message"].startswith('ReplicaSet "web-')
    assert progress["message"].endswith("has timed out progressing.")
    assert stage.available == 2
