"""The commands `roost sim ...`: a whole cluster in virtual time; nothing of it is real but its API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from roost.cli import output

app = typer.Typer(help="A simulated cluster: no containers, no root, time as you like it.",
                  no_args_is_help=True)  # fmt: skip

Nodes = Annotated[int, typer.Option(min=0, max=10_000, help="How many nodes there are.")]
Seed = Annotated[int, typer.Option(help="Decides all that happens by chance.")]
AnyImage = Annotated[
    bool,
    typer.Option(
        "--any-image/--strict",
        help="Run images that nobody knows: plain commands such as `sleep 5` as they are, anything "
        "else as a server on every port, or as work that is done if it is waited for; or fail to "
        "pull them.",
    ),
]


@app.command()
def up(
    nodes: Nodes = 3,
    seed: Seed = 0,
    speed: Annotated[
        float, typer.Option(min=0, help="The cluster's seconds in each real one; 0: none pass.")
    ] = 1.0,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is any free one.")] = 0,
    any_image: AnyImage = True,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Where the kubeconfig is written (default: a new folder).")
    ] = None,
) -> None:
    """Serve a simulated cluster on this machine, until Ctrl-C.

    kubectl, operators and dashboards work with it as with any cluster.
    """
    from roost.cli.simulate import Wish
    from roost.cli.simulate import up as run

    run(Wish(nodes, seed, any_image), speed, port, kubeconfig)


@app.command("run")
def run_manifests(
    files: Annotated[
        list[Path], typer.Argument(help="Manifests, as for `kubectl apply -f`; folders too.")
    ],
    nodes: Nodes = 3,
    seed: Seed = 0,
    any_image: AnyImage = True,
    seconds: Annotated[
        str, typer.Option("--for", help="How long it runs, as 600s, 10m or 1h30m.")
    ] = "60s",
    until: Annotated[
        list[str] | None,
        typer.Option(
            help="End when KIND/NAME=WHAT (a condition or a phase) holds; KIND=WHAT means all. "
            "May be repeated. It is an error if it does not come."
        ),
    ] = None,
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Namespace.")] = "default",
    form: Annotated[str, typer.Option("--output", "-o", help="json or yaml.")] = "",
) -> None:
    """Apply manifests to a simulated cluster, let time pass, and show what came of it.

    The code is 1 if what --until waits for did not come: use it to test manifests.
    """
    if form not in ("", "json", "yaml"):
        output.fail(f"unknown output format {form!r}; choose json or yaml")
    from roost.cli.simulate import Wish
    from roost.cli.simulate import run as simulate

    simulate(Wish(nodes, seed, any_image), files, seconds, until or [], namespace, form)
