import pytest

from roost.api.schema import yaml


def value(text: str):
    return yaml.parse(text.encode())[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("nULL", "nULL"),
        ("yes", True), ("On", True), ("y", True), ("NO", False), ("off", False), ("n", False),
        ("tRue", "tRue"), ("1", 1), ("-7", -7), ("+7", 7), ("010", 8), ("0o10", 8), ("0x1F", 31),
        ("0b11", 3), ("1_000", 1000), ("08", 8), ("1e3", 1000), ("3.0", 3), ("1.5", 1.5),
        (".5", 0.5), ("12:30:45", "12:30:45"), ("2001-01-01", "2001-01-01"), ("1.2.3", "1.2.3"),
        ("'1'", "1"), ('"yes"', "yes"), ("!!str 1", "1"), ("!!int '3'", 3), ("!!binary YQ==", "a"),
        ("|\n  a\n  b\n", "a\nb\n"), ("=", "="), ("[a, 1]", ["a", 1]), ("{a: {b: 1}}", {"a": {"b": 1}}),
        ("{1: a, true: b, 1.5: c}", {"1": "a", "true": "b", "1.5": "c"}),
        ("1e400", "1e400"),
    ],
)  # fmt: skip
def test_scalars_are_what_the_server_takes_them_for(text, expected):
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_anchors_and_merges_are_resolved_and_own_keys_win():
    text = "base: &b {a: 1, b: 2}\nuse:\n  <<: *b\n  b: 3\nlist:\n  <<: [*b, {c: 4}]\n"
    found = value(text)
    assert found["use"] == {"a": 1, "b": 3}
    assert found["list"] == {"a": 1, "b": 2, "c": 4}


def test_the_first_document_counts():
    assert value("a: 1\n---\nb: 2\n") == {"a": 1}
    assert value("# nothing\n") is None


def test_repeated_keys_are_told_with_their_line_and_the_last_counts():
    found, complaints = yaml.parse(b"a: 1\nb: 2\na: 3\n")
    assert found == {"a": 3, "b": 2}
    assert complaints == ['yaml: unmarshal errors:\n  line 3: key "a" already set in map']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c", "yaml: mapping values are not allowed in this context"),
        ("{nope\n", "yaml: line 1: did not find expected ',' or '}'"),
        ("a: *missing", "yaml: unknown anchor 'missing' referenced"),
        (".nan", "error converting YAML to JSON: json: unsupported value: .nan"),
        ("? [a]\n: b\n", "error converting YAML to JSON: unsupported map key: a collection"),
        ("!!binary '%'", "yaml: !!binary value contains invalid base64 data"),
    ],
)
def test_what_is_not_yaml_is_refused(text, message):
    with pytest.raises(yaml.MalformedYAML) as caught:
        value(text)
    assert str(caught.value) == message


def test_text_that_multiplies_itself_is_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 9):
        items = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} [{items}]")
    with pytest.raises(yaml.MalformedYAML, match="excessive aliasing"):
        value("\n".join(lines))


def test_text_that_contains_itself_is_refused():
    with pytest.raises(yaml.MalformedYAML, match="anchor 'a' value contains itself"):
        value("&a [*a]")


@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "{a: " * 100_000])
def test_depth_is_refused_not_a_crash(text):
    with pytest.raises(yaml.MalformedYAML):
        value(text)


def test_what_an_alias_stands_for_is_not_shared():
    found = value("a: &x {b: 1}\nc: *x\n")
    found["a"]["b"] = 2
    assert found["c"] == {"b": 1}


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(yaml.MalformedYAML):
        yaml.parse(b"a: \xff\xfe")
