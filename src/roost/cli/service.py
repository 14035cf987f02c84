"""The long-running processes: `python -m roost.cli.service server|agent ORDERS`.

ORDERS is the JSON of an `Orders`. `roost server` and `roost agent` become this process once they have
read their flags, and `roost up` starts it directly: what only the command line needs (its parser,
terminals, certificates to issue) is not kept in memory for weeks.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from roost.cli.places import Places
from roost.cli.process import (
    end_with_parent,
    run_service,
    say_ready,
    start_logging,
    wait_for_start,
)
from roost.cli.settings import Settings, node_name


class Orders(msgspec.Struct):
    """What a service process is told. `address` is its machine's own, as others reach it.

    `local_node`: the name of a node on the same machine for which the server issues certificates.
    """

    settings: Settings
    address: str = ""
    local_node: str = ""

    def argv(self, name: str) -> list[str]:
        """Return the command line of the service."""
        return [sys.executable, "-m", "roost.cli.service", name, msgspec.json.encode(self).decode()]

    def become(self, name: str) -> None:
        """Replace this process by the service."""
        argv = self.argv(name)
        sys.stdout.flush()
        os.execv(argv[0], argv)  # noqa: S606 - our own interpreter, no shell


def _server(orders: Orders, places: Places) -> None:
    from roost.cli.server import SERVER_ERRORS, serve
    from roost.client.kubeconfig import Connection

    def ready(admin: Connection) -> None:
        say_ready({"server": admin.server})
        print(f"serving on {admin.server}; kubeconfig: {places.admin_kubeconfig}", flush=True)

    work = serve(orders.settings, places, orders.address, orders.local_node, ready)
    run_service(work, SERVER_ERRORS)


def _agent(orders: Orders, places: Places) -> None:
    from roost.cli.agent import AGENT_ERRORS, run_agent
    from roost.cli.nodeplan import plan_network
    from roost.cli.output import fail
    from roost.network.plan import NetworkError

    name = node_name(orders.settings)
    try:
        network = plan_network(orders.settings, places)
    except NetworkError as error:
        fail(str(error))
    places.agent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chdir(places.agent)  # conmon leaves a file where it was started
    wait_for_start()

    def ready() -> None:
        say_ready({"node": name, "address": orders.address})
        print(f"node {name} is registered", flush=True)

    run_service(run_agent(orders.settings, places, network, orders.address, ready), AGENT_ERRORS)


def main() -> None:
    """Run the service that the command line names."""
    name, text = sys.argv[1:]
    orders = msgspec.json.decode(text, type=Orders)
    end_with_parent()
    start_logging(orders.settings.log_level)
    places = Places(Path(orders.settings.data_dir))
    {"server": _server, "agent": _agent}[name](orders, places)


if __name__ == "__main__":
    main()
