"""One leader among many: a Lease that its holder renews, as client-go's leader election.

Only for several control planes on one store; a single process needs none. Clocks of candidates are
never compared: a lease counts as expired when it was watched unchanged for its whole duration.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from roost.api.errors import AlreadyExists, Conflict, NotFound, StatusError
from roost.api.values import Object
from roost.client.port import Client
from roost.decisions.meta import micro_stamp
from roost.decisions.resources import LEASES
from roost.ports.port import WallClock

log = logging.getLogger(__name__)


class LeadershipLost(Exception):
    """Somebody else may be leading by now."""


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """How long a lease lasts, until when it must be renewed, and how often that is tried."""

    duration_s: float = 15.0
    deadline_s: float = 10.0
    retry_s: float = 2.0


class LeaderLease:
    """The Lease `namespace/name`, wanted by `identity`."""

    def __init__(
        self,
        client: Client,
        clock: WallClock,
        identity: str,
        name: str,
        *,
        namespace: str = "kube-system",
        times: LeaseTimes | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._identity = identity
        self._name = name
        self._namespace = namespace
        self._times = times or LeaseTimes()
        self._seen: tuple[object, ...] = ()
        self._seen_at = 0.0

    async def lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait for leadership, then run `work` for as long as it lasts.

        Raises LeadershipLost when the lease could not be renewed in time; `work` is cancelled first.
        """
        while True:
            if await self._try():
                break
            await asyncio.sleep(self._times.retry_s)
        log.info("%s leads %s", self._identity, self._name)
        try:
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._renew(), name=f"lease {self._name}")
                await work()
                renewing.cancel()
        except BaseExceptionGroup as failures:
            if len(failures.exceptions) == 1:
                raise failures.exceptions[0] from None
            raise

    async def _renew(self) -> None:
        now = asyncio.get_running_loop().time
        renewed_at = now()
        while True:
            await asyncio.sleep(self._times.retry_s)
            if await self._try():
                renewed_at = now()
            elif now() - renewed_at > self._times.deadline_s:
                raise LeadershipLost(self._name)

    async def _try(self) -> bool:
        try:
            async with asyncio.timeout(self._times.deadline_s):
                return await self._acquire()
        except (StatusError, OSError, TimeoutError) as error:
            log.debug("lease %s: %s", self._name, error)
            return False

    async def _acquire(self) -> bool:
        stamp = micro_stamp(self._clock.now())
        wanted: Object = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(self._times.duration_s),
            "renewTime": stamp,
        }
        try:
            lease = await self._client.get(LEASES, self._name, self._namespace)
        except NotFound:
            return await self._create({**wanted, "acquireTime": stamp, "leaseTransitions": 0})
        spec = lease.get("spec") or {}
        mine = spec.get("holderIdentity") == self._identity
        if not mine and spec.get("holderIdentity") and not self._expired(spec):
            return False
        if not mine:
            wanted["acquireTime"] = stamp
            wanted["leaseTransitions"] = spec.get("leaseTransitions", 0) + 1
        try:
            await self._client.update(
                LEASES, {**lease, "spec": {**spec, **wanted}}, self._namespace
            )
        except Conflict:
            return False
        return True

    async def _create(self, spec: Object) -> bool:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": spec,
        }
        try:
            await self._client.create(LEASES, body, self._namespace)
        except AlreadyExists:
            return False
        return True

    def _expired(self, spec: Object) -> bool:
        now = asyncio.get_running_loop().time()
        sign = (spec.get("holderIdentity"), spec.get("renewTime"))
        if sign != self._seen:
            self._seen, self._seen_at = sign, now
        duration_s: float = spec.get("leaseDurationSeconds", self._times.duration_s)
        return now - self._seen_at >= duration_s
