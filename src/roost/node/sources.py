"""What a pod refers to outside itself, and the values found there. Pure.

The shell (references.py) keeps the named objects fresh; decisions see them as one `Sources` value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from roost.api.kind import Resource
from roost.api.values import Object
from roost.decisions.resources import (
    CONFIG_MAPS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
)
from roost.node import podspec

SECRETS = Resource("", "v1", "secrets")
RUNTIME_CLASSES = Resource("node.k8s.io", "v1", "runtimeclasses")


class Refused(Exception):
    """A pod asks for what cannot be given; `reason` is what its status or event shows."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class NotYetKnown(Refused):
    """An object the pod refers to has not been read yet: ask again when it has."""

    def __init__(self, message: str) -> None:
        super().__init__("CreateContainerConfigError", message)


@dataclass(frozen=True, slots=True)
class Ref:
    """An object that a pod names."""

    resource: Resource
    namespace: str
    name: str

    def __lt__(self, other: Ref) -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[str, str, str]:
        return self.resource.plural, self.namespace, self.name


@dataclass(frozen=True, slots=True, order=True)
class TokenRef:
    """A service account token that a pod mounts."""

    audience: str
    expiration_s: int


@dataclass(frozen=True, slots=True)
class Sources:
    """What is known of the objects a pod names; a value of None means: it does not exist."""

    objects: Mapping[Ref, Object | None] = field(default_factory=dict)
    tokens: Mapping[TokenRef, str] = field(default_factory=dict)

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return the object, None where there is none; raises NotYetKnown."""
        ref = Ref(resource, namespace, name)
        if ref not in self.objects:
            kind = _KIND_WORDS.get(resource.plural, resource.plural)
            raise NotYetKnown(f'failed to sync {kind} cache: {kind} "{name}" is not read yet')
        return self.objects[ref]


_KIND_WORDS = {
    "configmaps": "configmap",
    "secrets": "secret",
    "runtimeclasses": "runtimeclass",
    "persistentvolumeclaims": "persistentvolumeclaim",
    "persistentvolumes": "persistentvolume",
}


def _env_refs(pod: Object) -> Iterable[tuple[Resource, str]]:
    for _, container in podspec.containers(pod):
        for source in container.get("envFrom") or ():
            if "configMapRef" in source:
                yield CONFIG_MAPS, source["configMapRef"].get("name", "")
            if "secretRef" in source:
                yield SECRETS, source["secretRef"].get("name", "")
        for variable in container.get("env") or ():
            origin = variable.get("valueFrom") or {}
            if "configMapKeyRef" in origin:
                yield CONFIG_MAPS, origin["configMapKeyRef"].get("name", "")
            if "secretKeyRef" in origin:
                yield SECRETS, origin["secretKeyRef"].get("name", "")


def _volume_refs(pod: Object) -> Iterable[tuple[Resource, str]]:
    for volume in pod["spec"].get("volumes") or ():
        if "configMap" in volume:
            yield CONFIG_MAPS, volume["configMap"].get("name", "")
        if "secret" in volume:
            yield SECRETS, volume["secret"].get("secretName", "")
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "configMap" in source:
                yield CONFIG_MAPS, source["configMap"].get("name", "")
            if "secret" in source:
                yield SECRETS, source["secret"].get("name", "")
        claim = claim_of(pod, volume)
        if claim:
            yield PERSISTENT_VOLUME_CLAIMS, claim


def claim_of(pod: Object, volume: Object) -> str:
    """Return the name of the claim behind a volume; "" if there is none."""
    if "persistentVolumeClaim" in volume:
        name: str = volume["persistentVolumeClaim"]["claimName"]
        return name
    if "ephemeral" in volume:
        return f"{pod['metadata']['name']}-{volume['name']}"
    return ""


def references_of(pod: Object, known: Mapping[Ref, Object | None]) -> frozenset[Ref]:
    """Return the objects a pod names, and those which these name in turn, as far as `known`."""
    namespace = pod["metadata"].get("namespace", "")
    found = {
        Ref(resource, namespace, name)
        for resource, name in (*_env_refs(pod), *_volume_refs(pod))
        if name
    }
    for secret in pod["spec"].get("imagePullSecrets") or ():
        if secret.get("name"):
            found.add(Ref(SECRETS, namespace, secret["name"]))
    runtime_class = pod["spec"].get("runtimeClassName")
    if runtime_class:
        found.add(Ref(RUNTIME_CLASSES, "", runtime_class))
    for ref in tuple(found):
        if ref.resource == PERSISTENT_VOLUME_CLAIMS:
            volume = ((known.get(ref) or {}).get("spec") or {}).get("volumeName")
            if volume:
                found.add(Ref(PERSISTENT_VOLUMES, "", volume))
    return frozenset(found)


def tokens_of(pod: Object) -> frozenset[TokenRef]:
    """Return the service account tokens a pod mounts."""
    return frozenset(
        token_ref(source["serviceAccountToken"])
        for volume in pod["spec"].get("volumes") or ()
        for source in (volume.get("projected") or {}).get("sources") or ()
        if "serviceAccountToken" in source
    )


def token_ref(source: Object) -> TokenRef:
    """Return what token a projected source asks for."""
    return TokenRef(source.get("audience") or "", int(source.get("expirationSeconds") or 3600))
