"""Run by run.mjs inside Pyodide: pytest, where no loop can be waited for.

A page's own event loop cannot be run to an end by a synchronous test, and there are no sockets for the
usual one. The loop of the simulation needs neither: time jumps, as in a simulated cluster.
"""

from __future__ import annotations

import asyncio
import sys

import pytest

from roost.simulation.loop import VirtualLoop


class _Policy(asyncio.events._BaseDefaultEventLoopPolicy):  # type: ignore[name-defined]
    _loop_factory = VirtualLoop


if __name__ == "__main__":
    asyncio._set_running_loop(None)  # the page's own, which runs around this program
    asyncio.events._set_event_loop_policy(_Policy())  # type: ignore[attr-defined]
    raise SystemExit(pytest.main(sys.argv[1:]))
