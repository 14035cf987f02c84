"""The commands `roost sim live` and `roost sim replay`: random lives, and living them again."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from roost.cli import output
from roost.cli.faults import of_reading

if TYPE_CHECKING:
    from roost.simulation.cluster import Cluster
    from roost.simulation.scenario import Life

app = typer.Typer()
_RANGE = re.compile(r"(\d+)(?:\.\.(\d+))?")

Actions = Annotated[int, typer.Option(min=0, help="How often the user does something.")]
Duration = Annotated[float, typer.Option(min=1, help="How long they act, in virtual seconds.")]
Nodes = Annotated[int, typer.Option(min=1, max=100, help="How many nodes there are.")]
Faults = Annotated[bool, typer.Option("--faults/--no-faults", help="Whether anything fails.")]


def _quietly() -> None:
    """Tell only of what is wrong with Roost: what fails in a life is meant to."""
    logging.getLogger("roost").setLevel(logging.ERROR)


def _seeds(text: str) -> range:
    """Return the seeds that "7" or "1..100" means; ends the command if it is neither."""
    found = _RANGE.fullmatch(text)
    if found is None:
        output.fail(f"{text!r} is no seed; say a number, as 7, or a range, as 1..100")
    first = int(found[1])
    last = int(found[2] or first)
    if last < first:
        output.fail(f"{text!r} holds no seed: say the smaller number first")
    return range(first, last + 1)


@app.command()
def live(
    seeds: Annotated[str, typer.Argument(help="A seed, as 7, or many, as 1..100.")],
    actions: Actions = 30, duration: Duration = 900.0, nodes: Nodes = 4, faults: Faults = True,
    record: Annotated[
        Path | None, typer.Option(help="Write what was done to this file, for `sim replay`.")
    ] = None,
) -> None:  # fmt: skip
    """Live random lives of a cluster while things fail, and look whether all promises hold.

    Each seed is a life: the same one every time. The code is 1 if one ended badly.
    """
    from roost.simulation.scenario import Life

    _quietly()
    bad = [
        seed
        for seed in _seeds(seeds)
        if not _live(Life(seed, nodes, actions, duration, faults), record)
    ]
    if bad:
        raise typer.Exit(1)


def _live(life: Life, record: Path | None) -> bool:
    from roost.simulation.invariants import Violated
    from roost.simulation.scenario import run

    def keep(cluster: Cluster) -> None:
        if record is None:
            return
        try:
            record.write_text(cluster.record, encoding="utf-8")
        except OSError as error:
            output.fail(f"cannot write {record}: {error.strerror}")

    try:
        log = run(life, keep)
    except Violated as error:
        output.say(str(error))
        output.say(f"again: roost sim replay {life.seed}")
        return False
    output.say(f"seed {life.seed}: well, after {log.count(chr(10))} events")
    return True


@app.command()
def replay(
    what: Annotated[str, typer.Argument(help="A seed of `sim live`, or a file of a record.")],
    actions: Actions = 30, duration: Duration = 900.0, nodes: Nodes = 4, faults: Faults = True,
) -> None:  # fmt: skip
    """Do again what was done, and print all that happened, a line each; the bytes are the same.

    For a seed, give the options that it was lived with.
    """
    _quietly()
    if what.isdecimal():
        from roost.simulation.invariants import Violated
        from roost.simulation.scenario import Life, run

        def show(cluster: Cluster) -> None:
            output.say(cluster.log.removesuffix("\n"))

        try:
            run(Life(int(what), nodes, actions, duration, faults), show)
        except Violated as error:
            output.fail(str(error).partition("\nthe last")[0])
        return
    from roost.simulation.cluster import Cluster
    from roost.simulation.replay import ReplayError

    try:
        text = Path(what).read_text(encoding="utf-8")
        with Cluster.replay(text) as cluster:
            output.say(cluster.log.removesuffix("\n"))
    except ReplayError as error:
        output.fail(f"cannot replay {what}: {error}")
    except (OSError, UnicodeDecodeError) as error:
        output.fail(f"{what} is no seed, nor a record: {of_reading(error)}")
