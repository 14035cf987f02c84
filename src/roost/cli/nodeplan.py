"""The network of the node in a data directory: chosen once, kept in a file, the same ever after."""

from __future__ import annotations

import json

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
    kept = files.read(path)
    if kept is not None:
        try:
            return NodeNetwork(places.instance, json.loads(kept)["pod_range"])
        except (ValueError, KeyError, TypeError):
            pass  # a damaged plan: what is in use shows in the kernel, and is found below
    own = NodeNetwork(places.instance).bridge
    taken = {name: found for name, found in links.bridge_ranges().items() if name != own}
    in_use = links.bridge_ranges().get(own)
    chosen = in_use or choose_pod_range(settings.pod_cidr, [*links.routes(), *taken.values()])
    files.write(path, json.dumps({"pod_range": chosen}).encode(), durable=True)
    return NodeNetwork(places.instance, chosen)
