"""Whatever is asked for, admission answers: it changes, passes or refuses, but never breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from roost.api.errors import StatusError
from roost.api.kind import Resource
from roost.api.registry import builtin
from roost.api.values import copy_of
from roost.apiserver.admission.chain import Chain, plugins
from roost.apiserver.admission.port import Plugin
from roost.apiserver.attributes import Admission, User
from roost.apiserver.authorizer import Authorizer

KINDS = {kind.plural: kind for kind in builtin().kinds()}
USERS = [
    User("u"),
    User("system:node:n", ("system:nodes",)),
    User("root", ("system:masters",)),
]
NAMES = st.sampled_from(["", "a", "n"])
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "privileged": st.booleans(),
        "runAsUser": st.integers(0, 1),
        "capabilities": st.fixed_dictionaries({}, optional={"add": st.just(["CHOWN"])}),
        "seccompProfile": st.fixed_dictionaries({}, optional={"type": st.just("Unconfined")}),
    },
)
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "name": NAMES,
            "securityContext": CONTEXTS,
            "resources": st.fixed_dictionaries(
                {}, optional={"requests": st.just({"cpu": "1"}), "limits": st.just({})}
            ),
            "volumeMounts": st.just([{}]),
            "envFrom": st.just([{"secretRef": {}}]),
            "ports": st.just([{"hostPort": 1}]),
            "livenessProbe": st.just({"httpGet": {"host": "h"}}),
        },
    ),
    max_size=2,
)
PODS = st.fixed_dictionaries(
    {"metadata": st.fixed_dictionaries({}, optional={"name": NAMES, "labels": st.just({})})},
    optional={
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "containers": CONTAINERS,
                "initContainers": CONTAINERS,
                "volumes": st.lists(
                    st.sampled_from([{}, {"name": "v"}, {"name": "v", "secret": {}}]), max_size=2
                ),
                "securityContext": CONTEXTS,
                "tolerations": st.just([{}]),
                "nodeName": NAMES,
                "runtimeClassName": NAMES,
            },
        )
    },
)
OTHERS = st.fixed_dictionaries(
    {"metadata": st.fixed_dictionaries({}, optional={"name": NAMES})},
    optional={"spec": st.just({}), "status": st.just({}), "rules": st.just([{}])},
)


class Nothing:
    """A Lookup that knows one namespace, restricted, and its account."""

    async def get(self, resource: Resource, name: str, namespace: str = "") -> dict | None:
        if resource.plural == "namespaces":
            labels = {"pod-security.kubernetes.io/enforce": "restricted"}
            return {"metadata": {"name": name, "labels": labels}}
        if resource.plural == "serviceaccounts":
            return {"metadata": {"name": name, "namespace": namespace}}
        return None

    async def list(self, resource: Resource, namespace: str = "") -> Iterable[dict]:
        if resource.plural == "limitranges":
            item = {"type": "Container", "default": {"cpu": "1"}, "max": {"cpu": "2"}}
            return [{"metadata": {"name": "l"}, "spec": {"limits": [item]}}]
        if resource.plural == "resourcequotas":
            hard = {"pods": "10", "requests.cpu": "10", "services": "1"}
            used = dict.fromkeys(hard, "0")
            metadata = {"name": "q", "namespace": "ns", "uid": "q", "resourceVersion": "1"}
            return [{"metadata": metadata, "spec": {}, "status": {"hard": hard, "used": used}}]
        return []


class Chance:
    def uniform(self) -> float:
        return 0.0

    def suffix(self, length: int) -> str:
        return "x" * length


async def write(quota: dict) -> dict:
    return quota


def outcome(
    members: list[Plugin], plural: str, user: User, operation: str, obj: dict, old: dict
) -> tuple[object, str]:
    kind = KINDS[plural]
    request = Admission(
        operation,
        kind,
        "ns" if kind.namespaced else "",
        obj["metadata"].get("name", ""),
        user,
        None if operation == "DELETE" else copy_of(obj),
        None if operation == "CREATE" else old,
    )

    async def ask_all() -> str:
        try:
            for member in members:
                await member.admit(request, Nothing())
            for member in members:
                await member.validate(request, Nothing())
        except StatusError as error:
            return error.message
        return ""

    refusal = asyncio.run(ask_all())
    return request.object, refusal


def put_through(plural: str, user: User, operation: str, obj: dict, old: dict) -> None:
    """However plugins are asked, one by one or as a chain, they come to the same."""
    one_by_one = plugins(Authorizer(), Chance(), write)
    chain: list[Plugin] = [Chain(plugins(Authorizer(), Chance(), write))]
    given = (plural, user, operation, obj, old)
    assert outcome(one_by_one, *given) == outcome(chain, *given)


@given(st.sampled_from(USERS), st.sampled_from(["CREATE", "UPDATE", "DELETE"]), PODS, PODS)
def test_pods(user, operation, obj, old):
    put_through("pods", user, operation, obj, old)


@given(
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(USERS),
    st.sampled_from(["CREATE", "UPDATE", "DELETE"]),
    OTHERS,
    OTHERS,
)
def test_everything_else(plural, user, operation, obj, old):
    put_through(plural, user, operation, obj, old)
