"""What holds for every plan of a pod, whatever is known of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.node import container, pod
from roost.node import podspec
from roost.node.actions import (
    Announce,
    PullImage,
    StartContainer,
    StopContainer,
    StopSandbox,
)
from roost.node.conditions import phase
from roost.node.decide import TRANSITIONS, plan_pod
from roost.node.facts import (
    BackOff,
    ContainerFacts,
    Fault,
    Hook,
    ImageFacts,
    PodFacts,
    PodState,
    PodView,
    Probes,
    SandboxFacts,
    Seen,
)
from roost.node.status import NodeAddress, pod_status, status_patch
from roost.runtimes.port import State

NOW = 1_800_000_000.0
BOX = podspec.sandbox_id("uid-web", 0)
NAMES = ("init", "side", "main", "other")
NODE = NodeAddress(("192.168.0.7",), "oci")

times = st.integers(-1000, 0).map(lambda ago: NOW + ago)
seens = st.builds(
    Seen,
    id=st.just("id"),
    sandbox_id=st.sampled_from([BOX, "before"]),
    attempt=st.integers(0, 3),
    state=st.sampled_from(State),
    image=st.just("app:1"),
    started_at=times,
    finished_at=times,
    exit_code=st.sampled_from([0, 1, 137]),
)
faults = st.builds(
    Fault,
    reason=st.sampled_from(["ErrImagePull", "CreateContainerConfigError"]),
    message=st.just("no"),
    at=times,
    retry_at=st.integers(-50, 50).map(lambda ago: NOW + ago),
    delay_s=st.just(10.0),
    announced=st.booleans(),
)
containers = st.builds(
    ContainerFacts,
    seen=st.none() | seens,
    image=st.none()
    | st.builds(ImageFacts, attempt=st.integers(0, 4), id=st.just("i"), fault=st.none() | faults),
    fault=st.none() | faults,
    back_off=st.none() | st.builds(BackOff, delay_s=st.sampled_from([10.0, 300.0]), at=times),
    probes=st.builds(
        Probes, startup=st.sampled_from([None, True]), readiness=st.none() | st.booleans()
    ),
    hook=st.sampled_from([Hook.NONE, Hook.RUNNING, Hook.DONE]),
)
facts = st.builds(
    PodFacts,
    state=st.sampled_from(PodState),
    admitted=st.booleans(),
    started_at=times,
    sandbox=st.none()
    | st.builds(SandboxFacts, id=st.just(BOX), attempt=st.just(0), ready=st.booleans()),
    volumes_ready=st.booleans(),
    volumes_fault=st.none() | faults,
    containers=st.dictionaries(st.sampled_from(NAMES), containers),
    stop_by=times,
    removed=st.booleans(),
    reported_end=st.booleans(),
)
busy = st.frozensets(
    st.tuples(st.sampled_from(["start", "pull", "stop"]), st.sampled_from(NAMES))
    | st.sampled_from([("sandbox", ""), ("volumes", ""), ("clean", ""), ("finish", "")])
)


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    probe = {"startupProbe": {"exec": {}}} if draw(st.booleans()) else {}
    body = pod(
        "web",
        container("main", **probe),
        container("other"),
        initContainers=[container("init"), container("side", restartPolicy="Always")],
        restartPolicy=draw(st.sampled_from(["Always", "OnFailure", "Never"])),
    )
    if draw(st.booleans()):
        body["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z"
        body["metadata"]["deletionGracePeriodSeconds"] = draw(st.sampled_from([0, 30]))
    return body


views = st.builds(PodView, pod=pods(), facts=facts, now=st.just(NOW), busy=busy)


@given(views)
@settings(max_examples=60)
def test_a_state_moves_only_along_the_table(view: PodView) -> None:
    reachable = {view.facts.state}
    for _ in PodState:
        reachable |= {to for state in reachable for to in TRANSITIONS[state].values()}
    assert plan_pod(view).facts.state in reachable


@given(views)
@settings(max_examples=60)
def test_nothing_is_stopped_without_a_positive_reason(view: PodView) -> None:
    if view.facts.removed or podspec.deleting(view.pod) or view.facts.state is not PodState.SYNCING:
        return
    found = plan_pod(view)
    stops = [one for one in found.actions if isinstance(one, StopContainer)]
    if found.facts.state is PodState.SYNCING:
        assert stops == []
        broken = view.facts.sandbox is not None and not view.facts.sandbox.ready
        assert broken or not any(isinstance(one, StopSandbox) for one in found.actions)
    else:  # complete: only what serves others may still run
        assert {one.container for one in stops} <= {"side", "init", "main", "other"}
        mains = [view.facts.container(name) for name in ("main", "other")]
        init = view.facts.container("init").seen
        init_failed = init is not None and init.ended and not init.succeeded
        assert init_failed or not any(known.running for known in mains)


@given(views)
@settings(max_examples=60)
def test_what_is_under_way_is_not_asked_for_again(view: PodView) -> None:
    for action in plan_pod(view).actions:
        if isinstance(action, StartContainer):
            assert not {("start", action.container), ("pull", action.container)} & view.busy
        if isinstance(action, PullImage):
            assert ("pull", action.container) not in view.busy
        if isinstance(action, StopSandbox):
            assert ("sandbox", "") not in view.busy


@given(views)
@settings(max_examples=60)
def test_a_container_is_never_started_while_it_runs_or_twice(view: PodView) -> None:
    found = plan_pod(view)
    starts = [one.container for one in found.actions if isinstance(one, StartContainer)]
    assert len(starts) == len(set(starts))
    assert not any(view.facts.container(name).running for name in starts)


@given(views)
@settings(max_examples=60)
def test_a_second_look_at_once_says_nothing_new(view: PodView) -> None:
    first = plan_pod(view)
    second = plan_pod(replace(view, facts=first.facts))
    assert second.facts.state is first.facts.state
    assert not any(isinstance(one, Announce | StopContainer) for one in second.actions) or (
        [one for one in second.actions if isinstance(one, Announce)]
        == [
            one
            for one in first.actions
            if isinstance(one, Announce) and one.reason == "SandboxChanged"
        ]
    )


@given(views)
@settings(max_examples=60)
def test_a_reported_status_needs_no_further_report(view: PodView) -> None:
    status = pod_status(view.pod, view.facts, NOW, NODE)
    assert status["phase"] in {"Pending", "Running", "Succeeded", "Failed"}
    reported = {**view.pod, "status": status}
    assert status_patch(reported, pod_status(reported, view.facts, NOW + 99, NODE)) is None
    if view.facts.state is PodState.TERMINATED:
        assert phase(view.pod, view.facts) in podspec.TERMINAL_PHASES
