"""Every pod of a Job is counted once, whatever ends when, and wherever a decision is cut short."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from roost.api.values import Object
from roost.controllers.job import View, reconcile
from roost.controllers.job.facts import FINALIZER, index_of, parse_indexes
from roost.decisions.plan import Create, Delete, Patch, Update

OWNER = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "job", "controller": True}


class Stage:
    """A Job and its pods; pods only have phases, finalizers and a deletion."""

    def __init__(self, **spec: Any) -> None:
        self.now = 1_800_000_000.0
        self.made = 0
        self.pods: dict[str, Object] = {}
        self.memory: Any = None
        #: Names of all pods that ever ended well, badly, or were running when the Job failed.
        self.good: set[str] = set()
        self.bad: set[str] = set()
        self.given_up: set[str] = set()
        self.indexes: set[int] = set()
        self.job: Object = {
            "metadata": {"name": "j", "namespace": "d", "uid": "job", "resourceVersion": "1"},
            "spec": {
                "parallelism": 3, "completions": 4, "backoffLimit": 3,
                "selector": {"matchLabels": {"job": "j"}},
                "template": {"metadata": {"labels": {"job": "j"}}, "spec": {"containers": []}},
                **spec,
            },
            "status": {},
        }  # fmt: skip

    @property
    def status(self) -> Object:
        found: Object = self.job["status"]
        return found

    def ended(self) -> set[str]:
        return {one["type"] for one in self.status.get("conditions") or ()} & {"Complete", "Failed"}

    def running(self) -> list[str]:
        return [
            name
            for name, pod in self.pods.items()
            if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]
        ]

    def finish(self, name: str, *, well: bool) -> None:
        pod = self.pods[name]
        index = index_of(pod)
        self.pods[name] = {**pod, "status": {"phase": "Succeeded" if well else "Failed"}}
        (self.good if well else self.bad).add(name)
        if well and index is not None:
            self.indexes.add(index)

    def delete(self, name: str) -> None:
        pod = self.pods.get(name)
        if pod is not None:
            metadata = {**pod["metadata"], "deletionTimestamp": "2027-01-15T08:00:00Z"}
            self.pods[name] = {**pod, "metadata": metadata}
            self.collect(name)

    def collect(self, name: str) -> None:
        metadata = self.pods[name]["metadata"]
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            del self.pods[name]

    def decide(self, at_most: int = 10**6) -> int:
        """Let the controller act; only so many of its actions are carried out."""
        self.now += 700  # no failure delays anything
        view = View(self.job, tuple(self.pods.values()), (), self.now)
        view = View(*[getattr(view, k) for k in ("job", "owned", "orphans", "now")], *(
            [self.memory] if self.memory is not None else []
        ))  # fmt: skip
        plan = reconcile(view)
        for action in plan.actions[:at_most]:
            self.carry_out(action)
        if len(plan.actions) <= at_most:
            self.memory = plan.remember
        return len(plan.actions)

    def carry_out(self, action: Any) -> None:
        match action:
            case Create(object=body):
                self.made += 1
                name = f"p{self.made}"
                metadata = {**body["metadata"], "name": name, "uid": name, "resourceVersion": "1"}
                self.pods[name] = {"metadata": metadata, "spec": {}, "status": {"phase": "Running"}}
            case Patch(ref=ref, body=body):
                pod = self.pods[ref.name]
                metadata = {**pod["metadata"], "finalizers": body["metadata"]["finalizers"] or []}
                self.pods[ref.name] = {**pod, "metadata": metadata}
                self.collect(ref.name)
            case Delete(ref=ref):
                held = FINALIZER in self.pods[ref.name]["metadata"].get("finalizers", ())
                if held and self.pods[ref.name]["status"]["phase"] == "Running":
                    self.given_up.add(ref.name)  # the Job fails, and so does the pod
                self.delete(ref.name)
            case Update(object=body):
                for count in ("succeeded", "failed"):
                    before = self.status.get(count, 0)
                    assert body["status"].get(count, 0) >= before
                reasons = {one["reason"] for one in body["status"].get("conditions") or ()}
                if "BackoffLimitExceeded" in reasons:
                    assert len(self.bad) > self.job["spec"]["backoffLimit"]
                self.job = body

    def settle(self) -> None:
        for _ in range(60):
            if not self.decide() or self.ended():
                return
        raise AssertionError("it does not come to rest")

    def check(self) -> None:
        """Compare counts and truth; nothing is on its way."""
        if self.job["spec"].get("completionMode") == "Indexed":
            assert parse_indexes(self.status.get("completedIndexes", "")) == self.indexes
            assert self.status.get("succeeded", 0) == len(self.indexes)
        else:
            assert self.status.get("succeeded", 0) == len(self.good)
        assert self.status.get("failed", 0) == len(self.bad | self.given_up)


events = st.lists(
    st.tuples(
        st.sampled_from(["well", "badly", "deleted", "swept", "nothing"]),
        st.integers(0, 2),
        st.one_of(st.just(10**6), st.integers(0, 4)),
    ),
    max_size=14,
)
kinds = st.sampled_from(
    [
        {},
        {"completionMode": "Indexed"},
        {"completionMode": "Indexed", "backoffLimitPerIndex": 1, "backoffLimit": 99},
        {"podReplacementPolicy": "Failed", "backoffLimit": 0},
        {"completions": 2, "parallelism": 5},
    ]
)


@settings(max_examples=250, deadline=None)
@given(kinds, events)
def test_counts_are_true_in_the_end(spec: Object, steps: list[tuple[str, int, int]]) -> None:
    stage = Stage(**spec)
    stage.decide()
    for what, which, at_most in steps:
        if stage.ended():
            break
        names = stage.running()
        over = [n for n in stage.pods if n in stage.good | stage.bad]
        if what in {"well", "badly"} and names:
            stage.finish(names[which % len(names)], well=what == "well")
        elif what == "deleted" and names and "podReplacementPolicy" not in spec:
            name = names[which % len(names)]
            stage.bad.add(name)
            stage.delete(name)
        elif what == "swept" and over:
            stage.delete(over[which % len(over)])
        stage.decide(at_most)
    stage.settle()
    if stage.ended() or spec.get("backoffLimitPerIndex") is None:
        stage.check()
    assert len(stage.ended()) < 2


@settings(max_examples=100, deadline=None)
@given(kinds, st.integers(0, 3))
def test_a_job_ends_well_if_its_pods_do(spec: Object, failures: int) -> None:
    stage = Stage(**{**spec, "backoffLimit": 9, "parallelism": 2})
    if "backoffLimitPerIndex" in spec:
        failures = min(failures, 1)
    for _ in range(80):
        stage.decide()
        if stage.ended():
            break
        for name in stage.running()[:1]:
            stage.finish(name, well=failures == 0)
            failures = max(failures - 1, 0)
    assert stage.ended() == {"Complete"}
    stage.check()
    assert all(FINALIZER not in p["metadata"].get("finalizers", ()) for p in stage.pods.values())
