"""Who a container's process is and what it may do: pod and container securityContext merged. Pure."""

from __future__ import annotations

from typing import Any

from roost.api.values import Object
from roost.node import podspec
from roost.node.sources import Refused
from roost.node.volumes import fs_group
from roost.runtimes.port import Security

_CONFIG_ERROR = "CreateContainerConfigError"


def security_of(pod: Object, container: Object, image_user: str) -> Security:
    """Return the merged context; raises Refused for what breaks runAsNonRoot or is not supported."""
    shared = pod["spec"].get("securityContext") or {}
    own = container.get("securityContext") or {}

    def merged(field: str) -> Any:
        value = own.get(field)
        return shared.get(field) if value is None else value

    user, group = merged("runAsUser"), merged("runAsGroup")
    non_root = bool(merged("runAsNonRoot"))
    if non_root:
        _check_non_root(pod, container, user, image_user)
    capabilities = own.get("capabilities") or {}
    groups = [*(shared.get("supplementalGroups") or ())]
    fs = fs_group(pod)
    if fs is not None and fs not in groups:
        groups.append(fs)
    privileged = bool(own.get("privileged"))
    return Security(
        user=user,
        group=group,
        user_name="" if user is not None else image_user,
        supplemental_groups=tuple(groups),
        run_as_non_root=non_root,
        privileged=privileged,
        read_only_root=bool(own.get("readOnlyRootFilesystem")),
        no_new_privileges=own.get("allowPrivilegeEscalation") is False and not privileged,
        add_capabilities=tuple(capabilities.get("add") or ()),
        drop_capabilities=tuple(capabilities.get("drop") or ()),
        seccomp=_seccomp(merged("seccompProfile")),
    )


def _seccomp(profile: Object | None) -> str:
    kind: str = (profile or {}).get("type") or "Unconfined"
    if kind not in {"Unconfined", "RuntimeDefault"}:
        raise Refused(
            "CreateContainerError", f"securityContext.seccompProfile.type {kind} is not supported"
        )
    return kind


def _check_non_root(pod: Object, container: Object, user: int | None, image_user: str) -> None:
    where = f'(pod: "{podspec.full_name(pod)}", container: {container["name"]})'
    if user is not None:
        if user == 0:
            raise Refused(_CONFIG_ERROR, f"container's runAsUser breaks non-root policy {where}")
        return
    name = image_user.partition(":")[0]
    if name.isdigit() and int(name) != 0:
        return
    if name in {"", "0"}:
        raise Refused(
            _CONFIG_ERROR, f"container has runAsNonRoot and image will run as root {where}"
        )
    raise Refused(
        _CONFIG_ERROR,
        f"container has runAsNonRoot and image has non-numeric user ({name}), "
        f"cannot verify user is non-root {where}",
    )
