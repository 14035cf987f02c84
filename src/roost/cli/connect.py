"""Which server a command talks to, and what it says when that fails."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from roost.api.errors import StatusError
from roost.cli.output import fail
from roost.cli.places import Places
from roost.cli.resources import UsageError
from roost.cli.settings import default_data_dir
from roost.client.http import HttpClient
from roost.client.kubeconfig import Connection, KubeconfigError, in_cluster, load_kubeconfig


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


def run_command(
    work: Callable[[HttpClient], Awaitable[int]],
    *,
    kubeconfig: str,
    data_dir: str,
    context: str = "",
) -> None:
    """Run a command with a client, and end the process with its exit code."""

    async def run() -> int:
        connection = find_connection(kubeconfig, data_dir, context)
        async with HttpClient(connection, "roost") as client:
            return await work(client)

    try:
        code = asyncio.run(run())
    except (KubeconfigError, UsageError) as error:
        fail(str(error))
    except StatusError as error:
        fail(f"{error.message} ({error.reason})" if error.reason else error.message)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise SystemExit(0) from None
    raise SystemExit(code)
