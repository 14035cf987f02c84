"""Which server a command talks to, and what it says when that fails."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import ClientConnectorCertificateError, ClientError

from roost.api.errors import StatusError, Unauthorized
from roost.cli.output import fail
from roost.cli.places import Places
from roost.cli.resources import UsageError
from roost.cli.settings import default_data_dir
from roost.client.http import HttpClient
from roost.client.kubeconfig import Connection, KubeconfigError, in_cluster, load_kubeconfig
from roost.client.reaching import Unreachable, why


def find_kubeconfig(explicit: str, data_dir: str) -> Path:
    """Return the kubeconfig to use: the one named, $KUBECONFIG, the data directory's, ~/.kube."""
    if explicit:
        return Path(explicit)
    named = os.environ.get("KUBECONFIG", "").partition(os.pathsep)[0]
    if named and not data_dir:
        return Path(named)
    own = Places(Path(data_dir or default_data_dir()).absolute()).admin_kubeconfig
    if own.exists() or data_dir:
        return own
    return Path.home() / ".kube" / "config"


def find_connection(explicit: str, data_dir: str, context: str = "") -> Connection:
    """Return how to reach the server. Raises KubeconfigError."""
    path = find_kubeconfig(explicit, data_dir)
    if not path.exists() and not explicit:
        try:
            return in_cluster(dict(os.environ))
        except KubeconfigError:
            raise KubeconfigError(
                f"no cluster found: {path} does not exist; start one with `roost up`, "
                "or say --kubeconfig FILE"
            ) from None
    return load_kubeconfig(path, context)


def place_of(client: HttpClient, namespace: str) -> str:
    """Return the namespace that was asked for, else that of the kubeconfig's context."""
    return namespace or client.connection.namespace


def _advice(connection: Connection | None, error: Unreachable) -> str:
    """Return what to do about a server that does not answer."""
    if isinstance(error.__cause__, ClientConnectorCertificateError):
        return "use the kubeconfig that this cluster wrote"
    if connection is not None and connection.certificate:
        ended = _ended(connection.certificate)
        if ended:
            return (
                f"the client certificate in the kubeconfig ended on {ended}: get a new kubeconfig"
            )
    return "start the cluster (`roost up`), or name another with --kubeconfig"


def _ended(pem: str) -> str:
    """Return when a certificate ended; "" if it has not, or is none."""
    from cryptography import x509  # late: it takes longer than most commands

    try:
        end = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    except ValueError:
        return ""
    return f"{end:%Y-%m-%d}" if end < datetime.now(UTC) else ""


def run_command(
    work: Callable[[HttpClient], Awaitable[int]],
    *,
    kubeconfig: str,
    data_dir: str,
    context: str = "",
) -> None:
    """Run a command with a client, and end the process with its exit code."""

    connection: Connection | None = None

    async def run() -> int:
        nonlocal connection
        connection = find_connection(kubeconfig, data_dir, context)
        async with HttpClient(connection, "roost") as client:
            return await work(client)

    try:
        code = asyncio.run(run())
    except (KubeconfigError, UsageError) as error:
        fail(str(error))
    except Unreachable as error:
        fail(f"{error.message}; {_advice(connection, error)}")
    except Unauthorized:
        fail(
            "the server does not know who asks (Unauthorized); get a new kubeconfig, "
            "or name another with --kubeconfig"
        )
    except StatusError as error:
        fail(f"{error.message} ({error.reason})" if error.reason else error.message)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise SystemExit(0) from None
    except (ClientError, OSError) as error:  # in the middle of a stream, or a token that is no more
        where = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
        fail(f"{where}{why(error)}")
    raise SystemExit(code)
