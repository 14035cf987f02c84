"""What pods may write on the disk: what is measured of them, and when they must go."""

from __future__ import annotations

import asyncio
import os

import pytest

from fakes.node import World, container, pod
from fakes.timeless import run
from roost.adapters.real.trees import DiskTrees, tree_size
from roost.adapters.virtual.trees import MemoryTrees
from roost.node.facts import ContainerFacts, PodFacts, Seen, Verdict
from roost.node.layout import Layout
from roost.node.storage import Part, Size, Tree, excess, limited_trees, trees_of
from roost.runtimes.port import State

LAYOUT = Layout.under("/data")


def limited(name="main", limit="1Mi", **more):
    return container(name, resources={"limits": {"ephemeral-storage": limit}}, **more)


def folder(name="v", **body):
    return {"name": name, "emptyDir": body}


def sizes(**used):
    """Sizes by PART_NAME."""
    found = {}
    for key, amount in used.items():
        part, _, name = key.partition("_")
        found[Tree(Part(part), name, key)] = Size(amount, 1)
    return found


def ran(*names):
    seen = {name: Seen(f"id-{name}", "box", 0, State.RUNNING) for name in names}
    return PodFacts(containers={name: ContainerFacts(seen=one) for name, one in seen.items()})


@pytest.mark.parametrize(
    ("body", "used", "message"),
    [
        (pod("p", volumes=[folder(sizeLimit="1Mi")]), {"volume_v": 1 << 20}, ""),
        (
            pod("p", volumes=[folder(sizeLimit="1Mi")]),
            {"volume_v": (1 << 20) + 1},
            'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ',
        ),
        (
            pod("p", volumes=[folder(), folder("w", sizeLimit="1024Ki")]),
            {"volume_v": 1 << 30, "volume_w": 2 << 20},
            'Usage of EmptyDir volume "w" exceeds the limit "1Mi". ',
        ),
        (pod("p", volumes=[folder(sizeLimit="0")]), {"volume_v": 1 << 30}, ""),
        (pod("p", volumes=[folder(sizeLimit="1Mi", medium="Memory")]), {"volume_v": 1 << 30}, ""),
        (
            pod("p", limited(), volumes=[folder(sizeLimit="1Mi")]),
            {"volume_v": 2 << 20},
            'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ',
        ),
        (
            pod("p", limited(), volumes=[folder()]),
            {"volume_v": 1 << 20, "logs_main": 1},
            "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ",
        ),
        (
            pod("p", limited(), limited("other")),
            {"layer_main": 1 << 20, "logs_main": 1},
            'Container main exceeded its local ephemeral storage limit "1Mi". ',
        ),
        (pod("p", limited(), limited("other")), {"layer_main": 1 << 20, "logs_other": 1}, ""),
        (
            pod("p", limited(), container("other")),
            {"layer_other": 1 << 20, "logs_main": 1},
            "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ",
        ),
        (
            pod("p", limited(limit="500M"), limited("other", "500M")),
            {"layer_main": 10**9, "layer_other": 1},
            "Pod ephemeral local storage usage exceeds the total limit of containers 1G. ",
        ),
    ],
)
def test_a_pod_goes_that_has_written_too_much(body, used, message):
    verdict = excess(body, sizes(**used))
    assert verdict == (Verdict("Evicted", message) if message else None)


def test_only_what_has_a_limit_is_measured():
    facts = ran("main")
    uid = pod("p")["metadata"]["uid"]
    assert limited_trees(pod("p", volumes=[folder()]), facts, LAYOUT, str.upper) == ()
    body = pod("p", volumes=[folder(), folder("w", sizeLimit="1Mi")])
    assert limited_trees(body, facts, LAYOUT, str.upper) == (
        Tree(Part.VOLUME, "w", f"/data/pods/{uid}/volumes/w"),
    )


def test_all_that_a_pod_with_a_limit_has_on_the_disk_is_measured():
    volumes = [
        folder(), {"name": "c", "configMap": {"name": "x"}}, {"name": "s", "secret": {}},
        folder("ram", medium="Memory"), {"name": "h", "hostPath": {"path": "/"}}, {"name": "plain"},
    ]  # fmt: skip
    body = pod("p", limited(), container("waits"), volumes=volumes)
    found = limited_trees(body, ran("main"), LAYOUT, str.upper)
    assert [(one.part.value, one.name) for one in found] == [
        ("volume", "v"), ("volume", "c"), ("volume", "plain"), ("layer", "main"), ("logs", "main"),
    ]  # fmt: skip
    assert found[3].path == "ID-MAIN"
    assert found[4].path == LAYOUT.log(body, "main", 0).rpartition("/")[0]
    assert [one.part for one in trees_of(body, ran("main"), LAYOUT, lambda _: "")][-1] is Part.LOGS


def test_the_size_of_a_folder(tmp_path):
    (tmp_path / "one").write_bytes(b"x" * 100_000)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "two").write_bytes(b"x" * 100_000)
    os.link(tmp_path / "one", tmp_path / "same")
    (tmp_path / "out").symlink_to("/usr")
    size = tree_size(str(tmp_path))
    assert size.files == 5
    assert 200_000 <= size.bytes < 260_000
    assert tree_size(str(tmp_path), most_entries=2).files == 2
    assert tree_size(str(tmp_path / "none")) == Size()
    assert asyncio.run(DiskTrees().sizes([str(tmp_path), "/no/such"])) == [size, Size()]


class Layered:
    """Trees of files in memory, that counts how often it was asked."""

    def __init__(self, world: World) -> None:
        self.asked = 0
        self._trees = MemoryTrees(world.files)

    async def sizes(self, paths):
        self.asked += 1
        return await self._trees.sizes(paths)


def test_a_pod_is_evicted_that_fills_its_volume(world: World) -> None:
    async def main() -> None:
        world.trees = Layered(world)
        body = world.add_pod(
            "web", volumes=[folder(sizeLimit="1Ki")], terminationGracePeriodSeconds=900
        )
        async with world.agent():
            await world.running("web")
            await asyncio.sleep(30)
            assert world.pod("web")["status"]["phase"] == "Running"
            path = LAYOUT.volume(body["metadata"]["uid"], "v")
            world.files.write(f"{path}/file", b"x" * 1025)
            await world.until(lambda: world.pod("web")["status"]["phase"] == "Failed", 13)
            status = world.pod("web")["status"]
        message = 'Usage of EmptyDir volume "v" exceeds the limit "1Ki". '
        assert (status["reason"], status["message"]) == ("Evicted", message)
        assert world.notes.of("Evicted") == [message]
        assert "DisruptionTarget" not in {one["type"] for one in status["conditions"]}
        assert world.runtime.running() == []

    run(main())


def test_critical_pods_stay_and_pods_without_limits_are_not_measured(world: World) -> None:
    async def main() -> None:
        world.trees = trees = Layered(world)
        world.add_pod("plain")
        async with world.agent():
            await world.running("plain")
            await asyncio.sleep(60)
            assert trees.asked == 0
            body = world.add_pod("web", volumes=[folder(sizeLimit="1Ki")], priority=2_000_001_000)
            path = LAYOUT.volume(body["metadata"]["uid"], "v")
            world.files.write(f"{path}/file", b"x" * 1025)
            await world.running("web")
            await asyncio.sleep(60)
            assert world.pod("web")["status"]["phase"] == "Running"

    run(main())
