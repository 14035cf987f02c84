"""Programs of this machine, run without a shell."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from roost.ports.port import Exit


async def _feed(pipe: asyncio.StreamWriter | None, data: bytes) -> None:
    """Give a program its input; one that has ended already did not want it."""
    if pipe is None:
        return
    # uvloop raises RuntimeError where the pipe was closed with the end of the program.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
        pipe.write(data)
        await pipe.drain()
    pipe.close()


class SystemProcesses:
    """ports.Processes."""

    async def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 30.0
    ) -> Exit:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError as error:
            return Exit(127, b"", f"{argv[0]}: {error.strerror}".encode())
        try:
            async with asyncio.timeout(timeout_s):
                (stdout, stderr), _ = await asyncio.gather(
                    process.communicate(), _feed(process.stdin, stdin)
                )
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        return Exit(process.returncode or 0, stdout, stderr)
