"""What a container finds: configuration, volumes, itself, its account; what it may not; custom kinds."""

from __future__ import annotations

import json

import pytest

from parity.manifests import WAIT, config, pod, secret, sh
from parity.target import Object, Target, condition
from roost.api.errors import Invalid, NotFound

ONCE = {"restartPolicy": "Never"}


def printed(target: Target, body: Object) -> str:
    """Run a pod to its end; return what it printed."""
    name = body["metadata"]["name"]
    target.create(body)
    target.phase(name, "Succeeded", "Failed")
    return target.logs(name)


def env(name: str, **source: object) -> Object:
    return {"name": name, **({"valueFrom": source} if source else {})}


def mounted(*volumes: Object, path: str = "/v", **mount: object) -> Object:
    mounts = [{"name": one["name"], "mountPath": path, **mount} for one in volumes]
    return {"volumes": list(volumes), "container": {"volumeMounts": mounts}}


# -- configuration


def test_a_config_map_in_the_environment(target: Target):
    target.create(config("c", k="v"))
    container = {"env": [env("X", configMapKeyRef={"name": "c", "key": "k"})]}
    assert printed(target, pod("a", "echo $X", container=container, **ONCE)) == "v\n"


def test_all_of_a_config_map_in_the_environment(target: Target):
    target.create(config("c", one="1", two="2"))
    container = {"envFrom": [{"prefix": "P_", "configMapRef": {"name": "c"}}]}
    assert printed(target, pod("a", "echo $P_one $P_two", container=container, **ONCE)) == "1 2\n"


def test_a_secret_in_the_environment(target: Target):
    target.create(secret("s", k="hidden"))
    container = {"env": [env("X", secretKeyRef={"name": "s", "key": "k"})]}
    assert printed(target, pod("a", "echo $X", container=container, **ONCE)) == "hidden\n"


@pytest.mark.parametrize("kind", ["configMapKeyRef", "secretKeyRef"])
def test_a_pod_waits_for_its_configuration(target: Target, kind):
    container = {"env": [env("X", **{kind: {"name": "late", "key": "k"}})]}
    target.create(pod("a", "echo $X", container=container, **ONCE))
    status = target.waits("a", "CreateContainerConfigError")
    what = "configmap" if kind == "configMapKeyRef" else "secret"
    assert status["state"]["waiting"]["message"] == f'{what} "late" not found'
    target.create(config("late", k="v") if what == "configmap" else secret("late", k="v"))
    target.phase("a", "Succeeded", within_s=120)
    assert target.logs("a") == "v\n"


def test_what_is_optional_may_be_missing(target: Target):
    container = {"env": [env("X", configMapKeyRef={"name": "none", "key": "k", "optional": True})]}
    assert printed(target, pod("a", "echo -$X-", container=container, **ONCE)) == "--\n"


def test_a_key_that_is_missing(target: Target):
    target.create(config("c"))
    target.create(
        pod("a", container={"env": [env("X", configMapKeyRef={"name": "c", "key": "k"})]})
    )
    status = target.waits("a", "CreateContainerConfigError")
    said = f"couldn't find key k in ConfigMap {target.namespace}/c"
    assert status["state"]["waiting"]["message"] == said


def test_variables_in_variables(target: Target):
    container = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)2$(NO)$$(A)"}]}
    assert printed(target, pod("a", "echo $B", container=container, **ONCE)) == "12$(NO)$(A)\n"


@pytest.mark.parametrize("kind", ["configMap", "secret"])
def test_configuration_in_a_volume(target: Target, kind):
    target.create(config("c", one="1", two="2"), secret("c", one="1", two="2"))
    source = {"name": "c"} if kind == "configMap" else {"secretName": "c"}
    more = mounted({"name": "v", kind: source})
    assert printed(target, pod("a", "ls /v; cat /v/one /v/two", **more, **ONCE)) == "one\ntwo\n12"


def test_chosen_keys_of_a_volume(target: Target):
    target.create(config("c", one="1", two="2"))
    items = {"name": "c", "items": [{"key": "one", "path": "dir/uno"}]}
    more = mounted({"name": "v", "configMap": items})
    assert printed(target, pod("a", "ls /v; cat /v/dir/uno", **more, **ONCE)) == "dir\n1"


def test_a_single_file_of_a_volume(target: Target):
    target.create(config("c", one="1"))
    more = mounted({"name": "v", "configMap": {"name": "c"}}, path="/etc/one", subPath="one")
    assert printed(target, pod("a", "cat /etc/one", **more, **ONCE)) == "1"


@pytest.mark.patience(120)
def test_a_volume_follows_its_config_map(target: Target):
    target.create(config("c", k="old"))
    target.start(pod("a", **mounted({"name": "v", "configMap": {"name": "c"}})))
    assert target.exec("a", "cat", "/v/k").out == "old"
    target.patch("configmaps", "c", {"data": {"k": "new"}})
    target.wait(lambda: target.exec("a", "cat", "/v/k").out == "new", 150)


def test_a_pod_waits_for_its_volume(target: Target):
    target.create(pod("a", **mounted({"name": "v", "configMap": {"name": "late"}})))
    event = target.told("a", "FailedMount", 100)
    assert 'configmap "late" not found' in event["message"]
    target.waits("a", "ContainerCreating")
    target.create(config("late", k="v"))
    target.ready("a", within_s=150)


# -- volumes


def test_an_empty_dir_is_shared_and_survives_restarts(target: Target):
    mount = {"volumeMounts": [{"name": "s", "mountPath": "/s"}]}
    script = "echo x >> /s/count; [ $(wc -l < /s/count) = 2 ] && sleep 1000; exit 1"
    body = pod("a", script, container=mount, volumes=[{"name": "s", "emptyDir": {}}])
    body["spec"]["containers"].append(sh("sleep 1000", "other", **mount))
    target.create(body)
    target.wait(lambda: target.status("a", "main").get("restartCount") == 1)
    target.wait(lambda: target.exec("a", "cat", "/s/count", container="other").out == "x\nx\n")


def test_a_file_system_of_its_own_for_each_attempt(target: Target):
    target.create(pod("a", "[ -f /tmp/x ] && echo old; touch /tmp/x; echo new; exit 1"))
    target.wait(lambda: target.status("a").get("restartCount") == 1)
    target.wait(lambda: target.said("a"))
    assert target.logs("a") == "new\n"


def test_a_read_only_mount(target: Target):
    more = mounted({"name": "v", "emptyDir": {}}, readOnly=True)
    said = printed(target, pod("a", "{ echo x > /v/f; } 2>&1 || echo refused", **more, **ONCE))
    assert "refused" in said.splitlines()
    assert "Read-only file system" in said


def test_the_downward_api_in_files(target: Target):
    source = {
        "items": [
            {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
            {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
        ]
    }
    more = mounted({"name": "v", "downwardAPI": source})
    said = printed(
        target, pod("a", "cat /v/name; echo; cat /v/labels", labels={"x": "y"}, **more, **ONCE)
    )
    assert said.split() == ["a", 'x="y"']


def test_a_projected_volume(target: Target):
    target.create(config("c", k="1"), secret("s", t="2"))
    sources = [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}}]
    more = mounted({"name": "v", "projected": {"sources": sources}})
    assert printed(target, pod("a", "cat /v/k /v/t", **more, **ONCE)) == "12"


def test_a_claim_that_nobody_made(target: Target):
    claim = {"name": "v", "persistentVolumeClaim": {"claimName": "none"}}
    target.create(pod("a", **mounted(claim)))
    event = target.told("a", "FailedScheduling")
    assert 'persistentvolumeclaim "none" not found' in event["message"]


# -- what it writes


WRITE = "seq 1 100000 > {}/f; touch {}/done; trap 'exit 0' TERM; sleep 100000 & wait"


def evicted(target: Target, body: Object) -> str:
    """Let a pod be evicted; return why."""
    name = body["metadata"]["name"]
    target.create(body)
    target.phase(name, "Failed")
    status = target.get("pods", name)["status"]
    assert status["reason"] == "Evicted"
    assert condition(target.get("pods", name), "DisruptionTarget") == ""
    event = target.told(name, "Evicted")
    assert (event["type"], event["message"]) == ("Warning", status["message"])
    ended = target.status(name)["state"]["terminated"]
    assert ended["exitCode"] in {0, 137, 143}
    return str(status["message"])


def test_a_volume_that_grows_beyond_its_limit(target: Target):
    volume = {"name": "v", "emptyDir": {"sizeLimit": "256Ki"}}
    message = evicted(target, pod("a", WRITE.format("/v", "/v"), **mounted(volume)))
    assert message == 'Usage of EmptyDir volume "v" exceeds the limit "256Ki". '


def test_a_volume_within_its_limit(target: Target):
    volume = {"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}
    target.start(pod("a", WRITE.format("/v", "/v"), **mounted(volume)))
    target.wait(lambda: target.exec("a", "test", "-f", "/v/done").code == 0)
    target.never(lambda: target.get("pods", "a")["status"]["phase"] != "Running", 12)


LIMITED = {"resources": {"limits": {"ephemeral-storage": "256Ki"}}}


def test_a_pod_that_writes_more_than_its_containers_may(target: Target):
    message = evicted(target, pod("a", WRITE.format("/tmp", "/tmp"), container=LIMITED))
    assert message == (
        "Pod ephemeral local storage usage exceeds the total limit of containers 256Ki. "
    )


def test_a_container_that_prints_more_than_it_may(target: Target):
    script = f"seq 1 4000; {WAIT}"
    strict = {"resources": {"limits": {"ephemeral-storage": "96Ki"}}}
    generous = {"resources": {"limits": {"ephemeral-storage": "1Gi"}}}
    containers = [sh(script, **strict), sh(WAIT, "other", **generous)]
    message = evicted(target, pod("a", containers=containers))
    assert message == 'Container main exceeded its local ephemeral storage limit "96Ki". '


# -- itself

FIELDS = ["metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "status.podIP",
          "status.hostIP", "spec.serviceAccountName"]  # fmt: skip


def test_a_pod_knows_itself(target: Target):
    container = {
        "env": [
            env(f"F{number}", fieldRef={"fieldPath": path}) for number, path in enumerate(FIELDS)
        ]
    }
    names = " ".join(f"$F{number}" for number in range(len(FIELDS)))
    said = printed(target, pod("a", f"echo {names}", container=container, **ONCE)).split()
    body = target.get("pods", "a")
    assert said == [
        "a", target.namespace, body["metadata"]["uid"], body["spec"]["nodeName"],
        body["status"]["podIP"], body["status"]["hostIP"], "default",
    ]  # fmt: skip


def test_labels_and_annotations_in_the_environment(target: Target):
    container = {"env": [env("L", fieldRef={"fieldPath": "metadata.labels['x']"}),
                         env("A", fieldRef={"fieldPath": "metadata.annotations['n']"})]}  # fmt: skip
    body = pod("a", "echo $L $A", labels={"x": "1"}, container=container, **ONCE)
    body["metadata"]["annotations"] = {"n": "2"}
    assert printed(target, body) == "1 2\n"


def test_resources_in_the_environment(target: Target):
    container = {
        "resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}, "requests": {"cpu": "10m"}},
        "env": [
            env("C", resourceFieldRef={"resource": "limits.cpu"}),
            env("M", resourceFieldRef={"resource": "limits.memory", "divisor": "1Mi"}),
        ],
    }
    assert printed(target, pod("a", "echo $C $M", container=container, **ONCE)) == "2 64\n"


@pytest.mark.parametrize(
    ("spec", "name"), [({}, "a"), ({"hostname": "other"}, "other")], ids=["own", "given"]
)
def test_the_host_name(target: Target, spec, name):
    said = printed(target, pod("a", "hostname; echo $HOSTNAME", **spec, **ONCE))
    assert said == f"{name}\n{name}\n"


def test_the_working_directory(target: Target):
    container = {"workingDir": "/tmp"}
    assert printed(target, pod("a", "pwd", container=container, **ONCE)) == "/tmp\n"


def test_containers_of_a_pod_share_the_network(target: Target):
    from parity.manifests import SERVE

    client = sh(
        "until wget -q -O - http://127.0.0.1:8080/; do sleep 0.2; done; sleep 1000", "client"
    )
    body = pod("a", SERVE)
    body["spec"]["containers"].append(client)
    target.create(body)
    target.wait(lambda: target.said("a", "client").endswith("a\n"))


# -- what it may do


def test_a_read_only_root(target: Target):
    container = {"securityContext": {"readOnlyRootFilesystem": True},
                 "volumeMounts": [{"name": "t", "mountPath": "/tmp"}]}  # fmt: skip
    script = "{ echo x > /file; } 2>&1 || echo refused; echo y > /tmp/f && cat /tmp/f"
    body = pod("a", script, container=container, volumes=[{"name": "t", "emptyDir": {}}], **ONCE)
    said = printed(target, body)
    assert said.splitlines()[-2:] == ["refused", "y"]


def test_a_user_of_its_own(target: Target):
    security = {"runAsUser": 1234, "runAsGroup": 5678}
    said = printed(target, pod("a", "id -u; id -g", securityContext=security, **ONCE))
    assert said == "1234\n5678\n"


def test_root_is_refused_where_it_may_not_be(target: Target):
    target.create(pod("a", securityContext={"runAsNonRoot": True}))
    status = target.waits("a", "CreateContainerConfigError")
    assert (
        "container has runAsNonRoot and image will run as root"
        in status["state"]["waiting"]["message"]
    )


def test_a_strict_namespace_refuses_a_privileged_pod(target: Target):
    from roost.api.errors import Forbidden

    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
    target.patch("namespaces", target.namespace, label)

    def refused() -> str:
        try:
            target.create(pod("a", container={"securityContext": {"privileged": True}}))
        except Forbidden as error:
            return str(error)
        target.delete("pods", "a", grace_s=0)
        return ""

    said = target.wait(refused, 10)
    assert 'violates PodSecurity "baseline:latest": privileged' in said


# -- its account

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def test_a_token_is_mounted(target: Target):
    target.start(pod("a"))
    assert target.exec("a", "ls", ACCOUNT).out.split() == ["ca.crt", "namespace", "token"]
    assert target.exec("a", "cat", f"{ACCOUNT}/namespace").out == target.namespace
    token = target.exec("a", "cat", f"{ACCOUNT}/token").out
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
              "metadata": {}, "spec": {"token": token}}  # fmt: skip
    from roost.api.kind import Resource

    resource = Resource("authentication.k8s.io", "v1", "tokenreviews")
    status = target.run(target.client.create(resource, review))["status"]
    assert status["authenticated"] is True
    assert status["user"]["username"] == f"system:serviceaccount:{target.namespace}:default"


def test_no_token_is_mounted(target: Target):
    target.start(pod("a", automountServiceAccountToken=False))
    assert target.exec("a", "ls", ACCOUNT).code != 0


def test_an_account_that_is_not_there(target: Target):
    from roost.api.errors import Forbidden

    with pytest.raises(Forbidden) as refused:
        target.create(pod("a", serviceAccountName="none"))
    said = (
        f'error looking up service account {target.namespace}/none: serviceaccount "none" not found'
    )
    assert said in str(refused.value)


# -- custom kinds


def definition(target: Target, **schema: object) -> tuple[Object, str]:
    """Return a CustomResourceDefinition of the case's own group, and the name of its kind."""
    group = f"{target.namespace}.example.com"
    size = {"type": "integer", "minimum": 1, "default": 3}
    properties = {
        "spec": {"type": "object", "properties": {"size": size}, **schema},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    }  # fmt: skip
    version = {
        "name": "v1", "served": True, "storage": True, "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
    }  # fmt: skip
    body = {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "versions": [version],
                 "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"}},
    }  # fmt: skip
    return body, f"widgets.v1.{group}"


def widget(target: Target, name: str, **spec: object) -> Object:
    return {
        "apiVersion": f"{target.namespace}.example.com/v1", "kind": "Widget",
        "metadata": {"name": name}, "spec": spec,
    }  # fmt: skip


def defined(target: Target, **schema: object) -> str:
    body, kind = definition(target, **schema)
    target.create(body)
    name = body["metadata"]["name"]
    target.wait(
        lambda: condition(target.get("customresourcedefinitions", name), "Established") == "True"
    )

    def served() -> bool:
        try:
            target.list(kind)
        except NotFound:
            return False
        return True

    target.wait(served)
    return kind


def test_a_custom_kind_comes_lives_and_goes(target: Target):
    kind = defined(target)
    made = target.create(widget(target, "a"))
    assert made["spec"] == {"size": 3}
    assert made["metadata"]["generation"] == 1
    target.patch(kind, "a", {"spec": {"size": 5}})
    assert target.get(kind, "a")["metadata"]["generation"] == 2
    target.patch(kind, "a", {"status": {"seen": 5}}, subresource="status")
    body = target.get(kind, "a")
    assert (body["status"], body["metadata"]["generation"]) == ({"seen": 5}, 2)
    target.delete("customresourcedefinitions", f"widgets.{target.namespace}.example.com")
    target.gone("customresourcedefinitions", f"widgets.{target.namespace}.example.com")
    with pytest.raises(NotFound):
        target.get(kind, "a")


def test_a_custom_object_is_validated(target: Target):
    defined(target)
    with pytest.raises(Invalid) as refused:
        target.create(widget(target, "a", size=0))
    assert (
        "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"
        in str(refused.value)
    )
    with pytest.raises(Invalid) as refused:
        target.create(widget(target, "a", size="big"))
    assert 'spec.size in body must be of type integer: "string"' in str(refused.value)


def test_rules_of_a_custom_kind(target: Target):
    rule = {"rule": "self.size <= 10", "message": "too big"}
    kind = defined(target, **{"x-kubernetes-validations": [rule]})
    with pytest.raises(Invalid) as refused:
        target.create(widget(target, "a", size=11))
    assert "too big" in str(refused.value)
    target.create(widget(target, "a", size=10))
    assert json.dumps(target.get(kind, "a")["spec"]) == '{"size": 10}'


def test_a_watch_of_custom_objects(target: Target):
    kind = defined(target)
    with target.watch(kind) as watching:
        target.create(widget(target, "a"))
        target.patch(kind, "a", {"spec": {"size": 4}})
        target.delete(kind, "a")
        target.wait(lambda: len(watching.told()) >= 3)
    assert watching.told() == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_custom_objects_own_others(target: Target):
    from parity.manifests import owned

    kind = defined(target)
    owner = target.create(widget(target, "a"))
    target.create(owned(config("child"), owner))
    target.delete(kind, "a")
    target.gone("configmaps", "child")
