"""`roost version` and `roost info`."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence

from roost.api.kind import Resource
from roost.api.values import Object
from roost.cli import output
from roost.client.http import HttpClient
from roost.client.port import Query

KUBERNETES = "v1.36"
NODES = Resource("", "v1", "nodes")
PODS = Resource("", "v1", "pods")


def version_facts() -> Object:
    """Return what this program is."""
    return {
        "roost": _own_version(),
        "kubernetes": KUBERNETES,
        "python": platform.python_version(),
    }


def _own_version() -> str:
    try:
        return importlib.metadata.version("roost")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"  # run from its sources


async def info(client: HttpClient, form: str) -> int:
    """Print what the server says of itself and of its nodes."""
    server = await client.request("GET", "/version")
    nodes = (await client.list(Query(NODES))).items
    pods = (await client.list(Query(PODS))).items
    facts = {
        "server": client.connection.server,
        "version": server.get("gitVersion", ""),
        "nodes": [_node(node, pods) for node in nodes],
        "pods": len(pods),
    }
    if form in ("json", "yaml"):
        output.say(output.as_format(facts, form))
        return 0
    output.say(f"server   {facts['server']} ({facts['version']})")
    output.say(f"pods     {facts['pods']}")
    rows = [tuple(node.values()) for node in facts["nodes"]]
    columns = ("Node", "Ready", "Address", "Runtime", "Pods", "Cpu", "Memory")
    if rows:
        output.say("")
        for line in output.table_lines(columns, rows):
            output.say(line)
    return 0


def _node(node: Object, pods: Sequence[Object]) -> Object:
    status, name = node.get("status", {}), node["metadata"]["name"]
    ready = [c.get("status") for c in status.get("conditions", ()) if c.get("type") == "Ready"]
    addresses = [
        a.get("address") for a in status.get("addresses", ()) if a.get("type") == "InternalIP"
    ]
    capacity = status.get("capacity", {})
    return {
        "name": name,
        "ready": ready[0] if ready else "Unknown",
        "address": addresses[0] if addresses else "",
        "runtime": status.get("nodeInfo", {}).get("containerRuntimeVersion", ""),
        "pods": sum(pod["spec"].get("nodeName") == name for pod in pods),
        "cpu": capacity.get("cpu", ""),
        "memory": capacity.get("memory", ""),
    }
