"""The authoriser over its index: reasons, refusals, the Node authoriser, and its cache."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
import pytest

from roost.api.errors import Forbidden
from roost.apiserver.access.bootstrap.objects import CLUSTER_ROLES, missing, starting_objects
from roost.apiserver.attributes import ANONYMOUS, Attributes, User
from roost.apiserver.authorizer import Authorizer
from roost.store.memory import MemoryStore
from roost.store.port import ABSENT, ANY, Compacted, Draft, Event, Record

LOW = User(
    "system:serviceaccount:ns:low",
    ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"),
)
NODE = User("system:node:n", ("system:nodes", "system:authenticated"))
RBAC = "rbac.authorization.k8s.io/v1"


@pytest.fixture
def authorizer() -> Authorizer:
    made = Authorizer()
    for _, obj in starting_objects():
        made.put(obj)
    return made


def role(name: str, *rules: dict) -> dict:
    return {
        "kind": "Role", "apiVersion": RBAC, "metadata": {"name": name, "namespace": "ns"},
        "rules": list(rules),
    }  # fmt: skip


def binding(name: str, role_name: str, kind: str = "Role", account: str = "low") -> dict:
    return {
        "kind": "RoleBinding", "apiVersion": RBAC, "metadata": {"name": name, "namespace": "ns"},
        "roleRef": {"kind": kind, "name": role_name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": "ns"}],
    }  # fmt: skip


def ask(user: User, verb: str, resource: str, namespace: str = "ns", **more: str) -> Attributes:
    return Attributes(user, verb, resource=resource, version="v1", namespace=namespace, **more)


def pods(verbs: list[str], **more: list[str]) -> dict:
    return {"verbs": verbs, "apiGroups": [""], "resources": ["pods"], **more}


def test_an_allowed_request_says_by_what(authorizer: Authorizer):
    authorizer.put(role("r", pods(["create"])))
    authorizer.put(binding("low", "r"))
    decision = authorizer.authorize(ask(LOW, "create", "pods"))
    assert decision.allowed
    assert decision.reason == (
        'RBAC: allowed by RoleBinding "low/ns" of Role "r" to ServiceAccount "low/ns"'
    )
    assert not authorizer.authorize(ask(LOW, "create", "pods", "other")).allowed


def test_anonymous_may_see_the_version_and_nothing_else(authorizer: Authorizer):
    decision = authorizer.authorize(Attributes(ANONYMOUS, "get", path="/version"))
    assert decision.reason == (
        'RBAC: allowed by ClusterRoleBinding "system:public-info-viewer" of ClusterRole'
        ' "system:public-info-viewer" to Group "system:unauthenticated"'
    )
    with pytest.raises(Forbidden) as refusal:
        authorizer.check(Attributes(ANONYMOUS, "get", path="/api"))
    assert refusal.value.message == 'forbidden: User "system:anonymous" cannot get path "/api"'
    assert refusal.value.details == {}


@pytest.mark.parametrize(
    ("request_", "message", "details"),
    [
        (
            ask(LOW, "get", "pods", name="x"),
            (
                'pods "x" is forbidden: User "system:serviceaccount:ns:low" cannot get resource "pods"'
                ' in API group "" in the namespace "ns"'
            ),
            {"name": "x", "kind": "pods"},
        ),
        (
            ask(LOW, "create", "deployments", group="apps"),
            (
                'deployments.apps is forbidden: User "system:serviceaccount:ns:low" cannot create'
                ' resource "deployments" in API group "apps" in the namespace "ns"'
            ),
            {"group": "apps", "kind": "deployments"},
        ),
        (
            ask(LOW, "get", "pods", name="p", subresource="log"),
            (
                'pods "p" is forbidden: User "system:serviceaccount:ns:low" cannot get resource'
                ' "pods/log" in API group "" in the namespace "ns"'
            ),
            {"name": "p", "kind": "pods"},
        ),
        (
            ask(LOW, "list", "pods", ""),
            (
                'pods is forbidden: User "system:serviceaccount:ns:low" cannot list resource "pods"'
                ' in API group "" at the cluster scope'
            ),
            {"kind": "pods"},
        ),
    ],
)
def test_refusals(authorizer: Authorizer, request_: Attributes, message: str, details: dict):
    error = authorizer.forbidden(request_)
    assert (error.message, error.details) == (message, details)


def test_a_bound_role_that_is_absent_is_named(authorizer: Authorizer):
    authorizer.put(binding("b", "gone"))
    decision = authorizer.authorize(ask(LOW, "get", "pods"))
    assert decision.reason == 'RBAC: role.rbac.authorization.k8s.io "gone" not found'


def test_rules_for_single_names_stay_single_when_cached(authorizer: Authorizer):
    authorizer.put(role("r", pods(["get"], resourceNames=["a"])))
    authorizer.put(binding("low", "r"))
    for _ in range(2):
        assert authorizer.authorize(ask(LOW, "get", "pods", name="a")).allowed
        assert not authorizer.authorize(ask(LOW, "get", "pods", name="b")).allowed
        assert not authorizer.authorize(ask(LOW, "get", "pods")).allowed


def test_a_change_of_roles_is_seen_at_once(authorizer: Authorizer):
    request = ask(LOW, "get", "pods")
    assert not authorizer.authorize(request).allowed
    authorizer.put(binding("low", "view", "ClusterRole"))
    assert authorizer.authorize(request).allowed
    authorizer.remove(binding("low", "view", "ClusterRole"))
    assert not authorizer.authorize(request).allowed


def test_masters_may_everything_without_any_role():
    root = User("root", ("system:masters",))
    assert Authorizer().authorize(ask(root, "delete", "nodes", "")).allowed


def test_admin_edit_and_view_are_whole_from_the_start(authorizer: Authorizer):
    authorizer.put(binding("low", "admin", "ClusterRole"))
    assert authorizer.authorize(ask(LOW, "list", "pods")).allowed
    assert authorizer.authorize(ask(LOW, "create", "secrets")).allowed
    roles = ask(LOW, "create", "roles", group="rbac.authorization.k8s.io")
    assert authorizer.authorize(roles).allowed
    assert not authorizer.authorize(ask(LOW, "update", "resourcequotas")).allowed


def test_a_node_sees_only_what_its_pods_lead_to(authorizer: Authorizer):
    def allowed(verb: str, resource: str, name: str = "", **more: str) -> bool:
        return authorizer.authorize(ask(NODE, verb, resource, name=name, **more)).allowed

    pod = {
        "kind": "Pod", "metadata": {"name": "p", "namespace": "ns"},
        "spec": {
            "nodeName": "n", "serviceAccountName": "sa",
            "volumes": [
                {"name": "s", "secret": {"secretName": "s"}},
                {"name": "c", "persistentVolumeClaim": {"claimName": "claim"}},
                {"name": "p", "projected": {"sources": [{"configMap": {"name": "root"}}]}},
            ],
            "containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "env"}}]}],
        },
    }  # fmt: skip
    volume = {
        "kind": "PersistentVolume", "metadata": {"name": "pv"},
        "spec": {
            "claimRef": {"namespace": "ns", "name": "claim"},
            "csi": {"nodeStageSecretRef": {"namespace": "store", "name": "key"}},
        },
    }  # fmt: skip
    wanted = [
        ("get", "secrets", "s"), ("watch", "configmaps", "root"), ("get", "configmaps", "env"),
        ("get", "persistentvolumeclaims", "claim"), ("get", "pods", "p"),
    ]  # fmt: skip
    assert not any(allowed(*question) for question in wanted)
    authorizer.put(pod)
    authorizer.put(volume)
    assert all(allowed(*question) for question in wanted)
    assert allowed("create", "serviceaccounts", "sa", subresource="token")
    assert not allowed("create", "serviceaccounts", "other", subresource="token")
    assert not allowed("get", "secrets", "other")
    assert not allowed("update", "secrets", "s")
    assert not allowed("list", "secrets")
    assert authorizer.authorize(ask(NODE, "get", "persistentvolumes", "", name="pv")).allowed
    assert authorizer.authorize(ask(NODE, "get", "secrets", "store", name="key")).allowed
    authorizer.remove(pod)
    assert not any(allowed(*question) for question in wanted)
    assert not authorizer.authorize(ask(NODE, "get", "secrets", "store", name="key")).allowed


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (
            ask(NODE, "list", "pods", ""),
            "can only list/watch pods with spec.nodeName field selector",
        ),
        (
            ask(NODE, "get", "secrets", name="s"),
            "no relationship found between node 'n' and this object",
        ),
        (
            ask(NODE, "update", "leases", "kube-node-lease", name="m", group="coordination.k8s.io"),
            "can only access node lease with the same name as the requesting node",
        ),
        (
            ask(NODE, "get", "nodes", "", name="m"),
            "node 'n' cannot read 'm', only its own Node object",
        ),
    ],
)
def test_why_a_node_may_not(authorizer: Authorizer, request_: Attributes, reason: str):
    assert authorizer.authorize(request_).reason == reason


def test_what_a_node_may_always(authorizer: Authorizer):
    for request in (
        ask(NODE, "list", "pods", "", field_selector="spec.nodeName=n"),
        ask(NODE, "create", "nodes", ""),
        ask(NODE, "patch", "nodes", "", name="n", subresource="status"),
        ask(NODE, "create", "leases", "kube-node-lease", group="coordination.k8s.io"),
        ask(NODE, "list", "services", ""),
        ask(NODE, "create", "certificatesigningrequests", "", group="certificates.k8s.io"),
    ):
        assert authorizer.authorize(request).allowed, request


def test_a_mirror_pod_opens_nothing_to_its_node(authorizer: Authorizer):
    authorizer.put(
        {
            "kind": "Pod",
            "metadata": {
                "name": "p",
                "namespace": "ns",
                "annotations": {"kubernetes.io/config.mirror": "x"},
            },
            "spec": {"nodeName": "n", "volumes": [{"name": "s", "secret": {"secretName": "s"}}]},
        }
    )
    assert not authorizer.authorize(ask(NODE, "get", "secrets", name="s")).allowed


def test_objects_of_a_node_that_refer_to_nothing_can_all_go(authorizer: Authorizer):
    def attachment(name: str) -> dict:
        metadata = {"name": name}
        return {"kind": "VolumeAttachment", "metadata": metadata, "spec": {"nodeName": "n"}}

    for name in ("a", "b"):
        authorizer.put(attachment(name))
    for name in ("a", "b"):
        authorizer.remove(attachment(name))
    group = "storage.k8s.io"
    request = ask(NODE, "get", "volumeattachments", "", name="a", group=group)
    assert not authorizer.authorize(request).allowed


def test_events_of_the_store_keep_the_index(authorizer: Authorizer):
    def event(revision: int, text: bytes, *, deleted: bool = False) -> Event:
        record = Record("/registry/core/pods/ns/p", revision, 1, text)
        return Event(revision, "/registry/core/pods/ns/p", record, None, deleted)

    bound = (
        b'{"kind":"Pod","metadata":{"name":"p","namespace":"ns"},'
        b'"spec":{"nodeName":"n","serviceAccountName":"sa"}}'
    )
    debugged = bound.replace(
        b'"spec":{', b'"spec":{"ephemeralContainers":[{"envFrom":[{"secretRef":{"name":"s"}}]}],'
    )
    question = ask(NODE, "get", "secrets", name="s")
    authorizer.apply([event(1, bound), event(2, b"not decoded, as a bound pod is known")])
    assert authorizer.authorize(ask(NODE, "get", "pods", name="p")).allowed
    assert not authorizer.authorize(question).allowed
    authorizer.apply([event(3, debugged)])
    assert authorizer.authorize(question).allowed
    authorizer.apply([event(4, debugged, deleted=True)])
    assert not authorizer.authorize(question).allowed


def test_rules_for_a_user(authorizer: Authorizer):
    authorizer.put(role("r", pods(["get"], resourceNames=["a"])))
    authorizer.put(binding("low", "r"))
    rules = authorizer.rules_for(LOW, "ns")
    assert pods(["get"], resourceNames=["a"]) in rules.resource_rules
    assert {
        "verbs": ["create"], "apiGroups": ["authentication.k8s.io"],
        "resources": ["selfsubjectreviews"],
    } in rules.resource_rules  # fmt: skip
    assert len(rules.url_rules) == 3
    assert (rules.incomplete, rules.error) == (False, "")


def test_starting_objects_mend_what_was_taken_but_not_what_was_frozen():
    existing = starting_objects()
    assert missing(existing) == []
    index = next(
        i for i, (_, obj) in enumerate(existing) if obj["metadata"]["name"] == "system:node"
    )
    resource, node_role = existing[index]
    assert resource == CLUSTER_ROLES
    poor = {**node_role, "rules": node_role["rules"][1:]}
    existing[index] = (resource, poor)
    (write,) = missing(existing)
    assert write.exists
    assert node_role["rules"][0] in write.object["rules"]
    frozen = {"rbac.authorization.kubernetes.io/autoupdate": "false"}
    existing[index] = (resource, {**poor, "metadata": {**poor["metadata"], "annotations": frozen}})
    assert missing(existing) == []
    del existing[index]
    (write,) = missing(existing)
    assert not write.exists


def test_changes_of_other_resources_are_not_even_decoded(authorizer: Authorizer):
    record = Record("/registry/core/events/ns/e", 1, 1, b"never decoded")
    before = authorizer.generation
    authorizer.apply([Event(1, record.key, record, None, deleted=False)])
    assert authorizer.generation == before


def test_the_index_follows_the_store_and_starts_again_when_it_missed_something():
    key = "/registry/rbac.authorization.k8s.io/rolebindings/ns/low"
    given = {**binding("low", "view", "ClusterRole")}
    view = next(obj for _, obj in starting_objects() if obj["metadata"]["name"] == "view")
    view_key = "/registry/rbac.authorization.k8s.io/clusterroles/view"
    request = ask(LOW, "get", "pods")

    def draft(obj: dict) -> Draft:
        metadata = {**obj["metadata"], "resourceVersion": "?"}
        head, _, tail = msgspec.json.encode({**obj, "metadata": metadata}).partition(b"?")
        return Draft(head, tail)

    class Forgetful(MemoryStore):
        """Loses its history once, with a binding in it."""

        lost = False

        async def watch(self, prefix: str, since: int):
            if prefix in key and not self.lost:
                self.lost = True
                await self.commit(key, None, ANY)
                raise Compacted(since + 1)
            async for batch in super().watch(prefix, since):
                yield batch

    async def scenario() -> list[bool]:
        store = Forgetful()
        await store.commit(key, draft(given), ABSENT)
        await store.commit(view_key, draft(view), ABSENT)
        made = Authorizer()
        task = asyncio.create_task(made.run(store))
        await made.ready()
        seen = [made.authorize(request).allowed]
        for _ in range(5):
            await asyncio.sleep(0)
        seen.append(made.authorize(request).allowed)
        await store.commit(key, draft(given), ABSENT)
        for _ in range(10):
            await asyncio.sleep(0)
        seen.append(made.authorize(request).allowed)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return seen

    assert asyncio.run(scenario()) == [True, False, True]
