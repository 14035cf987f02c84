import pytest

from roost.api.errors import BadRequest
from roost.api.schema import body
from roost.api.schema.strict import Pairs

JSON, YAML = "application/json", "application/yaml"
CONFIG_MAP = body.expected("", "v1", "ConfigMap")
UNRECOGNISED = "the object provided is unrecognized (must be of type ConfigMap): "
PARSE = UNRECOGNISED + "couldn't get version/kind; json parse error: "
HANDLED = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: '


def decode(raw, media=JSON, validation="Warn", expect=CONFIG_MAP):
    return body.decode_body(raw, media, expect, validation)


def refusal(raw, media=JSON, validation="Warn", expect=CONFIG_MAP):
    with pytest.raises(BadRequest) as caught:
        decode(raw, media, validation, expect)
    return caught.value.message


def test_kind_and_version_are_filled_in():
    for raw in (b"{}", b"null", b'{"kind":"ConfigMap"}', b'{"apiVersion":"v1"}'):
        assert decode(raw) == ({"kind": "ConfigMap", "apiVersion": "v1"}, [])


def test_a_yaml_body_is_a_body():
    raw = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: 'on'\n"
    assert decode(raw, YAML)[0]["data"] == {"x": "on"}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "unexpected end of JSON input (<empty>)"),
        (b"{not json", ("invalid character 'n' looking for beginning of object key string "
         "({not json)")),
        (b'{"apiVersion":"v1","kind":"ConfigMap",',
         'unexpected end of JSON input ({"apiVersion":"v1","kind":"Con ...)'),
        (b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"two"}}{"a":1}',
         "invalid character '{' after top-level value ({\"apiVersion\":\"v1\",\"kind\":\"Con ...)"),
        (b"[1,2]", ("json: cannot unmarshal array into Go value of type struct { APIVersion string "
         '"json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" } '
         "(5b312c325d)")),
        (b'{"kind":{}}', ('json: cannot unmarshal object into Go struct field .kind of type string '
         '({"kind":{}})')),
        (b'{"kind":1}', ('json: cannot unmarshal number into Go struct field .kind of type string '
         '({"kind":1})')),
    ],
)  # fmt: skip
def test_what_is_not_an_object_is_unrecognised(raw, message):
    assert refusal(raw) == PARSE + message


def test_broken_yaml_is_unrecognised():
    assert refusal(b"a: b: c", YAML) == (
        UNRECOGNISED + "yaml: mapping values are not allowed in this context (613a20623a2063)"
    )


@pytest.mark.parametrize(
    ("api_version", "kind", "message"),
    [
        ("v1", "Secret", ('Secret in version "v1" cannot be handled as a ConfigMap: converting '
         "(v1.Secret) to (core.ConfigMap): unknown conversion")),
        ("v1", "ConfigMapList", ('ConfigMapList in version "v1" cannot be handled as a ConfigMap: '
         "converting (v1.ConfigMapList) to (core.ConfigMap): unknown conversion")),
        ("v1", "Gadget", ('Gadget in version "v1" cannot be handled as a ConfigMap: no kind '
         '"Gadget" is registered for version "v1" in scheme "pkg/api/legacyscheme/scheme.go:30"')),
    ],
)  # fmt: skip
def test_a_body_of_another_kind_is_refused(api_version, kind, message):
    assert refusal(f'{{"apiVersion":"{api_version}","kind":"{kind}"}}'.encode()) == message


def test_a_body_of_another_version_is_refused():
    deployment = body.expected("apps", "v1", "Deployment")
    gone = b'{"apiVersion":"extensions/v1beta1","kind":"Deployment"}'
    assert refusal(gone, expect=deployment) == (
        "the API version in the data (extensions/v1beta1) does not match the expected API version "
        "(apps/v1)"
    )
    unknown = b'{"apiVersion":"apps/v2","kind":"Deployment"}'
    assert 'is registered for version "apps/v2"' in refusal(unknown, expect=deployment)


def test_an_eviction_of_the_old_version_is_an_eviction():
    eviction = body.expected("policy", "v1", "Eviction")
    raw = b'{"apiVersion":"policy/v1beta1","kind":"Eviction","metadata":{"name":"p"}}'
    assert decode(raw, expect=eviction)[0]["apiVersion"] == "policy/v1"


def test_duplicate_keys_are_told_and_the_last_counts():
    raw = b'{"metadata":{"name":"x","name":"dup"},"data":{"a":"1","a":"2"},"bogus":1}'
    result, warnings = decode(raw)
    assert result["data"] == {"a": "2"}
    assert warnings == [
        'duplicate field "metadata.name"',
        'duplicate field "data.a"',
        'unknown field "bogus"',
    ]
    message = refusal(raw, validation="Strict")
    assert message.startswith(HANDLED + 'strict decoding error: duplicate field "metadata.name", ')
    assert decode(raw, validation="Ignore")[1] == []


def test_nobody_looks_into_open_data():
    revision = body.expected("apps", "v1", "ControllerRevision")
    raw = b'{"data":{"a":1,"a":2},"revision":1}'
    decoded, complaints = decode(raw, expect=revision)
    assert (decoded["data"], complaints) == ({"a": 2}, [])


def test_what_is_repeated_is_told_once():
    raw = b'{"data":{"a":"1","a":"2","a":"3"},"bogus":1,"bogus":2}'
    assert decode(raw)[1] == ['duplicate field "data.a"', 'unknown field "bogus"']


def test_a_version_has_one_slash_at_most():
    raw = b'{"apiVersion":"a/b/c","kind":"ConfigMap"}'
    assert "ConfigMap): unexpected GroupVersion string: a/b/c ({" in refusal(raw)


def test_a_time_of_another_type_is_told_with_its_place():
    raw = b'{"metadata":{"creationTimestamp":5}}'
    assert refusal(raw).endswith(
        "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp "
        "of type string"
    )


@pytest.mark.parametrize(
    ("data", "metadata", "told"),
    [
        ("5", '{"name":7}', "ConfigMap.data of type map[string]string"),
        ("5", '{"creationTimestamp":"x"}', 'parsing time "x"'),
        ("{}", '{"creationTimestamp":"x","name":7}', 'parsing time "x"'),
    ],
)
def test_what_has_a_decoder_of_its_own_is_told_first(data: str, metadata: str, told: str):
    assert told in refusal(f'{{"data":{data},"metadata":{metadata}}}'.encode())


def test_bytes_may_be_a_list_of_numbers():
    assert decode(b'{"binaryData":{"a":[1,2,null]}}')[0]["binaryData"] == {"a": "AQIA"}
    assert refusal(b'{"binaryData":{"a":[256]}}').endswith(
        "cannot unmarshal number 256 into Go struct field ConfigMap.binaryData of type uint8"
    )


def test_duplicate_keys_of_yaml_are_told_with_their_line():
    raw = b"kind: ConfigMap\ndata:\n  a: '1'\n  a: '2'\n"
    assert refusal(raw, YAML, "Strict") == HANDLED + (
        'strict decoding error: yaml: unmarshal errors:\n  line 4: key "a" already set in map'
    )


def test_text_that_looks_like_keys_is_no_duplicate():
    raw = b'{"data":{"a":"{\\"x\\":1,\\"x\\" :2}"}, "metadata" : {"name" :"n"}}'
    result, warnings = decode(raw)
    assert warnings == []
    assert result["data"] == {"a": '{"x":1,"x" :2}'}
    assert not isinstance(body.read_with_duplicates(raw), Pairs)


def test_broken_text_is_repaired_as_go_repairs_it():
    assert body.read(b'"\\ud83d"') == "\ufffd"
    assert body.read(b'"\xff"') == "\ufffd"


def test_depth_is_refused_not_a_crash():
    with pytest.raises(body.Malformed):
        body.read(b"[" * 100_000 + b"]" * 100_000)
    with pytest.raises(BadRequest):
        decode(b"[" * 100_000, YAML)


def test_a_wrong_type_in_a_body_names_kind_and_version():
    assert refusal(b'{"data":{"a":1}}') == HANDLED + (
        "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"
    )


@pytest.mark.parametrize(
    ("group", "version", "kind", "given"),
    [
        ("rbac.authorization.k8s.io", "v1", "Role", "rbac.authorization.k8s.io/v1beta1"),
        ("storage.k8s.io", "v1", "StorageClass", "storage.k8s.io/v1beta1"),
        ("autoscaling", "v1", "Scale", "apps/v1beta1"),
    ],
)
def test_a_version_that_is_served_no_more_is_still_known(
    group: str, version: str, kind: str, given: str
):
    raw = f'{{"apiVersion":"{given}","kind":"{kind}"}}'.encode()
    wanted = f"{group}/{version}"
    with pytest.raises(BadRequest) as refused:
        body.decode_body(raw, JSON, body.expected(group, version, kind))
    assert refused.value.message == (
        f"the API version in the data ({given}) does not match the expected API version ({wanted})"
    )


def test_a_version_that_is_gone_is_not_known():
    raw = b'{"apiVersion":"autoscaling/v2beta2","kind":"HorizontalPodAutoscaler"}'
    with pytest.raises(BadRequest, match='no kind "HorizontalPodAutoscaler" is registered'):
        body.decode_body(raw, JSON, body.expected("autoscaling", "v2", "HorizontalPodAutoscaler"))
