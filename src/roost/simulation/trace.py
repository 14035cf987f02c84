"""Why a simulated cluster is as it is: the chain of writes that led to an object, back to a command.

Every write knows the write that made its actor look (journal.Entry.seen). A story is all that was
written to an object, what each answers in turn, and the Events about it, in the order in which they
happened. Rule: a pure function of the journal.
"""

from __future__ import annotations

from typing import Final

from roost.api.registry import Registry
from roost.api.values import Object
from roost.apiserver import keys
from roost.simulation.journal import Entry, JournalStore
from roost.simulation.kinds import UnknownKindError, find_kind

_EVENTS: Final = "/registry/core/events/"
#: A story goes back over so many causes at most.
_DEPTH: Final = 1000


def story(store: JournalStore, registry: Registry, name: str, start: float) -> str:
    """Return the story of "kind/name" or "namespace/kind/name", one line each.

    Raises LookupError if nothing of that name has been.
    """
    key = key_named(registry, name)
    entries = {entry.revision: entry for entry in store.entries()}
    own = [entry for entry in entries.values() if entry.key == key]
    if not own:
        raise LookupError(f"nothing in the journal is called {name}")
    told = {entry.revision: entry for entry in own}
    for entry in own:
        for cause in causes(entry, entries):
            told.setdefault(cause.revision, cause)
    lines = [(entry.revision, _line(entry, key, start)) for entry in told.values()]
    lines += _events(store, key, entries, start)
    return "".join(f"{line}\n" for _, line in sorted(lines))


def causes(entry: Entry, entries: dict[int, Entry]) -> list[Entry]:
    """Return the writes that led to one, the nearest first.

    Of several writes to one object in a row only the oldest is named: the others are its echo.
    """
    found: list[Entry] = []
    for _ in range(_DEPTH):
        cause = entries.get(entry.seen)
        if cause is None or cause.revision >= entry.revision:
            break
        if found and found[-1].key == cause.key:
            found[-1] = cause
        else:
            found.append(cause)
        entry = cause
    return found


def key_named(registry: Registry, name: str) -> str:
    """Return the key of what people call "pod/x" or "namespace/pod/x"; raises LookupError."""
    parts = name.split("/")
    namespace, kind_name, own = ("default", *parts) if len(parts) == 2 else (*parts, "", "")[:3]
    try:
        kind = find_kind(registry, kind_name)
    except UnknownKindError as error:
        raise LookupError(str(error)) from error
    return keys.key_of(kind, namespace if kind.namespaced else "", own)


def short(key: str) -> str:
    """Return a key as people read it: "pods default/web-1"."""
    parts = key.split("/")[3:]
    return f"{parts[0]} {'/'.join(parts[1:])}"


def _line(entry: Entry, key: str, start: float) -> str:
    verb = "deletes" if entry.deleted else "writes"
    who = entry.actor or "somebody"
    about = f" (for {entry.about})" if entry.about else ""
    mark = "*" if entry.key == key else " "
    return f"{entry.at - start:12.3f} s {mark} {who}{about} {verb} {short(entry.key)}"


def _events(
    store: JournalStore, key: str, entries: dict[int, Entry], start: float
) -> list[tuple[int, str]]:
    """Return the Events about an object that are still kept."""
    found: list[tuple[int, str]] = []
    for record in store.all(_EVENTS):
        event: Object = record.object
        about = event.get("involvedObject") or {}
        place = "/".join(filter(None, (about.get("namespace"), about.get("name"))))
        if not key.endswith(f"/{place}") or not _same_kind(key, str(about.get("kind", ""))):
            continue
        entry = entries.get(record.created)
        at = f"{entry.at - start:12.3f} s" if entry is not None else " " * 14
        times = event.get("count", 1)
        many = f" ({times} times)" if times > 1 else ""
        words = f"{event.get('type', '')} {event.get('reason', '')}: {event.get('message', '')}"
        source = (event.get("source") or {}).get("component", "")
        found.append((record.created, f"{at} ! {source}: {words}{many}"))
    return found


def _same_kind(key: str, kind: str) -> bool:
    return key.split("/")[3].startswith(kind.lower())
