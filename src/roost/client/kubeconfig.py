"""Where a server is and who we are: kubeconfig files, and a pod's service account.

Only what a connection needs is read: the server, its CA, and a client certificate or a bearer token,
inline or in files. Other ways to authenticate (exec plugins, auth providers) are refused by name.
"""

from __future__ import annotations

import base64
import binascii
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

import yaml

from roost.api.values import Object

#: Where Kubernetes mounts a pod's service account.
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class KubeconfigError(Exception):
    """The file cannot be used; the message names the file and what is wrong in it."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a server. PEM texts are inline; token is a bearer token."""

    server: str
    ca: str = ""
    certificate: str = ""
    key: str = ""
    token: str = ""
    token_file: str = ""  # read again for each request: such tokens rotate
    namespace: str = "default"
    insecure: bool = False
    server_name: str = ""

    def ssl_context(self) -> ssl.SSLContext:
        """Return a TLS context that trusts only the given CA, if there is one.

        Raises KubeconfigError if what should be a certificate is none.
        """
        try:
            context = ssl.create_default_context(cadata=self.ca or None)
        except (ssl.SSLError, ValueError) as error:
            raise KubeconfigError(
                "the kubeconfig's certificate-authority is no PEM text"
            ) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            try:
                self.load_certificate(context)
            except ssl.SSLError as error:
                raise KubeconfigError(
                    "the kubeconfig's client-certificate and client-key do not fit, or are no PEM texts"
                ) from error
        return context

    def load_certificate(self, context: ssl.SSLContext) -> None:
        """Give a TLS context our certificate and key."""
        # Python's ssl reads certificates from files only; this one lives for a moment, 0600.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
            pem.write(f"{self.certificate}\n{self.key}")
            pem.flush()
            context.load_cert_chain(pem.name)


def load_kubeconfig(path: Path, context_name: str = "") -> Connection:
    """Return the connection of one context (the current one if none is named).

    Raises KubeconfigError.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KubeconfigError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise KubeconfigError(f"{path} is not valid YAML") from error
    if not isinstance(document, dict):
        raise KubeconfigError(f"{path} is not a kubeconfig")
    name = context_name or document.get("current-context") or ""
    context = _named(path, document, "context", name)
    cluster = _named(path, document, "cluster", context.get("cluster", ""))
    user = _named(path, document, "user", context.get("user", "")) if context.get("user") else {}
    for method in ("exec", "auth-provider", "username"):
        if method in user:
            raise KubeconfigError(f"{path}: users of the kind {method!r} are not supported")
    if not cluster.get("server"):
        raise KubeconfigError(f"{path}: the cluster {context.get('cluster')!r} names no server")
    return Connection(
        server=str(cluster["server"]).rstrip("/"),
        ca=_pem(path, cluster, "certificate-authority"),
        certificate=_pem(path, user, "client-certificate"),
        key=_pem(path, user, "client-key"),
        token=user.get("token", ""),
        token_file=user.get("tokenFile", ""),
        namespace=context.get("namespace") or "default",
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        server_name=cluster.get("tls-server-name", ""),
    )


def in_cluster(environment: dict[str, str], folder: Path = SERVICE_ACCOUNT) -> Connection:
    """Return the connection of a pod to its own cluster. Raises KubeconfigError."""
    host, port = (environment.get(f"KUBERNETES_SERVICE_{part}", "") for part in ("HOST", "PORT"))
    if not host or not (folder / "token").exists():
        raise KubeconfigError("this is not a pod with a service account")
    return Connection(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca=(folder / "ca.crt").read_text(),
        token_file=str(folder / "token"),
        namespace=(folder / "namespace").read_text().strip(),
    )


def kubeconfig_text(connection: Connection, name: str = "roost", user: str = "") -> str:
    """Return a kubeconfig with one context for a connection, everything inline."""
    credentials: Object = {}
    if connection.certificate:
        credentials["client-certificate-data"] = _encode(connection.certificate)
        credentials["client-key-data"] = _encode(connection.key)
    if connection.token:
        credentials["token"] = connection.token
    who = user or f"{name}-admin"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": connection.server,
                    "certificate-authority-data": _encode(connection.ca),
                },
            }
        ],
        "users": [{"name": who, "user": credentials}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": who}}],
        "current-context": name,
    }
    text: str = yaml.safe_dump(document, sort_keys=False)
    return text


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _named(path: Path, document: Object, kind: str, name: str) -> Object:
    """Return an entry of clusters, users or contexts by its name."""
    entries = document.get(f"{kind}s") or []
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("name") == name:
            found = entry.get(kind) or {}
            if isinstance(found, dict):
                return found
    raise KubeconfigError(f"{path} has no {kind} named {name!r}")


def _pem(path: Path, entry: Object, field: str) -> str:
    """Return `field-data` decoded, or the content of the file that `field` names."""
    try:
        if data := entry.get(f"{field}-data"):
            return base64.b64decode(str(data), validate=True).decode()
        if name := entry.get(field):
            return (path.parent / str(name)).read_text(encoding="utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise KubeconfigError(f"{path}: {field}-data is not base64 of a PEM text") from error
    except OSError as error:
        raise KubeconfigError(f"{path}: {field}: {error.strerror}") from error
    return ""
