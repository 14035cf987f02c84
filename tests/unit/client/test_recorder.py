"""Events are folded as client-go's correlator does."""

from __future__ import annotations

import asyncio

from fakes.cluster import Cluster, FixedClock, refuse
from fakes.timeless import run
from roost.api.errors import Forbidden, ServiceUnavailable
from roost.api.kind import Resource
from roost.api.values import Object
from roost.client.recorder import QUEUE_LENGTH, EventRecorder
from roost.decisions.resources import EVENTS

POD = {"kind": "Pod", "namespace": "default", "name": "web", "uid": "u", "apiVersion": "v1"}


class Held(Cluster):
    """A cluster that answers creations about one object only when it is let."""

    def __init__(self, clock: FixedClock, name: str, go: asyncio.Event) -> None:
        super().__init__(clock)
        self._name = name
        self._go = go

    async def create(
        self, resource: Resource, body: Object, namespace: str = "", *,
        name: str = "", subresource: str = "",
    ) -> Object:  # fmt: skip
        if body["involvedObject"]["name"] == self._name:
            await self._go.wait()
        return await super().create(resource, body, namespace, name=name, subresource=subresource)


async def recorded(
    *messages: str, regarding: Object = POD, gap_s: float = 0.0
) -> tuple[Cluster, EventRecorder]:
    clock = FixedClock()
    cluster = Cluster(clock)
    recorder = EventRecorder(cluster, clock, "kubelet", "n1")
    for message in messages:
        recorder.record(regarding, "Normal", "Pulled", message)
        clock.offset += gap_s
    await recorder.flush()
    return cluster, recorder


def test_an_event_has_all_that_kubectl_shows() -> None:
    async def scenario() -> None:
        cluster, _ = await recorded("hello")
        (event,) = cluster.all(EVENTS)
        assert event["metadata"]["name"].startswith("web.")
        int(event["metadata"]["name"].rpartition(".")[2], 16)
        assert event["source"] == {"component": "kubelet", "host": "n1"}
        assert (event["reportingComponent"], event["reportingInstance"]) == ("kubelet", "n1")
        assert event["involvedObject"] == POD
        assert (event["type"], event["reason"], event["message"]) == ("Normal", "Pulled", "hello")
        assert event["count"] == 1
        assert event["firstTimestamp"] == event["lastTimestamp"] == "2027-01-15T08:00:00Z"

    run(scenario())


def test_the_same_again_only_counts() -> None:
    async def scenario() -> None:
        cluster, _ = await recorded("hello", "hello", "hello", gap_s=60)
        (event,) = cluster.all(EVENTS)
        assert event["count"] == 3
        assert event["firstTimestamp"] == "2027-01-15T08:00:00Z"
        assert event["lastTimestamp"] == "2027-01-15T08:02:00Z"

    run(scenario())


def test_many_that_differ_in_words_are_combined() -> None:
    async def scenario() -> None:
        cluster, _ = await recorded(*(f"try {n}" for n in range(15)))
        events = cluster.all(EVENTS)
        assert len(events) == 10
        assert events[-1]["message"] == "(combined from similar events): try 14"
        assert events[-1]["count"] == 6

    run(scenario())


def test_one_object_cannot_flood() -> None:
    async def scenario() -> None:
        cluster, recorder = await recorded(*["same"] * 100)
        assert cluster.all(EVENTS)[0]["count"] == 25
        assert recorder.dropped == 75
        cluster, recorder = await recorded(*["same"] * 30, gap_s=400)
        assert recorder.dropped == 0

    run(scenario())


def test_events_about_cluster_wide_objects_live_in_default() -> None:
    async def scenario() -> None:
        cluster, _ = await recorded("x", regarding={"kind": "Node", "name": "n1", "uid": "n1"})
        assert cluster.all(EVENTS)[0]["metadata"]["namespace"] == "default"

    run(scenario())


def test_an_event_that_expired_is_written_anew() -> None:
    async def scenario() -> None:
        cluster, recorder = await recorded("hello")
        cluster.remove(EVENTS, cluster.all(EVENTS)[0]["metadata"]["name"], "default")
        recorder.record(POD, "Normal", "Pulled", "hello")
        await recorder.flush()
        assert cluster.all(EVENTS)[0]["count"] == 1

    run(scenario())


def test_refusals_and_outages_never_reach_the_caller() -> None:
    async def scenario() -> None:
        cluster, recorder = await recorded()
        cluster.before = refuse(Forbidden("no"), "create", "events")
        recorder.record(POD, "Normal", "A", "a")
        await recorder.flush()
        assert recorder.dropped == 1
        cluster.before = refuse(ServiceUnavailable("later"), "create", "events")
        recorder.record(POD, "Normal", "B", "b")
        await recorder.flush()
        assert recorder.dropped == 2

    run(scenario())


def test_the_queue_is_bounded() -> None:
    async def scenario() -> None:
        _, recorder = await recorded()
        for number in range(QUEUE_LENGTH + 5):
            recorder.record(POD, "Normal", "A", str(number))
        assert recorder.dropped == 5

    run(scenario())


def test_a_slow_answer_holds_up_only_events_about_the_same_object() -> None:
    async def scenario() -> None:
        clock = FixedClock()
        slow = asyncio.Event()
        cluster = Held(clock, "slow", slow)
        recorder = EventRecorder(cluster, clock, "kubelet", "n1")
        running = asyncio.create_task(recorder.run())
        for name in ("slow", "slow", "quick", "other"):
            recorder.record({**POD, "name": name, "uid": name}, "Normal", "Pulled", "hello")
        for _ in range(20):
            await asyncio.sleep(0)
        assert [event["involvedObject"]["name"] for event in cluster.all(EVENTS)] == [
            "quick", "other",
        ]  # fmt: skip
        slow.set()
        for _ in range(20):
            await asyncio.sleep(0)
        (event,) = [one for one in cluster.all(EVENTS) if one["involvedObject"]["name"] == "slow"]
        assert event["count"] == 2
        running.cancel()

    run(scenario())
