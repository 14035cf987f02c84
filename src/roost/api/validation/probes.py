"""Rules for probes, lifecycle hooks and what they call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from roost.api import names
from roost.api.validation.causes import Causes
from roost.api.values import Object, Value

_ONE_HANDLER = "may not specify more than 1 handler type"
_COUNTS = (
    "initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold",
    "failureThreshold",
)  # fmt: skip

_Handler: TypeAlias = Callable[[Object, int | None, str, Causes], None]


def port_or_name(port: Value, path: str, causes: Causes) -> None:
    """Check a port given by number or by name."""
    if isinstance(port, str):
        causes.faults(path, port, names.check_port_name(port))
    else:
        causes.faults(path, port or 0, names.check_port_number(port or 0))


def _exec(value: Object, _grace: int | None, path: str, causes: Causes) -> None:
    if not value.get("command"):
        causes.required(f"{path}.command")


def _http_get(value: Object, _grace: int | None, path: str, causes: Causes) -> None:
    if not value.get("path"):
        causes.required(f"{path}.path")
    port_or_name(value.get("port"), f"{path}.port", causes)
    if value.get("scheme") not in ("HTTP", "HTTPS"):
        causes.not_supported(f"{path}.scheme", value.get("scheme") or "", ("HTTP", "HTTPS"))
    for header in value.get("httpHeaders") or ():
        name = header.get("name") or ""
        causes.faults(f"{path}.httpHeaders", name, names.check_http_header(name))


def _port(value: Object, _grace: int | None, path: str, causes: Causes) -> None:
    port_or_name(value.get("port"), f"{path}.port", causes)


def _sleep(value: Object, grace: int | None, path: str, causes: Causes) -> None:
    seconds = value.get("seconds") or 0
    if grace is not None and not 0 <= seconds <= grace:
        text = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        causes.invalid(path, seconds, text)


_PROBE_HANDLERS: tuple[tuple[str, _Handler], ...] = (
    ("exec", _exec),
    ("httpGet", _http_get),
    ("tcpSocket", _port),
    ("grpc", _port),
)
_HOOK_HANDLERS: tuple[tuple[str, _Handler], ...] = (
    ("exec", _exec),
    ("httpGet", _http_get),
    ("tcpSocket", _port),
    ("sleep", _sleep),
)


def _handlers(
    value: Object,
    known: tuple[tuple[str, _Handler], ...],
    grace: int | None,
    path: str,
    causes: Causes,
) -> None:
    found = False
    for name, rule in known:
        action = value.get(name)
        if action is None:
            continue
        if found:
            causes.forbidden(f"{path}.{name}", _ONE_HANDLER)
        else:
            rule(action, grace, f"{path}.{name}", causes)
        found = True
    if not found:
        causes.required(path, "must specify a handler type")


def lifecycle(value: Object, grace: int | None, path: str, causes: Causes) -> None:
    """Check the hooks of a container; `grace` is the pod's grace period in seconds."""
    for name in ("postStart", "preStop"):
        if value.get(name) is not None:
            _handlers(value[name], _HOOK_HANDLERS, grace, f"{path}.{name}", causes)
    signal = value.get("stopSignal")
    if signal is not None and not str(signal).startswith("SIG"):
        causes.invalid(f"{path}.stopSignal", signal, "must be a valid signal name")


def _probe(value: Object, grace: int | None, path: str, causes: Causes) -> None:
    _handlers(value, _PROBE_HANDLERS, grace, path, causes)
    for name in _COUNTS:
        causes.not_negative(f"{path}.{name}", value.get(name))
    period = value.get("terminationGracePeriodSeconds")
    if period is not None and period <= 0:
        causes.invalid(f"{path}.terminationGracePeriodSeconds", period, "must be greater than 0")


def probes(container: Object, grace: int | None, path: str, causes: Causes) -> None:
    """Check the three probes of a container."""
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        value = container.get(name)
        if value is None:
            continue
        here = f"{path}.{name}"
        _probe(value, grace, here, causes)
        if name == "readinessProbe":
            period = value.get("terminationGracePeriodSeconds")
            if period is not None:
                text = "must not be set for readinessProbes"
                causes.invalid(f"{here}.terminationGracePeriodSeconds", period, text)
        elif value.get("successThreshold") != 1:
            number = value.get("successThreshold") or 0
            causes.invalid(f"{here}.successThreshold", number, "must be 1")
