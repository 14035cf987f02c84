"""A command that does not get through says why in one line, and what to do."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
import yaml
from aiohttp.client_reqrep import ConnectionKey
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from roost.api.errors import Unauthorized
from roost.cli.connect import run_command
from roost.client.http import HttpClient
from roost.client.reaching import why


def old_certificate() -> tuple[str, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ann")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(5)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2021, 2, 3, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def kubeconfig(folder: Path, server: str, *, ca: str = "", **user: str) -> str:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    cluster = {"server": server}
    if ca:
        cluster["certificate-authority-data"] = encoded(ca)
    path = folder / "kc"
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [
                    {"name": "u", "user": {f"{k}-data": encoded(v) for k, v in user.items()}}
                ],
            }
        )
    )
    return str(path)


def said(capsys: pytest.CaptureFixture[str], config: str) -> str:
    async def work(client: HttpClient) -> int:
        await client.request("GET", "/version")
        return 0

    with pytest.raises(SystemExit) as end:
        run_command(work, kubeconfig=config, data_dir="")
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_nobody_listens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], closed_port: int
) -> None:
    server = f"https://127.0.0.1:{closed_port}"
    assert said(capsys, kubeconfig(tmp_path, server)) == (
        f"error: cannot reach {server}: connection refused; "
        "start the cluster (`roost up`), or name another with --kubeconfig"
    )


def test_an_old_certificate_is_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], closed_port: int
) -> None:
    certificate, key = old_certificate()
    user = {"client-certificate": certificate, "client-key": key}
    line = said(capsys, kubeconfig(tmp_path, f"https://127.0.0.1:{closed_port}", **user))
    assert "the client certificate in the kubeconfig ended on 2021-02-03" in line


def test_what_is_no_certificate_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = said(capsys, kubeconfig(tmp_path, "https://127.0.0.1:1", ca="nonsense"))
    assert line == "error: the kubeconfig's certificate-authority is no PEM text"
    user = {"client-certificate": "x", "client-key": "y"}
    line = said(capsys, kubeconfig(tmp_path, "https://127.0.0.1:1", **user))
    assert "client-certificate and client-key" in line


def test_bad_credentials_and_ends_in_the_middle_are_no_tracebacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = kubeconfig(tmp_path, "https://127.0.0.1:1")
    for error, words in (
        (Unauthorized("Unauthorized"), "does not know who asks"),
        (aiohttp.ServerDisconnectedError(), "hung up"),
        (FileNotFoundError(2, "No such file or directory", "/token"), "/token: No such file"),
    ):

        async def work(client: HttpClient, error: Exception = error) -> int:
            raise error

        with pytest.raises(SystemExit):
            run_command(work, kubeconfig=config, data_dir="")
        assert words in capsys.readouterr().err


_PLACE = ConnectionKey(
    "nowhere.invalid",
    6443,
    is_ssl=True,
    ssl=True,
    proxy=None,
    proxy_auth=None,
    proxy_headers_hash=None,
    server_hostname=None,
)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no answer in time"),
        (
            aiohttp.ClientConnectorDNSError(
                _PLACE, socket.gaierror(-2, "Name or service not known")
            ),
            "there is no host of this name",
        ),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "no TLS connection"),
        (aiohttp.NonHttpUrlClientError("ftp://x"), "no http or https URL"),
        (OSError(113, "No route to host"), "No route to host"),
    ],
)
def test_why(error: Exception, words: str) -> None:
    assert words in why(error)
