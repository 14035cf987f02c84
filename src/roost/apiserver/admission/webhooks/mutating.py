"""MutatingAdmissionWebhook: webhooks that may change an object, one after the other."""

from __future__ import annotations

import json
from typing import Final

import msgspec

from roost.api.errors import InternalError, StatusError
from roost.api.kind import Kind
from roost.api.patches.json_patch import Inapplicable, patch_document, with_texts
from roost.api.values import Object
from roost.apiserver.admission.configured import Configured, Stage
from roost.apiserver.admission.matching import is_exempt
from roost.apiserver.admission.port import Lookup
from roost.apiserver.admission.requests import shown_as, taken_back
from roost.apiserver.admission.rounds import Rounds
from roost.apiserver.admission.surroundings import Surroundings
from roost.apiserver.admission.webhooks.asking import Asking, failed
from roost.apiserver.admission.webhooks.hooks import Hook
from roost.apiserver.admission.webhooks.port import Caller
from roost.apiserver.admission.webhooks.review import Response
from roost.apiserver.attributes import Admission

_JSON_PATCH: Final = "JSONPatch"
_decode: Final = msgspec.json.Decoder().decode


class MutatingWebhooks(Configured[Hook]):
    """Asks the webhooks of MutatingWebhookConfigurations."""

    name = "MutatingAdmissionWebhook"

    def __init__(self, stage: Stage, around: Surroundings, caller: Caller) -> None:
        super().__init__(stage)
        self._around = around
        self._asking = Asking(around, caller, mutating=True)

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        hooks = await self._concerned(request)
        if not hooks or is_exempt(request.kind):
            return
        rounds = Rounds.of(request, self.name)
        rounds.start(request.object)
        try:
            for index, hook in enumerate(hooks):
                await self._call(hook, index, request, rounds, lookup)
        finally:
            rounds.end(request.object)

    async def _call(
        self, hook: Hook, index: int, request: Admission, rounds: Rounds, lookup: Lookup
    ) -> None:
        labels = {} if hook.criteria.namespaces.empty else (
            await self._around.namespace_labels(request, lookup)
        )  # fmt: skip
        kind = self._asking.concerned(hook, request, labels)
        if kind is None or rounds.skips(hook.uid):
            return
        second = request.reinvocation is not None and request.reinvocation.second
        place = f"round_{int(second)}_index_{index}"
        changed = False
        response = await self._asking.ask(hook, request, kind, lookup, place)
        if response is not None:
            changed = self._apply(hook, request, kind, response)
        rounds.asked(hook.uid, changed=changed, again=hook.again)
        note = {"configuration": hook.configuration, "webhook": hook.name, "mutated": changed}
        request.annotate(
            f"mutation.webhook.admission.k8s.io/{place}", json.dumps(note, separators=(",", ":"))
        )

    def _apply(self, hook: Hook, request: Admission, kind: Kind, response: Response) -> bool:
        """Change the object as a webhook wants; return whether it changed. Raises StatusError."""
        operations = _operations(hook, response.patch) if response.patch else None
        if not operations:
            return False
        if response.patch_type != _JSON_PATCH:
            raise failed(hook, f'unsupported patch type "{response.patch_type}"')
        shown = shown_as(request, kind, request.object)
        if shown is None:
            raise InternalError.because(
                f'admission webhook "{hook.name}" attempted to modify the object, '
                "which is not supported for this operation"
            )
        try:
            patched = patch_document(shown, operations)
        except Inapplicable as error:
            raise InternalError.because(str(error)) from None
        except StatusError as error:
            raise InternalError.because(error.message) from None
        before: Object = dict(request.object or {})
        self._around.settle(request, taken_back(request, kind, patched))
        return request.object != before


def _operations(hook: Hook, patch: bytes) -> list[Object]:
    try:
        found = _decode(patch)
    except msgspec.DecodeError as error:
        raise failed(hook, f"received undecodable patch in webhook response: {error}") from None
    if found is None:
        return []
    if not isinstance(found, list):
        why = "json: cannot unmarshal into Go value of type jsonpatch.Patch"
        raise failed(hook, f"received undecodable patch in webhook response: {why}")
    operations: list[Object] = with_texts(patch, found)
    return operations
