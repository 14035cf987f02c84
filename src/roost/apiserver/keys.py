"""Where an object lies in the store: `/registry/GROUP/PLURAL/[NAMESPACE/]NAME`.

The core group is called `core` there.

The third slash-separated part and the fourth make the topic of a change: one per stored resource.
"""

from __future__ import annotations

from typing import Final

from roost.api.kind import Kind

ROOT: Final = "/registry/"


def storage_group(kind: Kind) -> str:
    """Return the group under which a kind's objects are stored."""
    return kind.group if kind.storage_group is None else kind.storage_group


def storage_version(kind: Kind) -> str:
    return kind.version if kind.storage_version is None else kind.storage_version


def prefix_of(kind: Kind, namespace: str = "") -> str:
    """Return what all keys of a kind (in a namespace) start with."""
    base = f"{ROOT}{storage_group(kind) or 'core'}/{kind.plural}/"
    return f"{base}{namespace}/" if namespace and kind.namespaced else base


def key_of(kind: Kind, namespace: str, name: str) -> str:
    if kind.namespaced:
        return f"{ROOT}{storage_group(kind) or 'core'}/{kind.plural}/{namespace}/{name}"
    return f"{ROOT}{storage_group(kind) or 'core'}/{kind.plural}/{name}"


def topic_of(key: str) -> str:
    """Return the topic (the prefix without namespace) of a key."""
    end = key.index("/", key.index("/", len(ROOT)) + 1)
    return key[: end + 1]


def shown_key(kind: Kind, namespace: str, name: str) -> str:
    """Return the key as the real server's messages spell it."""
    plural = "services/specs" if (kind.group, kind.plural) == ("", "services") else kind.plural
    return f"/registry/{plural}/{namespace}/{name}" if namespace else f"/registry/{plural}/{name}"
