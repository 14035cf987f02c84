"""Brings pod statuses to the API: the newest one of each pod, again and again until it is there.

Workers hand statuses in and go on; a server that is away delays reports and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from roost.api.errors import BadRequest, Conflict, Invalid, NotFound, StatusError
from roost.api.values import Object
from roost.client.port import Client, PatchType
from roost.decisions.resources import PODS
from roost.node import podspec
from roost.node.status import status_patch

log = logging.getLogger(__name__)

_WRITERS = 4
_FIRST_RETRY_S = 1.0
_MAX_RETRY_S = 30.0


@dataclass(frozen=True, slots=True)
class Report:
    """A status to bring to the API. `pod` is the Pod as last seen; `done` is told the Pod as the API
    has it afterwards, or None: it has no such pod (with that uid) any more."""

    pod: Object
    status: Object
    done: Callable[[Object | None], None]


class StatusReporter:
    """One per node; at most a few patches are under way, and one per pod.

    A report waits for `delay_s` seconds, so that what changes meanwhile is one patch.
    """

    def __init__(self, client: Client, delay_s: float = 0.0) -> None:
        self._client = client
        self._delay_s = delay_s
        self._waiting: OrderedDict[str, Report] = OrderedDict()
        self._writing: set[str] = set()
        self._wake = asyncio.Event()

    def offer(self, report: Report) -> None:
        """Take a report; it replaces one of the same pod that still waits."""
        self._waiting[podspec.uid(report.pod)] = report
        self._wake.set()

    def forget(self, pod_uid: str) -> None:
        """Drop a report that waits."""
        self._waiting.pop(pod_uid, None)

    async def run(self) -> None:
        """Write reports until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_WRITERS):
                tasks.create_task(self._write_all())

    async def _next(self) -> Report:
        while True:
            for uid in self._waiting:
                if uid not in self._writing:
                    return self._waiting.pop(uid)
            self._wake.clear()
            await self._wake.wait()
            if self._delay_s:
                await asyncio.sleep(self._delay_s)

    async def _write_all(self) -> None:
        delay = _FIRST_RETRY_S
        while True:
            report = await self._next()
            uid = podspec.uid(report.pod)
            self._writing.add(uid)
            try:
                settled = await self._write(report)
            finally:
                self._writing.discard(uid)
                self._wake.set()
            if settled:
                delay = _FIRST_RETRY_S
                continue
            self._waiting.setdefault(uid, report)
            await asyncio.sleep(delay)
            delay = min(_MAX_RETRY_S, delay * 2)

    async def _write(self, report: Report) -> bool:
        """Send one report; return whether it is settled (written, or of no use any more)."""
        namespace, name = podspec.name_of(report.pod)
        patch = status_patch(report.pod, report.status)
        if patch is None:
            report.done(report.pod)
            return True
        try:
            written = await self._client.patch(
                PODS, name, patch, namespace, type=PatchType.STRATEGIC, subresource="status"
            )
        except (NotFound, Conflict) as error:
            # Gone, or (by the uid in the patch) another pod of that name. The watch will say so
            # too, and only that ends anything.
            log.info("status of %s/%s: %s", namespace, name, error.message)
            report.done(None)
            return True
        except (Invalid, BadRequest) as error:
            log.warning("the status of %s/%s was refused: %s", namespace, name, error.message)
            report.done(None)
            return True
        except (StatusError, OSError, TimeoutError) as error:
            log.warning("status of %s/%s: %s", namespace, name, error)
            return False
        if not _same_pod(written, report.pod):
            log.warning("status of %s/%s: the answer is not this pod", namespace, name)
            return False
        report.done(written)
        return True


def _same_pod(written: Object, pod: Object) -> bool:
    return bool((written.get("metadata") or {}).get("uid") == podspec.uid(pod))
