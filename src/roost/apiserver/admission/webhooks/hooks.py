"""One webhook of a configuration, compiled; and where it is to be called."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from roost.api.kind import Resource
from roost.api.values import Object
from roost.apiserver.admission.expressions import Conditions, compile_conditions
from roost.apiserver.admission.matching import Criteria, criteria_of
from roost.apiserver.admission.port import Lookup
from roost.apiserver.admission.webhooks.port import CallFailed, Endpoint

_SERVICES: Final = Resource("", "v1", "services")
_HTTPS_PORT: Final = 443
_TIMEOUT_S: Final = 10
_VERSION: Final = "v1"
_HARMLESS: Final = frozenset({"None", "NoneOnDryRun"})


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook. `uid` tells it from others of its name; `again` is the IfNeeded of mutating ones."""

    configuration: str
    name: str
    uid: str
    criteria: Criteria
    conditions: Conditions
    client: Object
    ignores_failure: bool
    timeout_s: int
    again: bool
    #: May it be called for a request that must not have any effect?
    dry_runs: bool
    #: Does it understand the version of the question that we ask?
    speaks: bool


def hooks_of(configurations: Sequence[Object]) -> list[Hook]:
    """Compile the webhooks of configurations, in the order in which they are called."""
    found: list[Hook] = []
    for value in sorted(configurations, key=lambda value: str(value["metadata"]["name"])):
        seen: dict[str, int] = {}
        for webhook in value.get("webhooks") or ():
            name = webhook.get("name") or ""
            seen[name] = number = seen.get(name, -1) + 1
            configuration = value["metadata"]["name"]
            found.append(_hook(webhook, configuration, f"{configuration}/{name}/{number}"))
    return found


def _hook(value: Object, configuration: str, uid: str) -> Hook:
    ignores = value.get("failurePolicy") == "Ignore"
    return Hook(
        configuration,
        value.get("name") or "",
        uid,
        criteria_of(value, "rules"),
        compile_conditions(value.get("matchConditions") or (), ignores),
        value.get("clientConfig") or {},
        ignores,
        value.get("timeoutSeconds") or _TIMEOUT_S,
        value.get("reinvocationPolicy") == "IfNeeded",
        value.get("sideEffects") in _HARMLESS,
        _VERSION in (value.get("admissionReviewVersions") or ()),
    )


async def endpoint_of(hook: Hook, lookup: Lookup) -> Endpoint:
    """Return where a webhook is called. Raises CallFailed if it cannot be known."""
    return await endpoint_at(hook.client, lookup, hook.timeout_s)


async def endpoint_at(config: Object, lookup: Lookup, timeout_s: int) -> Endpoint:
    """Return what a clientConfig names. Raises CallFailed if it cannot be known."""
    try:
        ca = base64.b64decode(config.get("caBundle") or "").decode()
    except (binascii.Error, UnicodeDecodeError):
        raise CallFailed("unable to load root certificates: unable to parse bytes as PEM") from None
    service = config.get("service")
    if service is None:
        return Endpoint(config.get("url") or "", ca)
    name, namespace = service.get("name") or "", service.get("namespace") or ""
    port = service.get("port") or _HTTPS_PORT
    path = service.get("path") or ""
    url = f"https://{name}.{namespace}.svc:{port}/{path.removeprefix('/')}"
    found = await lookup.get(_SERVICES, name, namespace)
    try:
        return Endpoint(url, ca, _address(found, name, port))
    except CallFailed as error:
        raise CallFailed(f'Post "{url}?timeout={timeout_s}s": {error}') from None


def _address(service: Object | None, name: str, port: int) -> tuple[str, int]:
    if service is None:
        raise CallFailed(f'service "{name}" not found')
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return spec.get("externalName") or "", port
    address = spec.get("clusterIP") or "None"
    if address == "None":
        raise CallFailed('cannot route to service with ClusterIP "None"')
    if not any(each.get("port") == port for each in spec.get("ports") or ()):
        raise CallFailed(f'no service port {port} found for service "{name}"')
    return address, port
