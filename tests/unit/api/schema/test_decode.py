import pytest

from roost.api.errors import BadRequest
from roost.api.schema.decode import decode, decode_object
from roost.api.schema.nodes import node
from roost.api.schema.scalars import Mismatch

CORE = "io.k8s.api.core.v1."
POD = node(f"{CORE}Pod")


def container(**fields):
    return {"spec": {"containers": [{"name": "c", **fields}]}}


def decoded(value, definition=f"{CORE}Pod"):
    return decode(node(definition), value)[0]


def decoded_container(**fields):
    return decoded(container(**fields))["spec"]["containers"][0]


def test_kind_and_metadata_come_first_and_the_input_is_not_touched():
    value = {"spec": {}, "metadata": {"name": "p"}, "kind": "Pod", "apiVersion": "v1"}
    before = repr(value)
    result = decoded(value)
    assert list(result) == ["kind", "apiVersion", "metadata", "spec"]
    assert repr(value) == before
    result["metadata"]["name"] = "other"
    assert value["metadata"]["name"] == "p"


def test_nulls_are_absent():
    value = {"metadata": {"name": "p", "creationTimestamp": None, "labels": None}, "spec": None}
    assert decoded(value) == {"metadata": {"name": "p"}}


def test_a_null_in_a_list_or_map_is_the_zero_value():
    assert decoded({"spec": {"containers": [None]}}) == {"spec": {"containers": [{"name": ""}]}}
    assert decoded({"data": {"a": None}}, f"{CORE}ConfigMap") == {"data": {"a": ""}}
    assert decoded_container(args=["a", None])["args"] == ["a", ""]
    nothing = {"status": {"conditions": [None]}}
    unset = {"lastProbeTime": None, "lastTransitionTime": None, "type": "", "status": ""}
    assert decoded(nothing) == {"status": {"conditions": [unset]}}
    assert decoded(decoded(nothing)) == decoded(nothing)


def test_zeros_that_the_real_server_does_not_write_are_dropped():
    spec = decoded(
        {"spec": {"hostNetwork": False, "nodeName": "", "tolerations": [], "nodeSelector": {}}}
    )["spec"]
    assert spec == {}


def test_zeros_that_mean_something_stay():
    spec = {"enableServiceLinks": False, "terminationGracePeriodSeconds": 0, "securityContext": {}}
    assert decoded({"spec": spec})["spec"] == spec
    deployment = {"spec": {"replicas": 0, "minReadySeconds": 0}}
    assert decoded(deployment, "io.k8s.api.apps.v1.Deployment") == {"spec": {"replicas": 0}}


def test_required_zeros_stay():
    assert decoded_container(ports=[{"containerPort": 0}])["ports"] == [{"containerPort": 0}]


def test_scalars_become_canonical():
    limits = decoded_container(resources={"limits": {"cpu": "1000m", "memory": 0.5}})
    assert limits["resources"] == {"limits": {"cpu": "1", "memory": "500m"}}
    when = {"metadata": {"creationTimestamp": "2024-03-01T10:00:00.5+02:00"}}
    assert decoded(when) == {"metadata": {"creationTimestamp": "2024-03-01T08:00:00Z"}}
    secret = {"data": {"k": "YQ\n=="}}
    assert decoded(secret, f"{CORE}Secret") == {"data": {"k": "YQ=="}}


def test_int_or_string_takes_both():
    ports = [{"port": 80, "targetPort": "http"}, {"port": 81, "targetPort": 8081}]
    assert decoded({"spec": {"ports": ports}}, f"{CORE}Service") == {"spec": {"ports": ports}}


def test_what_is_open_is_kept_as_it_is():
    data = {"a": [1, None, {"b": None}], "zero": 0}
    result = decoded({"data": data}, "io.k8s.api.apps.v1.ControllerRevision")
    assert result == {"data": data, "revision": 0}
    fields = {"f:spec": {".": {}, "f:x": {}}}
    pod = {"metadata": {"managedFields": [{"manager": "m", "fieldsV1": fields}]}}
    assert decoded(pod)["metadata"]["managedFields"][0]["fieldsV1"] == fields


def test_unknown_fields_are_dropped_and_named_in_the_order_of_the_body():
    value = container(imagee="x", ports=[{"port": 1}])
    value["spec"]["bogus"] = {"a": 1}
    result, complaints = decode(POD, value)
    assert result == container(ports=[{"containerPort": 0}])
    assert complaints == [
        'unknown field "spec.containers[0].imagee"',
        'unknown field "spec.containers[0].ports[0].port"',
        'unknown field "spec.bogus"',
    ]


def test_the_case_of_a_name_counts():
    _, complaints = decode(node(f"{CORE}ConfigMap"), {"Metadata": {}, "data": {"a": "b"}})
    assert complaints == ['unknown field "Metadata"']


PROBLEMS = [
    (container(ports=[{"containerPort": "80"}]),
     "string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32"),
    ({"spec": {"hostNetwork": "yes"}},
     "string into Go struct field PodSpec.spec.hostNetwork of type bool"),
    ({"spec": {"containers": {"a": "b"}}},
     "object into Go struct field PodSpec.spec.containers of type []v1.Container"),
    ({"metadata": {"labels": ["a"]}},
     "array into Go struct field ObjectMeta.metadata.labels of type map[string]string"),
    ({"metadata": {"labels": {"a": 1}}},
     "number into Go struct field ObjectMeta.metadata.labels of type string"),
    ({"spec": {"activeDeadlineSeconds": 99999999999999999999}},
     ("number 99999999999999999999 into Go struct field PodSpec.spec.activeDeadlineSeconds "
     "of type int64")),
    ({"spec": {"priority": 1.5}},
     "number 1.5 into Go struct field PodSpec.spec.priority of type int32"),
    ({"spec": {"priority": 2**31}},
     "number 2147483648 into Go struct field PodSpec.spec.priority of type int32"),
    ({"spec": {"restartPolicy": 5}},
     "number into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy"),
    ({"spec": "x"}, "string into Go struct field Pod.spec of type v1.PodSpec"),
    ({"spec": {"hostPID": 1}}, "number into Go struct field PodSpec.spec.hostPID of type bool"),
    (container(args=[True]),
     "bool into Go struct field Container.spec.containers.args of type string"),
    (container(livenessProbe={"httpGet": {"port": 1.5}}),
     ("number 1.5 into Go struct field HTTPGetAction.spec.containers.livenessProbe.httpGet.port "
     "of type int32")),
]  # fmt: skip


@pytest.mark.parametrize(("value", "problem"), PROBLEMS)
def test_a_wrong_type_is_told_in_the_words_of_go(value, problem):
    with pytest.raises(Mismatch) as caught:
        decode(POD, value)
    assert str(caught.value) == f"json: cannot unmarshal {problem}"


def test_the_first_wrong_value_of_the_body_is_told_before_unknown_fields():
    with pytest.raises(Mismatch, match=r"PodSpec\.spec\.hostPID"):
        decode(POD, {"bogus": 1, "spec": {"hostPID": 1, "hostIPC": 1}})


def test_not_an_object_is_refused():
    with pytest.raises(Mismatch, match=r"cannot unmarshal array into Go value of type v1\.Pod"):
        decode(POD, [1])


def test_a_bad_quantity_is_told_as_the_quantity_tells_it():
    with pytest.raises(Mismatch, match="quantities must match the regular expression"):
        decode(POD, container(resources={"requests": {"cpu": "1x"}}))
    with pytest.raises(Mismatch, match="quantities must match the regular expression"):
        decode(POD, container(resources={"requests": {"cpu": True}}))


def test_strict_refuses_warn_warns_and_ignore_says_nothing():
    value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "bogus": 1}
    target = node(f"{CORE}ConfigMap")
    with pytest.raises(BadRequest) as caught:
        decode_object(target, value, "Strict")
    assert caught.value.message == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: '
        'unknown field "bogus"'
    )
    result, warnings = decode_object(target, value, "Warn")
    assert warnings == ['unknown field "bogus"']
    assert "bogus" not in result
    assert decode_object(target, value, "Ignore") == (result, [])


def test_too_deep_is_refused_not_a_crash():
    value: dict = {}
    inner = value
    for _ in range(2000):
        inner["a"] = {}
        inner = inner["a"]
    with pytest.raises(Mismatch, match="exceeded max depth"):
        decode(node("io.k8s.api.apps.v1.ControllerRevision"), {"data": value})


class TestSchemasOfCustomResources:
    NAME = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"

    def test_a_schema_refers_to_itself(self):
        schema = {
            "type": "object",
            "properties": {"a": {"type": "array", "items": {"type": "string", "minLength": 0}}},
            "additionalProperties": False,
            "default": {"x": None},
        }
        assert decoded(schema, self.NAME) == schema

    def test_unknown_fields_inside_unions_go_without_a_word(self):
        decoded, complaints = decode(node(self.NAME), {"items": {"bogus": 1, "type": "string"}})
        assert (decoded, complaints) == ({"items": {"type": "string"}}, [])

    def test_a_union_refuses_what_is_neither(self):
        with pytest.raises(Mismatch):
            decode(node(self.NAME), {"additionalProperties": 3})


def test_what_is_always_written_is_there_although_nobody_set_it():
    def core(value, name):
        return decoded(value, f"io.k8s.api.core.v1.{name}")

    assert core({"name": "X"}, "HTTPHeader") == {"name": "X", "value": ""}
    assert core({}, "SleepAction") == {"seconds": 0}
    assert core({"limits": []}, "LimitRangeSpec") == {"limits": None}
    for written in ({}, {"sources": []}):
        assert core(written, "ProjectedVolumeSource") == {"sources": None}
    assert core({"sizeBytes": 1}, "ContainerImage") == {"sizeBytes": 1, "names": None}
    assert core({"shareName": "a", "secretName": "b"}, "AzureFilePersistentVolumeSource") == {
        "shareName": "a",
        "secretName": "b",
        "secretNamespace": None,
    }
    assert core({}, "ContainerStateTerminated") == {
        "exitCode": 0,
        "startedAt": None,
        "finishedAt": None,
    }
    assert core({}, "ScaleIOVolumeSource")["secretRef"] is None
    assert decoded({}, "io.k8s.api.batch.v1.PodFailurePolicy") == {"rules": None}
    assert core({"weight": 1}, "PreferredSchedulingTerm") == {"weight": 1, "preference": {}}
    assert decoded({"type": "A"}, "io.k8s.api.apps.v1.DeploymentCondition") == {
        "type": "A",
        "status": "",
        "lastUpdateTime": None,
        "lastTransitionTime": None,
    }
    metric = decoded({"name": "cpu"}, "io.k8s.api.autoscaling.v2.ResourceMetricSource")
    assert metric == {"name": "cpu", "target": {"type": ""}}


def test_what_is_written_of_an_absent_structure_is_shared_by_nobody():
    terms = [decoded({"weight": 1}, "io.k8s.api.core.v1.WeightedPodAffinityTerm") for _ in range(2)]
    terms[0]["podAffinityTerm"]["topologyKey"] = "zone"
    assert terms[1]["podAffinityTerm"] == {"topologyKey": ""}


def test_required_pointers_stay_absent():
    assert "selector" not in decoded({}, "io.k8s.api.apps.v1.DeploymentSpec")
    assert "sideEffects" not in decoded({}, "io.k8s.api.admissionregistration.v1.MutatingWebhook")


@pytest.mark.parametrize(
    ("definition", "value", "wanted"),
    [
        ("core.v1.PodCondition", {"status": 1}, "PodCondition.status of type v1.ConditionStatus"),
        ("core.v1.Capabilities", {"add": "X"}, "Capabilities.add of type []v1.Capability"),
        ("core.v1.Capabilities", {"add": [1]}, "Capabilities.add of type v1.Capability"),
        ("core.v1.ServiceSpec", {"ipFamilies": [1]}, "ServiceSpec.ipFamilies of type v1.IPFamily"),
        ("core.v1.ServiceSpec", {"externalIPs": [1]}, "ServiceSpec.externalIPs of type string"),
        (
            "apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy",
            {"whenScaled": 1},
            (
                "StatefulSetPersistentVolumeClaimRetentionPolicy.whenScaled of type "
                "v1.PersistentVolumeClaimRetentionPolicyType"
            ),
        ),
        ("autoscaling.v2.MetricSpec", {"type": 1}, "MetricSpec.type of type v2.MetricSourceType"),
        ("rbac.v1.Subject", {"kind": 1}, "Subject.kind of type string"),
    ],
)
def test_a_wrong_text_names_the_type_that_was_wanted(definition, value, wanted):
    with pytest.raises(Mismatch) as wrong:
        decoded(value, f"io.k8s.api.{definition}")
    assert str(wrong.value).endswith(f"into Go struct field {wanted}")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"replicas": "3"}, "unrecognized type: int32"),
        ({"replicas": 3.5}, "cannot convert float64 to int32"),
        ({"paused": "yes"}, "unrecognized type: bool"),
        ({"paused": 1}, "unrecognized type: bool"),
        ({"template": "x"}, "cannot restore struct from: string"),
        ({"template": {"spec": [1]}}, "cannot restore struct from: slice"),
        ({"selector": {"matchLabels": 5}}, "cannot restore map from int64"),
        ({"selector": {"matchLabels": {"a": 5}}}, "cannot convert int64 to string"),
        ({"selector": {"matchLabels": {"a": True}}}, "unrecognized type: string"),
        ({"selector": {"matchLabels": {"a": {}}}}, "unrecognized type: string"),
        ({"template": {"spec": {"containers": True}}}, "cannot restore slice from bool"),
        ({"template": {"spec": {"restartPolicy": 1}}}, "cannot convert int64 to v1.RestartPolicy"),
        ({"template": {"spec": {"restartPolicy": []}}}, "unrecognized type: string"),
        (
            {"strategy": {"rollingUpdate": {"maxSurge": True}}},
            "json: cannot unmarshal bool into Go value of type int32",
        ),
    ],
)
def test_the_converter_of_strategic_patches_has_words_of_its_own(spec, words):
    with pytest.raises(Mismatch) as caught:
        decode(node("io.k8s.api.apps.v1.Deployment"), {"spec": spec})
    assert caught.value.conversion == words
    assert caught.value.args[0].startswith("json: cannot unmarshal")


def test_the_result_shares_nothing_with_the_input() -> None:
    raw = {"data": {"nested": [{"a": 1}]}, "metadata": {"labels": {"a": "b"}}, "revision": 1}
    decoded, _ = decode(node("io.k8s.api.apps.v1.ControllerRevision"), raw)
    decoded["data"]["nested"][0]["a"] = 2
    decoded["metadata"]["labels"]["a"] = "c"
    assert raw["data"] == {"nested": [{"a": 1}]}
    assert raw["metadata"] == {"labels": {"a": "b"}}
