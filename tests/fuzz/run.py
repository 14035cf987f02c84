"""The run in process: odd requests by the ten thousand to one server, and what is looked at meanwhile.

`python tests/fuzz/run.py --requests N --seed S` does it by hand; it prints one line of JSON, and each
kind of finding once, with the smallest request that shows it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import logging
import os
import random
import re
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.probes import probe
from fuzz.requests import Requests
from fuzz.rules import Broken, check_answer, check_lists, check_stored, described
from fuzz.scene import ACTING, Scene, serving
from fuzz.shrinking import shrunk
from fuzz.systematic import Systematic
from fuzz.watching import Watchers
from roost.apiserver.messages import Request, WatchAnswer
from roost.apiserver.requestinfo import parse_path

#: How many requests there are, unless somebody asks for fewer.
REQUESTS = 90_000
#: A request that takes longer hangs, in seconds: a hundred times what the slowest takes.
HANG_S = 10
_RESTORE_EVERY = 200
_LIST_EVERY = 4_000


class Hang(BaseException):
    """A request does not end."""


def _hang(_signal: int, _frame: Any) -> None:
    raise Hang


def resident_bytes() -> int:
    """Return the memory of this process that is in use, after what is garbage has gone."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Run:
    """One run: what was answered, and what was found."""

    def __init__(self) -> None:
        self.codes: Counter[int] = Counter()
        self.stored = 0
        self.findings: dict[str, tuple[int, str]] = {}
        self.slowest: tuple[float, str] = (0.0, "")
        #: The memory in use after each third.
        self.thirds_bytes: list[int] = []
        self.events = 0

    @property
    def requests(self) -> int:
        return self.codes.total()

    async def go(self, requests: int, seed: int) -> None:
        """Send requests; rules that do not hold become findings."""
        rng = random.Random(seed)
        async with serving() as scene:
            watchers = Watchers(scene)
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(watchers.run())
                await self._all(scene, _mixed(scene, rng, requests), requests)
                for ended in watchers.ended():
                    self.findings[ended] = (1, f"the watch of {ended} ended")
                self.events = watchers.events
                watching.cancel()

    async def _all(self, scene: Scene, row: Iterator[Request], requests: int) -> None:
        for number, request in enumerate(row, 1):
            await self._one(scene, request)
            if number % _RESTORE_EVERY == 0:
                await self._look(scene)
                await self._guarded(scene.restore(), "restoring", request)
            if number % _LIST_EVERY == 0:
                await self._guarded(check_lists(scene), "lists", request)
            if number % (requests // 3) == 0:
                self.thirds_bytes.append(resident_bytes())

    async def _look(self, scene: Scene) -> None:
        """Look at everything that the last requests left."""
        for record in await scene.added():
            self.stored += 1
            told = f"stored: {record.value[:3000].decode('utf-8', 'replace')}"
            await self._guarded(check_stored(scene, record), told, None)

    async def _one(self, scene: Scene, request: Request) -> None:
        fault, took, code = await attempt(scene, request)
        self.codes[code] += 1
        if took > self.slowest[0]:
            self.slowest = (took, described(request)[:300])
        if fault:
            key = _class_of(fault)
            count, example = self.findings.get(key, (0, ""))
            if not example:
                smallest = await shrunk(scene, request, lambda again: _same(scene, again, key))
                example = f"{fault}\n    {described(smallest)}"
            self.findings[key] = (count + 1, example)
        if 200 <= code < 202 and request.method in {"POST", "PUT", "PATCH"}:
            info = parse_path(request.method, request.path)
            if (info.group, info.resource) in ACTING:
                await self._guarded(probe(scene, info), "probing", request)
                await self._look(scene)
                await self._guarded(scene.restore(), "restoring", request)

    async def _guarded(self, work: Any, what: str, request: Request | None) -> None:
        fault = await fault_of(work)
        if fault:
            count, example = self.findings.get(_class_of(fault), (0, ""))
            shown = described(request) if request is not None else ""
            self.findings[_class_of(fault)] = (
                count + 1,
                example or f"{fault}\n    {what} {shown}",
            )


def _mixed(scene: Scene, rng: random.Random, requests: int) -> Iterator[Request]:
    """Half of the row goes through the schemas, as far as they reach; the rest is chance."""
    systematic = Systematic(scene, rng)
    chance = Requests(scene, rng)
    some = list(itertools.islice(systematic, requests * 6 // 10))
    every = requests / max(len(some), 1)
    due = 0.0
    for number in range(requests):
        if number >= due and some:
            due += every
            yield some.pop()
        else:
            yield chance.next()


async def fault_of(work: Any) -> str:
    """Return what goes wrong with some work, "" if nothing does."""
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    try:
        await work
    except Broken as error:
        return str(error)
    except Hang:
        return "hang: " + "".join(traceback.format_exc(limit=-6))
    except Exception as error:  # noqa: BLE001 - whatever gets out is a finding
        where = "".join(traceback.format_tb(error.__traceback__)[-4:])
        return f"{where}{type(error).__name__}: {str(error)[:150]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return ""


async def attempt(scene: Scene, request: Request) -> tuple[str, float, int]:
    """Send a request; return what is wrong with its answer, how long it took in s, and its code."""
    begun = time.perf_counter()
    code = 0

    async def send() -> None:
        nonlocal code
        request.warnings, request.head = [], b""
        answer = await scene.api.handle(request)
        code = getattr(answer, "code", 200)
        if isinstance(answer, WatchAnswer):
            await scene.glance(answer)
        check_answer(answer)

    fault = await fault_of(send())
    return fault, time.perf_counter() - begun, code


async def _same(scene: Scene, request: Request, key: str) -> bool:
    fault, _, _ = await attempt(scene, request)
    return bool(fault) and _class_of(fault) == key


_VARYING = re.compile(r"\"[^\"]*\"|'[^']*'|[0-9]+|\\[^ ]+")


def _class_of(fault: str) -> str:
    """Return what is the same of all findings of one bug: the place, or the message without values."""
    lines = fault.strip().splitlines()
    places = [line.strip() for line in lines if line.strip().startswith("File ")]
    if places:
        return "\n".join(places[-2:])
    return _VARYING.sub("_", lines[0])[:80] if lines else fault


def fuzz(requests: int, seed: int) -> Run:
    """Run; must be called in the main thread."""
    run = Run()
    before = signal.signal(signal.SIGALRM, _hang)
    log = logging.getLogger("roost.requests")
    level, log.level = log.level, logging.CRITICAL
    thresholds = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)  # a whole server lies around, that is no garbage
    try:
        asyncio.run(run.go(requests, seed))
    finally:
        gc.set_threshold(*thresholds)
        log.level = level
        signal.signal(signal.SIGALRM, before)
    return run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    begun = time.perf_counter()
    run = fuzz(asked.requests, asked.seed)
    for count, example in run.findings.values():
        print(f"{count} x {example}\n", file=sys.stderr)
    print(json.dumps({
        "requests": run.requests, "seed": asked.seed,
        "seconds": round(time.perf_counter() - begun, 1), "stored": run.stored,
        "slowest_ms": round(run.slowest[0] * 1000), "slowest": run.slowest[1],
        "codes": dict(sorted(run.codes.items())), "events": run.events,
        "resident_mb": [size >> 20 for size in run.thirds_bytes], "findings": len(run.findings),
    }))  # fmt: skip
    return 1 if run.findings else 0


if __name__ == "__main__":
    sys.exit(main())
