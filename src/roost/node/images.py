"""Pull policies, pull secrets and the names of images. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable

from roost.api.values import Object
from roost.node.sources import SECRETS, Sources
from roost.runtimes.port import Credentials

_DOCKER_HUB = "docker.io"


def pull_policy(container: Object) -> str:
    """Return Always, IfNotPresent or Never; `:latest` or no tag means Always."""
    policy: str | None = container.get("imagePullPolicy")
    if policy:
        return policy
    image = container.get("image") or ""
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    return "Always" if "@" not in image and tag in {"", "latest"} else "IfNotPresent"


def registry_of(image: str) -> str:
    """Return the registry host of an image reference."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first
    return _DOCKER_HUB


def credentials_of(pod: Object, sources: Sources) -> dict[str, Credentials]:
    """Return credentials by registry host from the pod's imagePullSecrets; what is missing or
    cannot be read is left out, as the kubelet does (it then pulls without)."""
    namespace = pod["metadata"].get("namespace", "")
    found: dict[str, Credentials] = {}
    for reference in pod["spec"].get("imagePullSecrets") or ():
        name = reference.get("name") or ""
        secret = sources.find(SECRETS, namespace, name) if name else None
        for host, one in _entries(secret or {}):
            found.setdefault(_host(host), _credentials(one))
    return found


def missing_secrets(pod: Object, sources: Sources) -> list[str]:
    """Return the names of pull secrets that do not exist."""
    namespace = pod["metadata"].get("namespace", "")
    names = [one.get("name") or "" for one in pod["spec"].get("imagePullSecrets") or ()]
    return [name for name in names if name and sources.find(SECRETS, namespace, name) is None]


def _entries(secret: Object) -> Iterable[tuple[str, Object]]:
    data = secret.get("data") or {}
    try:
        if ".dockerconfigjson" in data:
            found = json.loads(base64.b64decode(data[".dockerconfigjson"])).get("auths") or {}
        elif ".dockercfg" in data:
            found = json.loads(base64.b64decode(data[".dockercfg"]))
        else:
            return ()
    except (ValueError, binascii.Error, AttributeError):
        return ()
    return [(host, one) for host, one in found.items() if isinstance(one, dict)]


def _host(written: str) -> str:
    """Return the host of a key in the file, which may be a URL: https://index.docker.io/v1/."""
    host = written.partition("://")[2] or written
    host = host.partition("/")[0]
    return _DOCKER_HUB if host in {"index.docker.io", "registry-1.docker.io"} else host


def _credentials(one: Object) -> Credentials:
    username, password = one.get("username") or "", one.get("password") or ""
    if one.get("auth") and not username:
        try:
            username, _, password = base64.b64decode(one["auth"]).decode().partition(":")
        except (ValueError, binascii.Error):
            username = password = ""
    return Credentials(username, password, one.get("registrytoken") or "")


def go_duration(seconds: float) -> str:
    """Return a duration as Go prints it in messages: 1.234s, 350ms, 1m2.5s."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{int(minutes)}m{rest:g}s" if minutes else f"{rest:g}s"
