"""Whatever a simulated program does ends at most its own container."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from roost.simulation import Cluster, Context, Deadlock, Fault, Image


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(nodes=1) as made:
        yield made


def run(cluster: Cluster, image: type[Image], **container: Any) -> dict[str, Any]:
    """Run an image for a while, and return the status of its container."""
    cluster.register(image)
    spec = {"containers": [{"name": "main", "image": image.name, **container}]}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
    cluster.advance(5)
    return status(cluster)


def status(cluster: Cluster) -> dict[str, Any]:
    pod: dict[str, Any] = cluster.client.get("pod", "p")
    found: dict[str, Any] = pod["status"]["containerStatuses"][0]
    return found


def last(found: dict[str, Any]) -> tuple[int, str]:
    ended = found["lastState"]["terminated"]
    return ended["exitCode"], ended["reason"]


class Circles(Image):
    name = "circles"

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int:
        while True:
            await ctx.sleep(0)


class Asks(Image):
    name = "asks"

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int:
        ctx.listen(80, lambda request: "yes")
        while True:
            await ctx.fetch("http://localhost/")


class Exits(Image):
    name = "exits"

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int:
        sys.exit(3)


class Cancels(Image):
    name = "cancels"

    async def run(self, ctx: Context, argv: tuple[str, ...]) -> int:
        raise asyncio.CancelledError


class CannotBeMade(Image):
    name = "cannot-be-made"

    def __init__(self) -> None:
        raise ValueError("no")


@pytest.mark.parametrize(
    ("image", "code", "reason"),
    [
        (Circles, 137, "Error"),
        (Asks, 137, "Error"),
        (Exits, 3, "Error"),
        (Cancels, 1, "Error"),
    ],
)
def test_a_bad_program_is_a_container_that_failed(
    cluster: Cluster, image: type[Image], code: int, reason: str
) -> None:
    found = run(cluster, image)
    assert found["restartCount"] == 1
    assert last(found) == (code, reason)


def test_an_image_that_cannot_be_made_says_why(cluster: Cluster) -> None:
    found = run(cluster, CannotBeMade)
    waiting = found["state"]["waiting"]
    assert waiting["reason"] == "CreateContainerError"
    assert "CannotBeMade cannot be made: ValueError: no" in waiting["message"]


def test_a_run_without_async_is_a_program_too(cluster: Cluster) -> None:
    class Plain(Image):
        name = "plain"

        def run(self, ctx: Context, argv: tuple[str, ...]) -> int:  # type: ignore[override]  # on purpose
            ctx.print("here")
            return 4

    assert last(run(cluster, Plain)) == (4, "Error")
    assert cluster.logs("p") == "here\n"


def test_a_handler_that_ends_its_program_cuts_the_request(cluster: Cluster) -> None:
    class Dies(Image):
        name = "dies"

        async def run(self, ctx: Context, argv: tuple[str, ...]) -> int:
            await ctx.serve(80, lambda request: ctx.exit(9))

    run(cluster, Dies)
    address = cluster.client.get("pod", "p")["status"]["podIP"]
    with pytest.raises(Fault, match="ECONNRESET"):
        cluster.fetch(f"http://{address}/")
    cluster.advance(1)
    assert last(status(cluster)) == (9, "Error")


def test_a_signal_handler_that_fails_ends_the_container(cluster: Cluster) -> None:
    class Clumsy(Image):
        name = "clumsy"

        async def run(self, ctx: Context, argv: tuple[str, ...]) -> int:
            def reload() -> None:
                raise ValueError("no configuration")

            ctx.on_signal("SIGHUP", reload)
            await ctx.sleep_for_ever()

    run(cluster, Clumsy)
    cluster.exec("p", ["kill", "-HUP", "1"])
    cluster.advance(5)
    assert last(status(cluster)) == (1, "Error")
    assert "no configuration" in cluster.logs("p", previous=True)


def test_tasks_of_asyncio_end_with_the_container(cluster: Cluster) -> None:
    ticks: list[float] = []

    class Forks(Image):
        name = "forks"

        async def run(self, ctx: Context, argv: tuple[str, ...]) -> int:
            self.beside = asyncio.create_task(self.tick(ctx))
            await ctx.sleep_for_ever()

        async def tick(self, ctx: Context) -> None:
            while True:
                await ctx.sleep(1)
                ticks.append(ctx.now())

    run(cluster, Forks)
    assert len(ticks) == 5
    cluster.client.delete("pod", "p", grace_period_s=0)
    cluster.advance(5)
    assert len(ticks) == 5


def test_a_task_of_asyncio_that_goes_round_ends_the_container_only(cluster: Cluster) -> None:
    class Whirls(Image):
        name = "whirls"

        async def run(self, ctx: Context, argv: tuple[str, ...]) -> int:
            await asyncio.gather(self.whirl(), ctx.sleep(10))
            return 0

        async def whirl(self) -> None:
            while True:  # noqa: ASYNC110 - it is what is wrong with it
                await asyncio.sleep(0)

    assert last(run(cluster, Whirls)) == (137, "Error")


def test_a_command_that_never_ends_is_told_with_who_waits_where(cluster: Cluster) -> None:
    class Mute(Image):
        name = "mute"

        async def run(self, ctx: Context, argv: tuple[str, ...]) -> int:
            await ctx.sleep_for_ever()

        async def exec(self, ctx: Context, argv: tuple[str, ...]) -> int:
            await asyncio.Event().wait()
            return 0

    run(cluster, Mute)
    with pytest.raises(Deadlock, match="for a day nothing came of it") as told:
        cluster.exec("p", ["any", "thing"])
    lines = str(told.value).splitlines()
    assert any("default/p/main: any thing: " in line and "Mute.exec" in line for line in lines)
    assert lines[-1].startswith("of them one was asked for: ")
    cluster.advance(60)  # and it goes on
    assert status(cluster)["restartCount"] == 0


def test_a_cluster_that_cannot_begin_leaves_nothing_behind() -> None:
    with pytest.raises(ValueError, match="not in the list of known controllers"):
        Cluster(nodes=1, controllers="nothing-such")


def test_a_broken_cluster_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    script = (
        "from roost.simulation import Cluster\n"
        "with Cluster(nodes=1) as cluster:\n"
        "    cluster.partition('node-1')\n"
        "    cluster.crash('server')\n"
        "    cluster.advance(60)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    assert capfd.readouterr() == ("", "")
