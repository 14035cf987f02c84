"""Defaults of containers, and of the probes, hooks, ports and resources inside them."""

from __future__ import annotations

import re
from functools import lru_cache

from roost.api.defaults.quantities import round_up
from roost.api.values import Object

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS = ("postStart", "preStop")


_PART = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_HOST = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_HOST}(?:\.{_HOST})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_reference = re.compile(
    rf"(?:{_DOMAIN}/)?{_PART}(?:/{_PART})*(?::(?P<tag>\w[\w.-]{{0,127}}))?"
    r"(?P<digest>@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?",
    re.ASCII,
).fullmatch
_identifier = re.compile("[a-f0-9]{64}").fullmatch


@lru_cache(maxsize=4096)
def pull_policy(image: str) -> str:
    """Return Always for an image without tag and digest or with the tag latest, else IfNotPresent.

    A text that names no image has no tag either, so it is not pulled always.
    """
    found = _reference(image)
    if not found or _identifier(image):
        return "IfNotPresent"
    tag = found["tag"] or ("" if found["digest"] else "latest")
    return "Always" if tag == "latest" else "IfNotPresent"


def container(value: Object) -> None:
    """Fill in one container: regular, init or ephemeral."""
    if not value.get("imagePullPolicy"):
        value["imagePullPolicy"] = pull_policy(value.get("image") or "")
    if not value.get("terminationMessagePath"):
        value["terminationMessagePath"] = "/dev/termination-log"
    if not value.get("terminationMessagePolicy"):
        value["terminationMessagePolicy"] = "File"
    resources = value.get("resources")
    if resources is None:
        value["resources"] = {}
    elif resources:
        round_up(resources.get("limits"))
        round_up(resources.get("requests"))
    for port in value.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
    for variable in value.get("env") or ():
        source = variable.get("valueFrom")
        if source:
            field_ref(source.get("fieldRef"))
            resource_field_ref(source.get("resourceFieldRef"))
            file_key_ref(source.get("fileKeyRef"))
    for name in _PROBES:
        found = value.get(name)
        if found is not None:
            probe(found)
    lifecycle = value.get("lifecycle")
    if lifecycle:
        for name in _HOOKS:
            hook = lifecycle.get(name)
            if hook:
                http_get(hook.get("httpGet"))


def probe(value: Object) -> None:
    """Fill in one probe."""
    http_get(value.get("httpGet"))
    grpc = value.get("grpc")
    if grpc is not None and grpc.get("service") is None:
        grpc["service"] = ""
    if not value.get("timeoutSeconds"):
        value["timeoutSeconds"] = 1
    if not value.get("periodSeconds"):
        value["periodSeconds"] = 10
    if not value.get("successThreshold"):
        value["successThreshold"] = 1
    if not value.get("failureThreshold"):
        value["failureThreshold"] = 3


def http_get(value: Object | None) -> None:
    """Fill in an HTTP request of a probe or hook."""
    if value is None:
        return
    if not value.get("path"):
        value["path"] = "/"
    if not value.get("scheme"):
        value["scheme"] = "HTTP"


def field_ref(value: Object | None) -> None:
    """Fill in a reference to a field of the pod."""
    if value is not None and not value.get("apiVersion"):
        value["apiVersion"] = "v1"


def resource_field_ref(value: Object | None) -> None:
    """Fill in a reference to a container's resource; an unset divisor is written as 0."""
    if value is not None and value.get("divisor") is None:
        value["divisor"] = "0"


def file_key_ref(value: Object | None) -> None:
    """Fill in a reference to a key of a file in a volume."""
    if value is not None and value.get("optional") is None:
        value["optional"] = False


def requests_from_limits(value: Object) -> None:
    """Make each limit without a request a request too (pods only, not templates)."""
    resources = value.get("resources")
    limits = resources.get("limits") if resources else None
    if not resources or not limits:
        return
    requests = resources.get("requests")
    if requests is None:
        requests = resources["requests"] = {}
    for name, quantity in limits.items():
        requests.setdefault(name, quantity)


def host_ports(value: Object) -> None:
    """Make container ports host ports, for pods in the host's network."""
    for port in value.get("ports") or ():
        if not port.get("hostPort"):
            port["hostPort"] = port.get("containerPort", 0)
