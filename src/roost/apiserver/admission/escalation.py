"""RBAC escalation: nobody writes a role or a binding that gives more than they hold themselves.

In the real server this check sits in the storage of roles; here it is the last plugin that admits.
"""

from __future__ import annotations

from roost.api.errors import NotFound
from roost.api.values import Object
from roost.apiserver.access.escalation import FULL_AUTHORITY
from roost.apiserver.access.identity import MASTERS
from roost.apiserver.access.rbac import GROUP
from roost.apiserver.access.refusals import qualified
from roost.apiserver.admission.base import Base, refuse, resource_of
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import Admission, Attributes
from roost.apiserver.authorizer import Authorizer

_ROLES = frozenset({(GROUP, "roles"), (GROUP, "clusterroles")})
_BINDINGS = frozenset({(GROUP, "rolebindings"), (GROUP, "clusterrolebindings")})
_PLURALS = {"Role": "roles", "ClusterRole": "clusterroles"}


class RBACEscalation(Base):
    """Compares what a write gives with what its writer holds."""

    name = "RBACEscalation"
    resources = _ROLES | _BINDINGS

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def admit(self, request: Admission, lookup: Lookup) -> None:
        del lookup
        if request.object is None or request.operation not in ("CREATE", "UPDATE"):
            return
        if MASTERS in request.user.groups:
            return
        if resource_of(request) in _ROLES:
            self._role(request, request.object)
        elif resource_of(request) in _BINDINGS:
            self._binding(request, request.object)

    def _role(self, request: Admission, role: Object) -> None:
        old = request.old or {}
        rules = role.get("rules") or []
        new_aggregation = role.get("aggregationRule")
        aggregates = bool(new_aggregation) and new_aggregation != old.get("aggregationRule")
        if rules == (old.get("rules") or []) and not aggregates and request.old is not None:
            return
        if self._may(request, "escalate", request.kind.plural, request.name):
            return
        wanted = [*rules, *(FULL_AUTHORITY if aggregates else ())]
        self._check(request, wanted)

    def _binding(self, request: Admission, binding: Object) -> None:
        old = request.old
        if old is not None and all(
            (binding.get(key) or None) == (old.get(key) or None) for key in ("subjects", "roleRef")
        ):
            return
        reference = binding.get("roleRef") or {}
        kind, name = reference.get("kind", ""), reference.get("name", "")
        if kind not in _PLURALS:
            return  # validation says what is wrong with it
        if self._may(request, "bind", _PLURALS[kind], name):
            return
        role = self._authorizer.role(reference, request.namespace)
        if role is None:
            # The real server names the binding's resource with the role's name.
            plural = request.kind.plural
            raise NotFound(
                f'{qualified(GROUP, plural)} "{name}" not found',
                {"name": name, "group": GROUP, "kind": plural},
            )
        self._check(request, role.get("rules") or [])

    def _may(self, request: Admission, verb: str, plural: str, name: str) -> bool:
        namespace = request.namespace if request.kind.namespaced else ""
        asked = Attributes(request.user, verb, GROUP, "v1", plural, namespace=namespace, name=name)
        return self._authorizer.authorize(asked).allowed

    def _check(self, request: Admission, rules: list[Object]) -> None:
        namespace = request.namespace if request.kind.namespaced else ""
        why = self._authorizer.escalation(request.user, namespace, rules)
        if why is not None:
            raise refuse(request, why)
