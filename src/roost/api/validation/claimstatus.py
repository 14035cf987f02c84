"""Rules for the status of resource claims: what was allocated, and for whom."""

from __future__ import annotations

from collections.abc import Mapping

from roost.api.kind import Change
from roost.api.validation.causes import IMMUTABLE, Causes
from roost.api.validation.conditions import conditions
from roost.api.validation.deviceparts import (
    binding,
    config,
    each,
    label,
    name_of,
    pool_name,
    raw,
    tolerations,
    uid,
)
from roost.api.validation.selectors import node_selector
from roost.api.validation.volumesources import csi_driver_name
from roost.api.values import Object

_RESULTS_MAX = 32
_USERS_MAX = 256
_CONDITIONS_MAX = 8
_DATA_MAX_BYTES = 10 * 1024
_NOT_A_REQUEST = (
    "must be the name of a request in the claim or the name of a request and a subrequest "
    "separated by '/'"
)
Known = Mapping[str, set[str]]


def request_names(devices: Object) -> Known:
    """Return the names of the requests of a claim, each with those of its choices."""
    return {
        name_of(request): {name_of(choice) for choice in request.get("firstAvailable") or ()}
        for request in devices.get("requests") or ()
    }


def request_reference(name: str, known: Known, path: str, causes: Causes) -> None:
    """Check that a name is that of a request, or of one of its choices."""
    parts = name.split("/")
    if len(parts) > 2:
        causes.invalid(path, name, _NOT_A_REQUEST)
        return
    for part in parts:
        label(part, path, causes)
    choices = known.get(parts[0])
    if choices is None or (len(parts) == 2 and parts[1] not in choices):
        causes.invalid(path, name, _NOT_A_REQUEST)


def status(change: Change, causes: Causes) -> None:
    """Check an update of the status of a claim."""
    new: Object = change.object.get("status") or {}
    old: Object = (change.old or {}).get("status") or {}
    spec = change.object.get("spec") or {}
    users, allocation = new.get("reservedFor") or [], new.get("allocation")
    path = "status.reservedFor"
    each(users, _USERS_MAX, _user, path, causes, lambda user: user.get("uid") or "")
    _devices(new, causes)
    if users and allocation is None:
        causes.forbidden(path, "may not be specified when `allocated` is not set")
    elif users and (change.object.get("metadata") or {}).get("deletionTimestamp"):
        before = old.get("reservedFor") or []
        if any(user not in before for user in users):
            text = (
                "new entries may not be added while `deallocationRequested` or "
                "`deletionTimestamp` are set"
            )
            causes.forbidden(path, text)
    had = old.get("allocation")
    if had is not None and allocation is not None:
        causes.unchanged("status.allocation", allocation, had, IMMUTABLE)
    elif allocation is not None:
        _allocation(
            allocation, "status.allocation", request_names(spec.get("devices") or {}), causes
        )


def _user(value: Object, path: str, causes: Causes) -> None:
    for key in ("resource", "name", "uid"):
        if not value.get(key):
            causes.required(f"{path}.{key}")


def _allocation(value: Object, path: str, known: Known, causes: Causes) -> None:
    devices, path_of = value.get("devices") or {}, f"{path}.devices"

    def result(one: Object, where: str, found: Causes) -> None:
        request_reference(one.get("request") or "", known, f"{where}.request", found)
        csi_driver_name(one.get("driver") or "", f"{where}.driver", found)
        pool_name(one.get("pool") or "", f"{where}.pool", found)
        label(one.get("device") or "", f"{where}.device", found)
        binding(one, where, found)
        tolerations(one.get("tolerations") or [], f"{where}.tolerations", found)
        if one.get("shareID") is not None:
            uid(one["shareID"], f"{where}.shareID", found)

    def reference(name: str, where: str, found: Causes) -> None:
        request_reference(name, known, where, found)

    def told(one: Object, where: str, found: Causes) -> None:
        found.one_of(f"{where}.source", one.get("source"), ("FromClaim", "FromClass"))
        requests = one.get("requests") or []
        each(requests, _RESULTS_MAX, reference, f"{where}.requests", found, str)
        config(one, where, found)

    each(devices.get("results") or [], _RESULTS_MAX, result, f"{path_of}.results", causes)
    each(devices.get("config") or [], 2 * _RESULTS_MAX, told, f"{path_of}.config", causes)
    if value.get("nodeSelector") is not None:
        node_selector(value["nodeSelector"], f"{path}.nodeSelector", causes)


def _identity(value: Object) -> str:
    parts = [value.get(key) or "" for key in ("driver", "pool", "device")]
    share = value.get("shareID")
    return "/".join([*parts, share] if share else parts)


def _devices(new: Object, causes: Causes) -> None:
    results = ((new.get("allocation") or {}).get("devices") or {}).get("results") or ()
    allocated = {_identity(result) for result in results}

    def device(value: Object, path: str, found: Causes) -> None:
        csi_driver_name(value.get("driver") or "", f"{path}.driver", found)
        pool_name(value.get("pool") or "", f"{path}.pool", found)
        label(value.get("device") or "", f"{path}.device", found)
        if value.get("shareID") is not None:
            uid(value["shareID"], f"{path}.shareID", found)
        if _identity(value) not in allocated:
            found.invalid(path, _identity(value), "must be an allocated device in the claim")
        listed = value.get("conditions") or []
        if len(listed) > _CONDITIONS_MAX:
            found.too_many(f"{path}.conditions", len(listed), _CONDITIONS_MAX)
        conditions(listed, f"{path}.conditions", found)
        if value.get("data") is not None:
            raw(value["data"], f"{path}.data", _DATA_MAX_BYTES, found)

    each(new.get("devices") or [], -1, device, "status.devices", causes, _identity)
