"""The DNS process: `python -m roost.cli.dns TABLE ADDRESS [PORT]`.

Kept apart from the rest of the command line, because it must start at once and stay small.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from roost.network.dns.server import Names, serve


def main() -> None:
    """Serve until told to stop. SIGHUP reads the table again."""
    table, address, *rest = sys.argv[1:]
    port = int(rest[0]) if rest else 53

    async def run() -> None:
        names = Names(Path(table))
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        loop.add_signal_handler(signal.SIGHUP, names.reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # it was held back until now
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            await serve(names, [address], port, ready=lambda: print("ready", flush=True))
        except asyncio.CancelledError:
            return
        except OSError as error:
            sys.exit(f"roost dns: cannot listen on {address}:{port}: {error.strerror}")

    asyncio.run(run())


if __name__ == "__main__":
    main()
