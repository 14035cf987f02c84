#!/usr/bin/env python3
"""Writes the pages of docs/reference that follow from the code: `./dev docs`.

    python docs/generate.py           write them
    python docs/generate.py --check   only say which are out of date (exit code 1)

One function per page; each returns the text, the same on every machine. `pages()` is what
tests/test_docs.py compares with the files.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import typer

from roost.adapters.virtual.chance import SeededChance
from roost.api import errors
from roost.api.kind import ALL_VERBS, Kind
from roost.api.registry import builtin
from roost.api.values import Object
from roost.apiserver.admission import chain
from roost.apiserver.admission.base import Base
from roost.apiserver.admission.usage import quota_matches, usage_of
from roost.apiserver.authorizer import Authorizer
from roost.apiserver.pki.requests import read_request
from roost.cli.main import app
from roost.cli.server import SCHEDULER
from roost.cli.settings import PREFIX, Settings
from roost.controllers.certificates import CertificateRules
from roost.controllers.registry import ALIASES, ALL, EVERYWHERE, OFF, Setup, controllers
from roost.controllers.resourcequota import QuotaRules
from roost.decisions.controller import AnyController
from roost.node.decide import TRANSITIONS, PodEvent
from roost.node.facts import PodState

REFERENCE = Path(__file__).resolve().parent / "reference"
_NOTE = "<!-- Written by docs/generate.py (./dev docs). Change the code, not this page. -->"

#: What stands behind an empty default.
_FOUND_OUT = {
    "data_dir": "`/var/lib/roost`; for others than root `$XDG_DATA_HOME/roost`",
    "advertise_address": "the machine's outbound address, else the pod bridge's",
    "extra_names": "none",
    "node_name": "the host name, in lower case",
    "node_ip": "as `advertise_address`",
    "runtime": "`runc`, else `crun`, whichever works",
    "insecure_registries": "none",
}


def pages() -> dict[str, str]:
    """Return every generated page by its file name."""
    return {name: f"{_NOTE}\n\n{make().strip()}\n" for name, make in _PAGES.items()}


# ---------------------------------------------------------------- Markdown


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(head), _row(["---"] * len(head))]
    lines += [_row([cell.replace("|", "\\|") for cell in row]) for row in rows]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _first_line(text: str | None) -> str:
    """Return the first paragraph of a docstring, as one line."""
    paragraph = inspect.cleandoc(text or "").partition("\n\n")[0]
    return " ".join(paragraph.split())


# ---------------------------------------------------------------- kinds

_KINDS = """
# Kinds

Every kind that a server serves from the start: {count} in {groups} groups. Verbs are the usual
eight ({verbs}) unless the page says otherwise. All objects can be selected by `metadata.name` (and
`metadata.namespace`); further fields are listed.

That a kind is served means: its objects are checked, kept, listed and watched. What is done about
them is the business of [controllers](controllers.md) and nodes;
[differences](../explanation/differences.md) says for which kinds nothing is done yet.

{tables}
"""


def kinds() -> str:
    """Return the page of all kinds, by group."""
    registry = builtin()
    found = list(registry.kinds())
    head = ("kind", "version", "resource", "short", "scope", "subresources", "notes")
    parts = []
    for group in registry.groups():
        members = [kind for kind in found if kind.group == group]
        parts.append(f"## {group or 'core (`v1`)'}")
        parts.append(_table(head, [_kind_row(kind) for kind in members]))
    return _KINDS.format(
        count=len(found),
        groups=len(registry.groups()),
        verbs=_code(ALL_VERBS),
        tables="\n\n".join(parts),
    )


def _kind_row(kind: Kind) -> Sequence[str]:
    notes = []
    if tuple(kind.verbs) != ALL_VERBS:
        notes.append(f"verbs: {_code(kind.verbs)}")
    if kind.fields:
        notes.append(f"fields: {_code(sorted(kind.fields))}")
    if kind.categories:
        notes.append(f"in {_code(kind.categories)}")
    scope = "namespace" if kind.namespaced else "cluster"
    return (
        kind.name, kind.version, f"`{kind.plural}`", _code(kind.short_names), scope,
        _code(sorted(kind.subresources)), "; ".join(notes),
    )  # fmt: skip


# ---------------------------------------------------------------- settings and command line

_SETTINGS = """
# Settings

A setting comes from the first of these that has it: a flag, the environment, the settings file, the
default. The file is `/etc/roost/config.yaml` (for others than root
`$XDG_CONFIG_HOME/roost/config.yaml`), or the one that `--config` or `ROOST_CONFIG` names; it is a
YAML map of the keys below. A key that is not a setting is an error that names it. `--print-config`
prints the settings in force and where each came from.

{settings}

## Which command takes which flag

The environment and the file count for all commands.

{takers}
"""

_COMMAND_LINE = """
# Command line

`roost` and `python -m roost` are the same. Every command has `--help`. Commands that fail print one
line that begins with `error:` and end with code 1; wrong usage ends with code 2.

Commands about objects find their server in this order: `--kubeconfig`, `--data-dir`, `$KUBECONFIG`,
the default data directory, `~/.kube/config`, the service account of the pod they run in.

{commands}
"""

_DEFAULT = re.compile(r" ?\[default: (.*?)\]")


def _commands(command: Any, name: str) -> list[tuple[str, Any]]:
    """Return all commands below one, with the words that call them."""
    below = getattr(command, "commands", None)
    if below is None:
        return [(name, command)]
    return [leaf for word, sub in below.items() for leaf in _commands(sub, f"{name} {word}")]


def _all_commands() -> list[tuple[str, Any]]:
    return _commands(typer.main.get_command(app), "roost")


def _options(command: Any) -> list[Any]:
    return [p for p in command.params if p.param_type_name == "option" and p.name != "help"]


def settings() -> str:
    """Return the page of all settings."""
    takers: dict[str, list[str]] = {}
    meaning: dict[str, str] = {}
    for name, command in _all_commands():
        for option in _options(command):
            takers.setdefault(option.name, []).append(name)
            meaning.setdefault(option.name, _DEFAULT.sub("", option.help or ""))
    names = [field.name for field in fields(Settings)]
    rows = [
        (f"`{name}`", _flag(name), f"`{PREFIX}{name.upper()}`",
         _FOUND_OUT.get(name) or f"`{getattr(Settings(), name)}`", meaning[name])
        for name in names
    ]  # fmt: skip
    return _SETTINGS.format(
        settings=_table(("key", "flag", "environment", "default", "what it is"), rows),
        takers=_table(("flag", "commands"), [(_flag(n), _code(takers[n])) for n in names]),
    )


def _flag(name: str) -> str:
    return f"`--{name.replace('_', '-')}`"


def command_line() -> str:
    """Return the page of all commands."""
    return _COMMAND_LINE.format(commands="\n\n".join(_command(*c) for c in _all_commands()))


def _command(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join([name, *map(_usage, arguments), *(["[options]"] if _options(command) else [])])
    rows = [(f"`{p.name.upper()}`", "", p.help or "") for p in arguments]
    rows += [
        (_code([*p.opts, *p.secondary_opts]), _default(p), _DEFAULT.sub("", p.help or ""))
        for p in _options(command)
    ]
    parts = [f"## {name}", inspect.cleandoc(command.help or ""), f"```\n{usage}\n```"]
    return "\n\n".join([*parts, _table(("option", "default", "meaning"), rows)])


def _usage(argument: Any) -> str:
    name = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _default(option: Any) -> str:
    said = _DEFAULT.search(option.help or "")
    if option.required or said:
        return said[1] if said else "required"
    value = option.default
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{value}`" if isinstance(value, str | int | float) and value != "" else ""


# ---------------------------------------------------------------- controllers and admission

_CONTROLLERS = """
# Controllers

All run in the server process, in one loop. `--controllers` chooses: `*` is all but {off}, `name` adds
one, `-name` leaves one out, by comma; the older names are understood too. An empty text runs none.

{controllers}

`{scheduler}` is chosen in the same list. It gives each pod without a node the best of those that
fit.
"""

_ADMISSION = """
# Admission plugins

Every write passes these, in this order: first all that may change the object, then, after it was
checked, all that may refuse it. A refusal is as a rule `403 Forbidden`. None can be switched off;
those that need something to act on (a LimitRange, a ResourceQuota, labels of a namespace) do
nothing without it.

{plugins}
"""

_ACTS = {
    ("admit",): "change or refuse",
    ("validate",): "refuse",
    ("admit", "validate"): "change and refuse",
}


async def _write_quota(quota: Object) -> Object:
    return quota


def controller_page() -> str:
    """Return the page of all controllers."""
    rules = CertificateRules(read_request, lambda _spec, _subresource: False)
    setup = Setup(
        quota=QuotaRules(usage_of, quota_matches), certificates=rules, node_ports=frozenset(),
        cluster_cidr=IPv4Network("10.244.0.0/16"),
    )  # fmt: skip
    old_names: dict[str, list[str]] = {}
    for alias, name in ALIASES.items():
        old_names.setdefault(name, []).append(alias)
    rows = []
    for controller in controllers(ALL, setup):
        watched = dict.fromkeys(watch.resource.plural for watch in controller.watches)
        looks_at = "everything" if controller.name in EVERYWHERE else _code(watched)
        aliases = _code(old_names.get(controller.name, ()))
        rows.append((f"`{controller.name}`", aliases, _purpose(controller), looks_at))
    head = ("name", "older name", "what it does", "looks at")
    off = " and ".join(f"`{name}`" for name in sorted(OFF))
    return _CONTROLLERS.format(controllers=_table(head, sorted(rows)), scheduler=SCHEDULER, off=off)


def _purpose(controller: AnyController) -> str:
    module: Any = inspect.getmodule(controller.reconcile)
    parent = module.__name__.rpartition(".")[0]
    return _first_line((module if parent == _FLAT else sys.modules[parent]).__doc__)


#: Controllers of one module lie here; larger ones are packages, which say what they are for.
_FLAT = "roost.controllers"


def admission() -> str:
    """Return the page of all admission plugins, in order."""
    rows = []
    plugins = chain.plugins(Authorizer(), SeededChance(), _write_quota)
    for number, plugin in enumerate(plugins, 1):
        resources: Any = getattr(plugin, "resources", None)
        names = [f"{plural}.{group}".rstrip(".") for group, plural in sorted(resources or ())]
        does = tuple(verb for verb in ("admit", "validate") if _does(plugin, verb))
        purpose = _first_line(type(plugin).__doc__)
        looks_at = _code(names) or "everything"
        rows.append((str(number), f"`{plugin.name}`", purpose, _ACTS[does], looks_at))
    head = ("", "plugin", "what it does", "may", "looks at")
    return _ADMISSION.format(plugins=_table(head, rows))


def _does(plugin: Any, method: str) -> bool:
    return getattr(type(plugin), method) is not getattr(Base, method)


# ---------------------------------------------------------------- errors

_ERRORS = """
# Errors

Every refusal is a `Status` object with a code, a reason, a message and details, in the words of a
Kubernetes v1.36 server. `kubectl` prints `Error from server (REASON): MESSAGE`; Python code meets
the class of the same name in `roost.api.errors`.

{errors}

`Invalid` lists every cause with the path of its field in `details.causes`.
"""


def error_page() -> str:
    """Return the page of all errors."""
    classes = [
        cls
        for cls in vars(errors).values()
        if inspect.isclass(cls) and issubclass(cls, errors.StatusError) and cls.reason
    ]
    rows = [
        (str(cls.code), f"`{cls.reason}`", _first_line(cls.__doc__).rpartition(":")[0],
         "yes" if cls.retriable else "")
        for cls in sorted(classes, key=lambda cls: (cls.code, cls.reason))
    ]  # fmt: skip
    head = ("code", "reason", "when", "may the same request succeed later?")
    return _ERRORS.format(errors=_table(head, rows))


# ---------------------------------------------------------------- the life of a pod

_POD_LIFECYCLE = """
# The life of a pod on its node

This is the table `TRANSITIONS` of `src/roost/node/decide.py`. An event that a state does not list
cannot happen in it. These states are the agent's own; the phase that the API shows is derived from
them and from the containers.

```mermaid
stateDiagram-v2
{diagram}
```

{states}

{events}

A container is stopped only because of something positive: see [fail
static](../explanation/fail-static.md).
"""


def pod_lifecycle() -> str:
    """Return the page of the states of a pod on its node, with their diagram."""
    arrows = [
        (before, event, after)
        for before, row in TRANSITIONS.items()
        for event, after in row.items()
    ]
    lines = [
        f"    {before.value} --> {after.value}: {event.value}" for before, event, after in arrows
    ]
    first = next(iter(TRANSITIONS))
    last = [f"    {state.value} --> [*]" for state, row in TRANSITIONS.items() if not row]
    states, events = _comments(PodState), _comments(PodEvent)
    return _POD_LIFECYCLE.format(
        diagram="\n".join([f"    [*] --> {first.value}", *lines, *last]),
        states=_table(
            ("state", "meaning"), [(f"`{s.value}`", states.get(s.name, "")) for s in TRANSITIONS]
        ),
        events=_table(
            ("state", "event", "which means", "next state"),
            [(f"`{b.value}`", f"`{e.value}`", events.get(e.name, ""), f"`{a.value}`")
             for b, e, a in arrows],
        ),
    )  # fmt: skip


def _comments(enum: type) -> Mapping[str, str]:
    """Return the comments beside an enum's members."""
    source = inspect.getsource(enum)
    return dict(re.findall(r"^    ([A-Z_]+) = \"\w+\" +# (.+)$", source, re.MULTILINE))


_PAGES: Mapping[str, Callable[[], str]] = {
    "kinds.md": kinds,
    "settings.md": settings,
    "command-line.md": command_line,
    "controllers.md": controller_page,
    "admission.md": admission,
    "errors.md": error_page,
    "pod-lifecycle.md": pod_lifecycle,
}


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or with --check name those that are not as they should be."""
    stale = []
    for name, text in pages().items():
        path = REFERENCE / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in arguments:
                path.write_text(text)
    print(f"{'out of date' if '--check' in arguments else 'written'}: {', '.join(stale) or 'none'}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
