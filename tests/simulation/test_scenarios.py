"""Random lives of a cluster: a few fixed seeds here, thousands with `./dev sim`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from roost.simulation import Cluster
from roost.simulation.replay import ReplayError
from roost.simulation.scenario import Life, run

SHORT = {"actions": 12, "duration_s": 300.0, "nodes": 3}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_life_with_faults_ends_well(seed: int) -> None:
    run(Life(seed, **SHORT))  # type: ignore[arg-type]  # numbers of either kind


def test_a_replay_gives_the_same_bytes_and_the_same_future() -> None:
    records: list[str] = []
    snapshots: list[bytes] = []

    def keep(cluster: Cluster) -> None:
        records.append(cluster.record)
        snapshots.append(cluster.snapshot())
        cluster.advance(500)
        records.append(cluster.log)

    log = run(Life(5, **SHORT), keep)  # type: ignore[arg-type]
    with Cluster.replay(records[0]) as again:
        assert again.log == log[: len(again.log)]
        again.advance(500)
        assert again.log == records[1] == log
    with Cluster.restore(snapshots[0]) as restored:
        restored.advance(500)
        assert restored.log == log


def test_looking_changes_nothing_that_is_recorded() -> None:
    with Cluster(nodes=2) as cluster:
        cluster.partition("node-1")
        cluster.client.list("pods")
        cluster.run_until(lambda: cluster.now > 45 and cluster.client.list("nodes"))
        cluster.client.create("configmaps", {"metadata": {"name": "a"}})
        cluster.client.get("configmaps", "a")
        cluster.heal("node-1")
        cluster.advance(100)
        log = cluster.log
        with Cluster.replay(cluster.record) as again:
            assert again.log == log


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("", "no record of a simulation"),
        ("{", "line 1 of the record is no JSON"),
        ('{"roost":"simulation","format":1,"options":{}}\n{"do":"Cluster.__del__"}', "unknown"),
        (
            (
                '{"roost":"simulation","format":1,"options":{}}\n'
                '{"do":"Cluster.register","with":[{"$":"code","name":"a:B"}]}'
            ),
            "the record uses a:B: hand it to the replay",
        ),
        (
            (
                '{"roost":"simulation","format":1,"options":{}}\n'
                '{"do":"Cluster.advance","with":[1],"error":"NotFound"}'
            ),
            "ended with no error, not NotFound",
        ),
    ],
)
def test_a_record_that_cannot_be_played_says_why(record: str, words: str) -> None:
    with pytest.raises(ReplayError, match=words):
        Cluster.replay(record)


@pytest.mark.slow
def test_a_life_is_the_same_in_every_process() -> None:
    program = (
        "import sys; from roost.simulation.scenario import Life, run; "
        "sys.stdout.write(run(Life(11, actions=12, duration_s=300)))"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hashing},
            stdout=subprocess.PIPE,
        )
        for hashing in ("1", "4711")
    ]
    first, second = (process.communicate()[0] for process in running)
    assert len(first) > 30_000
    assert first == second
