"""Priority and fairness: which flow, which seat, and that nobody starves anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.apiserver import running
from roost.adapters.virtual.chance import SeededChance
from roost.adapters.virtual.clock import LoopClock
from roost.api.kind import Resource
from roost.apiserver.attributes import ANONYMOUS, User
from roost.apiserver.fairness.defaults import (
    DEFAULT_LEVELS,
    DEFAULT_SCHEMAS,
    LEVELS,
    SCHEMAS,
    dangling,
    wanted_spec,
)
from roost.apiserver.fairness.estimating import of_list, of_telling
from roost.apiserver.fairness.flows import Flows, Refused
from roost.apiserver.fairness.levels import Level, Limits, deal, limits_of, may_begin, share_out
from roost.apiserver.fairness.upkeep import Upkeep, bootstrap_flows
from roost.apiserver.messages import Answer, Request
from roost.apiserver.requestinfo import parse_path
from roost.apiserver.server import ApiServer
from roost.client.informer import Informers

EVERYBODY = "system:authenticated"
ADMIN = User("admin", ("system:masters", EVERYBODY))
NODE = User("system:node:n1", ("system:nodes", EVERYBODY))
JANE = User("jane", (EVERYBODY,))
BOT = User(
    "system:serviceaccount:kube-system:bot",
    ("system:serviceaccounts", "system:serviceaccounts:kube-system", EVERYBODY),
)
ACCOUNT = User("system:serviceaccount:team:app", ("system:serviceaccounts", EVERYBODY))
MANAGER = User("system:kube-controller-manager", (EVERYBODY,))
LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1"
MAPS = Resource("", "v1", "configmaps")
PODS = "/api/v1/namespaces/n/pods"


@pytest.mark.parametrize(
    ("user", "method", "path", "schema", "level"),
    [
        (ADMIN, "GET", PODS, "exempt", "exempt"),
        (ANONYMOUS, "GET", "/healthz", "probes", "exempt"),
        (ANONYMOUS, "GET", "/version", "global-default", "global-default"),
        (NODE, "PUT", LEASE, "system-node-high", "node-high"),
        (NODE, "PATCH", "/api/v1/nodes/n1/status", "system-node-high", "node-high"),
        (NODE, "GET", PODS, "system-nodes", "system"),
        (MANAGER, "PUT", LEASE, "system-leader-election", "leader-election"),
        (MANAGER, "PUT", "/api/v1/namespaces/n/endpoints/e", "endpoint-controller", "workload-high"),
        (MANAGER, "GET", PODS, "kube-controller-manager", "workload-high"),
        (BOT, "PUT", "/api/v1/namespaces/n/configmaps/c", "workload-leader-election",
         "leader-election"),
        (BOT, "GET", PODS, "kube-system-service-accounts", "workload-high"),
        (ACCOUNT, "GET", PODS, "service-accounts", "workload-low"),
        (JANE, "GET", PODS, "global-default", "global-default"),
        (User("nobody"), "GET", PODS, "catch-all", "catch-all"),
    ],
)  # fmt: skip
def test_requests_go_where_the_real_server_puts_them(
    user: User, method: str, path: str, schema: str, level: str
) -> None:
    place = Flows().place(user, parse_path(method, path))
    assert (place.schema, place.level.limits.name) == (schema, level)


def test_seats_are_shared_out_in_proportion() -> None:
    levels = [Level[Any](limits_of(each)) for each in DEFAULT_LEVELS]
    share_out(levels, 600)
    nominal = {level.limits.name: level.nominal for level in levels}
    assert nominal == {
        "exempt": 0, "catch-all": 13, "system": 74, "node-high": 98, "leader-election": 25,
        "workload-high": 98, "workload-low": 245, "global-default": 49,
    }  # fmt: skip


def test_a_level_borrows_what_nobody_needs_and_no_more() -> None:
    busy, quiet = (Level[Any](Limits(name, shares=10, lendable=0.5)) for name in ("busy", "quiet"))
    share_out((busy, quiet), 20)
    while may_begin(busy, (busy, quiet), 20):
        busy.in_use += 1
    assert busy.in_use == 15  # its own ten, and the half of the other ten that is lent out
    assert may_begin(quiet, (busy, quiet), 20)  # below its share it never waits


@given(st.integers(0, 2**64 - 1), st.integers(1, 200), st.integers(1, 20))
def test_a_hand_is_of_different_cards(flow: int, deck: int, hand: int) -> None:
    cards = deal(flow, deck, hand)
    assert len(set(cards)) == len(cards) == min(hand, deck)
    assert all(0 <= card < deck for card in cards)


@pytest.mark.parametrize(
    ("stored", "limit", "selects", "seats"),
    [(0, 0, False, 1), (100, 0, False, 1), (101, 0, False, 2), (10_000, 0, False, 10),
     (10_000, 500, False, 5), (10_000, 500, True, 10), (250, 500, True, 3)],
)  # fmt: skip
def test_a_list_is_as_wide_as_what_it_looks_at(
    stored: int, limit: int, selects: bool, seats: int
) -> None:
    assert of_list(stored, limit, selects=selects) == seats


@pytest.mark.parametrize(("watchers", "seats"), [(0, 0), (9, 0), (11, 2), (5_000, 10)])
def test_a_write_is_as_wide_as_those_who_must_be_told(watchers: int, seats: int) -> None:
    assert of_telling(watchers) == seats


def test_wide_requests_take_and_give_back_all_their_seats() -> None:
    async def scene() -> None:
        flows = Flows(seats=100, patience_s=5)
        place = flows.place(JANE, parse_path("GET", PODS))
        level = place.level
        taken = 0
        while flows.enter(place, 5):
            taken += 1
        assert level.in_use == taken * 5 <= 100
        assert (place.tally.executing, place.tally.seats) == (taken, taken * 5)
        waiting = asyncio.create_task(flows.wait(place, 5))
        await asyncio.sleep(0)
        flows.leave_behind(place, 5, 5, 0.001)  # what it wrote is still being told
        await asyncio.sleep(0)
        assert not waiting.done()
        await waiting
        for _ in range(taken):
            flows.leave(place, 5)
        assert (level.in_use, place.tally.executing, level.waiting) == (0, 0, 0)
        assert (place.tally.seats, place.tally.waits().total()) == (0, taken + 1)

    run(scene)


def test_a_long_list_keeps_its_seats_until_it_is_sent() -> None:
    async def scene() -> None:
        async with running() as api:
            client = api.client()
            for number in range(301):
                body = {"metadata": {"name": f"m{number}"}, "data": {"a": "b" * 1000}}
                await client.create(MAPS, body, "n")
            path = "/api/v1/namespaces/n/configmaps"
            level = api.flows.place(JANE, parse_path("GET", path)).level
            first = await api.handle(Request("GET", path, user=JANE))
            second = await api.handle(Request("GET", path, user=JANE))
            assert isinstance(first, Answer)
            assert isinstance(second, Answer)
            assert level.in_use == 8
            first.whole()
            assert level.in_use == 4
            await api.handle(Request("GET", path, "limit=1", user=JANE))
            assert level.in_use == 4
            second.whole()
            assert level.in_use == 0

    run(scene)


def test_flows_of_one_level_take_turns() -> None:
    level = Level[str](Limits("l", queues=64, hand=1, length=50))
    greedy, modest = 1, 2  # hands of one card: two queues
    for index in range(10):
        level.enqueue(f"greedy {index}", greedy)
    level.enqueue("modest 0", modest)
    order = [level.next()[0] for _ in range(11)]
    assert order.index("modest 0") <= 1


# -- as it runs


def run(scene: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(10):
            await scene()

    asyncio.run(main())


def test_a_greedy_client_does_not_starve_the_leases_of_nodes() -> None:
    async def scene() -> None:
        flows = Flows(seats=24, patience_s=5)
        greedy = flows.place(JANE, parse_path("POST", PODS))
        lease = flows.place(NODE, parse_path("PUT", LEASE))
        held = asyncio.Event()
        refused = 0

        async def ask() -> None:
            nonlocal refused
            try:
                if not flows.enter(greedy):
                    await flows.wait(greedy)
            except Refused:
                refused += 1
                return
            await held.wait()  # a slow request
            flows.leave(greedy)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(1000):
                tasks.create_task(ask())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert greedy.level.in_use < 24  # all seats that may be lent, and no more
            assert greedy.level.waiting == 6 * 50  # its hand of queues is full ...
            assert refused > 600  # ... and the rest is sent away
            for _ in range(100):
                assert flows.enter(lease)  # nodes do not even wait
                flows.leave(lease)
            held.set()
        assert greedy.level.in_use == greedy.level.waiting == 0

    run(scene)


def test_whoever_waits_too_long_is_refused_and_takes_no_seat() -> None:
    async def scene() -> None:
        flows = Flows(seats=1, patience_s=0.01)
        place = flows.place(JANE, parse_path("GET", PODS))
        while flows.enter(place):
            pass
        before = place.level.in_use
        with pytest.raises(Refused):
            await flows.wait(place)
        assert (place.level.in_use, place.level.waiting) == (before, 0)
        assert place.tally.rejected == {"time-out": 1}
        assert (place.tally.waiting, place.tally.refused.total()) == (0, 1)

    run(scene)


def test_a_client_that_goes_leaves_its_queue() -> None:
    async def scene() -> None:
        flows = Flows(seats=1)
        place = flows.place(JANE, parse_path("GET", PODS))
        while flows.enter(place):
            pass
        task = asyncio.create_task(flows.wait(place))
        await asyncio.sleep(0)
        assert place.level.waiting == 1
        task.cancel()
        await asyncio.wait([task])
        assert place.level.waiting == 0
        for _ in range(place.level.in_use):
            flows.leave(place)
        assert flows.enter(place)

    run(scene)


def test_changed_objects_are_used_at_once() -> None:
    async def scene() -> None:
        flows = Flows()
        jail = {
            "metadata": {"name": "jail", "uid": "level-uid"},
            "spec": {
                "type": "Limited",
                "limited": {"nominalConcurrencyShares": 0, "borrowingLimitPercent": 0,
                            "limitResponse": {"type": "Reject"}},
            },
        }  # fmt: skip
        schema = {
            "metadata": {"name": "jane", "uid": "schema-uid"},
            "spec": {
                "priorityLevelConfiguration": {"name": "jail"},
                "matchingPrecedence": 50,
                "rules": [
                    {
                        "subjects": [{"kind": "User", "user": {"name": "jane"}}],
                        "resourceRules": [{"verbs": ["list"], "apiGroups": [""],
                                           "resources": ["pods"], "namespaces": ["n"]}],
                    }
                ],
            },
        }  # fmt: skip
        flows.use((*DEFAULT_SCHEMAS, schema), (*DEFAULT_LEVELS, jail))
        jailed = flows.place(JANE, parse_path("GET", PODS))
        assert b"X-Kubernetes-Pf-Flowschema-Uid: schema-uid" in jailed.head
        assert not flows.enter(jailed)
        with pytest.raises(Refused):
            await flows.wait(jailed)
        other = flows.place(JANE, parse_path("GET", "/api/v1/namespaces/m/pods"))
        assert other.schema == "global-default"
        flows.use((schema,), ())  # all that is mandatory is there all the same
        assert flows.place(JANE, parse_path("GET", PODS)).schema == "catch-all"

    run(scene)


def test_default_objects_are_mended_only_where_the_server_keeps_them() -> None:
    default = DEFAULT_SCHEMAS[1]
    changed = {**default, "spec": {**default["spec"], "matchingPrecedence": 7}}
    assert wanted_spec(changed, default) == default["spec"]
    kept = {**changed, "metadata": {"name": "probes", "annotations": {}}}
    assert wanted_spec(kept, default) is None
    assert wanted_spec(default, default) is None


def test_a_schema_says_whether_its_level_exists() -> None:
    assert dangling(DEFAULT_SCHEMAS[0], frozenset({"exempt"}))["status"] == "False"
    assert dangling(DEFAULT_SCHEMAS[0], frozenset())["reason"] == "NotFound"


def test_who_is_refused_is_told_to_come_again() -> None:
    async def scene() -> None:
        async with running() as api:
            api.flows = Flows(seats=1, patience_s=0.01)
            place = api.flows.place(JANE, parse_path("GET", PODS))
            while api.flows.enter(place):
                pass
            held = place.level.in_use
            answer = await api.handle(Request("GET", PODS, user=JANE))
            assert isinstance(answer, Answer)
            assert (answer.code, answer.body) == (
                429, b"Too many requests, please try again later.\n",
            )  # fmt: skip
            assert ("Retry-After", "1") in answer.headers
            assert place.level.in_use == held
            others = await api.handle(Request("GET", PODS, user=ADMIN))
            assert isinstance(others, Answer)
            assert others.code == 200

    run(scene)


def test_answers_say_which_flow_they_were_of() -> None:
    async def scene() -> None:
        async with running() as api:
            client = api.client()
            await bootstrap_flows(client)
            informers = Informers(client, SeededChance())
            upkeep = Upkeep(api.flows, client, LoopClock(), informers)
            tasks = [asyncio.create_task(informers.run()), asyncio.create_task(upkeep.run())]
            schema = await client.get(SCHEMAS, "global-default")
            level = await client.get(LEVELS, "global-default")
            for _ in range(10_000):
                if b"Pf" in (await answered(api)).head:
                    break
                await asyncio.sleep(0)
            head = (await answered(api)).head.decode()
            assert f"X-Kubernetes-Pf-Flowschema-Uid: {schema['metadata']['uid']}" in head
            assert f"X-Kubernetes-Pf-Prioritylevel-Uid: {level['metadata']['uid']}" in head
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    run(scene)


async def answered(api: ApiServer) -> Answer:
    answer = await api.handle(Request("GET", PODS, user=JANE))
    assert isinstance(answer, Answer)
    return answer
