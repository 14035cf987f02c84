"""A server as it is started by hand, with every way to say who asks: an outside issuer of tokens on
loopback, an authority for authenticating proxies, and an audit log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bare_server import BareServer
from roost.apiserver.pki.authority import Authority
from token_issuer import TokenIssuer
from wire import Caller, administrator, authority

AUDIT_POLICY = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"


@pytest.fixture(scope="module")
def issuer() -> Iterator[TokenIssuer]:
    issuer = TokenIssuer()
    server = issuer.start()
    yield issuer
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def proxies() -> Authority:
    """Who signs the certificates of authenticating proxies."""
    return authority("proxies-ca")


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, issuer: TokenIssuer, proxies: Authority
) -> Iterator[BareServer]:
    root = tmp_path_factory.mktemp("access")
    for name, content in {
        "issuer.crt": issuer.authority.certificate,
        "proxies.crt": proxies.certificate,
        "audit.yaml": AUDIT_POLICY.encode(),
    }.items():
        (root / name).write_bytes(content)
    server = BareServer(root)
    server.start(
        "--oidc-issuer-url", issuer.url, "--oidc-client-id", "roost",
        "--oidc-ca-file", str(root / "issuer.crt"), "--oidc-groups-claim", "groups",
        "--oidc-username-prefix", "outside:", "--oidc-required-claim", "tenant=us",
        "--requestheader-client-ca-file", str(root / "proxies.crt"),
        "--requestheader-allowed-names", "front",
        "--audit-policy-file", str(root / "audit.yaml"),
        "--audit-log-path", str(root / "audit.log"),
    )  # fmt: skip
    yield server
    server.stop()


@pytest.fixture(scope="module")
def admin(server: BareServer) -> Caller:
    return administrator(server.url, server.data)


@pytest.fixture(scope="module")
def nobody(admin: Caller) -> Caller:
    """Somebody without any credentials."""
    return Caller(admin.url, admin.ca)


@pytest.fixture(scope="module")
def audit_log(server: BareServer) -> Path:
    return server.root / "audit.log"
