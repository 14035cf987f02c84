"""Rules for what pods and containers may do to the node: security contexts."""

from __future__ import annotations

import re

from roost.api import names
from roost.api.validation import paths
from roost.api.validation.causes import Causes
from roost.api.validation.goform import PROFILE, SECURITY_CONTEXT
from roost.api.values import Object

_ID_MAX = 2**31 - 1
_SECCOMP = ("Localhost", "RuntimeDefault", "Unconfined")
_PROFILE_MAX_BYTES = 4095
_SYSCTL = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_is_sysctl = re.compile(_SYSCTL).fullmatch
_SYSCTL_RULE = f"must have at most 253 characters and match regex ^{_SYSCTL}$"
_IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "fs.mqueue.")
_CRED_MAX_BYTES = 64 * 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NETBIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
_DNS_PART = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS_DOMAIN = re.compile(rf"{_DNS_PART}(?:\.{_DNS_PART})*")
_DOTS = re.compile(r"[. ]+")
_BAD_USER = re.compile(r'["/\\:;|=,+*?<>@\[\]]')


def _identity(value: Object, key: str, path: str, causes: Causes) -> None:
    number = value.get(key)
    if number is not None and not 0 <= number <= _ID_MAX:
        causes.invalid(f"{path}.{key}", number, names.out_of_range(0, _ID_MAX))


def container(value: Object | None, path: str, causes: Causes, *, host_users: bool) -> None:
    """Check a container's security context; `host_users`: it shares the node's user namespace."""
    if not value:
        return
    _identity(value, "runAsUser", path, causes)
    _identity(value, "runAsGroup", path, causes)
    mount = value.get("procMount")
    if mount is not None:
        if mount not in ("Default", "Unmasked"):
            causes.not_supported(f"{path}.procMount", mount, ("Default", "Unmasked"))
        if host_users and mount == "Unmasked":
            text = "`hostUsers` must be false to use `Unmasked`"
            causes.invalid(f"{path}.procMount", mount, text)
    _seccomp(value.get("seccompProfile"), f"{path}.seccompProfile", causes)
    if value.get("allowPrivilegeEscalation") is False:
        rule = "cannot set `allowPrivilegeEscalation` to false and "
        if value.get("privileged"):
            causes.invalid(path, SECURITY_CONTEXT.show(value), f"{rule}`privileged` to true")
        added = (value.get("capabilities") or {}).get("add") or ()
        if "CAP_SYS_ADMIN" in added:
            text = f"{rule}`capabilities.Add` CAP_SYS_ADMIN"
            causes.invalid(path, SECURITY_CONTEXT.show(value), text)
    _windows(value.get("windowsOptions"), f"{path}.windowsOptions", causes)
    _app_armor(value.get("appArmorProfile"), f"{path}.appArmorProfile", causes)


def pod(spec: Object, path: str, causes: Causes) -> None:
    """Check a pod's security context; `path` is that of the spec."""
    value = spec.get("securityContext")
    sharing = spec.get("shareProcessNamespace")
    if not value and not sharing:
        return
    value, here = value or {}, f"{path}.securityContext"
    for key in ("fsGroup", "runAsUser", "runAsGroup"):
        _identity(value, key, here, causes)
    for index, group in enumerate(value.get("supplementalGroups") or ()):
        if not 0 <= group <= _ID_MAX:
            fault = names.out_of_range(0, _ID_MAX)
            causes.invalid(f"{here}.supplementalGroups[{index}]", group, fault)
    if sharing and spec.get("hostPID"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        causes.invalid(f"{here}.shareProcessNamespace", value=True, detail=text)
    _sysctls(spec, value.get("sysctls") or [], f"{here}.sysctls", causes)
    _choice(value, "fsGroupChangePolicy", ("Always", "OnRootMismatch"), here, causes)
    _seccomp(value.get("seccompProfile"), f"{here}.seccompProfile", causes)
    _windows(value.get("windowsOptions"), f"{here}.windowsOptions", causes)
    _app_armor(value.get("appArmorProfile"), f"{here}.appArmorProfile", causes)
    _choice(value, "supplementalGroupsPolicy", ("Merge", "Strict"), here, causes)
    # MountOption needs the feature gate SELinuxMount, which is off in v1.36.
    _choice(value, "seLinuxChangePolicy", ("Recursive",), here, causes)


def _choice(value: Object, key: str, known: tuple[str, ...], path: str, causes: Causes) -> None:
    found = value.get(key)
    if found is not None and found not in known:
        causes.not_supported(f"{path}.{key}", found, known)


def _sysctls(spec: Object, values: list[Object], path: str, causes: Causes) -> None:
    seen: set[str] = set()
    for index, sysctl in enumerate(values):
        here, name = f"{path}[{index}].name", sysctl.get("name") or ""
        if not name:
            causes.required(here)
        elif len(name) > 253 or not _is_sysctl(name):
            causes.invalid(here, name, _SYSCTL_RULE)
        elif name in seen:
            causes.duplicate(here, name)
        plain = name.replace("/", ".")
        if spec.get("hostNetwork") and plain.startswith("net."):
            causes.invalid(here, name, "may not be specified when 'hostNetwork' is true")
        elif spec.get("hostIPC") and (plain == "kernel.sem" or plain.startswith(_IPC_SYSCTLS)):
            causes.invalid(here, name, "may not be specified when 'hostIPC' is true")
        seen.add(name)


def _seccomp(value: Object | None, path: str, causes: Causes) -> None:
    if value is None:
        return
    kind, profile = value.get("type"), value.get("localhostProfile")
    if not kind:
        causes.required(f"{path}.type", "type is required when seccompProfile is set")
    elif kind not in _SECCOMP:
        causes.not_supported(f"{path}.type", kind, _SECCOMP)
    if kind == "Localhost":
        if profile is None:
            text = "must be set when seccomp type is Localhost"
            causes.required(f"{path}.localhostProfile", text)
        else:
            paths.descending(profile, f"{path}.localhostProfile", causes)
    elif profile is not None:
        text = "can only be set when seccomp type is Localhost"
        causes.invalid(f"{path}.localhostProfile", PROFILE.show(value), text)


def _app_armor(value: Object | None, path: str, causes: Causes) -> None:
    if value is None:
        return
    kind, profile, here = (
        value.get("type"),
        value.get("localhostProfile"),
        f"{path}.localhostProfile",
    )
    needed = "must be set when AppArmor type is Localhost"
    if kind == "Localhost":
        if profile is None:
            causes.required(here, needed)
            return
        if profile.strip() != profile:
            causes.invalid(here, profile, "must not be padded with whitespace")
        elif not profile:
            causes.required(here, needed)
        if len(profile) > _PROFILE_MAX_BYTES:
            causes.too_long(here, _PROFILE_MAX_BYTES)
    elif kind in ("RuntimeDefault", "Unconfined"):
        if profile is not None:
            causes.invalid(here, profile, "can only be set when AppArmor type is Localhost")
    elif not kind:
        causes.required(f"{path}.type", "type is required when appArmorProfile is set")
    else:
        causes.not_supported(f"{path}.type", kind, _SECCOMP)


def _windows(value: Object | None, path: str, causes: Causes) -> None:
    if not value:
        return
    name = value.get("gmsaCredentialSpecName")
    if name is not None:
        causes.faults(f"{path}.gmsaCredentialSpecName", name, names.check_subdomain(name))
    spec = value.get("gmsaCredentialSpec")
    if spec is not None:
        here = f"{path}.gmsaCredentialSpec"
        if not spec:
            causes.invalid(here, spec, "gmsaCredentialSpec cannot be an empty string")
        elif len(spec) > _CRED_MAX_BYTES:
            causes.invalid(here, spec, "gmsaCredentialSpec size must be under 64 KiB")
    user = value.get("runAsUserName")
    if user is not None:
        causes.faults(f"{path}.runAsUserName", user, list(_user_faults(user)))


def _user_faults(text: str) -> list[str]:
    """Return what is wrong with a Windows user name."""
    parts = text.split("\\")
    if not text:
        return ["runAsUserName cannot be an empty string"]
    if _CONTROL.search(text):
        return ["runAsUserName cannot contain control characters"]
    if len(parts) > 2:
        return ["runAsUserName cannot contain more than one backslash"]
    domain, user = parts if len(parts) == 2 else ("", parts[0])
    faults = []
    if len(domain) >= 256:
        faults.append("runAsUserName's Domain length must be under 256 characters")
    if len(parts) == 2 and not (_NETBIOS.fullmatch(domain) or _DNS_DOMAIN.fullmatch(domain)):
        faults.append("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
    if not user:
        faults.append("runAsUserName's User cannot be empty")
    elif len(user) > 104:
        faults.append("runAsUserName's User length must not be longer than 104 characters")
    if _DOTS.fullmatch(user):
        faults.append("runAsUserName's User cannot contain only periods or spaces")
    if _BAD_USER.search(user):
        faults.append(
            "runAsUserName's User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"
        )
    return faults
