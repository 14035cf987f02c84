"""Which pods a Service means, and at which ports. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from roost.api.values import Object
from roost.decisions.controller import Caches, Key
from roost.decisions.meta import deleting, labels_of, name_of, namespace_of
from roost.decisions.pods import finished
from roost.decisions.resources import SERVICES

#: Index of Services by one pair of their selector: {BY_SELECTOR: by_selector}.
BY_SELECTOR = "selector"
HEADLESS_LABEL = "service.kubernetes.io/headless"


def selector_of(service: Object) -> Mapping[str, str]:
    """Return the selector; empty if endpoints are not made from pods."""
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return {}
    return spec.get("selector") or {}


def by_selector(service: Object) -> Iterable[str]:
    """Index: the first pair of the selector, which every pod that is meant must have."""
    selector = selector_of(service)
    if not selector:
        return ()
    key = min(selector)
    return (f"{namespace_of(service)}/{key}={selector[key]}",)


def service_keys(pod: Object, caches: Caches) -> Iterable[Key]:
    """Return the keys of the Services that mean a pod."""
    namespace, labels = namespace_of(pod), labels_of(pod)
    services = caches[SERVICES]
    for key, value in labels.items():
        for service in services.by(BY_SELECTOR, f"{namespace}/{key}={value}"):
            if selector_of(service).items() <= labels.items():
                yield Key(namespace, name_of(service))


def selected_pods(pods: Iterable[Object], service: Object) -> tuple[Object, ...]:
    """Return those of `pods` (of the service's namespace) that it means."""
    wanted = selector_of(service).items()
    return tuple(pod for pod in pods if wanted <= labels_of(pod).items())


def headless(service: Object) -> bool:
    return bool(service["spec"].get("clusterIP") == "None")


def publishes_not_ready(service: Object) -> bool:
    return bool(service["spec"].get("publishNotReadyAddresses"))


def is_endpoint(pod: Object, *, terminating: bool) -> bool:
    """Say whether a pod can be an endpoint: it has an address and has not finished."""
    status = pod.get("status") or {}
    if finished(pod) or not (status.get("podIP") or status.get("podIPs")):
        return False
    return terminating or not deleting(pod)


def target_port(pod: Object, port: Object) -> int | None:
    """Return the number behind a service port on one pod; None if it has no port of that name."""
    target = port.get("targetPort") or port["port"]
    if isinstance(target, int):
        return target
    spec = pod["spec"]
    sidecars = (c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always")
    for container in (*(spec.get("containers") or ()), *sidecars):
        for candidate in container.get("ports") or ():
            same = candidate.get("protocol", "TCP") == port.get("protocol", "TCP")
            if candidate.get("name") == target and same:
                number: int = candidate["containerPort"]
                return number
    return None


def resolved_ports(service: Object, pod: Object) -> tuple[tuple[tuple[str, str | int], ...], ...]:
    """Return the ports of a service on one pod, each as the items of an EndpointPort."""
    found = []
    for port in service["spec"].get("ports") or ():
        number = target_port(pod, port)
        if number is None:
            continue
        items: list[tuple[str, str | int]] = [
            ("name", port.get("name", "")),
            ("port", number),
            ("protocol", port.get("protocol", "TCP")),
        ]
        if port.get("appProtocol"):
            items.append(("appProtocol", port["appProtocol"]))
        found.append(tuple(items))
    return tuple(found)


def address_of(pod: Object, *, ipv6: bool) -> str:
    """Return the pod's address of one family, "" if it has none."""
    status = pod.get("status") or {}
    addresses = [item["ip"] for item in status.get("podIPs") or ()] or [status.get("podIP", "")]
    return next((a for a in addresses if a and (":" in a) == ipv6), "")


def hostname_of(pod: Object, service: Object) -> str:
    """Return the name under which a pod is found below the service's own, "" if none."""
    spec = pod["spec"]
    if spec.get("hostname") and spec.get("subdomain") == name_of(service):
        hostname: str = spec["hostname"]
        return hostname
    return ""


def pod_reference(pod: Object) -> Object:
    """Return the targetRef of an endpoint."""
    metadata = pod["metadata"]
    return {
        "kind": "Pod",
        "namespace": metadata.get("namespace", ""),
        "name": metadata["name"],
        "uid": metadata.get("uid", ""),
    }
