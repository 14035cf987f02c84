"""Plays the transcripts against a server without a node: kubectl, and Roost's own verbs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bare_server import BareServer, surroundings
from transcript import matches, play, steps_of

FOLDER = Path(__file__).parent / "server"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareServer]:
    server = BareServer(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.stop()


@pytest.mark.slow
@pytest.mark.kubectl
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_transcript(path: Path, server: BareServer, tmp_path: Path, rewrite: bool):
    environment = surroundings(tmp_path, server.kubeconfig, server.data, path.stem)
    subprocess.run(["kubectl", "create", "namespace", path.stem], env=environment, check=True,
                   capture_output=True)  # fmt: skip
    play(path, tmp_path, environment, rewrite=rewrite)


def test_a_transcript_is_read_and_compared():
    steps = steps_of("# why\n$ a \\\n> b\none\n\ntwo\n\n$ c\n[exit 2]\n")
    assert [(s.command, s.expected) for s in steps] == [
        ("a \\\nb", "one\n\ntwo"),
        ("c", "[exit 2]"),
    ]
    assert matches("a <*> c\n<...>\nz", "a b. c\n1\n2\nz")
    assert not matches("a <*> c\nz", "a b c\n1\nz")
    assert matches("", "")
    assert not matches("", "something")
