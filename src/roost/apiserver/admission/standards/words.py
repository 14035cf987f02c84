"""What the checks of the Pod Security Standards share: who is at fault, and how that is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from roost.api.values import Object
from roost.apiserver.admission.base import containers_of, spec_of


@dataclass(frozen=True, slots=True)
class Violation:
    """One check that a pod does not pass."""

    reason: str
    detail: str = ""


Check: TypeAlias = Callable[[Object], Violation | None]
#: A check as it changed with time: the minor version of Kubernetes from which on each form counts.
Versions: TypeAlias = tuple[tuple[int, Check], ...]

GOOD_PROFILES = ("RuntimeDefault", "Localhost")


def quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def named(what: str, names: list[str]) -> str:
    """Return `container "a"` or `containers "a", "b"`."""
    return f"{what}{'s' if len(names) > 1 else ''} {quoted(names)}"


def containers(pod: Object) -> list[Object]:
    spec = spec_of(pod)
    ephemeral = spec.get("ephemeralContainers") or []
    return [*containers_of(spec), *ephemeral]


def context_of(holder: Object) -> Object:
    return holder.get("securityContext") or {}


def bad_containers(pod: Object, is_bad: Callable[[Object], bool]) -> list[str]:
    """Return the names of the containers whose security context is bad."""
    return [item.get("name", "") for item in containers(pod) if is_bad(context_of(item))]


def setters_of(pod: Object, is_bad: Callable[[Object], bool]) -> str:
    """Return who set something bad: the pod, containers, or both."""
    found = ["pod"] if is_bad(context_of(spec_of(pod))) else []
    names = bad_containers(pod, is_bad)
    if names:
        found.append(named("container", names))
    return " and ".join(found)


def is_windows(pod: Object) -> bool:
    return (spec_of(pod).get("os") or {}).get("name") == "windows"


def except_windows(check: Check) -> Check:
    """Return the check for pods that are not of Windows, which knows no such thing."""
    return lambda pod: None if is_windows(pod) else check(pod)


def except_own_users(check: Check) -> Check:
    """Return the check for pods whose users are those of the node."""
    return lambda pod: None if has_own_users(pod) else check(pod)


def has_own_users(pod: Object) -> bool:
    """Does the pod have a user namespace of its own? Then its root is nobody outside."""
    return spec_of(pod).get("hostUsers") is False


def extra_capabilities(pod: Object, allowed: frozenset[str]) -> tuple[list[str], list[str]]:
    names, added = [], set()
    for container in containers(pod):
        wanted = (context_of(container).get("capabilities") or {}).get("add") or ()
        extra = [capability for capability in wanted if capability not in allowed]
        if extra:
            names.append(container.get("name", ""))
            added.update(extra)
    return names, sorted(added)


def must_not_add(names: list[str], added: list[str]) -> str:
    subject = named("container", names)
    return f"{subject} must not include {quoted(added)} in securityContext.capabilities.add"


def seccomp_type(context: Object) -> str | None:
    found: str | None = (context.get("seccompProfile") or {}).get("type")
    return found


def seccomp_setters(pod: Object, allowed: tuple[str, ...]) -> Violation | None:
    bad: set[str] = set()

    def is_bad(context: Object) -> bool:
        kind = seccomp_type(context)
        if kind is None or kind in allowed:
            return False
        bad.add(kind)
        return True

    setters = setters_of(pod, is_bad)
    if not setters:
        return None
    return Violation(
        "seccompProfile",
        f"{setters} must not set securityContext.seccompProfile.type to {quoted(sorted(bad))}",
    )
