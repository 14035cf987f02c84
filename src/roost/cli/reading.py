"""`roost get` and `roost describe`."""

from __future__ import annotations

import asyncio
from typing import Final

from roost.api.kind import Resource
from roost.api.values import Object
from roost.cli import output
from roost.cli.resources import Discovery, Target, UsageError, parse_targets
from roost.client.http import HttpClient, path_of
from roost.client.port import Query

_TABLE: Final = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
_DOCUMENTS: Final = ("json", "yaml", "name")
_EVENTS: Final = Resource("", "v1", "events")


class Selection:
    """Which objects a command is about."""

    def __init__(
        self, namespace: str, *, everywhere: bool = False, labels: str = "", fields: str = ""
    ) -> None:
        self.namespace = "" if everywhere else namespace
        self.everywhere = everywhere
        self.labels = labels
        self.fields = fields

    def of(self, client: HttpClient) -> Selection:
        """Return the selection with the context's namespace, where none was asked for."""
        if not self.namespace and not self.everywhere:
            self.namespace = client.connection.namespace
        return self

    def check(self, targets: list[Target]) -> list[Target]:
        """Return what a command is about, if names and choices go together; raises UsageError."""
        for target in targets:
            if not target.name:
                continue
            if self.labels or self.fields:
                raise UsageError("names and selectors do not go together: leave one out")
            if self.everywhere and target.served.namespaced:
                raise UsageError(
                    "an object cannot be named in all namespaces: say -n NAMESPACE instead of -A"
                )
        return targets

    def parameters(self) -> dict[str, str]:
        given = {"labelSelector": self.labels, "fieldSelector": self.fields}
        return {key: value for key, value in given.items() if value}

    def path(self, target: Target) -> str:
        namespace = self.namespace if target.served.namespaced else ""
        return path_of(target.served.resource, namespace, target.name)


async def get(
    client: HttpClient, words: list[str], selection: Selection, form: str, *, watch: bool
) -> int:
    """Print objects. Returns the exit code; raises StatusError and UsageError."""
    if form not in output.FORMATS:
        raise UsageError(f"-o {form}: choose one of wide, json, yaml, name")
    discovery = await Discovery.fetch(client)
    targets = selection.check(parse_targets(discovery, words))
    if watch:
        return await _watch(client, targets, selection, form)
    if form in _DOCUMENTS:
        return await _print_objects(client, targets, selection, form)
    several = len({target.served.resource for target in targets}) > 1
    printed = 0
    for target in targets:
        table = await client.request("GET", selection.path(target), selection.parameters(),
                                     accept=_TABLE)  # fmt: skip
        if not table.get("rows"):
            continue
        if several and printed:
            output.say("")
        if several:
            _prefix_names(table, target)
        namespaces = selection.everywhere and target.served.namespaced
        output.say(output.server_table(table, wide=form == "wide", namespaces=namespaces))
        printed += 1
    if not printed:
        where = "" if selection.everywhere else f" in {selection.namespace} namespace"
        namespaced = any(target.served.namespaced for target in targets)
        output.say("No resources found" + (where if namespaced else "") + ".")
    return 0


def _prefix_names(table: Object, target: Target) -> None:
    """Write `pod/web` for `web`, where several types are listed together."""
    group = target.served.resource.group
    prefix = f"{target.served.kind.lower()}.{group}/" if group else f"{target.served.kind.lower()}/"
    for row in table["rows"]:
        row["cells"][0] = prefix + str(row["cells"][0])


async def _print_objects(
    client: HttpClient, targets: list[Target], selection: Selection, form: str
) -> int:
    found: list[Object] = []
    lines: list[str] = []
    for target in targets:
        path = selection.path(target)
        answer = await client.request("GET", path, selection.parameters())
        items = [answer] if target.name else answer.get("items", [])
        found += [_whole(target, item) for item in items]
        lines += output.names_of(target.served.kind, target.served.resource.group, items)
    if form == "name":
        for line in lines:
            output.say(line)
        return 0
    single = len(targets) == 1 and targets[0].name
    document = found[0] if single else {"apiVersion": "v1", "kind": "List", "items": found}
    output.say(output.as_format(document, form))
    return 0


async def _watch(client: HttpClient, targets: list[Target], selection: Selection, form: str) -> int:
    """Print one resource and then every change, until interrupted."""
    if len(targets) != 1:
        raise UsageError("--watch follows one resource type at a time")
    target = targets[0]
    fields = f"metadata.name={target.name}" if target.name else selection.fields
    namespace = selection.namespace if target.served.namespaced else ""
    parameters = {**selection.parameters(), **({"fieldSelector": fields} if fields else {})}
    path = path_of(target.served.resource, namespace)
    wide = form == "wide"
    namespaces = selection.everywhere and target.served.namespaced
    if target.name:
        await client.request("GET", selection.path(target))  # what is not there never changes
    table = await client.request("GET", path, parameters, accept=_TABLE)
    version = table["metadata"].get("resourceVersion", "0")
    if form in _DOCUMENTS:
        listed = await client.request("GET", path, parameters)
        version = listed["metadata"].get("resourceVersion", version)
        for item in listed.get("items", []):
            _say_object(target, item, form)
    else:
        output.say(output.server_table(table, wide=wide, namespaces=namespaces))
    query = Query(target.served.resource, namespace, selection.labels, fields)
    definitions = table["columnDefinitions"]
    while True:
        async for batch in client.watch(query, version):
            for event in batch:
                version = event.object["metadata"].get("resourceVersion", version)
                if event.type == "BOOKMARK":
                    continue
                name = event.object["metadata"]["name"]
                own = event.object["metadata"].get("namespace", "")
                if form in _DOCUMENTS:
                    _say_object(target, event.object, form)
                    continue
                await _print_row(client, target, own, name, definitions, event.type, wide=wide,
                                 namespaces=namespaces)  # fmt: skip
        await asyncio.sleep(1)


def _say_object(target: Target, item: Object, form: str) -> None:
    if form == "name":
        output.say(output.names_of(target.served.kind, target.served.resource.group, [item])[0])
        return
    separate = "---\n" if form == "yaml" else ""
    output.say(separate + output.as_format(_whole(target, item), form))


def _whole(target: Target, item: Object) -> Object:
    """Return an object with what it is: those of lists do not say."""
    served = target.served
    return {"apiVersion": served.resource.api_version, "kind": served.kind, **item}


async def _print_row(
    client: HttpClient, target: Target, namespace: str, name: str, definitions: list[Object],
    change: str, *, wide: bool, namespaces: bool,
) -> None:  # fmt: skip
    if change == "DELETED":
        output.say(f"{name}   deleted")
        return
    path = path_of(target.served.resource, namespace)
    parameters = {"fieldSelector": f"metadata.name={name}"}
    table = await client.request("GET", path, parameters, accept=_TABLE)
    table["columnDefinitions"] = definitions
    text = output.server_table(table, wide=wide, namespaces=namespaces, header=False)
    if text:
        output.say(text)


async def describe(client: HttpClient, words: list[str], selection: Selection) -> int:
    """Print objects in full, each with its events."""
    discovery = await Discovery.fetch(client)
    printed = 0
    for target in selection.check(parse_targets(discovery, words)):
        answer = await client.request("GET", selection.path(target), selection.parameters())
        for item in [answer] if target.name else answer.get("items", []):
            if printed:
                output.say("")
            printed += 1
            await _describe_one(client, target, item)
    return 0


async def _describe_one(client: HttpClient, target: Target, item: Object) -> None:
    metadata = item["metadata"]
    shown = {
        "Name": metadata["name"],
        "Namespace": metadata.get("namespace", ""),
        "Kind": target.served.kind,
        "Labels": metadata.get("labels") or {},
        "Annotations": metadata.get("annotations") or {},
        "Created": metadata.get("creationTimestamp", ""),
    }
    rest = {k: v for k, v in item.items() if k not in ("metadata", "apiVersion", "kind")}
    if target.served.kind == "Secret":
        rest["data"] = {k: f"{len(v) * 3 // 4} bytes" for k, v in (rest.get("data") or {}).items()}
    output.say(output.as_yaml({key: value for key, value in shown.items() if value}))
    if rest:
        output.say(output.as_yaml(rest))
    fields = f"involvedObject.uid={metadata.get('uid', '')}"
    events = await client.list(Query(_EVENTS, metadata.get("namespace", ""), fields=fields))
    if not events.items:
        output.say("Events: none")
        return
    output.say("Events:")
    rows = [
        (e.get("type"), e.get("reason"), e.get("lastTimestamp") or e.get("eventTime"),
         e.get("count", 1), e.get("source", {}).get("component") or e.get("reportingComponent"),
         str(e.get("message", "")).strip())
        for e in sorted(events.items, key=lambda e: e.get("lastTimestamp") or "")
    ]  # fmt: skip
    for line in output.table_lines(("Type", "Reason", "Last", "Count", "From", "Message"), rows):
        output.say(f"  {line}")
