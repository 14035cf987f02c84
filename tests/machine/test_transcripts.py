"""Plays the transcripts that need a node."""

from __future__ import annotations

from pathlib import Path

import pytest

from bare_server import surroundings
from cluster_scene import Cluster, Space
from transcript import play

FOLDER = Path(__file__).resolve().parents[1] / "transcripts" / "cluster"


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.kubectl
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_transcript(path: Path, cluster: Cluster, space: Space, tmp_path: Path, rewrite: bool):
    environment = surroundings(tmp_path, Path(cluster.kubeconfig), cluster.data, space.name)
    environment["IMAGE"] = f"{cluster.registry}/busybox:1"
    environment["DEBIAN"] = f"{cluster.registry}/debian:1"
    play(
        path, tmp_path, environment, rewrite=rewrite, within=cluster.namespace.command(),
        words={space.name: "<namespace>", cluster.registry: "<registry>"},
    )  # fmt: skip
