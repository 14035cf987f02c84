"""Quota: exact whatever runs at once, given back when nothing came of it."""

from __future__ import annotations

import asyncio

import pytest

from roost.api.errors import Conflict, Forbidden
from roost.apiserver.admission.quota import ResourceQuota
from roost.apiserver.admission.usage import constraint_fault, quota_matches, usage_of


class Server:
    """Replaces the status of quotas as the core does, and counts how often."""

    def __init__(self, objects) -> None:
        self.objects = objects
        self.writes = 0
        self.conflicts = 0

    async def write(self, quota: dict) -> dict:
        await asyncio.sleep(0)
        metadata = quota["metadata"]
        key = ("resourcequotas", metadata["namespace"], metadata["name"])
        stored = self.objects.content[key]
        if self.conflicts or stored["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            self.conflicts = max(0, self.conflicts - 1)
            raise Conflict("somebody was first")
        self.writes += 1
        version = str(int(metadata["resourceVersion"]) + 1)
        new = {**quota, "metadata": {**metadata, "resourceVersion": version}}
        self.objects.content[key] = new
        return new


@pytest.fixture
def server(objects) -> Server:
    return Server(objects)


@pytest.fixture
def plugin(server) -> ResourceQuota:
    return ResourceQuota(server.write)


@pytest.fixture
def quota(objects):
    def make(name: str = "q", *, spec: dict | None = None, **hard: str) -> dict:
        limits = {key.replace("_", "."): value for key, value in hard.items()}
        return objects.put(
            "resourcequotas",
            {
                "metadata": {"name": name, "namespace": "ns", "uid": name, "resourceVersion": "1"},
                "spec": {"hard": limits, **(spec or {})},
                "status": {"hard": limits, "used": dict.fromkeys(limits, "0")},
            },
        )

    return make


def used(objects, name: str = "q") -> dict:
    return objects.content["resourcequotas", "ns", name]["status"]["used"]


def needs(pod: dict, cpu: str) -> dict:
    pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    return pod


def test_what_is_used_is_charged(run, asked, pod, objects, plugin, quota):
    quota(pods="2", requests_cpu="1")
    run(plugin, asked("pods", needs(pod("a"), "500m")))
    assert used(objects) == {"pods": "1", "requests.cpu": "500m"}
    with pytest.raises(Forbidden) as error:
        run(plugin, asked("pods", needs(pod("b"), "600m")))
    assert error.value.message == (
        'pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=600m,'
        " used: requests.cpu=500m, limited: requests.cpu=1"
    )
    assert used(objects) == {"pods": "1", "requests.cpu": "500m"}


def test_what_a_quota_limits_must_be_stated(run, asked, pod, plugin, quota):
    quota(requests_cpu="1", limits_memory="1Gi")
    with pytest.raises(Forbidden) as error:
        run(plugin, asked("pods", pod("no-cpu")))
    assert error.value.message == (
        'pods "no-cpu" is forbidden: failed quota: q: must specify limits.memory for: c;'
        " requests.cpu for: c"
    )


def test_many_at_once_never_pass_the_limit(asked, objects, plugin, server, quota):
    quota(secrets="5")
    server.conflicts = 2

    async def create(number: int) -> bool:
        request = asked("secrets", {"metadata": {"name": f"s{number}"}})
        try:
            await plugin.validate(request, objects)
        except Forbidden:
            return False
        return True

    async def all_at_once() -> list[bool]:
        return await asyncio.gather(*(create(number) for number in range(20)))

    assert sum(asyncio.run(all_at_once())) == 5
    assert used(objects) == {"secrets": "5"}
    assert server.writes < 5  # those who waited were written together


def test_a_dry_run_takes_nothing(run, asked, objects, plugin, server, quota):
    quota(secrets="1")
    run(plugin, asked("secrets", {"metadata": {"name": "s"}}, dry_run=True))
    assert (used(objects), server.writes) == ({"secrets": "0"}, 0)


def test_what_failed_is_given_back(run, asked, objects, plugin, quota):
    quota(secrets="1")
    request = asked("secrets", {"metadata": {"name": "s"}})
    run(plugin, request)
    for step in request.undo:
        step()
    run(plugin, asked("secrets", {"metadata": {"name": "t"}}))
    assert used(objects) == {"secrets": "1"}


def test_a_recount_in_between_is_believed(run, asked, objects, plugin, quota):
    quota(secrets="2")
    request = asked("secrets", {"metadata": {"name": "s"}})
    run(plugin, request)
    stored = objects.content["resourcequotas", "ns", "q"]
    stored["metadata"]["resourceVersion"] = "50"
    stored["status"]["used"] = {"secrets": "2"}
    for step in request.undo:
        step()
    with pytest.raises(Forbidden, match="used: secrets=2"):
        run(plugin, asked("secrets", {"metadata": {"name": "t"}}))


def test_two_quotas_both_have_to_give(run, asked, objects, plugin, quota):
    quota("a", secrets="5")
    quota("b", secrets="1")
    run(plugin, asked("secrets", {"metadata": {"name": "s"}}))
    with pytest.raises(Forbidden, match="exceeded quota: b"):
        run(plugin, asked("secrets", {"metadata": {"name": "t"}}))
    assert (used(objects, "a"), used(objects, "b")) == ({"secrets": "1"}, {"secrets": "1"})


def test_growth_is_charged_and_shrinking_is_not(run, asked, objects, plugin, quota):
    quota(requests_storage="3Gi")

    def claim(size: str) -> dict:
        return {
            "metadata": {"name": "c", "namespace": "ns"},
            "spec": {"resources": {"requests": {"storage": size}}},
        }

    path = "persistentvolumeclaims"
    run(plugin, asked(path, claim("1Gi")))
    run(plugin, asked(path, claim("2Gi"), operation="UPDATE", old=claim("1Gi")))
    assert used(objects) == {"requests.storage": "2Gi"}
    run(plugin, asked(path, claim("1Gi"), operation="UPDATE", old=claim("2Gi")))
    assert used(objects) == {"requests.storage": "2Gi"}


def test_a_quota_nobody_has_counted_yet_gives_nothing(run, asked, plugin, quota):
    made = quota(secrets="1")
    made["status"]["used"] = {}
    with pytest.raises(Forbidden, match="status unknown for quota: q, resources: secrets"):
        run(plugin, asked("secrets", {"metadata": {"name": "s"}}))


@pytest.mark.parametrize(
    ("path", "obj", "usage"),
    [
        ("/secrets", {}, {"count/secrets": 1, "secrets": 1}),
        ("rbac.authorization.k8s.io/roles", {}, {"count/roles.rbac.authorization.k8s.io": 1}),
        ("/services", {"spec": {"type": "NodePort", "ports": [{}, {}]}},
         {"count/services": 1, "services": 1, "services.nodeports": 2}),
        ("/services", {"spec": {"type": "LoadBalancer", "ports": [{}]}},
         {"count/services": 1, "services": 1, "services.nodeports": 1,
          "services.loadbalancers": 1}),
        ("/persistentvolumeclaims",
         {"metadata": {}, "spec": {"storageClassName": "gold",
                                   "resources": {"requests": {"storage": "2Gi"}}}},
         {"count/persistentvolumeclaims": 1, "persistentvolumeclaims": 1,
          "requests.storage": "2Gi",
          "gold.storageclass.storage.k8s.io/requests.storage": "2Gi",
          "gold.storageclass.storage.k8s.io/persistentvolumeclaims": 1}),
        ("/pods", {"spec": {"containers": []}, "status": {"phase": "Failed"}}, {"count/pods": 1}),
    ],
)  # fmt: skip
def test_usage(path, obj, usage):
    assert usage_of(*path.split("/"), obj) == usage


def test_usage_of_a_pod():
    container = {
        "name": "c",
        "resources": {
            "requests": {"cpu": "1", "example.com/gpu": "2"},
            "limits": {"memory": "1Gi", "example.com/gpu": "2"},
        },
    }
    assert usage_of("", "pods", {"spec": {"containers": [container]}}) == {
        "count/pods": 1, "pods": 1, "cpu": "1", "requests.cpu": "1",
        "requests.example.com/gpu": "2", "limits.memory": "1Gi",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("scopes", "spec", "counted"),
    [
        (["BestEffort"], {"containers": [{"name": "c"}]}, True),
        (["BestEffort"], {"containers": [{"resources": {"requests": {"cpu": "1"}}}]}, False),
        (["NotBestEffort"], {"containers": [{"resources": {"limits": {"cpu": "1"}}}]}, True),
        (["Terminating"], {"activeDeadlineSeconds": 5}, True),
        (["NotTerminating"], {"activeDeadlineSeconds": 5}, False),
        (["PriorityClass"], {"priorityClassName": "x"}, True),
        (["PriorityClass"], {}, False),
    ],
)
def test_scopes(scopes, spec, counted):
    assert quota_matches({"scopes": scopes}, "", "pods", {"spec": spec}) is counted
    assert not quota_matches({"scopes": scopes}, "", "services", {"spec": spec})


def test_a_scope_selector():
    wanted = {"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}
    selector = {"scopeSelector": {"matchExpressions": [wanted]}}
    assert quota_matches(selector, "", "pods", {"spec": {"priorityClassName": "high"}})
    assert not quota_matches(selector, "", "pods", {"spec": {"priorityClassName": "low"}})


def test_only_pods_have_to_state_anything():
    assert constraint_fault("", "services", {}, ["requests.cpu"]) is None
