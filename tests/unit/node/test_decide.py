"""Plans for pods, compared as values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fakes.node import container, pod
from roost.api.values import Object
from roost.node import podspec
from roost.node.actions import (
    Announce,
    CleanUp,
    FinishDeletion,
    PodPlan,
    PrepareVolumes,
    PullImage,
    ReleaseVolumes,
    StartContainer,
    StartSandbox,
    StopContainer,
    StopSandbox,
)
from roost.node.decide import TRANSITIONS, PodEvent, plan_pod
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
    Verdict,
)
from roost.runtimes.port import State

NOW = 1000.0
BOX = podspec.sandbox_id("uid-web", 0)
UP = PodFacts(
    state=PodState.SYNCING,
    admitted=True,
    started_at=0.0,
    volumes_ready=True,
    sandbox=SandboxFacts(BOX, 0, ready=True),
    sandbox_attempt=1,
)


def seen(state: State = State.RUNNING, attempt: int = 0, code: int = 0, **more: Any) -> Seen:
    ended = {} if state is State.RUNNING else {"finished_at": NOW - 1}
    return Seen(f"id-{attempt}", BOX, attempt, state, "app:1", exit_code=code, **{**ended, **more})


def with_containers(facts: PodFacts = UP, **containers: ContainerFacts) -> PodFacts:
    return replace(facts, containers=containers)


def running(**more: Any) -> ContainerFacts:
    return ContainerFacts(seen=seen(), **more)


def ended(code: int = 1, attempt: int = 0, **more: Any) -> ContainerFacts:
    return ContainerFacts(seen=seen(State.EXITED, attempt, code), **more)


def plan(
    facts: PodFacts, body: Object | None = None, busy: tuple[tuple[str, str], ...] = ()
) -> PodPlan:
    return plan_pod(PodView(body or pod("web"), facts, NOW, frozenset(busy)))


def image(attempt: int = 0) -> ImageFacts:
    return ImageFacts(attempt, "sha256:1")


# -- the table ----------------------------------------------------------------------------------


def test_every_state_is_reached_and_only_gone_is_final() -> None:
    reached = {state for row in TRANSITIONS.values() for state in row.values()}
    assert reached | {PodState.PENDING} == set(PodState) == set(TRANSITIONS)
    assert [state for state, row in TRANSITIONS.items() if not row] == [PodState.GONE]
    assert {event for row in TRANSITIONS.values() for event in row} == set(PodEvent)


# -- starting -----------------------------------------------------------------------------------


def test_nothing_is_done_before_the_node_admitted_the_pod() -> None:
    assert plan(PodFacts()).actions == ()


def test_volumes_come_first_then_the_sandbox_then_images_then_containers() -> None:
    facts = PodFacts(admitted=True)
    assert plan(facts).actions == (PrepareVolumes(),)
    assert plan(facts, busy=(("volumes", ""),)).actions == ()
    facts = replace(facts, volumes_ready=True)
    assert plan(facts).actions == (StartSandbox(0),)
    assert plan(facts, busy=(("sandbox", ""),)).actions == ()
    assert plan(UP).actions == (PullImage("main", 0),)
    assert plan(UP, busy=(("pull", "main"),)).actions == ()
    facts = with_containers(main=ContainerFacts(image=image()))
    assert plan(facts).actions == (StartContainer("main", 0),)
    assert plan(facts, busy=(("start", "main"),)).actions == ()


def test_an_image_of_an_earlier_attempt_is_looked_for_again() -> None:
    facts = with_containers(main=replace(ended(), image=image(0)))
    assert plan(facts).actions == (PullImage("main", 1),)


@pytest.mark.parametrize("field", ["volumes_fault", "sandbox_fault"])
def test_a_fault_is_waited_out(field: str) -> None:
    fault = Fault("FailedMount", "no", NOW - 5, NOW + 5)
    facts = replace(UP, sandbox=None, volumes_ready=field == "sandbox_fault", **{field: fault})
    found = plan(facts)
    assert (found.actions, found.wake_at) == ((), NOW + 5)


def test_a_configuration_fault_holds_the_start_until_its_time() -> None:
    fault = Fault("CreateContainerConfigError", "no", NOW - 5, NOW + 5)
    facts = with_containers(main=ContainerFacts(image=image(), fault=fault))
    assert plan(facts).actions == ()
    assert plan(facts).wake_at == NOW + 5
    due = with_containers(main=ContainerFacts(image=image(), fault=replace(fault, retry_at=NOW)))
    assert plan(due).actions == (StartContainer("main", 0),)


def test_a_failed_pull_is_announced_once_as_back_off() -> None:
    fault = Fault("ErrImagePull", "no", NOW - 3, NOW + 7, 10)
    facts = with_containers(main=ContainerFacts(image=ImageFacts(0, fault=fault)))
    found = plan(facts)
    assert found.actions == (
        Announce("Normal", "BackOff", 'Back-off pulling image "app:1"', "main"),
        Announce("Warning", "Failed", "Error: ImagePullBackOff", "main"),
    )
    assert found.wake_at == NOW + 7
    assert plan(found.facts).actions == ()


# -- restarts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "code", "again"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 1, False),
    ],
)
def test_restart_policy(policy: str, code: int, *, again: bool) -> None:
    facts = with_containers(main=ended(code), other=running())
    body = pod("web", container(), container("other"), restartPolicy=policy)
    expected = (PullImage("main", 1),) if again else ()
    assert plan(facts, body).actions == expected


def test_a_container_may_have_its_own_policy_and_rules() -> None:
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    own = container(restartPolicy="Never", restartPolicyRules=rules)
    body = pod("web", own, container("other"))
    for code, again in ((42, True), (1, False)):
        facts = with_containers(main=ended(code), other=running())
        assert plan(facts, body).actions == ((PullImage("main", 1),) if again else ())


def test_the_first_restart_is_immediate_and_raises_the_back_off() -> None:
    facts = with_containers(main=ended(image=image(1)))
    found = plan(facts)
    assert found.actions == (StartContainer("main", 1),)
    assert found.facts.container("main").back_off == BackOff(10.0, NOW)


def test_later_restarts_wait_double_and_say_so_once() -> None:
    back_off = BackOff(20.0, NOW - 100)
    facts = with_containers(main=ended(image=image(1), back_off=back_off))
    found = plan(facts)
    assert found.wake_at == NOW - 1 + 20
    assert found.actions == (
        Announce(
            "Warning",
            "BackOff",
            "Back-off restarting failed container main in pod web_default(uid-web)",
            "main",
        ),
    )
    assert plan(found.facts).actions == ()
    late = plan_pod(PodView(pod("web"), facts, NOW + 20, frozenset()))
    assert late.facts.container("main").back_off == BackOff(40.0, NOW + 20)


def test_ten_good_minutes_reset_the_back_off_and_five_minutes_is_the_most() -> None:
    old = with_containers(main=ended(image=image(1), back_off=BackOff(300.0, NOW - 700)))
    found = plan(old)
    assert found.actions == (StartContainer("main", 1),)
    assert found.facts.container("main").back_off == BackOff(10.0, NOW)
    facts = with_containers(main=ended(image=image(1), back_off=BackOff(300.0, NOW - 100)))
    later = plan_pod(PodView(pod("web"), facts, NOW + 300, frozenset()))
    assert later.facts.container("main").back_off == BackOff(300.0, NOW + 300)


def test_another_image_in_the_pod_restarts_the_container() -> None:
    body = pod("web", container(image="app:2"), restartPolicy="Never")
    found = plan(with_containers(main=running()), body)
    assert found.actions == (
        StopContainer("main", "id-0", 30.0, "Container main definition changed, will be restarted"),
    )
    assert plan(with_containers(main=ended(137)), body).actions == (PullImage("main", 1),)


# -- probes and hooks ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (
            running(probes=Probes(liveness=False)),
            "Container main failed liveness probe, will be restarted",
        ),
        (
            running(probes=Probes(startup=False)),
            "Container main failed startup probe, will be restarted",
        ),
        (running(hook=Hook.FAILED), "FailedPostStartHook"),
    ],
)
def test_what_stops_a_running_container(facts: ContainerFacts, message: str) -> None:
    found = plan(with_containers(main=facts))
    assert found.actions == (StopContainer("main", "id-0", 30.0, message),)
    assert plan(found.facts).actions == ()


def test_readiness_stops_nothing() -> None:
    assert plan(with_containers(main=running(probes=Probes(readiness=False)))).actions == ()


# -- init ---------------------------------------------------------------------------------------

INIT = pod(
    "web",
    initContainers=[
        container("one"), container("side", restartPolicy="Always"), container("two")
    ],
)  # fmt: skip


def test_init_containers_go_one_after_the_other() -> None:
    assert plan(UP, INIT).actions == (PullImage("one", 0),)
    assert plan(with_containers(one=running()), INIT).actions == ()
    done = ended(0)
    assert plan(with_containers(one=done), INIT).actions == (PullImage("side", 0),)
    assert plan(with_containers(one=done, side=running()), INIT).actions == (PullImage("two", 0),)
    all_done = with_containers(one=done, side=running(), two=done)
    assert plan(all_done, INIT).actions == (PullImage("main", 0),)


def test_a_sidecar_counts_when_its_startup_probe_passed() -> None:
    body = pod(
        "web",
        initContainers=[container("side", restartPolicy="Always", startupProbe={"exec": {}})],
    )
    assert plan(with_containers(side=running()), body).actions == ()
    started = running(probes=Probes(startup=True))
    assert plan(with_containers(side=started), body).actions == (PullImage("main", 0),)


def test_a_sidecar_is_restarted_while_the_pod_runs_even_by_never() -> None:
    body = {**INIT, "spec": {**INIT["spec"], "restartPolicy": "Never"}}
    facts = with_containers(one=ended(0), side=ended(0), two=ended(0), main=running())
    assert plan(facts, body).actions == (PullImage("side", 1),)


def test_init_is_not_run_again_while_its_sandbox_lives() -> None:
    facts = with_containers(side=running(), main=running())  # of `one` and `two` nothing is known
    assert plan(facts, INIT).actions == ()


def test_a_new_sandbox_runs_init_again() -> None:
    old = replace(seen(State.EXITED), sandbox_id="another")
    facts = with_containers(one=ContainerFacts(seen=old), main=ContainerFacts(seen=old))
    assert plan(facts, INIT).actions == (PullImage("one", 1),)


# -- the end ------------------------------------------------------------------------------------


def deleted(body: Object | None = None, grace_s: float = 30) -> Object:
    body = body or pod("web")
    metadata = {
        **body["metadata"],
        "deletionTimestamp": "2027-01-01T00:00:00Z",
        "deletionGracePeriodSeconds": grace_s,
    }
    return {**body, "metadata": metadata}


def test_a_deletion_stops_with_its_grace() -> None:
    found = plan(with_containers(main=running()), deleted(grace_s=7))
    assert found.facts.state is PodState.TERMINATING
    assert found.actions == (StopContainer("main", "id-0", 7.0, "Stopping container main"),)
    assert plan(found.facts, deleted(grace_s=7)).actions == ()


def test_a_shorter_deletion_orders_the_stop_again() -> None:
    found = plan(with_containers(main=running()), deleted(grace_s=60))
    again = plan(found.facts, deleted(grace_s=5))
    assert again.actions == (StopContainer("main", "id-0", 5.0, "Stopping container main"),)


def test_what_is_being_started_is_waited_for_before_the_end() -> None:
    found = plan(UP, deleted(), busy=(("start", "main"),))
    assert (found.facts.state, found.actions) == (PodState.TERMINATING, ())
    over = plan(found.facts, deleted())
    assert (over.facts.state, over.actions) == (PodState.TERMINATED, (StopSandbox(BOX),))


def test_sidecars_are_stopped_last_and_in_reverse_order() -> None:
    side = {"restartPolicy": "Always"}
    body = deleted(pod("web", initContainers=[container("a", **side), container("b", **side)]))
    facts = with_containers(a=running(), b=running(), main=running())

    def stopped(known: PodFacts) -> list[str]:
        return [
            one.container for one in plan(known, body).actions if isinstance(one, StopContainer)
        ]

    assert stopped(facts) == ["main"]
    facts = with_containers(a=running(), b=running(), main=ended(0))
    assert stopped(facts) == ["b"]
    facts = with_containers(a=running(), b=ended(0), main=ended(0))
    assert stopped(facts) == ["a"]


def test_after_the_end_the_api_is_told_once_the_status_is_there() -> None:
    facts = with_containers(replace(UP, state=PodState.TERMINATED, sandbox=None), main=ended(0))
    assert plan(facts, deleted()).actions == ()
    facts = replace(facts, reported_end=True)
    assert plan(facts, deleted()).actions == (FinishDeletion(),)
    assert plan(facts, deleted(), busy=(("finish", ""),)).actions == ()
    facts = replace(facts, deletion_sent=True)
    assert plan(facts, deleted()).actions == ()
    facts = replace(facts, removed=True)
    assert plan(facts, deleted()).actions == (CleanUp(),)
    assert plan(replace(facts, cleaned=True)).facts.state is PodState.GONE


def test_a_complete_pod_ends_and_stays() -> None:
    body = pod("web", restartPolicy="Never")
    found = plan(with_containers(main=ended(0)), body)
    assert found.facts.state is PodState.TERMINATED
    assert found.actions == (StopSandbox(BOX),)
    rest = plan(replace(found.facts, sandbox=None), body)
    assert (rest.actions, rest.facts.state) == ((ReleaseVolumes(),), PodState.TERMINATED)
    assert plan(rest.facts, body, busy=(("release", ""),)).actions == ()
    gone = replace(rest.facts, removed=True)
    assert plan(gone, body, busy=(("release", ""),)).actions == ()
    assert plan(replace(rest.facts, volumes_ready=False), body).actions == ()


def test_a_deadline_and_an_eviction_fail_the_pod() -> None:
    late = plan(with_containers(main=running()), pod("web", activeDeadlineSeconds=900))
    assert late.facts.verdict is not None
    assert late.facts.verdict.reason == "DeadlineExceeded"
    assert [type(one) for one in late.actions] == [StopContainer]
    soon = plan(with_containers(main=running()), pod("web", activeDeadlineSeconds=1200))
    assert (soon.actions, soon.wake_at) == ((), 1200.0)
    evicted = replace(with_containers(main=running()), verdict=Verdict("Evicted", "low on disk"))
    assert [type(one) for one in plan(evicted).actions] == [StopContainer]


def test_a_pod_that_ended_before_is_never_started() -> None:
    body = {**pod("web"), "status": {"phase": "Failed"}}
    found = plan(PodFacts(admitted=True), body)
    assert (found.facts.state, found.actions) == (PodState.TERMINATED, ())


def test_a_broken_sandbox_is_replaced_but_not_for_a_pod_that_is_done() -> None:
    broken = replace(UP, sandbox=SandboxFacts(BOX, 0, ready=False))
    lost = ContainerFacts(seen=seen(State.UNKNOWN, code=137))
    found = plan(with_containers(broken, main=lost))
    assert found.actions[-1] == StopSandbox(BOX)
    done = plan(with_containers(broken, main=lost), pod("web", restartPolicy="Never"))
    assert done.facts.state is PodState.TERMINATED


def test_not_knowing_is_never_a_reason_to_stop() -> None:
    quiet = with_containers(main=running(probes=Probes()))
    assert plan(quiet).actions == ()
    assert plan(replace(quiet, volumes_ready=False)).actions == (PrepareVolumes(),)
