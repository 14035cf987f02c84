"""Programs of this machine, run without a shell."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from roost.ports.port import Exit


class SystemProcesses:
    """ports.Processes."""

    async def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout_s: float = 30.0
    ) -> Exit:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except FileNotFoundError as error:
            return Exit(127, b"", f"{argv[0]}: {error.strerror}".encode())
        try:
            async with asyncio.timeout(timeout_s):
                stdout, stderr = await process.communicate(stdin)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        return Exit(process.returncode or 0, stdout, stderr)
