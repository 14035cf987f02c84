"""The network of the node in a data directory: chosen once, kept in a file, the same ever after."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from roost.adapters.real.files import DiskFiles
from roost.cli.places import Places
from roost.cli.settings import Settings
from roost.network import links
from roost.network.plan import NodeNetwork, choose_pod_range


def plan_network(settings: Settings, places: Places) -> NodeNetwork:
    """Return the node's network; the first time a free pod range is chosen.

    Blocks, and must not run on an event loop's thread. Raises NetworkError.
    """
    files, path = DiskFiles(), str(places.network / "plan.json")
    kept = _kept(files, path)
    if kept:
        return NodeNetwork(places.instance, kept)
    own = NodeNetwork(places.instance).bridge
    # Two clusters that start at the same moment must not choose the same range: one after the other
    # looks at what is taken and then claims its own.
    with _machine_lock(places):
        bridges = links.bridge_ranges()
        taken = [found for name, found in bridges.items() if name != own]
        taken += _claims(files, places)
        chosen = bridges.get(own) or choose_pod_range(settings.pod_cidr, [*links.routes(), *taken])
        files.write(path, json.dumps({"pod_range": chosen}).encode(), durable=True)
        files.write(str(_claim(places)), path.encode())
    return NodeNetwork(places.instance, chosen)


def _kept(files: DiskFiles, path: str) -> str:
    content = files.read(path)
    try:
        return str(json.loads(content or b"")["pod_range"])
    except (ValueError, KeyError, TypeError):
        return ""  # none yet, or damaged: what is in use shows in the kernel


def _claim(places: Places) -> Path:
    return places.run.parent / f"{places.instance}.claim"


def _claims(files: DiskFiles, places: Places) -> list[str]:
    """Return the ranges that other data directories of this machine have chosen and still have."""
    found = []
    for file in places.run.parent.glob("*.claim"):
        if file != _claim(places):
            kept = _kept(files, file.read_text())
            if kept:
                found.append(kept)
    return found


@contextmanager
def _machine_lock(places: Places) -> Iterator[None]:
    places.run.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    with (places.run.parent / "plan.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
