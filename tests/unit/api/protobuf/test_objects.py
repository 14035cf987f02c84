"""Objects in protobuf, and what kubectl really sends."""

import base64

import pytest

from roost.api.protobuf import envelope, objects
from roost.api.protobuf.fields import fields_of, message_of, messages
from roost.api.protobuf.reading import read_message
from roost.api.protobuf.wire import DELIMITED, VARINT, Malformed, tag, varint
from roost.api.schema import document
from roost.api.schema.body import decode_body, expected

PROTOBUF = "application/vnd.kubernetes.protobuf"
CRD = "apiextensions.v1."
#: Bodies of kubectl 1.32: create deployment, poddisruptionbudget, ingress.
DEPLOYMENT = base64.b64decode(
    "azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50EqsBCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEnoIABIM"
    "CgoKA2FwcBIDd2ViGmAKHAoAEgAaACIAKgAyADgAQgBaCgoDYXBwEgN3ZWISQBIiCgVuZ2lueBIFbmdpbngqAEIAagBy"
    "AIABAIgBAJABAKIBABoAMgBCAEoAUgBYAGAAaACCAQCKAQCaAQDCAQAiAgoAKAA4ABoMCAAQABgAIAAoADgAGgAiAA=="
)
BUDGET = base64.b64decode(
    "azhzAAogCglwb2xpY3kvdjESE1BvZERpc3J1cHRpb25CdWRnZXQSOgoRCgFwEgAaACIAKgAyADgAQgASGQoJCAEQABoD"
    "NTAlEgwKCgoDYXBwEgN3ZWIaCggAGAAgACgAMAAaACIA"
)
INGRESS = base64.b64decode(
    "azhzAAofChRuZXR3b3JraW5nLms4cy5pby92MRIHSW5ncmVzcxJuChkKAWkSABoAIgAqADIAOABCAGIGCgFhEgFiEk0a"
    "SwoHZm9vLmNvbRJACj4KHAoEL2JhchINIgsKA3N2YxIECgAQUBoFRXhhY3QKHgoCL3ASESIPCgNzdmMSCAoEaHR0cBAA"
    "GgVFeGFjdBoCCgAaACIA"
)


def typed(raw: bytes, group: str, version: str, kind: str):
    return decode_body(raw, PROTOBUF, expected(group, version, kind), "Strict")[0]


def test_a_deployment_of_kubectl():
    found = typed(DEPLOYMENT, "apps", "v1", "Deployment")
    # The replicas are a pointer, so the zero counts; the empty texts around them do not.
    assert found["spec"]["replicas"] == 0
    assert found["metadata"] == {"name": "web", "labels": {"app": "web"}}
    assert found["spec"]["selector"] == {"matchLabels": {"app": "web"}}
    pod = found["spec"]["template"]
    assert pod["metadata"] == {"labels": {"app": "web"}}
    assert pod["spec"]["containers"] == [{"name": "nginx", "image": "nginx", "resources": {}}]


def test_a_union_of_number_and_text():
    assert typed(BUDGET, "policy", "v1", "PodDisruptionBudget")["spec"]["minAvailable"] == "50%"


def test_fields_that_lie_deeper_than_in_json():
    rules = typed(INGRESS, "networking.k8s.io", "v1", "Ingress")["spec"]["rules"]
    assert rules[0]["host"] == "foo.com"
    backends = [path["backend"]["service"]["port"] for path in rules[0]["http"]["paths"]]
    assert backends == [{"number": 80}, {"name": "http"}]
    value = {"name": "v", "configMap": {"name": "c", "optional": False}}
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"volumes": [value]}}
    assert objects.decode(objects.encode(pod))[2]["spec"]["volumes"] == [value]


def test_another_kind_than_expected_is_refused():
    with pytest.raises(Exception, match="unknown conversion"):
        typed(DEPLOYMENT, "", "v1", "Pod")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "empty data"),
        (b"{}", r"does not appear to be a protobuf message, expected prefix \[107 56 115 0\]"),
        (b"k8s\x00", "empty body"),
        (b"k8s\x00\x0a\xff", "unexpected EOF"),
    ],
)
def test_what_is_no_envelope(raw, why):
    with pytest.raises(Malformed, match=why):
        objects.decode(raw)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"\x0a\x7fx", "unexpected EOF"),
        (b"\x08\x01", "proto: wrong wireType = 0 for field Metadata"),
        (b"\x02\x00", r"proto: Pod: illegal tag 0 \(wire type 2\)"),
        (b"\x0c", "proto: Pod: wiretype end group for non-group"),
        (b"\xf8\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "integer overflow"),
    ],
)
def test_a_message_that_is_broken(message, why):
    with pytest.raises(Malformed, match=why):
        objects.decode(envelope.wrap("v1", "Pod", message))


def test_depth_is_bounded():
    nested = b""
    for _ in range(5000):
        nested = tag(28, DELIMITED) + varint(len(nested)) + nested  # not: JSONSchemaProps
    with pytest.raises(Malformed, match="max depth"):
        read_message(CRD + "JSONSchemaProps", nested)


def test_unknown_fields_are_dropped_and_pieces_are_merged():
    name = b"\x0a\x01a"  # name
    space = b"\x1a\x01b"  # namespace
    message = b"".join(
        tag(1, DELIMITED) + varint(len(part)) + part for part in (name, space)
    ) + b"\xfa\x3e\x01x"  # fmt: skip
    assert read_message("core.v1.Pod", message) == {"metadata": {"name": "a", "namespace": "b"}}


def test_packed_and_plain_lists_of_numbers_are_the_same():
    packed = tag(4, DELIMITED) + b"\x02\x01\x02"
    plain = tag(4, VARINT) + b"\x01" + tag(4, VARINT) + b"\x02"
    groups = {"supplementalGroups": [1, 2]}
    assert read_message("core.v1.PodSecurityContext", packed) == groups
    assert read_message("core.v1.PodSecurityContext", plain) == groups


def test_times_and_their_zeros():
    value = {"leaseTransitions": 0, "renewTime": "2024-01-01T00:00:00.000120Z"}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": value}
    assert objects.decode(objects.encode(lease))[2]["spec"] == value
    zero = tag(8, DELIMITED) + b"\x00"
    assert read_message("meta.v1.ObjectMeta", zero) == {}
    far = tag(8, DELIMITED) + b"\x0a\x08" + b"\xff" * 8 + b"\x7f"
    with pytest.raises(Malformed, match="year outside of range"):
        read_message("meta.v1.ObjectMeta", far)


def test_raw_json_may_be_an_envelope_itself():
    inner = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}}
    wrapped = objects.encode(inner)
    raw = tag(1, DELIMITED) + varint(len(wrapped)) + wrapped
    message = tag(2, DELIMITED) + varint(len(raw)) + raw
    assert read_message("meta.v1.List", message) == {"items": [inner]}
    with pytest.raises(Malformed, match="invalid raw JSON"):
        read_message("meta.v1.List", tag(2, DELIMITED) + b"\x03\x0a\x01{")


def test_schemas_that_are_something_else():
    schema = {
        "$ref": "#/a", "x-kubernetes-int-or-string": True, "default": {"a": [None, 1.5]},
        "additionalProperties": False, "items": {"type": "string"}, "maximum": 3,
        "dependencies": {"a": ["b"], "c": {"type": "object"}},
        "properties": {"d": {"additionalProperties": {"type": "null"}, "items": [{"title": "e"}]}},
    }  # fmt: skip
    spec = {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec,
    }  # fmt: skip
    assert objects.decode(objects.encode(crd))[2]["spec"] == spec


def test_lists_and_frames():
    item = objects.message("v1", "ConfigMap", {"metadata": {"name": "a"}})
    raw = objects.encode_list("v1", "ConfigMapList", {"resourceVersion": "7"}, [item, item])
    found = objects.decode(raw)[2]
    assert found["metadata"] == {"resourceVersion": "7"}
    assert found["items"] == [{"metadata": {"name": "a"}}] * 2
    frame = envelope.frame("ADDED", envelope.wrap("v1", "ConfigMap", item))
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    event = read_message("meta.v1.WatchEvent", frame[4:])
    assert event["type"] == "ADDED"
    assert event["object"]["metadata"] == {"name": "a"}


def test_options_belong_to_every_group():
    raw = envelope.wrap("apps/v1", "DeleteOptions", tag(1, VARINT) + b"\x00")
    assert objects.decode(raw)[2]["gracePeriodSeconds"] == 0


def test_every_kind_of_the_schemas_has_a_message():
    missing = [
        (named, name)
        for name in document.names()
        for named in document.definition(name).get("x-kubernetes-group-version-kind", ())
        if name.startswith("io.k8s.api.")
        and message_of(f"{named['group']}/{named['version']}".lstrip("/"), named["kind"]) is None
    ]
    assert missing == []


def test_every_message_of_the_table_can_be_read():
    for message in messages():
        for field in fields_of(message):
            assert not field.is_message or fields_of(field.type) is not None
        assert read_message(message, b"") == {}
