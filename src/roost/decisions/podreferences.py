"""Which Secrets, ConfigMaps and claims a pod names, wherever in its spec it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from roost.api.values import Object

_ENV_KEYS: Final = (
    ("secretKeyRef", "secrets"),
    ("configMapKeyRef", "configmaps"),
    ("secretRef", "secrets"),
    ("configMapRef", "configmaps"),
)
#: Volume source of a pod -> where in it the name of a secret is.
_SECRETS: Final = {
    "azureFile": ("secretName",),
    "secret": ("secretName",),
    "cephfs": ("secretRef", "name"),
    "csi": ("nodePublishSecretRef", "name"),
    "flexVolume": ("secretRef", "name"),
    "iscsi": ("secretRef", "name"),
    "rbd": ("secretRef", "name"),
    "scaleIO": ("secretRef", "name"),
    "storageos": ("secretRef", "name"),
}


def references(pod: Object) -> Iterator[tuple[str, str]]:
    """Yield (plural, name) of each object that a pod names, in its own namespace."""
    spec = pod.get("spec") or {}
    for secret in spec.get("imagePullSecrets") or ():
        if secret.get("name"):
            yield "secrets", secret["name"]
    yield from _environment(spec)
    for volume in spec.get("volumes") or ():
        yield from _volume(volume, pod["metadata"].get("name", ""))


def _environment(spec: Object) -> Iterator[tuple[str, str]]:
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            variables = container.get("env") or ()
            sources = [found for item in variables if (found := item.get("valueFrom"))]
            for source in (*sources, *(container.get("envFrom") or ())):
                for key, plural in _ENV_KEYS:
                    if name := (source.get(key) or {}).get("name"):
                        yield plural, name


def _volume(volume: Object, pod: str) -> Iterator[tuple[str, str]]:
    for source, path in _SECRETS.items():
        if source in volume and (name := _walk(volume[source], path)):
            yield "secrets", name
    if config := (volume.get("configMap") or {}).get("name"):
        yield "configmaps", config
    if claim := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
        yield "persistentvolumeclaims", claim
    if "ephemeral" in volume:
        yield "persistentvolumeclaims", f"{pod}-{volume.get('name', '')}"
    for source in (volume.get("projected") or {}).get("sources") or ():
        for key, plural in (("secret", "secrets"), ("configMap", "configmaps")):
            if projected := (source.get(key) or {}).get("name"):
                yield plural, projected


def _walk(value: object, path: Iterable[str]) -> str:
    """Return the text at a path of fields; "" if there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
