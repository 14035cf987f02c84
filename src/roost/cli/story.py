"""How an object of any cluster came to be what it is, as far as the cluster itself remembers.

The objects that own it, up to the first one, each with when it was made, who wrote which fields last
(managedFields), what its status says began and ended, and its Events; all of it in the order of time.
`story_of` is pure. A simulated cluster remembers every write: see Cluster.story.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import msgspec

from roost.api.errors import NotFound
from roost.api.values import Object
from roost.cli import output
from roost.cli.resources import Discovery, Target, UsageError, parse_targets
from roost.client.http import HttpClient
from roost.client.port import Query
from roost.decisions.resources import EVENTS

#: An ownership chain is no longer than that.
_DEPTH = 10
#: So many fields are named of one write.
_FIELDS = 4


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened to an object: when (RFC 3339), to what, by whom, and what it was."""

    time: str
    object: str
    who: str
    what: str


def story_of(chain: Sequence[Object], events: Iterable[Object]) -> list[Moment]:
    """Return what is known of objects, owners first, and of the Events about them."""
    moments: list[Moment] = []
    for obj in chain:
        moments += _of_object(obj)
    moments += [_of_event(event) for event in events]
    return sorted(moments, key=lambda moment: moment.time)


def _name(obj: Object) -> str:
    return f"{obj.get('kind', '')}/{obj['metadata']['name']}"


def _of_object(obj: Object) -> Iterator[Moment]:
    metadata, name = obj["metadata"], _name(obj)
    owners = metadata.get("ownerReferences") or ()
    for_whom = f", for {owners[0]['kind']}/{owners[0]['name']}" if owners else ""
    yield Moment(metadata.get("creationTimestamp", ""), name, "", f"was created{for_whom}")
    for entry in metadata.get("managedFields") or ():
        part = f" ({entry['subresource']})" if entry.get("subresource") else ""
        fields = ", ".join(_fields(entry.get("fieldsV1") or {})) or "nothing"
        what = f"{entry.get('operation', 'Update').lower()}{part}: {fields}"
        yield Moment(entry.get("time", ""), name, entry.get("manager", ""), what)
    status = obj.get("status") or {}
    for condition in status.get("conditions") or ():
        reason = f" ({condition['reason']})" if condition.get("reason") else ""
        words = f"{condition['type']} became {condition['status']}{reason}"
        yield Moment(condition.get("lastTransitionTime") or "", name, "", words)
    for group in ("initContainerStatuses", "containerStatuses"):
        for one in status.get(group) or ():
            yield from _of_container(name, one)
    if metadata.get("deletionTimestamp"):
        yield Moment(metadata["deletionTimestamp"], name, "", "is to be gone")


def _of_container(name: str, status: Object) -> Iterator[Moment]:
    for field in ("lastState", "state"):
        for kind, state in (status.get(field) or {}).items():
            if state.get("startedAt"):
                yield Moment(state["startedAt"], name, "", f"container {status['name']} started")
            if kind == "terminated" and state.get("finishedAt"):
                end = f"{state.get('reason', '')}, exit code {state.get('exitCode')}"
                words = f"container {status['name']} ended: {end}"
                yield Moment(state["finishedAt"], name, "", words)


def _fields(owned: Object, path: str = "") -> list[str]:
    """Return the paths at which fields are owned, as far down as keeps them few."""
    found = [
        f"{path}.{key[2:]}".lstrip(".") for key in owned if key.startswith("f:") and key != "f:"
    ]
    if len(found) == 1 and owned[f"f:{found[0].rpartition('.')[2]}"]:
        return _fields(owned[f"f:{found[0].rpartition('.')[2]}"], found[0]) or found
    more = len(found) - _FIELDS
    return [*found[:_FIELDS], f"{more} more"] if more > 0 else found


def _of_event(event: Object) -> Moment:
    about = event.get("involvedObject") or {}
    times = event.get("count") or (event.get("series") or {}).get("count") or 1
    when = event.get("firstTimestamp") or event.get("eventTime") or ""
    last = event.get("lastTimestamp") or when
    many = f" ({times} times, last {last})" if times > 1 else ""
    who = (event.get("source") or {}).get("component") or event.get("reportingComponent") or ""
    what = f"{event.get('type')} {event.get('reason')}: {str(event.get('message', '')).strip()}"
    return Moment(when, f"{about.get('kind')}/{about.get('name')}", who, what + many)


async def story(client: HttpClient, words: list[str], namespace: str, form: str) -> int:
    """Print the stories of the objects that are named."""
    discovery = await Discovery.fetch(client)
    for target in parse_targets(discovery, words):
        if not target.name:
            raise UsageError(f"say which: {target.served.singular or target.served.kind}/NAME")
        chain = await _chain(client, discovery, target, namespace)
        events: list[Object] = []
        for obj in chain:
            fields = f"involvedObject.uid={obj['metadata'].get('uid', '')}"
            place = obj["metadata"].get("namespace", "")
            events += (await client.list(Query(EVENTS, place, fields=fields))).items
        moments = story_of(chain, events)
        if form == "json":
            output.say(msgspec.json.encode([asdict(one) for one in moments]).decode())
            continue
        rows = [(m.time, m.object, m.who, m.what) for m in moments]
        for line in output.table_lines(("Time", "Object", "Who", "What"), rows):
            output.say(line)
    return 0


async def _chain(
    client: HttpClient, discovery: Discovery, target: Target, namespace: str
) -> list[Object]:
    """Return an object and those that own it, the first one first."""
    served = target.served
    place = namespace if served.namespaced else ""
    found = [await client.get(served.resource, target.name, place)]
    while len(found) < _DEPTH:
        owners = found[0]["metadata"].get("ownerReferences") or ()
        owner = next((one for one in owners if one.get("controller")), None)
        if owner is None:
            break
        try:
            above = discovery.kind(owner["apiVersion"], owner["kind"])
            got = await client.get(above.resource, owner["name"], place if above.namespaced else "")
        except (NotFound, UsageError):
            break
        if got["metadata"]["uid"] != owner["uid"]:
            break
        found.insert(0, got)
    return found
