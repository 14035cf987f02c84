"""The environment of a container, its command and arguments. Pure.

As in the kubelet: envFrom first, then env in order, where `$(NAME)` sees what was defined before and
the service variables; service variables that the Pod does not define itself come last.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence

from roost.api.kind import Resource
from roost.api.values import Object
from roost.decisions.resources import CONFIG_MAPS
from roost.node.downward import Surroundings, field_value, resource_value
from roost.node.sources import SECRETS, Refused, Sources

_CONFIG_ERROR = "CreateContainerConfigError"
_WORDS = {"configmaps": ("configmap", "ConfigMap"), "secrets": ("secret", "Secret")}


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value; `$$` is a dollar; an unknown name stays as it is."""
    if "$" not in text:
        return text
    out: list[str] = []
    at = 0
    while at < len(text):
        mark = text.find("$", at)
        if mark < 0 or mark + 1 >= len(text):
            out.append(text[at:])
            break
        out.append(text[at:mark])
        following = text[mark + 1]
        end = text.find(")", mark + 2) if following == "(" else -1
        if following == "$":
            out.append("$")
            at = mark + 2
        elif end >= 0:
            name = text[mark + 2 : end]
            out.append(values.get(name, text[mark : end + 1]))
            at = end + 1
        else:
            out.append("$" + following)
            at = mark + 2
    return "".join(out)


def _data_of(resource: Resource, obj: Object) -> dict[str, str]:
    if resource == CONFIG_MAPS:
        return dict(obj.get("data") or {})
    return {
        key: base64.b64decode(value).decode("utf-8", "surrogateescape")
        for key, value in (obj.get("data") or {}).items()
    }


def _values_of(
    resource: Resource, source: Object, namespace: str, sources: Sources
) -> dict[str, str] | None:
    """Return an object's data; None where it is absent and optional."""
    name = source.get("name", "")
    obj = sources.find(resource, namespace, name)
    if obj is None:
        if source.get("optional"):
            return None
        raise Refused(_CONFIG_ERROR, f'{_WORDS[resource.plural][0]} "{name}" not found')
    return _data_of(resource, obj)


def _from_key(resource: Resource, source: Object, namespace: str, sources: Sources) -> str | None:
    values = _values_of(resource, source, namespace, sources)
    if values is None:
        return None
    key = source["key"]
    if key in values:
        return values[key]
    if source.get("optional"):
        return None
    word = _WORDS[resource.plural][1]
    raise Refused(
        _CONFIG_ERROR, f"couldn't find key {key} in {word} {namespace}/{source.get('name')}"
    )


def _value_from(
    pod: Object, container: Object, origin: Object, sources: Sources, around: Surroundings
) -> str | None:
    namespace = pod["metadata"].get("namespace", "")
    if "fieldRef" in origin:
        return field_value(pod, origin["fieldRef"]["fieldPath"], around)
    if "resourceFieldRef" in origin:
        return resource_value(pod, origin["resourceFieldRef"], container["name"], around)
    if "configMapKeyRef" in origin:
        return _from_key(CONFIG_MAPS, origin["configMapKeyRef"], namespace, sources)
    if "secretKeyRef" in origin:
        return _from_key(SECRETS, origin["secretKeyRef"], namespace, sources)
    raise Refused(_CONFIG_ERROR, f"unsupported env source: {', '.join(sorted(origin))}")


def environment(
    pod: Object,
    container: Object,
    sources: Sources,
    around: Surroundings,
    services: Iterable[Object],
) -> dict[str, str]:
    """Return the container's variables in order; raises Refused where a source is missing."""
    namespace = pod["metadata"].get("namespace", "")
    from_services = service_variables(
        services, namespace, links=pod["spec"].get("enableServiceLinks", True) is not False
    )
    found: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        prefix = source.get("prefix") or ""
        for field, resource in (("configMapRef", CONFIG_MAPS), ("secretRef", SECRETS)):
            if field in source:
                values = _values_of(resource, source[field], namespace, sources) or {}
                found.update({prefix + key: values[key] for key in sorted(values)})
    for variable in container.get("env") or ():
        origin = variable.get("valueFrom")
        if origin:
            value = _value_from(pod, container, origin, sources, around)
        else:
            value = expand(variable.get("value") or "", {**from_services, **found})
        if value is not None:
            found[variable["name"]] = value
    for name, value in from_services.items():
        found.setdefault(name, value)
    return found


def command_line(
    container: Object, values: Mapping[str, str]
) -> tuple[Sequence[str], Sequence[str]]:
    """Return (command, args) with variables filled in."""
    command = tuple(expand(word, values) for word in container.get("command") or ())
    args = tuple(expand(word, values) for word in container.get("args") or ())
    return command, args


def service_variables(services: Iterable[Object], namespace: str, *, links: bool) -> dict[str, str]:
    """Return the variables that tell of services: the API server's always, the namespace's by
    enableServiceLinks."""
    chosen: dict[str, Object] = {}
    for service in services:
        metadata = service["metadata"]
        cluster_ip = service.get("spec", {}).get("clusterIP")
        if not cluster_ip or cluster_ip == "None":
            continue
        name, home = metadata["name"], metadata.get("namespace", "")
        if home == "default" and name == "kubernetes":
            chosen.setdefault(name, service)
        elif links and home == namespace:
            chosen[name] = service
    found: dict[str, str] = {}
    for name in sorted(chosen):
        _describe(found, name, chosen[name]["spec"])
    return found


def _describe(found: dict[str, str], name: str, spec: Object) -> None:
    prefix = name.upper().replace("-", "_")
    ip, ports = spec["clusterIP"], spec.get("ports") or ()
    if not ports:
        return
    host = f"[{ip}]" if ":" in ip else ip
    found[f"{prefix}_SERVICE_HOST"] = ip
    found[f"{prefix}_SERVICE_PORT"] = str(ports[0]["port"])
    for port in ports:
        if port.get("name"):
            suffix = port["name"].upper().replace("-", "_")
            found[f"{prefix}_SERVICE_PORT_{suffix}"] = str(port["port"])
    for index, port in enumerate(ports):
        protocol = (port.get("protocol") or "TCP").lower()
        number = port["port"]
        url = f"{protocol}://{host}:{number}"
        if index == 0:
            found[f"{prefix}_PORT"] = url
        stem = f"{prefix}_PORT_{number}_{protocol.upper()}"
        found[stem] = url
        found[f"{stem}_PROTO"] = protocol
        found[f"{stem}_PORT"] = str(number)
        found[f"{stem}_ADDR"] = ip
