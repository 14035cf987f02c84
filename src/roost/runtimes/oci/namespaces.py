"""Namespaces of a sandbox: made in a thread that ends, kept by a bind mount, without a process.

A thread that has changed its namespaces is not fit for anything else, so each job gets a new one and the
thread dies with the job. No event loop, pool or library ever runs in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from roost.runtimes import syscalls

_T = TypeVar("_T")


async def in_own_thread(job: Callable[[], _T]) -> _T:
    """Run `job` in a thread of its own that may change its namespaces; return or raise its outcome."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[_T] = loop.create_future()

    def settle(value: _T | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
        else:
            outcome.set_result(value)  # type: ignore[arg-type]  # no error: it is a _T

    def body() -> None:
        value: _T | None = None
        error: BaseException | None = None
        try:
            value = job()
        except BaseException as caught:  # noqa: BLE001  # handed over whole
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop has closed meanwhile
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=body, name="roost-namespace", daemon=True).start()
    return await outcome


def _join(path: str, kind: int) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(fd, kind)
    finally:
        os.close(fd)


def make(
    folder: Path,
    *,
    hostname: str,
    own_uts: bool,
    own_ipc: bool,
    network: str,
    sysctls: Mapping[str, str],
) -> None:
    """Bind new namespaces to `folder`/uts and `folder`/ipc, and set name and sysctls inside.

    To be run by `in_own_thread`. `network` is the path of the pod's network namespace or "".
    Raises OSError; a sysctl that cannot be set is named in it.
    """
    wanted = {"uts": own_uts, "ipc": own_ipc}
    flags = (syscalls.CLONE_NEWUTS if own_uts else 0) | (syscalls.CLONE_NEWIPC if own_ipc else 0)
    syscalls.unshare(flags)
    if network:
        _join(network, syscalls.CLONE_NEWNET)
    if own_uts:
        socket.sethostname(hostname)
    for name, value in sysctls.items():
        Path("/proc/sys", name.replace(".", "/")).write_text(value)
    thread = threading.get_native_id()
    for name, own in wanted.items():
        if own:
            target = folder / name
            target.touch(mode=0o600)
            bind(f"/proc/self/task/{thread}/ns/{name}", target)


def bind(source: str, target: Path) -> None:
    """Keep a namespace alive at `target`, without mounts spreading to or from it."""
    target.touch(mode=0o600)
    syscalls.mount(source, str(target), "", syscalls.MS_BIND)
    syscalls.mount("", str(target), "", syscalls.MS_PRIVATE)


def socket_inside(network: str, family: int) -> Callable[[], socket.socket]:
    """Return a job for `in_own_thread`: a TCP socket that belongs to a network namespace."""

    def job() -> socket.socket:
        if network:
            _join(network, syscalls.CLONE_NEWNET)
        return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)

    return job


def unmount_all(path: str) -> None:
    """Unmount whatever is stacked at `path`; no error if nothing is."""
    for _ in range(16):
        try:
            syscalls.unmount(path)
        except OSError:
            return
