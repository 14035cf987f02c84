"""Asking one webhook about one request: is it for it, and what does it say?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from roost.api.errors import BadRequest, InternalError, NotFound, StatusError, not_found
from roost.api.kind import Kind
from roost.api.values import Object
from roost.apiserver.access.refusals import refused
from roost.apiserver.admission.expressions import EvaluationFailed, Scope
from roost.apiserver.admission.matching import namespace_of
from roost.apiserver.admission.port import Lookup
from roost.apiserver.admission.surroundings import Surroundings
from roost.apiserver.admission.webhooks.hooks import Hook, endpoint_of
from roost.apiserver.admission.webhooks.port import Caller, CallFailed
from roost.apiserver.admission.webhooks.review import (
    BadAnswer,
    Response,
    denial,
    question,
    read_answer,
)
from roost.apiserver.attributes import Admission
from roost.apiserver.waits import waited


class NotAsked(Exception):
    """The webhook was not asked, or gave no answer; the text says why."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks webhooks. `mutating` says of which sort they are."""

    around: Surroundings
    caller: Caller
    mutating: bool

    def concerned(self, hook: Hook, request: Admission, labels: Object | None) -> Kind | None:
        """Return the kind as which a webhook is asked about a request, None if it is not.

        `labels` are those of the request's namespace, None if there is no such. Raises StatusError.
        """
        try:
            kind = hook.criteria.match(request, self.around.equivalents, labels)
        except LookupError:
            raise _no_namespace(request) from None
        if kind is None or not hook.conditions:
            return kind
        try:
            took = self.around.checks.evaluations
            scope = Scope(request, kind, self.around.authorizer, took=took)
            return kind if hook.conditions.hold(scope) else None
        except EvaluationFailed as error:
            asked = request.kind
            raise refused(asked.group, asked.plural, request.name, str(error)) from None

    async def ask(
        self, hook: Hook, request: Admission, kind: Kind, lookup: Lookup, place: str
    ) -> Response | None:
        """Return what a webhook that allows the request says; None if its failure is ignored.

        `place` names the call to whoever audits. Raises StatusError if the request may not go on.
        """
        if request.dry_run and not hook.dry_runs:
            raise BadRequest(f'admission webhook "{hook.name}" does not support dry run')
        now = asyncio.get_running_loop().time
        begun, rejected = now(), True
        try:
            response = await self._heard(hook, request, kind, lookup, place)
            rejected = False
            return response
        finally:
            took_s = now() - begun
            if self.mutating:  # the others are asked side by side
                waited(took_s)
            self.around.calls.note(
                hook.name, request.operation, took_s, rejected=rejected, mutating=self.mutating
            )

    async def _heard(
        self, hook: Hook, request: Admission, kind: Kind, lookup: Lookup, place: str
    ) -> Response | None:
        try:
            response = await self._answer(hook, request, kind, lookup)
        except NotAsked as error:
            if hook.ignores_failure:
                sort = "mutation" if self.mutating else "validating"
                request.annotate(f"failed-open.{sort}.webhook.admission.k8s.io/{place}", hook.name)
                return None
            raise failed(hook, str(error)) from None
        for key, value in (response.audit_annotations or {}).items():
            request.annotate(f"{hook.name}/{key}", value)
        request.warnings.extend(response.warnings or ())
        if not response.allowed:
            raise denial(hook.name, response.status)
        return response

    async def _answer(self, hook: Hook, request: Admission, kind: Kind, lookup: Lookup) -> Response:
        if not hook.speaks:
            raise NotAsked(
                "could not create admission objects: "
                "webhook does not accept known AdmissionReview versions (v1)"
            )
        uid = self.around.ids.uid()
        body = question(request, kind, uid)
        try:
            endpoint = await endpoint_of(hook, lookup)
            answer = await self.caller.post(endpoint, body, hook.timeout_s)
            return read_answer(answer, uid, mutating=self.mutating)
        except BadAnswer as error:
            raise NotAsked(f"received invalid webhook response: {error}") from None
        except (CallFailed, ValueError) as error:
            raise NotAsked(f"failed to call webhook: {error}") from None


def failed(hook: Hook, why: str) -> StatusError:
    """Return the error for a webhook that must answer and did not."""
    return InternalError.because(f'failed calling webhook "{hook.name}": {why}')


def _no_namespace(request: Admission) -> NotFound:
    return not_found("", "namespaces", namespace_of(request))
