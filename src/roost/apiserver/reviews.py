"""Resources that are computed: access reviews, token reviews, and tokens for service accounts.

`handlers` gives the table that the core serves them from. Answers carry what was asked in `spec` and
the verdict in `status`; nothing is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from roost.api.errors import BadRequest, Cause, conflict, invalid, not_found
from roost.api.values import Object
from roost.apiserver import questions, tokens
from roost.apiserver.admission.noderestriction import NodeRestriction
from roost.apiserver.admission.port import Lookup, Plugin
from roost.apiserver.attributes import Admission, Attributes, Call, Decision, Handler, User
from roost.apiserver.authenticator import Authenticator
from roost.apiserver.authorizer import Authorizer
from roost.apiserver.creating import OTHER_NAMESPACE
from roost.decisions.meta import stamp
from roost.ports.port import Ids, WallClock

AUTHENTICATION = "authentication.k8s.io"
AUTHORIZATION = "authorization.k8s.io"

_MIN_LIFE_S = 600
_MAX_LIFE_S = 1 << 32
_DEFAULT_LIFE_S = 3600


def handlers(
    authenticator: Authenticator,
    authorizer: Authorizer,
    keys: tokens.Keys,
    lookup: Lookup,
    clock: WallClock,
    ids: Ids,
    plugins: Sequence[Plugin] = (NodeRestriction(),),
) -> Mapping[tuple[str, str, str], Handler]:
    """Return (group, plural, subresource) -> handler.

    `plugins` are asked before a token is made: a node gets tokens only for the pods it runs.
    """
    access = AccessReviews(authorizer)
    identity = IdentityReviews(authenticator, clock)
    requests = TokenRequests(keys, lookup, clock, ids, authenticator.audiences, tuple(plugins))
    return {
        (AUTHENTICATION, "tokenreviews", ""): identity.token,
        (AUTHENTICATION, "selfsubjectreviews", ""): identity.self,
        (AUTHORIZATION, "subjectaccessreviews", ""): access.subject,
        (AUTHORIZATION, "localsubjectaccessreviews", ""): access.local,
        (AUTHORIZATION, "selfsubjectaccessreviews", ""): access.self,
        (AUTHORIZATION, "selfsubjectrulesreviews", ""): access.rules,
        ("", "serviceaccounts", "token"): requests.create,
    }


def _answer(call: Call, kind: str, group: str, spec: Object | None, status: Object) -> Object:
    answer: Object = {
        "kind": kind,
        "apiVersion": f"{group}/v1",
        "metadata": dict(call.body.get("metadata") or {}),
    }
    if spec is not None:
        answer["spec"] = spec
    answer["status"] = status
    return answer


# ------------------------------------------------------------------ who


@dataclass(frozen=True, slots=True)
class IdentityReviews:
    """TokenReview and SelfSubjectReview."""

    authenticator: Authenticator
    clock: WallClock

    async def token(self, call: Call) -> Object:
        spec = call.body.get("spec") or {}
        token = spec.get("token") or ""
        if not token:
            raise BadRequest("token is required for TokenReview in authentication")
        reviewed = await self.authenticator.review(token, tuple(spec.get("audiences") or ()))
        status: Object = {"user": user_info(reviewed.user) if reviewed.user else {}}
        if reviewed.user is not None:
            status = {"authenticated": True, **status, "audiences": list(reviewed.audiences)}
        elif reviewed.error:
            status["error"] = reviewed.error
        return _answer(call, "TokenReview", AUTHENTICATION, spec, status)

    async def self(self, call: Call) -> Object:
        status = {"userInfo": user_info(call.user)}
        answer = _answer(call, "SelfSubjectReview", AUTHENTICATION, None, status)
        answer["metadata"] = {"creationTimestamp": stamp(self.clock.now())}
        return answer


def user_info(user: User) -> Object:
    """Return a user as the API shows it."""
    info: Object = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {key: list(values) for key, values in user.extra.items()}
    return info


# ------------------------------------------------------------------ may they


@dataclass(frozen=True, slots=True)
class AccessReviews:
    """The reviews of access, over one authoriser."""

    authorizer: Authorizer

    async def subject(self, call: Call) -> Object:
        spec = call.body.get("spec") or {}
        (call.body.get("metadata") or {}).pop("namespace", None)
        _refuse(questions.subject_faults(call.body))
        return self._verdict(call, "SubjectAccessReview", spec, _user_of(spec))

    async def local(self, call: Call) -> Object:
        spec = call.body.get("spec") or {}
        namespace = call.namespace
        if (call.body.get("metadata") or {}).get("namespace") not in (None, "", namespace):
            raise BadRequest(OTHER_NAMESPACE)
        _refuse(questions.local_faults(call.body, namespace))
        answer = self._verdict(call, "LocalSubjectAccessReview", spec, _user_of(spec))
        answer["metadata"]["namespace"] = namespace
        return answer

    async def self(self, call: Call) -> Object:
        spec = call.body.get("spec") or {}
        (call.body.get("metadata") or {}).pop("namespace", None)
        _refuse(questions.self_faults(call.body))
        return self._verdict(call, "SelfSubjectAccessReview", spec, call.user)

    async def rules(self, call: Call) -> Object:
        namespace = (call.body.get("spec") or {}).get("namespace") or ""
        if not namespace:
            raise BadRequest("no namespace on request")
        rules = self.authorizer.rules_for(call.user, namespace)
        status: Object = {
            "resourceRules": rules.resource_rules,
            "nonResourceRules": rules.url_rules,
            "incomplete": rules.incomplete,
        }
        if rules.error:
            status["evaluationError"] = rules.error
        answer = _answer(call, "SelfSubjectRulesReview", AUTHORIZATION, {}, status)
        answer["metadata"] = {}
        return answer

    def _verdict(self, call: Call, kind: str, spec: Object, user: User) -> Object:
        decision = self.authorizer.authorize(attributes_of(spec, user))
        return _answer(call, kind, AUTHORIZATION, spec, _status(decision))


def attributes_of(spec: Object, user: User) -> Attributes:
    """Return what an access review asks about."""
    paths = spec.get("nonResourceAttributes")
    if paths is not None:
        return Attributes(user, paths.get("verb", ""), path=paths.get("path", ""))
    asked: Mapping[str, Any] = spec["resourceAttributes"]
    return Attributes(
        user,
        asked.get("verb", ""),
        asked.get("group", ""),
        asked.get("version", ""),
        asked.get("resource", ""),
        asked.get("subresource", ""),
        asked.get("namespace", ""),
        asked.get("name", ""),
        field_selector=_selector_text(asked.get("fieldSelector")),
        label_selector=_selector_text(asked.get("labelSelector")),
    )


def _selector_text(selector: Object | None) -> str:
    """Return the requirements that say `key is value`; leaving others out only widens the question."""
    if not selector:
        return ""
    if raw := selector.get("rawSelector"):
        return str(raw)
    return ",".join(
        f"{requirement.get('key', '')}={requirement['values'][0]}"
        for requirement in selector.get("requirements") or ()
        if requirement.get("operator") == "In" and len(requirement.get("values") or ()) == 1
    )


def _user_of(spec: Object) -> User:
    extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return User(
        spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "", extra
    )


def _status(decision: Decision) -> Object:
    status: Object = {"allowed": decision.allowed}
    if decision.denied:
        status["denied"] = True
    if decision.reason:
        status["reason"] = decision.reason
    return status


def _fault(field: str, value: str, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {value}: {why}", field)


def _refuse(faults: list[Cause]) -> None:
    if faults:
        raise invalid(AUTHORIZATION, "", "", faults)


# ------------------------------------------------------------------ tokens


@dataclass(frozen=True, slots=True)
class TokenRequests:
    """serviceaccounts/NAME/token."""

    keys: tokens.Keys
    lookup: Lookup
    clock: WallClock
    ids: Ids
    audiences: tuple[str, ...]
    plugins: tuple[Plugin, ...] = ()

    async def create(self, call: Call) -> Object:
        metadata = call.body.get("metadata") or {}
        _check_address(metadata, call)
        account = await self.lookup.get(tokens.ACCOUNTS, call.name, call.namespace)
        if account is None:
            raise not_found("", "serviceaccounts", call.name)
        uid = account["metadata"]["uid"]
        _check_account(metadata.get("uid") or uid, uid, call.name)
        spec: Object = call.body.get("spec") or {}
        life_s = spec.get("expirationSeconds")
        life_s = _DEFAULT_LIFE_S if life_s is None else int(life_s)
        _check_life(life_s)
        await self._admit(call)
        spec = call.body.get("spec") or {}  # another one, if a webhook changed it
        life_s = int(spec.get("expirationSeconds") or life_s)
        _check_life(life_s)
        audiences = list(spec.get("audiences") or self.audiences)
        reference = spec.get("boundObjectRef")
        bound = await self._bind(reference, account, call)
        now = self.clock.now()
        token = tokens.issue(
            self.keys,
            bound,
            audiences,
            life_s,
            now=now,
            token_id=self.ids.uid(),
            issuer=self.audiences[0],
        )
        answer = _answer(
            call,
            "TokenRequest",
            AUTHENTICATION,
            {"audiences": audiences, "expirationSeconds": life_s, "boundObjectRef": reference},
            {"token": token, "expirationTimestamp": stamp(int(now) + life_s)},
        )
        answer["metadata"] |= {
            "name": call.name,
            "namespace": call.namespace,
            "uid": uid,
            "creationTimestamp": stamp(now),
        }
        return answer

    async def _admit(self, call: Call) -> None:
        request = Admission(
            "CREATE", call.kind, call.namespace, call.name, call.user, call.body,
            subresource=call.subresource, dry_run=call.dry_run,
        )  # fmt: skip
        for plugin in self.plugins:
            await plugin.admit(request, self.lookup)
        for plugin in self.plugins:
            await plugin.validate(request, self.lookup)

    async def _bind(self, reference: Object | None, account: Object, call: Call) -> tokens.Bound:
        uid = account["metadata"]["uid"]
        if reference is None:
            return tokens.Bound(call.namespace, call.name, uid)
        api_version, kind = reference.get("apiVersion") or "", reference.get("kind") or ""
        group, _, version = api_version.rpartition("/")
        resource = _BINDABLE.get((group, kind))
        if resource is None:
            raise BadRequest(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
        name = reference.get("name") or ""
        if not name:
            raise BadRequest("Name parameter required.")
        namespace = "" if resource == tokens.NODES else call.namespace
        found = await self.lookup.get(resource, name, namespace)
        if found is None:
            raise not_found("", resource.plural, name)
        if kind == "Pod" and found["spec"].get("serviceAccountName") != call.name:
            raise BadRequest(
                f'cannot bind token for serviceaccount "{call.name}" to pod running with'
                " different serviceaccount name."
            )
        if (wanted := reference.get("uid")) and wanted != found["metadata"]["uid"]:
            raise conflict(
                "",
                kind,
                name,
                f"the UID in the bound object reference ({wanted}) does not match the UID in"
                " record. The object might have been deleted and then recreated",
            )
        own = (name, found["metadata"]["uid"])
        if kind == "Secret":
            return tokens.Bound(call.namespace, call.name, uid, secret=own)
        if kind == "Node":
            return tokens.Bound(call.namespace, call.name, uid, node=own)
        node = await self._node_of(found)
        return tokens.Bound(call.namespace, call.name, uid, pod=own, node=node)

    async def _node_of(self, pod: Object) -> tuple[str, str] | None:
        name = pod["spec"].get("nodeName")
        node = await self.lookup.get(tokens.NODES, name) if name else None
        return (name, node["metadata"]["uid"]) if name and node else None


#: By group and kind: of any version.
_BINDABLE = {
    ("", "Pod"): tokens.PODS,
    ("", "Secret"): tokens.SECRETS,
    ("", "Node"): tokens.NODES,
}


def _check_address(metadata: Object, call: Call) -> None:
    if metadata.get("namespace") not in (None, "", call.namespace):
        raise BadRequest(OTHER_NAMESPACE)
    given = metadata.get("name")
    if given and given != call.name:
        why = "must match the service account name if specified"
        fault = _fault("metadata.name", f'"{given}"', why)
        raise invalid(AUTHENTICATION, "TokenRequest", call.name, [fault])


def _check_account(wanted: str, uid: str, name: str) -> None:
    """Whoever means an account that is gone gets no token of its successor."""
    if wanted != uid:
        why = (
            f"the UID in the token request ({wanted}) does not match the UID of the service"
            f" account ({uid})"
        )
        raise conflict(AUTHENTICATION, "TokenRequest", name, why)


def _check_life(life_s: int) -> None:
    why = ""
    if life_s < _MIN_LIFE_S:
        why = "may not specify a duration less than 10 minutes"
    elif life_s > _MAX_LIFE_S:
        why = "may not specify a duration larger than 2^32 seconds"
    if why:
        fault = _fault("spec.expirationSeconds", str(life_s), why)
        raise invalid(AUTHENTICATION, "TokenRequest", "", [fault])
