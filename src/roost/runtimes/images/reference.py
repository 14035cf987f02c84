"""Names of images: reading "nginx", "ghcr.io/a/b:tag", "localhost:5000/x@sha256:...". Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace

_DOMAIN_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(
    rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[[0-9a-fA-F:]+\])(?::(?P<port>[0-9]+))?"
)
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PATH_PART}(?:/{_PATH_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HEX = re.compile(r"[0-9a-f]{64}")
_DOCKER_HUB = "docker.io"
_MAX_NAME = 255


class InvalidName(ValueError):
    """A text that names no image."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An image's name. At most one of `tag` and `digest` decides: the digest, if there is one."""

    registry: str  # host or host:port, as people write it: "docker.io"
    repository: str  # "library/nginx"
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The name without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def version(self) -> str:
        """What a registry is asked for."""
        return self.digest or self.tag

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return self.name + tag + (f"@{self.digest}" if self.digest else "")

    def tagged(self) -> str:
        """Return the full name with the tag alone, "" without one."""
        return f"{self.name}:{self.tag}" if self.tag else ""

    def pinned(self, digest: str) -> str:
        """Return the full name with a digest alone."""
        return str(replace(self, tag="", digest=digest))


def parse(text: str) -> Reference:
    """Read a name; without tag and digest the tag is latest. Raises InvalidName."""
    rest, _, digest = text.partition("@")
    if "@" in text and not _DIGEST.fullmatch(digest):
        raise InvalidName(f'couldn\'t parse image name "{text}": invalid reference format')
    first, slash, remainder = rest.partition("/")
    # The first part is a host if it could not be anything else.
    if slash and ("." in first or ":" in first or first == "localhost" or first.lower() != first):
        registry, path = first, remainder
    else:
        registry, path = _DOCKER_HUB, rest
    path, colon, tag = path.partition(":")
    if registry in {_DOCKER_HUB, "index.docker.io"}:
        registry = _DOCKER_HUB
        path = path if "/" in path else f"library/{path}"
    domain = _DOMAIN.fullmatch(registry)
    if domain is None or int(domain["port"] or 0) > 65535 or (colon and not _TAG.fullmatch(tag)):
        raise InvalidName(f'couldn\'t parse image name "{text}": invalid reference format')
    if not _PATH.fullmatch(path):
        why = "invalid reference format"
        if path != path.lower() and _PATH.fullmatch(path.lower()):
            why += ": repository name must be lowercase"
        raise InvalidName(f'couldn\'t parse image name "{text}": {why}')
    if len(path) > _MAX_NAME or _HEX.fullmatch(rest):  # the latter is an id
        raise InvalidName(f'couldn\'t parse image name "{text}": invalid reference format')
    if not tag and not digest:
        tag = "latest"
    return Reference(registry, path, tag, digest)


def is_loopback(host: str) -> bool:
    """Return whether a host, with or without a port, is this machine by its name alone."""
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    name = name.strip("[]")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
