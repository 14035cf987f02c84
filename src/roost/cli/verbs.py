"""The everyday verbs, for people without kubectl: get, describe, apply, delete, logs, exec."""

from __future__ import annotations

from typing import Annotated

import typer

from roost.cli import output
from roost.cli.options import (
    DataDir,
    Everywhere,
    Fields,
    Format,
    Kubeconfig,
    Labels,
    Namespace,
    Words,
)

app = typer.Typer()
_OBJECTS = "Objects"


@app.command(rich_help_panel=_OBJECTS)
def get(
    words: Words, namespace: Namespace = "", everywhere: Everywhere = False,
    labels: Labels = "", fields: Fields = "", form: Format = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on with every change.")] = False,
    kubeconfig: Kubeconfig = "", data_dir: DataDir = None,
) -> None:  # fmt: skip
    """Show objects as a table, or as JSON or YAML."""
    from roost.cli.connect import run_command
    from roost.cli.reading import Selection
    from roost.cli.reading import get as run

    selection = Selection(namespace, everywhere=everywhere, labels=labels, fields=fields)
    run_command(
        lambda client: run(client, words, selection.of(client), form, watch=watch),
        kubeconfig=kubeconfig, data_dir=data_dir or "",
    )  # fmt: skip


@app.command(rich_help_panel=_OBJECTS)
def describe(
    words: Words, namespace: Namespace = "", everywhere: Everywhere = False,
    labels: Labels = "", kubeconfig: Kubeconfig = "", data_dir: DataDir = None,
) -> None:  # fmt: skip
    """Show objects in full, with their events."""
    from roost.cli.connect import run_command
    from roost.cli.reading import Selection
    from roost.cli.reading import describe as run

    selection = Selection(namespace, everywhere=everywhere, labels=labels)
    run_command(lambda client: run(client, words, selection.of(client)), kubeconfig=kubeconfig,
                data_dir=data_dir or "")  # fmt: skip


@app.command(rich_help_panel=_OBJECTS)
def story(
    words: Words, namespace: Namespace = "",
    form: Annotated[str, typer.Option("--output", "-o", help="json.")] = "",
    kubeconfig: Kubeconfig = "", data_dir: DataDir = None,
) -> None:  # fmt: skip
    """Tell how an object came to be what it is: its owners, who wrote what, and its events."""
    if form not in ("", "json"):
        output.fail(f"unknown output format {form!r}; choose json")
    from roost.cli.connect import place_of, run_command
    from roost.cli.story import story as run

    run_command(
        lambda client: run(client, words, place_of(client, namespace), form),
        kubeconfig=kubeconfig, data_dir=data_dir or "",
    )  # fmt: skip


Files = Annotated[list[str], typer.Option("--filename", "-f", help="File, folder, or - for stdin.")]


@app.command(rich_help_panel=_OBJECTS)
def apply(
    files: Files, namespace: Namespace = "",
    force: Annotated[bool, typer.Option(help="Take fields over from other managers.")] = False,
    kubeconfig: Kubeconfig = "", data_dir: DataDir = None,
) -> None:  # fmt: skip
    """Make objects as files say, on the server (server-side apply)."""
    from roost.cli.connect import place_of, run_command
    from roost.cli.writing import apply as run

    run_command(lambda client: run(client, files, place_of(client, namespace), force=force),
                kubeconfig=kubeconfig, data_dir=data_dir or "")  # fmt: skip


@app.command(rich_help_panel=_OBJECTS)
def delete(
    words: Annotated[list[str] | None, typer.Argument(help="TYPE NAME... or TYPE/NAME...")] = None,
    files: Annotated[
        list[str] | None, typer.Option("--filename", "-f", help="File, folder, or - for stdin.")
    ] = None,
    namespace: Namespace = "", labels: Labels = "", fields: Fields = "",
    grace_period: Annotated[
        int | None, typer.Option(min=0, help="Seconds to end in; 0 is now.")
    ] = None,
    cascade: Annotated[str, typer.Option(help="background, foreground or orphan.")] = "background",
    wait: Annotated[bool, typer.Option(help="Return when they are gone.")] = True,
    ignore_not_found: Annotated[bool, typer.Option(help="Missing objects are fine.")] = False,
    kubeconfig: Kubeconfig = "", data_dir: DataDir = None,
) -> None:  # fmt: skip
    """Delete objects by name, by selector or as files name them."""
    from roost.cli.connect import run_command
    from roost.cli.reading import Selection
    from roost.cli.writing import delete as run
    from roost.client.port import DeleteOptions

    if cascade not in ("background", "foreground", "orphan"):
        output.fail("--cascade must be background, foreground or orphan")
    options = DeleteOptions(grace_period_s=grace_period, propagation=cascade.capitalize())
    selection = Selection(namespace, labels=labels, fields=fields)
    run_command(
        lambda client: run(client, words or [], files or [], selection.of(client), options, wait=wait,
                           ignore_missing=ignore_not_found),
        kubeconfig=kubeconfig, data_dir=data_dir or "",
    )  # fmt: skip


@app.command(rich_help_panel=_OBJECTS)
def logs(
    pod: Annotated[str, typer.Argument(help="POD, or TYPE/NAME for the first of its pods.")],
    namespace: Namespace = "",
    container: Annotated[str, typer.Option("--container", "-c", help="Container.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
    previous: Annotated[bool, typer.Option("--previous", "-p", help="Of the run before.")] = False,
    timestamps: Annotated[bool, typer.Option(help="Show when each line came.")] = False,
    tail: Annotated[int, typer.Option(help="Only the last lines; -1 is all.")] = -1,
    since: Annotated[str, typer.Option(help="Only newer than e.g. 30s, 5m, 2h.")] = "",
    kubeconfig: Kubeconfig = "", data_dir: DataDir = None,
) -> None:  # fmt: skip
    """Print the log of a container."""
    from roost.cli.connect import place_of, run_command
    from roost.cli.streaming import log_parameters
    from roost.cli.streaming import logs as run

    parameters = log_parameters(container, tail, since, follow=follow, previous=previous,
                                timestamps=timestamps)  # fmt: skip
    run_command(
        lambda client: run(client, pod, place_of(client, namespace), parameters),
        kubeconfig=kubeconfig, data_dir=data_dir or "",
    )  # fmt: skip


@app.command("exec", rich_help_panel=_OBJECTS)
def execute(
    pod: Annotated[str, typer.Argument(help="POD, or TYPE/NAME for the first of its pods.")],
    command: Annotated[list[str], typer.Argument(help="The command, after --.")],
    namespace: Namespace = "",
    container: Annotated[str, typer.Option("--container", "-c", help="Container.")] = "",
    stdin: Annotated[bool, typer.Option("--stdin", "-i", help="Pass standard input.")] = False,
    terminal: Annotated[bool, typer.Option("--tty", "-t", help="With a terminal.")] = False,
    kubeconfig: Kubeconfig = "", data_dir: DataDir = None,
) -> None:  # fmt: skip
    """Run a command in a container; its exit code is ours."""
    from roost.cli.connect import place_of, run_command
    from roost.cli.streaming import execute as run

    run_command(
        lambda client: run(client, pod, place_of(client, namespace), command,
                           container=container, stdin=stdin,
                           terminal=terminal),
        kubeconfig=kubeconfig, data_dir=data_dir or "",
    )  # fmt: skip
