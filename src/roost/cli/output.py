"""What commands print: tables, JSON, YAML, names. Errors go to standard error, one line each."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import yaml

from roost.api.values import Object

FORMATS = ("", "wide", "json", "yaml", "name")


def say(text: str) -> None:
    """Print a line for people."""
    print(text, flush=True)


def fail(message: str) -> NoReturn:
    """End the command with a line that says what is wrong and what to do."""
    print(f"error: {message}", file=sys.stderr, flush=True)
    raise SystemExit(1)


def table_lines(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, header: bool = True
) -> list[str]:
    """Return rows as aligned columns, three spaces between, as kubectl prints them."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if header:
        cells.insert(0, [column.upper() for column in columns])
    widths = [max((len(row[i]) for row in cells), default=0) for i in range(len(columns))]
    return [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def server_table(document: Object, *, wide: bool, namespaces: bool, header: bool = True) -> str:
    """Return a meta/v1 Table as text."""
    columns = document["columnDefinitions"]
    shown = [i for i, column in enumerate(columns) if wide or not column.get("priority")]
    names = [columns[i]["name"] for i in shown]
    rows = []
    for row in document.get("rows") or ():
        cells = [row["cells"][i] for i in shown]
        if namespaces:
            cells.insert(0, row.get("object", {}).get("metadata", {}).get("namespace", ""))
        rows.append(cells)
    if namespaces:
        names.insert(0, "Namespace")
    return "\n".join(table_lines(names, rows, header=header))


def as_json(document: Any) -> str:
    return json.dumps(document, indent=4)


def as_yaml(document: Any) -> str:
    text: str = yaml.safe_dump(document, sort_keys=True, default_flow_style=False)
    return text.rstrip("\n")


def as_format(document: Any, form: str) -> str:
    """Return a document as `json` or `yaml`."""
    return as_json(document) if form == "json" else as_yaml(document)


def names_of(kind: str, group: str, objects: Iterable[Object]) -> list[str]:
    """Return `pod/web` lines, as `-o name` prints them."""
    prefix = f"{kind.lower()}.{group}" if group else kind.lower()
    return [f"{prefix}/{item['metadata']['name']}" for item in objects]
