"""The options that commands share, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from roost.cli.output import fail

DataDir = Annotated[
    str | None, typer.Option(help="Where everything is kept (default: /var/lib/roost).")
]
Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file (default: /etc/roost/config.yaml).")
]
PrintConfig = Annotated[
    bool, typer.Option("--print-config", help="Print the settings in force, and end.")
]
Port = Annotated[int | None, typer.Option(help="Port of the API server; 0 is any free one.")]
Bind = Annotated[str | None, typer.Option(help="Address the API server listens on.")]
Advertise = Annotated[str | None, typer.Option(help="Address by which nodes reach the server.")]
ExtraNames = Annotated[
    str | None, typer.Option(help="Further names and addresses in the server's certificate.")
]
Controllers = Annotated[
    str | None,
    typer.Option(help="Which controllers run: '*', 'name', '-name', by comma; also 'scheduler'."),
]
ClusterCidr = Annotated[
    str | None, typer.Option(help="Range of all pods; nodes get pieces of it as spec.podCIDR.")
]
NodeMask = Annotated[
    int | None, typer.Option(help="How many bits long the pieces of --cluster-cidr are.")
]
SchedulerConfig = Annotated[
    str | None, typer.Option(help="File with a KubeSchedulerConfiguration: the profiles.")
]
NodeName = Annotated[str | None, typer.Option(help="Name of the node (default: host name).")]
NodeIp = Annotated[str | None, typer.Option(help="Address of the node.")]
KubeletPort = Annotated[int | None, typer.Option(help="Port of the node's own API.")]
PodCidr = Annotated[str | None, typer.Option(help="Addresses of the node's pods.")]
Runtime = Annotated[str | None, typer.Option(help="runc or crun (default: what works).")]
Insecure = Annotated[
    str | None, typer.Option(help="Registries that may be reached without TLS, by comma.")
]
EvictionHard = Annotated[
    str | None,
    typer.Option(help="What the node must have left to keep its pods; '' is nothing."),
]
LogLevel = Annotated[str | None, typer.Option(help="debug, info, warning or error.")]

Kubeconfig = Annotated[str, typer.Option(help="Kubeconfig file to use.")]
Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="In all namespaces.")]
Labels = Annotated[str, typer.Option("--selector", "-l", help="Label selector.")]
Fields = Annotated[str, typer.Option("--field-selector", help="Field selector.")]


def _of_facts(form: str) -> str:
    """Refuse what facts cannot be shown as."""
    if form not in ("", "json", "yaml"):
        fail(f"-o {form}: choose json or yaml")
    return form


#: For commands that show facts of their own, and no objects.
FactsFormat = Annotated[
    str, typer.Option("--output", "-o", help="json or yaml.", callback=_of_facts)
]
Format = Annotated[str, typer.Option("--output", "-o", help="wide, json, yaml or name.")]
Words = Annotated[list[str], typer.Argument(help="TYPE, TYPE NAME..., or TYPE/NAME...")]
