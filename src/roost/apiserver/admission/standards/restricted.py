"""The restricted level: what a pod that needs no privilege at all looks like.

Some of its checks stand in for weaker ones of the baseline level.
"""

from __future__ import annotations

from roost.api.values import Object
from roost.apiserver.admission.base import spec_of
from roost.apiserver.admission.standards.baseline import (
    CAPABILITIES,
    FIRST,
    LAST,
    NAMESPACES,
    PORTS,
    PROC_MOUNT,
    SECCOMP,
    SELINUX,
    proc_mount,
)
from roost.apiserver.admission.standards.words import (
    GOOD_PROFILES,
    Versions,
    Violation,
    bad_containers,
    context_of,
    except_own_users,
    except_windows,
    extra_capabilities,
    must_not_add,
    named,
    quoted,
    seccomp_setters,
    seccomp_type,
    setters_of,
)


def _escalation(pod: Object) -> Violation | None:
    names = bad_containers(
        pod, lambda context: context.get("allowPrivilegeEscalation") is not False
    )
    if not names:
        return None
    return Violation(
        "allowPrivilegeEscalation != false",
        f"{named('container', names)} must set securityContext.allowPrivilegeEscalation=false",
    )


def _capabilities_restricted(pod: Object) -> Violation | None:
    keeping = bad_containers(
        pod, lambda context: "ALL" not in ((context.get("capabilities") or {}).get("drop") or ())
    )
    details = []
    if keeping:
        subject = named("container", keeping)
        details.append(f'{subject} must set securityContext.capabilities.drop=["ALL"]')
    names, added = extra_capabilities(pod, frozenset({"NET_BIND_SERVICE"}))
    if names:
        details.append(must_not_add(names, added))
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


_VOLUMES = frozenset(
    [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
        "image",
    ]
)


def _volumes(pod: Object) -> Violation | None:
    names, kinds = [], set()
    for volume in spec_of(pod).get("volumes") or ():
        own = [key for key, value in volume.items() if key != "name" and value is not None]
        bad = [key for key in own if key not in _VOLUMES]
        if bad:
            names.append(volume.get("name", ""))
            kinds.update(bad)
    if not names:
        return None
    verb = "use" if len(names) > 1 else "uses"
    what = "types" if len(kinds) > 1 else "type"
    return Violation(
        "restricted volume types",
        f"{named('volume', names)} {verb} restricted volume {what} {quoted(sorted(kinds))}",
    )


def _non_root(pod: Object) -> Violation | None:
    reason = "runAsNonRoot != true"
    setters = setters_of(pod, lambda context: context.get("runAsNonRoot") is False)
    if setters:
        return Violation(reason, f"{setters} must not set securityContext.runAsNonRoot=false")
    if context_of(spec_of(pod)).get("runAsNonRoot"):
        return None
    names = bad_containers(pod, lambda context: context.get("runAsNonRoot") is None)
    if not names:
        return None
    return Violation(
        reason,
        f"pod or {named('container', names)} must set securityContext.runAsNonRoot=true",
    )


def _root_user(pod: Object) -> Violation | None:
    setters = setters_of(pod, lambda context: context.get("runAsUser") == 0)
    return Violation("runAsUser=0", f"{setters} must not set runAsUser=0") if setters else None


def _seccomp_restricted(pod: Object) -> Violation | None:
    wrong = seccomp_setters(pod, GOOD_PROFILES)
    if wrong is not None or seccomp_type(context_of(spec_of(pod))) is not None:
        return wrong
    names = bad_containers(pod, lambda context: seccomp_type(context) is None)
    if not names:
        return None
    return Violation(
        "seccompProfile",
        f"pod or {named('container', names)} must set securityContext.seccompProfile.type to"
        ' "RuntimeDefault" or "Localhost"',
    )


def _elsewhere(pod: Object) -> None:
    """Say nothing: from some version on, a check of this level does."""


RESTRICTED: tuple[Versions, ...] = (
    *FIRST,
    NAMESPACES,
    *PORTS,
    (PROC_MOUNT, (35, _elsewhere)),
    *SELINUX,
    *LAST,
    ((8, _escalation), (25, except_windows(_escalation))),
    (CAPABILITIES, (22, _capabilities_restricted), (25, except_windows(_capabilities_restricted))),
    ((35, proc_mount),),
    ((0, _volumes),),
    ((0, _non_root), (35, except_own_users(_non_root))),
    ((23, _root_user), (35, except_own_users(_root_user))),
    (SECCOMP, (19, _seccomp_restricted), (25, except_windows(_seccomp_restricted))),
)
