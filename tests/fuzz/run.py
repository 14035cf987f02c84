"""Send odd requests to an API server in this process: `python tests/fuzz/run.py --requests 100000`.

Prints one line of JSON, and exits with 1 when a rule of tests/fuzz/rules.py was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.requests import Requests
from fuzz.rules import Broken, check
from fuzz.scene import everything, serving, sweep
from roost.apiserver.messages import Request
from roost.apiserver.server import ApiServer

#: No request may take longer, in seconds.
SLOW_S = 2.0
#: After this long a request is interrupted where it hangs, in seconds.
_HANG_S = 8
_SWEEP_EVERY = 250
#: The memory from which growth is reckoned is what is used after this part of a run.
_WARM_PART = 0.3


class Hang(BaseException):
    """A request does not end."""


def _hang(_signal: int, _frame: Any) -> None:
    raise Hang


def resident_bytes() -> int:
    """Return the memory of this process that is in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def described(request: Request) -> str:
    """Return a request as a finding shows it."""
    headers = dict(request.headers)
    return f"{request.method} {request.path[:150]!r} ?{request.query[:150]} {headers} {request.body[:1500]!r}"


class Run:
    """One run: what was answered, and what was found."""

    def __init__(self) -> None:
        self.codes: Counter[int] = Counter()
        self.findings: dict[str, tuple[int, str]] = {}
        self.slowest_s = 0.0
        self.first_bytes = 0
        self.last_bytes = 0

    def found(self, what: str, request: Request) -> None:
        key = what[-220:]
        count, example = self.findings.get(key, (0, ""))
        self.findings[key] = (count + 1, example or f"{what}\n    {described(request)}")

    async def go(self, requests: int, seed: int) -> None:
        """Send requests; rules that do not hold become findings."""
        async with serving() as api:
            kept = await everything(api)
            made = Requests(api, seed)
            for number in range(requests):
                if number % _SWEEP_EVERY == _SWEEP_EVERY - 1:
                    await sweep(api, kept)
                if number == int(requests * _WARM_PART):
                    gc.collect()
                    self.first_bytes = resident_bytes()
                await self._one(api, made.next())
            await sweep(api, kept)
            gc.collect()
            self.last_bytes = resident_bytes()

    async def _one(self, api: ApiServer, request: Request) -> None:
        signal.setitimer(signal.ITIMER_REAL, _HANG_S)
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(_HANG_S):
                answer = await api.handle(request)
            took = time.perf_counter() - begun
            self.slowest_s = max(self.slowest_s, took)
            if took > SLOW_S:
                self.found(f"slow: {took:.1f} s", request)
            self.codes[await check(api, request, answer)] += 1
        except Broken as error:
            self.found(str(error), request)
        except Hang:
            self.found("hang: " + "".join(traceback.format_exc(limit=-6)), request)
        except Exception as error:  # noqa: BLE001 - whatever gets out is a finding
            where = "".join(traceback.format_tb(error.__traceback__)[-4:])
            self.found(f"{where}{type(error).__name__}: {str(error)[:100]}", request)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def fuzz(requests: int, seed: int) -> Run:
    """Run; must be called in the main thread."""
    run = Run()
    before = signal.signal(signal.SIGALRM, _hang)
    try:
        asyncio.run(run.go(requests, seed))
    finally:
        signal.signal(signal.SIGALRM, before)
    return run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    begun = time.perf_counter()
    run = fuzz(asked.requests, asked.seed)
    for count, example in run.findings.values():
        print(f"{count} x {example}\n", file=sys.stderr)
    print(json.dumps({
        "requests": asked.requests, "seed": asked.seed,
        "seconds": round(time.perf_counter() - begun, 1),
        "slowest_ms": round(run.slowest_s * 1000), "codes": dict(sorted(run.codes.items())),
        "resident_mb": [run.first_bytes >> 20, run.last_bytes >> 20],
        "findings": len(run.findings),
    }))  # fmt: skip
    return 1 if run.findings else 0


if __name__ == "__main__":
    sys.exit(main())
