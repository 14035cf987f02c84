"""Rules for what annotations of pods say that fields say today: AppArmor, seccomp, mirror pods."""

from __future__ import annotations

from roost.api.numerals import whole
from roost.api.validation import paths
from roost.api.validation.causes import Causes
from roost.api.validation.containers import all_containers
from roost.api.values import Object

MIRROR = "kubernetes.io/config.mirror"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_INT32 = 2**31


def check_annotations(meta: Object, spec: Object, path: str, causes: Causes) -> None:
    """Check the annotations of a pod or template that mean something; `path` is theirs."""
    values = meta.get("annotations")
    if not values:
        return
    if MIRROR in values and not spec.get("nodeName"):
        text = "must set spec.nodeName if mirror pod annotation is set"
        causes.invalid(f"{path}[{MIRROR}]", values[MIRROR], text)
    cost = values.get(_DELETION_COST)
    if cost is not None and not _is_int32(cost):
        causes.invalid(f"{path}[{_DELETION_COST}]", cost, "must be a 32bit integer")
    if SECCOMP_POD in values:
        _seccomp(values[SECCOMP_POD], f"{path}.{SECCOMP_POD}", causes)
    for key, profile in values.items():
        if key.startswith(SECCOMP_CONTAINER):
            _seccomp(profile, f"{path}.{key}", causes)
    for key, profile in values.items():
        if key.startswith(APP_ARMOR):
            _app_armor(key, profile, spec, path, causes)


def _is_int32(text: str) -> bool:
    digits, number = text.removeprefix("-"), whole(text)
    if number is None or text.startswith("+") or (digits != "0" and digits.startswith("0")):
        return False
    return -_INT32 <= number < _INT32


def _seccomp(profile: str, path: str, causes: Causes) -> None:
    if profile in ("runtime/default", "docker/default", "unconfined"):
        return
    if profile.startswith("localhost/"):
        paths.descending(profile.removeprefix("localhost/"), path, causes)
    else:
        causes.invalid(path, profile, "must be a valid seccomp profile")


def _app_armor(key: str, profile: str, spec: Object, path: str, causes: Causes) -> None:
    name = key.removeprefix(APP_ARMOR)
    if all(container.get("name") != name for container, _ in all_containers(spec, "")):
        causes.invalid(f"{path}[{key}]", name, "container not found")
    if profile not in ("", "runtime/default", "unconfined") and not profile.startswith(
        "localhost/"
    ):
        text = f'invalid AppArmor profile name: "{profile}"'
        causes.invalid(f"{path}[{key}]", profile, text)


def fields_match(meta: Object, spec: Object, path: str, causes: Causes) -> None:
    """Check that an annotation and the field that took its place say the same."""
    values = meta.get("annotations")
    if not values:
        return
    of_pod = spec.get("securityContext") or {}
    if SECCOMP_POD in values and of_pod.get("seccompProfile"):
        where = f"{path}.securityContext.seccompProfile"
        _same(values[SECCOMP_POD], of_pod["seccompProfile"], where, "seccomp", causes)
    for container, here in all_containers(spec, path):
        profile = (container.get("securityContext") or {}).get("seccompProfile")
        key = f"{SECCOMP_CONTAINER}{container.get('name')}"
        if profile and key in values:
            where = f"{here}.securityContext.seccompProfile"
            _same(values[key], profile, where, "seccomp", causes)
    for container, here in all_containers(spec, path):
        context = container.get("securityContext") or {}
        profile = context.get("appArmorProfile") or of_pod.get("appArmorProfile")
        key = f"{APP_ARMOR}{container.get('name')}"
        if profile and key in values:
            where = f"{here}.securityContext.appArmorProfile"
            _same(values[key], profile, where, "apparmor", causes)


def _same(annotation: str, profile: Object, path: str, what: str, causes: Causes) -> None:
    kind = profile.get("type")
    wanted = {
        "Unconfined": ("unconfined",),
        "RuntimeDefault": ("runtime/default", "docker/default"),
    }.get(kind or "")
    if wanted is not None:
        if annotation not in wanted:
            text = f"{what} type in annotation and field must match"
            causes.forbidden(f"{path}.type", text)
    elif kind == "Localhost":
        if not annotation.startswith("localhost/"):
            text = f"{what} type in annotation and field must match"
            causes.forbidden(f"{path}.type", text)
        elif annotation.removeprefix("localhost/") != profile.get("localhostProfile"):
            text = f"{what} profile in annotation and field must match"
            causes.forbidden(f"{path}.localhostProfile", text)


def annotation_changes(new: Object, old: Object, causes: Causes) -> None:
    """Refuse changes of annotations that say what a running pod is."""
    path = "metadata.annotations"
    after, before = new.get("annotations") or {}, old.get("annotations") or {}
    for key, value in before.items():
        if after.get(key) != value:
            if key.startswith(APP_ARMOR):
                text = "may not remove or update AppArmor annotations"
                causes.forbidden(f"{path}[{key}]", text)
            if key == MIRROR:
                text = "may not remove or update mirror pod annotation"
                causes.forbidden(f"{path}[{key}]", text)
    for key in after:
        if key not in before:
            if key.startswith(APP_ARMOR):
                causes.forbidden(f"{path}[{key}]", "may not add AppArmor annotations")
            if key == MIRROR:
                causes.forbidden(f"{path}[{key}]", "may not add mirror pod annotation")
