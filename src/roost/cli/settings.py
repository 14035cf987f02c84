"""Settings: flags, then `ROOST_*` in the environment, then a YAML file, then defaults.

One table says all there is; an unknown key anywhere is an error that names it. Root keeps its data in
/var/lib/roost and its file in /etc/roost, others in their XDG folders.
"""

from __future__ import annotations

import ipaddress
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import inf
from pathlib import Path
from typing import Any, Final

import yaml

from roost.api.names import SUBDOMAIN_MAX_BYTES, check_ip
from roost.cli.faults import of_reading, of_yaml
from roost.node.thresholds import DEFAULT, parse_thresholds

PREFIX: Final = "ROOST_"
#: Where a kubelet usually serves.
KUBELET_PORT: Final = 10250
#: Variables of the environment that begin like settings and are something else.
_OTHER: Final = frozenset({
    "ROOST_CONFIG", "ROOST_READY_FD", "ROOST_GATE_FD", "ROOST_SUPERVISOR_PID",
})  # fmt: skip

_NODE_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


class SettingsError(Exception):
    """A setting is wrong; the message names it and says where it came from."""


def default_data_dir() -> str:
    """Return where data is kept when nothing is said."""
    if os.geteuid() == 0:
        return "/var/lib/roost"
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return str(Path(base) / "roost")


def default_config_file() -> Path:
    """Return where the settings file is looked for when nothing is said."""
    if os.geteuid() == 0:
        return Path("/etc/roost/config.yaml")
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "roost" / "config.yaml"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. An empty text means: find out."""

    data_dir: str = ""
    port: int = 6443
    bind_address: str = "0.0.0.0"  # noqa: S104 - pods and other nodes must reach the server
    advertise_address: str = ""
    extra_names: str = ""  # further names and addresses of the server's certificate, by comma
    controllers: str = "*"
    cluster_cidr: str = ""  # nodes get pieces of this range as spec.podCIDR; "": they get none
    node_cidr_mask_size: int = 24
    scheduler_config: str = ""  # KubeSchedulerConfiguration: profiles of the scheduler
    node_name: str = ""
    node_ip: str = ""
    kubelet_port: int = KUBELET_PORT
    pod_cidr: str = "10.244.0.0/24"
    runtime: str = ""  # runc or crun
    insecure_registries: str = ""  # host[:port], by comma
    eviction_hard: str = DEFAULT  # what a node must have left to keep its pods
    log_level: str = "info"
    audit_policy_file: str = ""  # audit.k8s.io/v1 Policy: what is recorded
    audit_log_path: str = ""  # where audit events go; "-" is the standard output
    audit_log_maxsize: int = 100  # megabytes before the audit log is put aside
    audit_log_maxbackup: int = 10  # how many old audit logs are kept
    audit_log_maxage: int = 0  # days after which old audit logs go; 0 is never
    oidc_issuer_url: str = ""  # whose tokens are believed, https only
    oidc_client_id: str = ""  # the audience that such tokens must be for
    oidc_username_claim: str = "sub"
    oidc_username_prefix: str = ""  # "-" is none; by default the issuer's URL and '#'
    oidc_groups_claim: str = ""
    oidc_groups_prefix: str = ""
    oidc_required_claim: str = ""  # key=value, by comma
    oidc_ca_file: str = ""  # who signed the issuer's certificate, if not a public authority
    requestheader_client_ca_file: str = ""  # who signs proxies that say who asks
    requestheader_allowed_names: str = ""  # common names of such proxies, by comma; none is any
    requestheader_username_headers: str = "X-Remote-User"
    requestheader_uid_headers: str = "X-Remote-Uid"
    requestheader_group_headers: str = "X-Remote-Group"
    requestheader_extra_headers_prefix: str = "X-Remote-Extra-"

    def validate(self) -> None:
        """Raise SettingsError for values that cannot be."""
        for name in ("port", "kubelet_port"):
            if not 0 <= getattr(self, name) < 65536:
                raise SettingsError(f"{name} must be between 0 and 65535")
        if self.log_level not in ("debug", "info", "warning", "error"):
            raise SettingsError("log_level must be debug, info, warning or error")
        if self.runtime not in ("", "runc", "crun"):
            raise SettingsError("runtime must be runc or crun")
        for name in ("audit_log_maxsize", "audit_log_maxbackup", "audit_log_maxage"):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} must not be negative")
        if bool(self.audit_policy_file) != bool(self.audit_log_path):
            raise SettingsError("audit_policy_file and audit_log_path need each other")
        if bool(self.oidc_issuer_url) != bool(self.oidc_client_id):
            raise SettingsError("oidc_issuer_url and oidc_client_id need each other")
        if self.oidc_issuer_url and not self.oidc_issuer_url.startswith("https://"):
            raise SettingsError("oidc_issuer_url must begin with https://")
        for name in ("bind_address", "node_ip"):
            text = getattr(self, name)
            if text and check_ip(text):
                raise SettingsError(f"{name} must be an IP address, not {text!r}")
        try:
            ipaddress.IPv4Network(self.pod_cidr)
        except ValueError as error:
            raise SettingsError(
                f"pod_cidr {self.pod_cidr!r} is no range of IPv4 addresses like 10.244.0.0/24: {error}"
            ) from error
        try:
            parse_thresholds(self.eviction_hard)
        except ValueError as error:
            raise SettingsError(f"eviction_hard: {error}") from error
        self._check_cluster_range()
        name = node_name(self)
        if not _NODE_NAME.fullmatch(name) or len(name) > SUBDOMAIN_MAX_BYTES:
            raise SettingsError(
                f"node_name {name!r} must consist of lower case letters, digits, '-' and '.'"
            )

    def _check_cluster_range(self) -> None:
        if not self.cluster_cidr:
            return
        try:
            bits = ipaddress.IPv4Network(self.cluster_cidr).prefixlen
        except ValueError as error:
            raise SettingsError(
                f"cluster_cidr {self.cluster_cidr!r} is no range of IPv4 addresses like 10.244.0.0/16:"
                f" {error}"
            ) from error
        if not bits <= self.node_cidr_mask_size <= min(bits + 16, 32):
            raise SettingsError(
                f"node_cidr_mask_size must be between {bits} and {min(bits + 16, 32)}, as cluster_cidr"
                f" is {self.cluster_cidr}"
            )


def node_name(settings: Settings) -> str:
    """Return the node's name: as set, or the machine's host name."""
    return settings.node_name or platform.node().lower()


_TYPES: Final[Mapping[str, type]] = {
    field.name: int if field.type == "int" else str for field in fields(Settings)
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force, and where each of them came from."""

    settings: Settings
    sources: Mapping[str, str]

    def as_yaml(self) -> str:
        """Return the settings as a file would have them, each with its source."""
        lines = []
        for name in _TYPES:
            value = yaml.safe_dump(getattr(self.settings, name), width=inf).splitlines()[0]
            lines.append(f"{name}: {value}  # {self.sources[name]}")
        return "\n".join(lines)


def load_settings(
    flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None = None
) -> Loaded:
    """Return the settings in force. `flags` that are None were not given. Raises SettingsError."""
    values: dict[str, Any] = {name: getattr(Settings(), name) for name in _TYPES}
    sources = dict.fromkeys(_TYPES, "default")
    values["data_dir"] = default_data_dir()
    named = environment.get("ROOST_CONFIG", "")
    path = file or (Path(named) if named else default_config_file())
    given = _from_file(path, must_exist=file is not None or bool(named))
    for source, layer in (
        (str(path), given),
        ("environment", _from_environment(environment)),
        ("flag", {name: value for name, value in flags.items() if value is not None}),
    ):
        for name, value in layer.items():
            values[name] = _convert(name, value, source)
            sources[name] = source
    values["data_dir"] = str(Path(values["data_dir"]).expanduser().absolute())
    settings = Settings(**values)
    settings.validate()
    return Loaded(settings, sources)


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for variable, value in environment.items():
        if variable.startswith(PREFIX) and variable not in _OTHER:
            name = variable.removeprefix(PREFIX).lower()
            if name not in _TYPES:
                raise SettingsError(f"{variable} in the environment is not a setting of Roost")
            found[name] = value
    return found


def _from_file(path: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if must_exist:
            raise SettingsError(f"{path} does not exist") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {of_reading(error)}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not valid YAML: {of_yaml(error)}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingsError(f"{path} must be a map of settings")
    for name in document:
        if name not in _TYPES:
            raise SettingsError(f"{path}: {name!r} is not a setting of Roost")
    return document


def _convert(name: str, value: Any, source: str) -> Any:
    if _TYPES[name] is str:
        if not isinstance(value, str | int):
            raise SettingsError(f"{name} (from {source}) must be a text")
        return str(value)
    try:
        return int(str(value))  # through text: YAML's true is no number
    except ValueError:
        raise SettingsError(f"{name} (from {source}) must be a number, not {value!r}") from None
