"""The service data path of a real node: nftables, changed in atomic transactions.

What is programmed lives in the kernel and outlives this process. A fresh process does not know what the
kernel holds, so its first change replaces the whole table in one transaction; every later one sends the
difference. Rule: nothing is programmed before there is something to program (see proxy.py).
"""

from __future__ import annotations

import asyncio
import shutil

from roost.network.plan import NetworkError, NodeNetwork
from roost.network.rules import Rules, base_script, change_script


class NftablesDataplane:
    """Programs Rules into the kernel; calls must not overlap."""

    def __init__(self, network: NodeNetwork) -> None:
        self._network = network
        self._programmed: Rules | None = None

    async def program(self, rules: Rules) -> None:
        """Make the kernel do what `rules` say. Raises NetworkError; then nothing has changed."""
        known = self._programmed
        if known is None:
            script = base_script(self._network) + change_script(self._network, Rules(), rules)
        else:
            script = change_script(self._network, known, rules)
        if not script:
            return
        try:
            await run_nft(script)
        except NetworkError:
            # The table may not be what we believe (somebody flushed it): start over next time.
            self._programmed = None
            raise
        self._programmed = rules

    async def remove(self) -> None:
        """Take the whole table away."""
        name = self._network.table
        await run_nft(f"table ip {name}\ndelete table ip {name}\n")
        self._programmed = None


async def run_nft(script: str) -> None:
    """Run one script as one transaction. Raises NetworkError."""
    program = shutil.which("nft") or "/usr/sbin/nft"
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "-f",
            "-",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError as error:
        raise NetworkError("nft was not found; install the package nftables") from error
    try:
        _, complaint = await process.communicate(script.encode())
    except RuntimeError as error:  # uvloop: the pipe was closed with the end of the program
        raise NetworkError(f"nft took no rules; it ended with {await process.wait()}") from error
    if process.returncode:
        first = complaint.decode(errors="replace").strip().splitlines()[:1]
        raise NetworkError(f"nft refused the rules: {first[0] if first else process.returncode}")
