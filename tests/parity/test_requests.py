"""Bad requests and what they are answered; selectors, watches, finalizers, owners, scale."""

from __future__ import annotations

import pytest

from parity.manifests import config, deployment, job, owned, pod, replicaset, secret, service, sh
from parity.target import Target
from roost.api.errors import (
    AlreadyExists,
    BadRequest,
    Conflict,
    Expired,
    Invalid,
    NotFound,
    StatusError,
)


def _pod(**container):
    return pod("bad", container=container)


INVALID = {
    "upper-case-name": (pod("Bad"), "a lowercase RFC 1123 subdomain must consist of"),
    "no-containers": (pod("bad", containers=[]), "spec.containers: Required value"),
    "same-container-name": (
        pod("bad", containers=[sh("x"), sh("y")]), "spec.containers[1].name: Duplicate value",
    ),
    "no-image": (_pod(image=""), "spec.containers[0].image: Required value"),
    "bad-restart-policy": (
        pod("bad", restartPolicy="Sometimes"), 'spec.restartPolicy: Unsupported value: "Sometimes"',
    ),
    "bad-pull-policy": (_pod(imagePullPolicy="Maybe"), "imagePullPolicy: Unsupported value"),
    "no-such-volume": (
        _pod(volumeMounts=[{"name": "v", "mountPath": "/v"}]),
        'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    ),
    "request-over-limit": (
        _pod(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}),
        "must be less than or equal to cpu limit of 1",
    ),
    "bad-port": (_pod(ports=[{"containerPort": 70000}]), "must be between 1 and 65535"),
    "bad-label": (pod("bad", labels={"a b": "c"}), "metadata.labels: Invalid value"),
    "bad-env-name": (_pod(env=[{"name": "", "value": "x"}]), "env[0].name: Required value"),
    "probe-without-handler": (
        _pod(livenessProbe={"periodSeconds": 1}), "must specify a handler type",
    ),
    "two-handlers": (
        _pod(livenessProbe={"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}),
        "may not specify more than 1 handler type",
    ),
    "service-port": (service("bad", 0), "spec.ports[0].port: Invalid value"),
    "service-type": (service("bad", type="Nope"), "spec.type: Unsupported value"),
    "two-unnamed-ports": (
        service("bad", ports=[{"port": 1}, {"port": 2}]), "spec.ports[0].name: Required value",
    ),
    "bad-node-port": (
        service("bad", type="NodePort", ports=[{"port": 1, "nodePort": 80}]),
        "provided port is not in the valid range",
    ),
    "selector-mismatch": (
        {**deployment("bad"), "spec": {**deployment("bad")["spec"],
                                       "selector": {"matchLabels": {"x": "y"}}}},
        "`selector` does not match template `labels`",
    ),
    "job-restart-policy": (
        job("bad", pods={"restartPolicy": "Always"}), "spec.template.spec.restartPolicy",
    ),
    "surge-and-unavailable-zero": (
        deployment("bad", strategy={"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}),
        "may not be 0 when `maxSurge` is 0",
    ),
    "bad-config-key": (config("bad", **{"a/b": "c"}), "data[a/b]: Invalid value"),
    "bad-secret-key": (secret("bad", **{"a b": "c"}), "data[a b]: Invalid value"),
}  # fmt: skip


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_object_is_refused(target: Target, case):
    body, words = INVALID[case]
    with pytest.raises(Invalid) as refused:
        target.create(body)
    assert words in str(refused.value)
    assert refused.value.code == 422
    assert refused.value.details["causes"]


def test_a_second_of_the_same_name(target: Target):
    target.create(config("a"))
    with pytest.raises(AlreadyExists) as refused:
        target.create(config("a"))
    assert str(refused.value) == 'configmaps "a" already exists'


def test_what_is_not_there(target: Target):
    with pytest.raises(NotFound) as refused:
        target.get("pods", "none")
    assert str(refused.value) == 'pods "none" not found'
    assert refused.value.details == {"name": "none", "kind": "pods"}


def test_a_body_of_another_namespace(target: Target):
    body = config("a")
    body["metadata"]["namespace"] = "elsewhere"
    from roost.decisions.resources import CONFIG_MAPS

    with pytest.raises(BadRequest) as refused:
        target.run(target.client.create(CONFIG_MAPS, body, target.namespace))
    assert "does not match the namespace sent on the request" in str(refused.value)


def test_objects_in_a_namespace_that_is_not_there(target: Target):
    from roost.decisions.resources import CONFIG_MAPS

    with pytest.raises(NotFound) as refused:
        target.run(target.client.create(CONFIG_MAPS, config("a"), "not-there"))
    assert str(refused.value) == 'namespaces "not-there" not found'


def test_generated_names(target: Target):
    body = config("a")
    body["metadata"] = {"generateName": "gen-"}
    first, second = target.create(body), target.create(body)
    names = [one["metadata"]["name"] for one in (first, second)]
    assert all(name.startswith("gen-") and len(name) == 9 for name in names)
    assert names[0] != names[1]


def test_a_pod_is_fixed_but_for_its_image(target: Target):
    target.create(pod("a", nodeSelector={"no": "where"}))
    with pytest.raises(Invalid) as refused:
        target.patch("pods", "a", {"spec": {"hostname": "other"}})
    assert "pod updates may not change fields other than" in str(refused.value)


def test_an_immutable_config_map(target: Target):
    target.create({**config("a", k="1"), "immutable": True})
    with pytest.raises(Invalid) as refused:
        target.patch("configmaps", "a", {"data": {"k": "2"}})
    assert "field is immutable when `immutable` is set" in str(refused.value)


def test_secrets_take_strings_and_keep_bytes(target: Target):
    made = target.create(secret("a", k="v"))
    assert made["data"] == {"k": "dg=="}
    assert "stringData" not in made
    assert made["type"] == "Opaque"


def test_defaults_are_filled_in(target: Target):
    body = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}},
                 "template": {"metadata": {"labels": {"a": "b"}},
                              "spec": {"containers": [{"name": "c", "image": "busybox"}]}}},
    }  # fmt: skip
    spec = target.create(body)["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }  # fmt: skip
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    container = spec["template"]["spec"]["containers"][0]
    assert container["imagePullPolicy"] == "Always"
    assert container["terminationMessagePath"] == "/dev/termination-log"


# -- selectors


def test_label_selectors(target: Target):
    for name, labels in (("a", {"x": "1"}), ("b", {"x": "2"}), ("c", {"y": "1"})):
        target.create(config(name, meta={"labels": labels}))

    def chosen(selector: str) -> list[str]:
        return [one for one in target.names("configmaps", selector) if len(one) == 1]

    assert chosen("x=1") == ["a"]
    assert chosen("x") == ["a", "b"]
    assert chosen("!x") == ["c"]
    assert chosen("x in (1,2)") == ["a", "b"]
    assert chosen("x notin (1)") == ["b", "c"]
    assert chosen("x!=1") == ["b", "c"]
    assert chosen("x=1,y=1") == []


def test_field_selectors(target: Target):
    target.create(pod("a", nodeSelector={"no": "where"}), pod("b", nodeSelector={"no": "where"}))
    assert target.names("pods", fields="metadata.name=a") == ["a"]
    assert target.names("pods", fields="metadata.name!=a") == ["b"]
    assert target.names("pods", fields="status.phase=Pending") == ["a", "b"]
    assert target.names("pods", fields="spec.nodeName=none") == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [("spec.nope=1", "field label not supported: spec.nope"), ("a", "invalid selector: 'a'")],
    ids=["unknown", "syntax"],
)
def test_bad_field_selectors(target: Target, fields, words):
    with pytest.raises(BadRequest) as refused:
        target.list("pods", fields=fields)
    assert words in str(refused.value)


def test_bad_label_selectors(target: Target):
    with pytest.raises(BadRequest) as refused:
        target.list("pods", "a in")
    assert "unable to parse requirement" in str(refused.value)


# -- watches


def test_a_watch_from_zero_tells_what_is_there(target: Target):
    target.create(config("a"), config("b"))
    with target.watch("configmaps", "0") as watching:
        target.wait(lambda: {("ADDED", "a"), ("ADDED", "b")} <= set(watching.told()))


def test_a_watch_tells_of_every_write_in_order(target: Target):
    count = 100
    target.create(config("a", n="0"))
    with target.watch("configmaps", fields="metadata.name=a") as watching:
        for number in range(1, count + 1):
            target.patch("configmaps", "a", {"data": {"n": str(number)}})
        target.delete("configmaps", "a")
        target.wait(lambda: ("DELETED", "a") in watching.told())
    seen = [e.object["data"]["n"] for e in watching.events if e.type == "MODIFIED"]
    assert seen == [str(number) for number in range(1, count + 1)]


def test_nothing_is_lost_between_a_list_and_a_watch(target: Target):
    target.create(config("before"))
    version = target.version("configmaps")
    target.create(config("between"))
    with target.watch("configmaps", version) as watching:
        target.create(config("after"))
        target.wait(lambda: ("ADDED", "after") in watching.told())
    assert watching.told() == [("ADDED", "between"), ("ADDED", "after")]


def test_a_watch_with_labels_sees_objects_come_and_go(target: Target):
    target.create(config("a", meta={"labels": {"x": "1"}}))
    with target.watch("configmaps", labels="x=1") as watching:
        target.patch("configmaps", "a", {"metadata": {"labels": {"x": "2"}}})
        target.patch("configmaps", "a", {"metadata": {"labels": {"x": "1"}}})
        target.wait(lambda: len(watching.told()) >= 2)
    assert watching.told() == [("DELETED", "a"), ("ADDED", "a")]


def test_a_watch_of_the_future_or_of_nonsense(target: Target):
    with target.watch("configmaps", "nonsense") as watching:
        target.wait(lambda: watching.error)
    assert isinstance(watching.error, StatusError)
    assert "nonsense" in str(watching.error)


def test_a_watch_of_what_was_compacted(target: Target):
    target.needs("compaction")
    with target.watch("configmaps", "1") as watching:
        target.wait(lambda: watching.error)
    assert isinstance(watching.error, Expired)


# -- finalizers and owners


def test_a_finalizer_holds_an_object_back(target: Target):
    target.create(config("a", meta={"finalizers": ["example.com/hold"]}))
    target.delete("configmaps", "a")
    assert target.get("configmaps", "a")["metadata"]["deletionTimestamp"]
    more = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    with pytest.raises(StatusError) as refused:
        target.patch("configmaps", "a", more)
    assert "no new finalizers can be added" in str(refused.value)
    target.patch("configmaps", "a", {"metadata": {"finalizers": None}})
    assert target.find("configmaps", "a") == {}


def test_deletion_with_a_wrong_uid(target: Target):
    target.create(config("a"))
    with pytest.raises(Conflict) as refused:
        target.delete("configmaps", "a", uid="12345678-1234-1234-1234-123456789012")
    assert "does not match the UID in record" in str(refused.value)


def test_what_belongs_to_a_deleted_object_goes(target: Target):
    owner = target.create(config("owner"))
    target.create(owned(config("child"), owner))
    target.delete("configmaps", "owner")
    target.gone("configmaps", "child")


def test_what_belongs_to_nobody_that_is_there_goes(target: Target):
    ghost = {
        **config("ghost"),
        "metadata": {"name": "ghost", "uid": "0" * 8 + "-0000-4000-8000-" + "0" * 12},
    }
    target.create(owned(config("child"), ghost))
    target.gone("configmaps", "child")


def test_one_of_two_owners_is_enough(target: Target):
    one, two = target.create(config("one")), target.create(config("two"))
    child = owned(config("child"), one)
    child["metadata"]["ownerReferences"] += owned(config("x"), two)["metadata"]["ownerReferences"]
    target.create(child)
    target.delete("configmaps", "one")
    target.wait(
        lambda: len(target.get("configmaps", "child")["metadata"].get("ownerReferences", [])) == 1
    )


def test_orphans_stay_and_lose_their_owner(target: Target):
    owner = target.create(config("owner"))
    target.create(owned(config("child"), owner))
    target.delete("configmaps", "owner", propagation="Orphan")
    target.gone("configmaps", "owner")
    assert "ownerReferences" not in target.get("configmaps", "child")["metadata"]


def test_in_the_foreground_children_go_first(target: Target):
    owner = target.create(config("owner"))
    held = config("child", meta={"finalizers": ["example.com/hold"]})
    target.create(owned(held, owner, blockOwnerDeletion=True))
    target.delete("configmaps", "owner", propagation="Foreground")
    target.wait(lambda: "deletionTimestamp" in target.get("configmaps", "child")["metadata"])
    assert target.get("configmaps", "owner")["metadata"]["finalizers"] == ["foregroundDeletion"]
    target.patch("configmaps", "child", {"metadata": {"finalizers": None}})
    target.gone("configmaps", "owner")


def test_a_replicaset_takes_pods_with_it_or_leaves_them(target: Target):
    held = {"nodeSelector": {"no": "where"}}
    target.create(replicaset("a", 2, pods=held), replicaset("b", 2, pods=held))
    target.wait(lambda: len(target.pods()) == 4)
    target.delete("replicasets", "a", propagation="Background")
    target.delete("replicasets", "b", propagation="Orphan")
    target.wait(lambda: not target.list("pods", "app=a"))
    target.gone("replicasets", "b")
    assert len(target.pods("app=b")) == 2
    target.create(replicaset("b", 2, pods=held))
    target.wait(lambda: target.get("replicasets", "b").get("status", {}).get("replicas") == 2)
    assert len(target.list("pods", "app=b")) == 2


# -- scale


@pytest.mark.parametrize("make", [deployment, replicaset], ids=["deployment", "replicaset"])
def test_scale(target: Target, make):
    body = make("a", 1, pods={"nodeSelector": {"no": "where"}})
    kind = body["kind"].lower() + "s"
    target.create(body)
    scale = target.get(kind, "a", subresource="scale")
    assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 1)
    assert scale["status"]["selector"] == "app=a"
    scale["spec"]["replicas"] = 3
    del scale["metadata"]["resourceVersion"]
    target.update(kind, scale, subresource="scale")
    target.wait(lambda: len(target.pods("app=a")) == 3)
    target.patch(kind, "a", {"spec": {"replicas": 0}}, subresource="scale")
    target.wait(lambda: not target.pods("app=a"))


def test_status_is_a_resource_of_its_own(target: Target):
    target.create(service("a", type="ClusterIP"))
    body = target.get("services", "a")
    body["status"] = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}
    assert target.update("services", body)["status"] == {"loadBalancer": {}}


# -- namespaces


def test_a_namespace_is_emptied_before_it_goes(target: Target):
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{target.namespace}-x"}}
    target.create(body)
    from roost.decisions.resources import CONFIG_MAPS

    name = body["metadata"]["name"]
    held = config("held", meta={"finalizers": ["example.com/hold"]})
    target.run(target.client.create(CONFIG_MAPS, held, name))
    target.delete("namespaces", name)
    assert target.get("namespaces", name)["status"]["phase"] == "Terminating"
    with pytest.raises(StatusError) as refused:
        target.run(target.client.create(CONFIG_MAPS, config("late"), name))
    assert "because it is being terminated" in str(refused.value)
    target.wait(
        lambda: any(
            one["type"] == "NamespaceFinalizersRemaining" and one["status"] == "True"
            for one in target.get("namespaces", name)["status"].get("conditions", [])
        )
    )
    target.run(target.client.patch(CONFIG_MAPS, "held", {"metadata": {"finalizers": None}}, name))
    target.gone("namespaces", name)


def test_every_namespace_has_an_account_and_the_ca(target: Target):
    target.wait(lambda: target.find("configmaps", "kube-root-ca.crt"))
    assert "BEGIN CERTIFICATE" in target.get("configmaps", "kube-root-ca.crt")["data"]["ca.crt"]
    assert target.find("serviceaccounts", "default")
    target.delete("serviceaccounts", "default")
    target.wait(lambda: target.find("serviceaccounts", "default"))
