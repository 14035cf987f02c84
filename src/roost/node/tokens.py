"""Service account tokens for pods: asked for by TokenRequest, renewed at 80 % of their life."""

from __future__ import annotations

from dataclasses import dataclass

from roost.api.errors import ServiceUnavailable
from roost.api.kind import Resource
from roost.api.values import Object
from roost.client.port import Client
from roost.decisions.resources import SERVICE_ACCOUNTS
from roost.node import podspec
from roost.node.sources import TokenRef, tokens_of
from roost.ports.port import Chance, WallClock

TOKEN_REQUESTS = Resource("authentication.k8s.io", "v1", "tokenrequests")
_RENEW_AT = 0.8
_MAX_AGE_S = 24 * 3600.0
_JITTER_S = 10.0
_RETRY_S = 10.0


@dataclass(frozen=True, slots=True)
class _Held:
    text: str
    renew_at: float


class Tokens:
    """Tokens of the node's pods, in memory only."""

    def __init__(self, client: Client, clock: WallClock, chance: Chance) -> None:
        self._client = client
        self._clock = clock
        self._chance = chance
        self._held: dict[str, dict[TokenRef, _Held]] = {}
        #: uid of a pod -> when to ask again after a failure.
        self._rest_until: dict[str, float] = {}

    def of(self, pod_uid: str) -> dict[TokenRef, str]:
        """Return the tokens a pod has."""
        return {ref: held.text for ref, held in self._held.get(pod_uid, {}).items()}

    def due_at(self, pod: Object) -> float | None:
        """Return when the pod needs a new token; None if it mounts none."""
        uid = podspec.uid(pod)
        held = self._held.get(uid, {})
        due = [held[ref].renew_at if ref in held else 0.0 for ref in tokens_of(pod)]
        return max(min(due), self._rest_until.get(uid, 0.0)) if due else None

    def forget(self, pod_uid: str) -> None:
        self._held.pop(pod_uid, None)
        self._rest_until.pop(pod_uid, None)

    async def renew(self, pod: Object) -> None:
        """Ask for every token that is missing or due; raises StatusError or OSError. A token that
        is still there stays in use when its renewal fails."""
        now, uid = self._clock.now(), podspec.uid(pod)
        held = self._held.setdefault(uid, {})
        for ref in sorted(tokens_of(pod)):
            known = held.get(ref)
            if known is not None and known.renew_at > now:
                continue
            self._rest_until[uid] = now + _RETRY_S  # do not ask again at once if this fails
            held[ref] = await self._ask(pod, ref)
            del self._rest_until[uid]

    async def _ask(self, pod: Object, ref: TokenRef) -> _Held:
        namespace, name = podspec.name_of(pod)
        account = pod["spec"].get("serviceAccountName") or "default"
        body: Object = {
            "apiVersion": TOKEN_REQUESTS.api_version,
            "kind": "TokenRequest",
            "metadata": {"name": account, "namespace": namespace},
            "spec": {
                "audiences": [ref.audience] if ref.audience else [],
                "expirationSeconds": ref.expiration_s,
                "boundObjectRef": {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "name": name,
                    "uid": podspec.uid(pod),
                },
            },
        }
        answer = await self._client.create(
            SERVICE_ACCOUNTS, body, namespace, name=account, subresource="token"
        )
        now = self._clock.now()
        try:
            text = answer["status"]["token"]
            life = podspec.seconds_of(answer["status"]["expirationTimestamp"]) - now
        except (KeyError, TypeError, ValueError) as error:
            raise ServiceUnavailable(f"the answer holds no token for {account}") from error
        renew_in = min(_RENEW_AT * life, _MAX_AGE_S) - self._chance.uniform() * _JITTER_S
        return _Held(text, now + max(1.0, renew_in))
