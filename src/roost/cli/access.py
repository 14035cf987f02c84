"""Wires what settings say about access and audit: outside issuers, proxies, the audit log."""

from __future__ import annotations

import ssl
from pathlib import Path

import yaml
from cryptography import x509

from roost.adapters.real.auditlog import AuditFile
from roost.apiserver.access.frontproxy import HeaderNames, header_names
from roost.apiserver.access.oidc import Issuer, parse_required
from roost.apiserver.auditing.auditor import Auditor
from roost.apiserver.auditing.policy import PolicyError, parse_policy
from roost.apiserver.http.documents import HttpsDocuments
from roost.apiserver.outside import OutsideTokens
from roost.apiserver.vouching import Vouchers
from roost.cli.faults import of_reading, of_yaml
from roost.cli.settings import Settings
from roost.ports.port import WallClock

_MEGABYTE = 1024 * 1024
_DAY_S = 24 * 3600.0


class AccessError(Exception):
    """A file that a setting names cannot be used; the message says which and why."""


def outside_tokens(settings: Settings, clock: WallClock) -> OutsideTokens | None:
    """Return what verifies an outside issuer's tokens, None if there is no issuer."""
    if not settings.oidc_issuer_url:
        return None
    try:
        required = parse_required(settings.oidc_required_claim)
    except ValueError as error:
        raise AccessError(f"oidc_required_claim: {error}") from error
    tls = ssl.create_default_context()
    if settings.oidc_ca_file:
        tls = ssl.create_default_context(cadata=_text(settings.oidc_ca_file, "oidc_ca_file"))
    issuer = Issuer(
        settings.oidc_issuer_url,
        settings.oidc_client_id,
        settings.oidc_username_claim,
        settings.oidc_username_prefix,
        settings.oidc_groups_claim,
        settings.oidc_groups_prefix,
        required,
    )
    return OutsideTokens(issuer, HttpsDocuments(tls), clock)


def vouchers(settings: Settings, client_ca: bytes) -> Vouchers | None:
    """Return who authenticating proxies are, None if there are none."""
    path = settings.requestheader_client_ca_file
    if not path:
        return None
    try:
        authorities = x509.load_pem_x509_certificates(
            _text(path, "requestheader_client_ca_file").encode()
        )
    except ValueError as error:
        raise AccessError(f"requestheader_client_ca_file {path}: {error}") from error
    names = HeaderNames(
        header_names(settings.requestheader_username_headers),
        header_names(settings.requestheader_uid_headers),
        header_names(settings.requestheader_group_headers),
        header_names(settings.requestheader_extra_headers_prefix),
    )
    allowed = settings.requestheader_allowed_names.split(",")
    return Vouchers(
        x509.load_pem_x509_certificate(client_ca),
        tuple(authorities),
        names,
        frozenset(name.strip() for name in allowed if name.strip()),
    )


def trusted_clients(settings: Settings, client_ca: str) -> str:
    """Return the authorities (PEM) whose client certificates TLS lets through."""
    path = settings.requestheader_client_ca_file
    return client_ca + _text(path, "requestheader_client_ca_file") if path else client_ca


def open_audit(settings: Settings, clock: WallClock) -> tuple[Auditor, AuditFile] | None:
    """Return what audits and where it writes, None if nothing is audited."""
    if not settings.audit_policy_file:
        return None
    path = settings.audit_policy_file
    try:
        policy = parse_policy(yaml.safe_load(_text(path, "audit_policy_file")))
    except PolicyError as error:
        raise AccessError(f"audit_policy_file {path}: {error}") from error
    except yaml.YAMLError as error:
        raise AccessError(f"audit_policy_file {path} is no valid YAML: {of_yaml(error)}") from error
    try:
        file = AuditFile(
            settings.audit_log_path,
            settings.audit_log_maxsize * _MEGABYTE,
            settings.audit_log_maxbackup,
            settings.audit_log_maxage * _DAY_S,
        )
    except OSError as error:
        raise AccessError(
            f"audit_log_path {settings.audit_log_path} cannot be written: {error.strerror}"
        ) from error
    return Auditor(policy, file, clock), file


def _text(path: str, setting: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AccessError(f"{setting} {path} cannot be read: {of_reading(error)}") from error
