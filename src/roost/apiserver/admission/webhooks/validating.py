"""ValidatingAdmissionWebhook: webhooks that may refuse, asked all at once."""

from __future__ import annotations

import asyncio

from roost.api.errors import StatusError
from roost.api.kind import Kind
from roost.apiserver.admission.configured import Configured, Stage
from roost.apiserver.admission.matching import is_exempt
from roost.apiserver.admission.port import Lookup
from roost.apiserver.admission.surroundings import Surroundings
from roost.apiserver.admission.webhooks.asking import Asking
from roost.apiserver.admission.webhooks.hooks import Hook
from roost.apiserver.admission.webhooks.port import Caller
from roost.apiserver.attributes import Admission
from roost.apiserver.waits import waited


class ValidatingWebhooks(Configured[Hook]):
    """Asks the webhooks of ValidatingWebhookConfigurations."""

    name = "ValidatingAdmissionWebhook"

    def __init__(self, stage: Stage, around: Surroundings, caller: Caller) -> None:
        super().__init__(stage)
        self._around = around
        self._asking = Asking(around, caller, mutating=False)

    async def validate(self, request: Admission, lookup: Lookup) -> None:
        hooks = await self._concerned(request)
        if not hooks or is_exempt(request.kind):
            return
        labels = None
        if not all(hook.criteria.namespaces.empty for hook in hooks):
            labels = await self._around.namespace_labels(request, lookup)
        chosen = [
            (hook, kind)
            for hook in hooks
            if (kind := self._asking.concerned(hook, request, labels)) is not None
        ]
        now = asyncio.get_running_loop().time
        begun = now()
        answers = await asyncio.gather(
            *(
                self._ask(hook, kind, index, request, lookup)
                for index, (hook, kind) in enumerate(chosen)
            )
        )
        waited(now() - begun)
        for refusal in answers:
            if refusal is not None:
                raise refusal

    async def _ask(
        self, hook: Hook, kind: Kind, index: int, request: Admission, lookup: Lookup
    ) -> StatusError | None:
        """Return the refusal of one webhook: the others are heard out before it counts."""
        try:
            await self._asking.ask(hook, request, kind, lookup, f"round_0_index_{index}")
        except StatusError as error:
            return error
        return None
