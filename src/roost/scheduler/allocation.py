"""Which devices does a claim get on one node? The first complete answer of an exhaustive search.

Claims, their requests and, of `firstAvailable`, the alternatives are tried in order; for each device
the pools' devices in order. A choice must match the selectors of class and request, be free, have its
taints tolerated, keep the constraints and leave the pool's shared counters above zero. The search gives
up after STEPS_MAX steps, so that no claim can hold up the scheduler.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from roost.api.cel.devices import selects
from roost.api.cel.values import EvaluationError
from roost.api.quantity import parse
from roost.api.values import Object
from roost.decisions.meta import name_of
from roost.decisions.tolerations import NO_EXECUTE, NO_SCHEDULE, first_untolerated
from roost.scheduler.allocationresult import Choice, Request, describe, requests_of
from roost.scheduler.devicepools import Device, DeviceId, Pool, attribute, gather
from roost.scheduler.snapshot import NodeInfo

STEPS_MAX = 20_000
#: The most devices that one claim may have.
RESULTS_MAX = 32

Counters: TypeAlias = dict[tuple[str, str], Fraction]  # (counter set, counter) -> what is left


class Fault(Exception):
    """Why the search cannot go on for this node."""


@dataclass(slots=True)
class Matches:
    """What selectors said of devices, kept as long as their slices do not change."""

    _known: dict[str, dict[tuple[str, str], bool]] = field(default_factory=dict)

    def forget(self, slice_name: str) -> None:
        """Drop what is known of a slice's devices."""
        self._known.pop(slice_name, None)

    def ask(self, expression: str, device: Device) -> bool:
        """Say whether an expression holds for a device. Raises EvaluationError."""
        known = self._known.setdefault(device.slice_name, {})
        key = (device.body["name"], expression)
        found = known.get(key)
        if found is None:
            found = known[key] = selects(expression, device.id[0], device.body)
        return found


def _consumption(body: Object) -> Iterator[tuple[tuple[str, str], Fraction]]:
    for one in body.get("consumesCounters") or ():
        for name, counter in (one.get("counters") or {}).items():
            yield (one["counterSet"], name), Fraction(parse(counter["value"]))


def _left(pool: Pool, used: Mapping[DeviceId, int]) -> Counters:
    """Return what is left of the counters that the devices of a pool share."""
    left: Counters = {}
    for found in pool.slices:
        for one in found["spec"].get("sharedCounters") or ():
            for name, counter in (one.get("counters") or {}).items():
                left[one["name"], name] = Fraction(parse(counter["value"]))
    if left:
        for found in pool.slices:
            for body in found["spec"].get("devices") or ():
                if (pool.driver, pool.name, body["name"]) in used:
                    for key, amount in _consumption(body):
                        left[key] = left.get(key, Fraction(0)) - amount
    return left


class Search:
    """Looks for devices on one node. Used once."""

    def __init__(
        self,
        slices: Iterable[Object],
        used: Mapping[DeviceId, int],
        classes: Mapping[str, Object],
        node: NodeInfo,
        matches: Matches,
    ) -> None:
        self._used, self._classes, self._matches = used, classes, matches
        self._node = node
        self._pools = gather(slices, node)
        self._counters = {(p.driver, p.name): _left(p, used) for p in self._pools}
        self._taken: set[DeviceId] = set()
        self._chosen: list[list[Choice]] = []
        self._claims: Sequence[Object] = ()
        self._requests: list[list[tuple[Request, ...]]] = []
        self._all: dict[int, list[Device]] = {}
        self._steps = 0

    def allocate(self, claims: Sequence[Object]) -> list[Object] | None:
        """Return an allocation for each claim; None if they cannot all get what they ask for.

        Raises Fault when the node's pools, or what a claim says, make the question unanswerable.
        """
        self._claims = claims
        self._requests = [list(requests_of(claim)) for claim in claims]
        self._chosen = [[] for _ in claims]
        for claim, requests in zip(claims, self._requests, strict=True):
            self._measure(claim, requests)
        if self._request(0, 0):
            return [
                describe(claim, chosen, requests, self._classes)
                for claim, chosen, requests in zip(
                    claims, self._chosen, self._requests, strict=True
                )
            ]
        if any(pool.invalid for pool in self._pools):
            raise Fault("invalid resource pools were encountered")
        return None

    def _measure(self, claim: Object, requests: Iterable[tuple[Request, ...]]) -> None:
        """Find out how many "all" devices are, and whether a claim asks for too many."""
        total = 0
        for alternatives in requests:
            counts = []
            for request in alternatives:
                if request.all:
                    self._all[id(request)] = self._everything(claim, request)
                    counts.append(len(self._all[id(request)]))
                else:
                    counts.append(request.count)
            total += min(counts, default=0)
        if total > RESULTS_MAX:
            raise Fault(
                f"claim {_shown(claim)}: number of requested devices {total} exceeds the claim "
                f"limit of {RESULTS_MAX}"
            )

    def _everything(self, claim: Object, request: Request) -> list[Device]:
        found: list[Device] = []
        for pool in self._pools:
            state = "currently being updated" if pool.incomplete else "currently invalid"
            if pool.incomplete or pool.invalid:
                raise Fault(
                    f"claim {_shown(claim)}, request {request.short}: asks for all devices, but "
                    f"resource pool {pool.driver}/{pool.name} is {state}"
                )
            found += [d for d in pool.devices if self._selected(claim, request, d)]
        return found

    def _request(self, at: int, number: int) -> bool:
        """Serve the requests from the `number`th of claim `at` on."""
        if at == len(self._claims):
            return True
        if number == len(self._requests[at]):
            return self._request(at + 1, 0)
        for request in self._requests[at][number]:
            wanted = self._all.get(id(request))
            count = request.count if wanted is None else len(wanted)
            if count and self._devices(at, number, request, count, 0):
                return True
        return False

    def _devices(self, at: int, number: int, request: Request, missing: int, start: int) -> bool:
        """Choose the devices that a request still lacks, then go on with the next request."""
        if not missing:
            return self._request(at, number + 1)
        candidates = self._candidates(request)
        for place in range(start, len(candidates)):
            device = candidates[place]
            self._steps += 1
            if self._steps > STEPS_MAX:
                raise Fault("timed out trying to allocate devices")
            if not self._fits(at, request, device):
                if request.all:
                    return False
                continue
            self._take(at, request, device)
            if self._devices(at, number, request, missing - 1, place + 1):
                return True
            self._give_back(at, request, device)
        return False

    def _candidates(self, request: Request) -> list[Device]:
        everything = self._all.get(id(request))
        if everything is not None:
            return everything
        return [d for pool in self._pools if not pool.invalid for d in pool.devices]

    def _fits(self, at: int, request: Request, device: Device) -> bool:
        if len(self._chosen[at]) >= RESULTS_MAX:
            return False
        if not request.admin and (device.id in self._used or device.id in self._taken):
            return False
        if not self._selected(self._claims[at], request, device):
            return False
        if first_untolerated(
            request.tolerations, device.body.get("taints") or (), (NO_SCHEDULE, NO_EXECUTE)
        ):
            return False
        return self._constraints_hold(at, request, device) and (
            request.admin or self._counters_last(device)
        )

    def _counters_last(self, device: Device) -> bool:
        left = self._counters[device.id[:2]]
        return all(left.get(key, Fraction(0)) >= n for key, n in _consumption(device.body))

    def _constraints_hold(self, at: int, request: Request, device: Device) -> bool:
        for constraint in self._claims[at]["spec"]["devices"].get("constraints") or ():
            names = constraint.get("requests") or ()
            name = constraint.get("matchAttribute")
            if name is None or not (not names or request.named_in(names)):
                continue
            mine = attribute(device, name)
            if mine is None:
                return False
            others = (c for c in self._chosen[at] if not names or c.request.named_in(names))
            if any(attribute(other.device, name) != mine for other in others):
                return False
        return True

    def _take(self, at: int, request: Request, device: Device) -> None:
        self._chosen[at].append(Choice(request, device))
        if not request.admin:
            self._taken.add(device.id)
            self._consume(device, -1)

    def _give_back(self, at: int, request: Request, device: Device) -> None:
        self._chosen[at].pop()
        if not request.admin:
            self._taken.discard(device.id)
            self._consume(device, 1)

    def _consume(self, device: Device, sign: int) -> None:
        left = self._counters[device.id[:2]]
        for key, amount in _consumption(device.body):
            left[key] = left.get(key, Fraction(0)) + sign * amount

    def _selected(self, claim: Object, request: Request, device: Device) -> bool:
        """Ask the selectors of the class and of the request. Raises Fault for broken ones."""
        device_class = self._classes.get(request.class_name)
        if device_class is None:
            raise Fault(
                f"claim {_shown(claim)}, request {request.short}: could not retrieve device class "
                f'{request.class_name}: deviceclass.resource.k8s.io "{request.class_name}" not found'
            )
        selectors = (
            (f"class {request.class_name}", device_class["spec"].get("selectors") or ()),
            (f"claim {_shown(claim)}", request.selectors),
        )
        for owner, listed in selectors:
            for number, selector in enumerate(listed):
                try:
                    if not self._matches.ask(selector["cel"]["expression"], device):
                        return False
                except EvaluationError as error:
                    raise Fault(
                        f"{owner}: selector #{number}: CEL runtime error: {error}"
                    ) from None
        return _has_capacity(request, device)


def _has_capacity(request: Request, device: Device) -> bool:
    """Say whether a device has as much of everything as the request asks for."""
    offered: Object = device.body.get("capacity") or {}
    for name, wanted in request.capacity.items():
        domain, _, short = name.rpartition("/")
        found = offered.get(name) or (offered.get(short) if domain == device.id[0] else None)
        if found is None or parse(found["value"]) < parse(wanted):
            return False
    return True


def _shown(claim: Object) -> str:
    return f"{claim['metadata'].get('namespace', '')}/{name_of(claim)}"
