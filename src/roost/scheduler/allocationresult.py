"""What claims ask for, read once, and what is written into them when they get it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from roost.api.values import Object
from roost.scheduler.devicepools import Device


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A request, or one of its alternatives; `parent` is then the name of the request."""

    name: str
    parent: str
    class_name: str
    selectors: Sequence[Object]
    all: bool
    count: int
    admin: bool
    tolerations: Sequence[Object]
    capacity: Mapping[str, str]

    @property
    def short(self) -> str:
        """The name within the claim."""
        return f"{self.parent}/{self.name}" if self.parent else self.name

    def named_in(self, names: Collection[str]) -> bool:
        """Say whether constraints or configuration for these names are for this request."""
        return self.short in names or (bool(self.parent) and self.parent in names)


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """A device for a request."""

    request: Request
    device: Device


def _request(body: Object, name: str, parent: str) -> Request:
    everything = body.get("allocationMode") == "All"
    return Request(
        name=name,
        parent=parent,
        class_name=body.get("deviceClassName", ""),
        selectors=body.get("selectors") or (),
        all=everything,
        count=0 if everything else body.get("count") or 1,
        admin=bool(body.get("adminAccess")),
        tolerations=body.get("tolerations") or (),
        capacity=(body.get("capacity") or {}).get("requests") or {},
    )


def requests_of(claim: Object) -> Iterator[tuple[Request, ...]]:
    """Return the requests of a claim, each with its alternatives: the best first."""
    for request in claim["spec"].get("devices", {}).get("requests") or ():
        if request.get("firstAvailable"):
            yield tuple(
                _request(one, one["name"], request["name"]) for one in request["firstAvailable"]
            )
        else:
            yield (_request(request.get("exactly") or {}, request["name"], ""),)


def describe(
    claim: Object,
    chosen: Sequence[Choice],
    requests: Sequence[Sequence[Request]],
    classes: Mapping[str, Object],
) -> Object:
    """Return `status.allocation`."""
    devices: Object = {"results": [_result(choice) for choice in chosen]}
    config = list(_config(claim, chosen, len(requests), classes))
    if config:
        devices["config"] = config
    allocation: Object = {"devices": devices}
    selector = _node_selector(chosen)
    if selector is not None:
        allocation["nodeSelector"] = selector
    return allocation


def _result(choice: Choice) -> Object:
    driver, pool, device = choice.device.id
    result: Object = {
        "request": choice.request.short,
        "driver": driver,
        "pool": pool,
        "device": device,
    }
    if choice.request.admin:
        result["adminAccess"] = True
    if choice.request.tolerations:
        result["tolerations"] = list(choice.request.tolerations)
    return result


def _config(
    claim: Object, chosen: Iterable[Choice], total: int, classes: Mapping[str, Object]
) -> Iterator[Object]:
    """Return the configuration of the classes, then that of the claim."""
    served = {choice.request.short: choice.request for choice in chosen}
    by_class: dict[str, list[str]] = {}
    for short, request in served.items():
        by_class.setdefault(request.class_name, []).append(short)
    for class_name, names in by_class.items():
        for one in classes[class_name]["spec"].get("config") or ():
            yield _entry("FromClass", names, total, one)
    for one in claim["spec"]["devices"].get("config") or ():
        names = one.get("requests") or []
        if not names or any(request.named_in(names) for request in served.values()):
            yield _entry("FromClaim", names, total, one)


def _entry(source: str, names: Sequence[str], total: int, config: Object) -> Object:
    entry: Object = {"source": source}
    if names and len(names) != total:  # for all of them is said by naming none
        entry["requests"] = list(names)
    if "opaque" in config:
        entry["opaque"] = config["opaque"]
    return entry


def _node_selector(chosen: Iterable[Choice]) -> Object | None:
    """Return where all the chosen devices can be reached; None: everywhere."""
    expressions: list[Object] = []
    fields: list[Object] = []
    for choice in chosen:
        place = choice.device.place
        if place.get("nodeName"):
            only = {"key": "metadata.name", "operator": "In", "values": [place["nodeName"]]}
            return {"nodeSelectorTerms": [{"matchFields": [only]}]}
        for term in ((place.get("nodeSelector") or {}).get("nodeSelectorTerms") or ())[:1]:
            for known, name in ((expressions, "matchExpressions"), (fields, "matchFields")):
                known.extend(one for one in term.get(name) or () if one not in known)
    term = {"matchExpressions": expressions, "matchFields": fields}
    found = {name: listed for name, listed in term.items() if listed}
    return {"nodeSelectorTerms": [found]} if found else None
