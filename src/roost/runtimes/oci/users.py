"""Who a container's process is: uid, gid and groups, from the spec and the image's own files. Pure.

The texts of refusals are the kubelet's, since users search for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from roost.runtimes.port import RuntimeFault, Security

_MAX_ID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Identity:
    """A process's user, group and further groups."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def _rows(text: str, width: int) -> Iterator[list[str]]:
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= width and not line.startswith("#"):
            yield fields


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and int(text) <= _MAX_ID else None


def _find_user(passwd: str, wanted: str) -> tuple[str, int, int] | None:
    """Return (name, uid, gid) of a user by name or, failing that, by number."""
    number = _number(wanted)
    by_number = None
    for row in _rows(passwd, 4):
        uid, gid = _number(row[2]), _number(row[3])
        if uid is None or gid is None:
            continue
        if row[0] == wanted:
            return row[0], uid, gid
        if uid == number and by_number is None:
            by_number = (row[0], uid, gid)
    return by_number


def _find_group(group: str, wanted: str) -> int | None:
    for row in _rows(group, 3):
        if row[0] == wanted:
            return _number(row[2])
    return _number(wanted)


def _memberships(group: str, name: str) -> list[int]:
    found = []
    for row in _rows(group, 4):
        gid = _number(row[2])
        if gid is not None and name in row[3].split(","):
            found.append(gid)
    return found


def resolve(security: Security, image_user: str, passwd: str, group: str, whose: str) -> Identity:
    """Return who the process is.

    `image_user` is the image's User, `passwd` and `group` its /etc files, `whose` the kubelet's suffix
    that names the pod and the container. Raises RuntimeFault (CreateContainerConfigError).
    """
    wanted = security.user_name or image_user
    user_part, _, group_part = wanted.partition(":")
    if security.user is not None:
        user_part, group_part = str(security.user), ""
    _verify_non_root(security, user_part, whose)
    found = _find_user(passwd, user_part) if user_part else None
    uid = found[1] if found else _number(user_part or "0")
    if uid is None:
        raise RuntimeFault(
            "CreateContainerError",
            f"unable to find user {user_part}: no matching entries in passwd file",
        )
    gid = found[2] if found else 0
    if security.group is not None:
        gid = security.group
    elif group_part:
        named = _find_group(group, group_part)
        if named is None:
            raise RuntimeFault(
                "CreateContainerError",
                f"unable to find group {group_part}: no matching entries in group file",
            )
        gid = named
    if security.run_as_non_root and uid == 0:
        raise _root_refused(whose)
    name = found[0] if found else ""
    extra = [*(_memberships(group, name) if name else []), *security.supplemental_groups]
    return Identity(uid, gid, tuple(dict.fromkeys(extra)))


def _verify_non_root(security: Security, user: str, whose: str) -> None:
    if not security.run_as_non_root:
        return
    if security.user == 0:
        raise RuntimeFault(
            "CreateContainerConfigError",
            f"container's runAsUser breaks non-root policy {whose}",
        )
    if security.user is None and user and _number(user) is None:
        raise RuntimeFault(
            "CreateContainerConfigError",
            f"container has runAsNonRoot and image has non-numeric user ({user}), "
            f"cannot verify user is non-root {whose}",
        )
    if not user:
        raise _root_refused(whose)


def _root_refused(whose: str) -> RuntimeFault:
    return RuntimeFault(
        "CreateContainerConfigError",
        f"container has runAsNonRoot and image will run as root {whose}",
    )
