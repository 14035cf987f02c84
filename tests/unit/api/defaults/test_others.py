"""What other kinds are filled up with."""

from typing import Any

import pytest

from roost.api.errors import BadRequest
from roost.api.groups import ALL_KINDS
from roost.api.kind import Change

KINDS = {(kind.group, kind.version, kind.name): kind for kind in ALL_KINDS}


def filled(group: str, name: str, body: dict[str, Any], version: str = "v1") -> dict[str, Any]:
    value = {"metadata": {"name": "x"}, **body}
    hook = KINDS[group, version, name].default
    assert hook is not None
    hook(Change(value))
    return value


def test_deployment() -> None:
    spec = filled("apps", "Deployment", {"spec": {"template": {"spec": {"containers": []}}}})[
        "spec"
    ]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert spec["revisionHistoryLimit"] == 10
    assert spec["progressDeadlineSeconds"] == 600
    assert spec["template"]["spec"]["restartPolicy"] == "Always"


def test_a_recreating_deployment_has_no_rolling_update() -> None:
    body = {"spec": {"strategy": {"type": "Recreate"}, "template": {}}}
    assert filled("apps", "Deployment", body)["spec"]["strategy"] == {"type": "Recreate"}


def test_job() -> None:
    spec = filled("batch", "Job", {"spec": {"template": {"spec": {"containers": []}}}})["spec"]
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (1, 1, 6)
    assert (spec["completionMode"], spec["suspend"]) == ("NonIndexed", False)


def test_a_work_queue_has_no_completions() -> None:
    spec = filled("batch", "Job", {"spec": {"parallelism": 3, "template": {}}})["spec"]
    assert "completions" not in spec
    assert spec["parallelism"] == 3


def test_service() -> None:
    spec = filled("", "Service", {"spec": {"ports": [{"port": 80}]}})["spec"]
    assert spec["type"] == "ClusterIP"
    assert spec["sessionAffinity"] == "None"
    assert spec["internalTrafficPolicy"] == "Cluster"
    assert spec["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]


def test_a_service_with_affinity_gets_a_timeout() -> None:
    spec = filled("", "Service", {"spec": {"sessionAffinity": "ClientIP"}})["spec"]
    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}


def test_a_namespace_is_labelled_with_its_name() -> None:
    value = filled("", "Namespace", {})
    assert value["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x"}


def test_a_secret_is_opaque_and_takes_text() -> None:
    value = filled("", "Secret", {"stringData": {"a": "b"}, "data": {"a": "eA==", "c": "eA=="}})
    assert value["type"] == "Opaque"
    assert value["data"] == {"a": "Yg==", "c": "eA=="}
    assert "stringData" not in value


def test_role_bindings_complete_their_references() -> None:
    body = {
        "roleRef": {"kind": "Role", "name": "r"},
        "subjects": [{"kind": "User", "name": "u"}, {"kind": "ServiceAccount", "name": "s"}],
    }
    value = filled("rbac.authorization.k8s.io", "RoleBinding", body)
    group = "rbac.authorization.k8s.io"
    assert value["roleRef"]["apiGroup"] == group
    assert value["subjects"][0]["apiGroup"] == group
    assert "apiGroup" not in value["subjects"][1] or not value["subjects"][1]["apiGroup"]


def test_claims_and_classes() -> None:
    assert filled("", "PersistentVolumeClaim", {"spec": {}})["spec"]["volumeMode"] == "Filesystem"
    value = filled("storage.k8s.io", "StorageClass", {"provisioner": "p"})
    assert (value["reclaimPolicy"], value["volumeBindingMode"]) == ("Delete", "Immediate")


def test_every_default_bears_an_almost_empty_object_and_is_stable() -> None:
    for kind in ALL_KINDS:
        if kind.default is None:
            continue
        value: dict[str, Any] = {"metadata": {"name": "x"}}
        kind.default(Change(value))
        once = repr(value)
        kind.default(Change(value))
        assert repr(value) == once, kind.name


def test_failure_policies_in_the_template_of_a_cron_job_are_filled_in_too() -> None:
    rules = [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]
    template = {"spec": {"podFailurePolicy": {"rules": rules}}}
    spec = filled("batch", "CronJob", {"spec": {"jobTemplate": template}})["spec"]
    assert rules[0]["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert "backoffLimit" not in spec["jobTemplate"]["spec"]


@pytest.mark.parametrize(
    ("kind", "annotation", "text", "words"),
    [
        (
            "DaemonSet",
            "deprecated.daemonset.template.generation",
            "x",
            'strconv.ParseInt: parsing "x": invalid syntax',
        ),
        (
            "Deployment",
            "deprecated.deployment.rollback.rollbackTo",
            "9223372036854775808",
            (
                "failed to parse annotation[deprecated.deployment.rollback.rollbackTo]="
                "9223372036854775808 as int64: "
                'strconv.ParseInt: parsing "9223372036854775808": value out of range'
            ),
        ),
    ],
)
def test_fields_that_became_annotations_are_numbers(
    kind: str, annotation: str, text: str, words: str
) -> None:
    with pytest.raises(BadRequest) as refused:
        filled("apps", kind, {"metadata": {"annotations": {annotation: text}}, "spec": {}})
    start = f'{kind} in version "v1" cannot be handled as a {kind}: '
    assert refused.value.message == start + words


def test_the_ranges_of_a_node_are_mirrored() -> None:
    assert filled("", "Node", {"spec": {"podCIDR": "a"}})["spec"] == {
        "podCIDR": "a",
        "podCIDRs": ["a"],
    }
    assert filled("", "Node", {"spec": {"podCIDRs": ["b"]}})["spec"]["podCIDR"] == "b"
    told = filled("", "Node", {"spec": {"podCIDR": "a", "podCIDRs": ["b", "c"]}})["spec"]
    assert told["podCIDRs"] == ["a"]


def test_a_limit_range_always_says_its_limits() -> None:
    assert filled("", "LimitRange", {})["spec"] == {"limits": None}
