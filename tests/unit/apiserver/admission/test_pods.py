"""Plugins that fill in pods: account, tolerations, priority, runtime class, limits."""

from __future__ import annotations

import pytest

from roost.api.errors import Forbidden, NotFound
from roost.apiserver.admission.accounts import ServiceAccount
from roost.apiserver.admission.limits import LimitRanger
from roost.apiserver.admission.namespaces import NamespaceLifecycle
from roost.apiserver.admission.podresources import pod_limits, pod_requests
from roost.apiserver.admission.priority import Priority
from roost.apiserver.admission.runtimeclass import RuntimeClass
from roost.apiserver.admission.tolerations import DefaultTolerationSeconds, TaintNodesByCondition

TOKEN_SOURCES = [
    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    {
        "downwardAPI": {
            "items": [
                {
                    "path": "namespace",
                    "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                }
            ]
        }
    },
]
MOUNT = {
    "name": "kube-api-access-abcde",
    "readOnly": True,
    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
}


def refused(run, plugin, request) -> str:
    with pytest.raises(Forbidden) as error:
        run(plugin, request)
    return error.value.message


# -- namespaces


def test_nothing_is_made_where_there_is_no_namespace(run, asked):
    with pytest.raises(NotFound, match='namespaces "none" not found'):
        run(NamespaceLifecycle(), asked("configmaps", {}, namespace="none"))
    run(NamespaceLifecycle(), asked("configmaps", {}))
    run(NamespaceLifecycle(), asked("nodes", {}))


def test_nothing_new_is_made_in_a_namespace_that_ends(run, asked, objects):
    objects.content["namespaces", "", "ns"]["metadata"]["deletionTimestamp"] = "now"
    late = {"metadata": {"name": "late"}}
    with pytest.raises(Forbidden) as error:
        run(NamespaceLifecycle(), asked("configmaps", late))
    assert error.value.message == (
        'configmaps "late" is forbidden: unable to create new content in namespace ns because it'
        " is being terminated"
    )
    assert error.value.details == {
        "name": "late",
        "kind": "configmaps",
        "causes": [
            {
                "reason": "NamespaceTerminating",
                "message": "namespace ns is being terminated",
                "field": "metadata.namespace",
            }
        ],
    }
    run(NamespaceLifecycle(), asked("configmaps", late, operation="UPDATE"))
    run(NamespaceLifecycle(), asked("configmaps", None, operation="DELETE", old=late))


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_some_namespaces_are_for_ever(run, asked, name):
    request = asked("namespaces", None, operation="DELETE", name=name)
    assert refused(run, NamespaceLifecycle(), request) == (
        f'namespaces "{name}" is forbidden: this namespace may not be deleted'
    )


# -- service accounts


def test_a_pod_gets_its_account_and_token(run, asked, pod, chance):
    spec = run(ServiceAccount(chance), asked("pods", pod()))["spec"]
    assert (spec["serviceAccountName"], spec["serviceAccount"]) == ("default", "default")
    assert spec["volumes"] == [
        {
            "name": "kube-api-access-abcde",
            "projected": {"sources": TOKEN_SOURCES, "defaultMode": 420},
        }
    ]
    assert spec["containers"][0]["volumeMounts"] == [MOUNT]


def test_init_containers_get_it_and_who_mounts_something_there_does_not(run, asked, pod, chance):
    own = {"name": "x", "mountPath": MOUNT["mountPath"]}
    given = pod(initContainers=[{"name": "i"}, {"name": "j", "volumeMounts": [own]}])
    spec = run(ServiceAccount(chance), asked("pods", given))["spec"]
    assert [item["volumeMounts"] for item in spec["initContainers"]] == [[MOUNT], [own]]


@pytest.mark.parametrize(
    ("account", "of_pod", "mounted"),
    [(None, None, True), (False, None, False), (False, True, True), (True, False, False)],
)
def test_who_decides_on_mounting(run, asked, pod, chance, objects, account, of_pod, mounted):
    if account is not None:
        objects.content["serviceaccounts", "ns", "default"]["automountServiceAccountToken"] = (
            account
        )
    more = {} if of_pod is None else {"automountServiceAccountToken": of_pod}
    spec = run(ServiceAccount(chance), asked("pods", pod(**more)))["spec"]
    assert ("volumes" in spec) is mounted


def test_pull_secrets_come_from_the_account(run, asked, pod, chance, objects):
    account = objects.content["serviceaccounts", "ns", "default"]
    account["imagePullSecrets"] = [{"name": "hub"}]
    assert run(ServiceAccount(chance), asked("pods", pod()))["spec"]["imagePullSecrets"] == [
        {"name": "hub"}
    ]
    own = pod(imagePullSecrets=[{"name": "own"}])
    assert run(ServiceAccount(chance), asked("pods", own))["spec"]["imagePullSecrets"] == [
        {"name": "own"}
    ]


def test_an_absent_account(run, asked, pod, chance):
    request = asked("pods", pod("nobody", serviceAccountName="nobody"))
    assert refused(run, ServiceAccount(chance), request) == (
        'pods "nobody" is forbidden: error looking up service account ns/nobody: serviceaccount'
        ' "nobody" not found'
    )


def test_accounts_that_name_their_secrets(run, asked, pod, chance, objects):
    account = objects.content["serviceaccounts", "ns", "default"]
    account["metadata"]["annotations"] = {"kubernetes.io/enforce-mountable-secrets": "true"}
    account["secrets"] = [{"name": "good"}]
    good = pod(volumes=[{"name": "v", "secret": {"secretName": "good"}}])
    run(ServiceAccount(chance), asked("pods", good))
    bad = pod(volumes=[{"name": "v", "secret": {"secretName": "bad"}}])
    assert "does not reference that secret" in refused(
        run, ServiceAccount(chance), asked("pods", bad)
    )


# -- tolerations and taints


def test_pods_outlast_a_short_silence(run, asked, pod):
    tolerations = run(DefaultTolerationSeconds(), asked("pods", pod()))["spec"]["tolerations"]
    assert tolerations == [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute",
         "tolerationSeconds": 300}
        for key in ("not-ready", "unreachable")
    ]  # fmt: skip
    everything = [{"operator": "Exists"}]
    spec = run(DefaultTolerationSeconds(), asked("pods", pod(tolerations=everything)))["spec"]
    assert spec["tolerations"] == everything


def test_new_nodes_are_not_ready(run, asked):
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    node = {"metadata": {"name": "n"}, "spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}}
    taints = run(TaintNodesByCondition(), asked("nodes", node))["spec"]["taints"]
    assert taints == [{"key": "a", "effect": "NoExecute"}, taint]
    tainted = {"metadata": {"name": "n"}, "spec": {"taints": [taint]}}
    assert run(TaintNodesByCondition(), asked("nodes", tainted))["spec"]["taints"] == [taint]


# -- priority


def priority_class(name: str, value: int, **more) -> dict:
    return {"metadata": {"name": name}, "value": value, **more}


def test_priority_without_classes(run, asked, pod):
    spec = run(Priority(), asked("pods", pod()))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (0, "PreemptLowerPriority")
    spec = run(Priority(), asked("pods", pod(priorityClassName="system-node-critical")))["spec"]
    assert spec["priority"] == 2_000_001_000


def test_priority_of_a_class_and_the_default(run, asked, pod, objects):
    objects.put("priorityclasses", priority_class("high", 7, preemptionPolicy="Never"))
    objects.put("priorityclasses", priority_class("usual", 3, globalDefault=True))
    spec = run(Priority(), asked("pods", pod(priorityClassName="high")))["spec"]
    assert (spec["priority"], spec["preemptionPolicy"]) == (7, "Never")
    spec = run(Priority(), asked("pods", pod()))["spec"]
    assert (spec["priority"], spec["priorityClassName"]) == (3, "usual")


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"priorityClassName": "Bad_Name"}, "no PriorityClass with name Bad_Name was found"),
        (
            {"priority": 5},
            (
                "the integer value of priority (5) must not be provided in pod spec; priority"
                " admission controller computed 0 from the given PriorityClass name"
            ),
        ),
        (
            {"preemptionPolicy": "Never"},
            (
                "the string value of PreemptionPolicy (Never) must not be provided in pod spec;"
                " priority admission controller computed PreemptLowerPriority from the given"
                " PriorityClass name"
            ),
        ),
    ],
)
def test_priority_refuses(run, asked, pod, spec, text):
    assert refused(run, Priority(), asked("pods", pod(**spec))) == f'pods "p" is forbidden: {text}'


def test_one_class_is_the_default(run, asked, objects):
    objects.put("priorityclasses", priority_class("usual", 3, globalDefault=True))
    path = "scheduling.k8s.io/priorityclasses"
    second = priority_class("other", 4, globalDefault=True)
    assert refused(run, Priority(), asked(path, second)) == (
        'priorityclasses.scheduling.k8s.io "other" is forbidden: PriorityClass usual is already'
        " marked as default. Only one default can exist"
    )
    same = priority_class("usual", 3, globalDefault=True)
    run(Priority(), asked(path, same, operation="UPDATE", old=same))


# -- runtime classes


@pytest.fixture
def wasm(objects) -> dict:
    return objects.put(
        "runtimeclasses",
        {
            "metadata": {"name": "wasm"},
            "handler": "wasm",
            "overhead": {"podFixed": {"cpu": "5m", "memory": "10Mi"}},
            "scheduling": {
                "nodeSelector": {"wasm": "yes"},
                "tolerations": [{"key": "w", "operator": "Exists"}],
            },
        },
    )


def test_a_runtime_class_costs_and_places(run, asked, pod, wasm):
    given = pod(runtimeClassName="wasm", nodeSelector={"a": "b"})
    spec = run(RuntimeClass(), asked("pods", given))["spec"]
    assert spec["overhead"] == wasm["overhead"]["podFixed"]
    assert spec["nodeSelector"] == {"a": "b", "wasm": "yes"}
    assert spec["tolerations"] == [{"key": "w", "operator": "Exists"}]


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"runtimeClassName": "none"}, 'pod rejected: RuntimeClass "none" not found'),
        (
            {"runtimeClassName": "wasm", "nodeSelector": {"wasm": "no"}},
            (
                "conflict: runtimeClass.scheduling.nodeSelector[wasm] = yes;"
                " pod.spec.nodeSelector[wasm] = no"
            ),
        ),
        (
            {"runtimeClassName": "wasm", "overhead": {"cpu": "1"}},
            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
        ),
        (
            {"overhead": {"cpu": "1"}},
            "pod rejected: Pod Overhead set without corresponding RuntimeClass",
        ),
    ],
)
@pytest.mark.usefixtures("wasm")
def test_runtime_classes_refuse(run, asked, pod, spec, text):
    message = refused(run, RuntimeClass(), asked("pods", pod(**spec)))
    assert message == f'pods "p" is forbidden: {text}'


# -- limits


@pytest.fixture
def limits(objects) -> dict:
    return objects.put(
        "limitranges",
        {
            "metadata": {"name": "lr", "namespace": "ns"},
            "spec": {
                "limits": [
                    {
                        "type": "Container",
                        "default": {"cpu": "200m", "memory": "64Mi"},
                        "defaultRequest": {"cpu": "100m", "memory": "64Mi"},
                        "max": {"cpu": "1", "memory": "128Mi"},
                        "min": {"cpu": "50m"},
                        "maxLimitRequestRatio": {"cpu": "4"},
                    },
                    {"type": "Pod", "max": {"memory": "200Mi"}},
                    {
                        "type": "PersistentVolumeClaim",
                        "min": {"storage": "1Gi"},
                        "max": {"storage": "5Gi"},
                    },
                ]
            },
        },
    )


@pytest.mark.usefixtures("limits")
def test_limits_fill_in_what_is_left_out(run, asked, pod):
    given = pod(initContainers=[{"name": "i", "resources": {"requests": {"cpu": "60m"}}}])
    filled = run(LimitRanger(), asked("pods", given))
    spec = filled["spec"]
    assert spec["containers"][0]["resources"] == {
        "limits": {"cpu": "200m", "memory": "64Mi"},
        "requests": {"cpu": "100m", "memory": "64Mi"},
    }
    assert spec["initContainers"][0]["resources"]["requests"] == {"cpu": "60m", "memory": "64Mi"}
    assert filled["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, memory request for container c; cpu, memory limit for"
        " container c; memory request for init container i; cpu, memory limit for init container i"
    )


def resources(requests: dict, limits: dict) -> dict:
    return {"name": "c", "resources": {"requests": requests, "limits": limits}}


@pytest.mark.parametrize(
    ("containers", "text"),
    [
        ([resources({"cpu": "1500m"}, {"cpu": "2"})],
         "maximum cpu usage per Container is 1, but limit is 2"),
        ([resources({"cpu": "10m"}, {})],
         ("[minimum cpu usage per Container is 50m, but request is 10m, cpu max limit to request"
         " ratio per Container is 4, but provided ratio is 20.000000]")),
        ([resources({}, {"memory": "128Mi"}), resources({}, {"memory": "128Mi"})],
         "maximum memory usage per Pod is 200Mi, but limit is 256Mi"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("limits")
def test_limits_bound_pods(run, asked, pod, containers, text):
    given = pod()
    given["spec"]["containers"] = containers
    assert refused(run, LimitRanger(), asked("pods", given)) == f'pods "p" is forbidden: {text}'


@pytest.mark.usefixtures("limits")
def test_what_two_containers_do_wrong_is_said_once_and_init_containers_come_last(run, asked, pod):
    given = pod(initContainers=[resources({}, {"cpu": "3"})])
    given["spec"]["containers"] = [resources({"cpu": "1"}, {"cpu": "2"})] * 2
    text = "maximum cpu usage per Container is 1, but limit is"
    found = refused(run, LimitRanger(), asked("pods", given))
    assert f"forbidden: [{text} 2, {text} 3, " in found
    assert found.count(text) == 2


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ("1Mi", "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi"),
        ("6Gi", "maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 6Gi"),
    ],
)
@pytest.mark.usefixtures("limits")
def test_limits_bound_claims(run, asked, size, text):
    claim = {
        "metadata": {"name": "c"},
        "spec": {"resources": {"requests": {"storage": size}}},
    }
    message = refused(run, LimitRanger(), asked("persistentvolumeclaims", claim))
    assert message == f'persistentvolumeclaims "c" is forbidden: {text}'


def test_sums_over_a_pod():
    def needs(cpu: str, **more) -> dict:
        return {"resources": {"requests": {"cpu": cpu}, "limits": {"cpu": cpu}}, **more}

    spec = {
        "initContainers": [needs("1", restartPolicy="Always"), needs("5"), needs("100m")],
        "containers": [needs("2"), needs("2"), {}],
        "overhead": {"cpu": "250m", "memory": "1Mi"},
    }
    assert pod_requests(spec) == {"cpu": "6250m", "memory": "1Mi"}
    assert pod_limits(spec) == {"cpu": "6250m"}
    spec["initContainers"][1] = needs("1")
    assert pod_requests(spec)["cpu"] == "5250m"
