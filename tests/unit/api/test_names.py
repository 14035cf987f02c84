"""Names are judged in the words of the real server."""

import pytest

from roost.api import names
from roost.api.groups import ALL_KINDS

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    r"for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def test_rules_of_names() -> None:
    assert names.check_name("subdomain", "a.b-c.1") == []
    assert names.check_name("subdomain", "Bad") == [SUBDOMAIN]
    assert names.check_name("subdomain", "a" * 254) == ["must be no more than 253 characters"]
    assert names.check_name("label", "a.b") == ["must not contain dots"]
    assert names.check_name("path", "with/slash") == ["may not contain '/'"]
    assert names.check_name("rbac", "..") == ["may not be '..'"]
    assert names.check_name("rbac", "system:node") == []


def test_every_kind_has_a_rule_for_its_names() -> None:
    assert {kind.name_rule for kind in ALL_KINDS} <= set(names.NAME_RULES)


def test_names_of_ip_addresses() -> None:
    assert names.check_name("ip", "10.0.0.1") == []
    assert names.check_name("ip", "2001:db8::1") == []
    assert names.check_name("ip", "2001:DB8::1") == ['must be in canonical form ("2001:db8::1")']
    assert names.check_name("ip", "x") == names.check_ip("x")


def test_a_trailing_newline_is_no_name() -> None:
    assert names.check_name("subdomain", "a\n") == [SUBDOMAIN]


def test_generated_names() -> None:
    assert names.check_generate_name("subdomain", "web-") == []
    assert names.check_generate_name("subdomain", "dot.") == [SUBDOMAIN]
    assert names.check_generate_name("rbac", ".") == []
    assert names.name_from("x" * 70, "abcde") == "x" * 58 + "abcde"


@pytest.mark.parametrize(
    ("key", "faults"),
    [
        ("app.kubernetes.io/name", 0),
        ("a", 0),
        ("", 2),
        ("/a", 1),
        ("a/", 2),
        ("a/b/c", 1),
        ("-a", 1),
        ("A/b", 1),
        ("a" * 64, 1),
    ],
)
def test_qualified_names(key: str, faults: int) -> None:
    assert len(names.check_qualified_name(key)) == faults


def test_labels_and_annotations_give_causes() -> None:
    (cause,) = names.check_labels({"a": "x" * 64})
    assert cause.field == "metadata.labels"
    assert cause.message == f'Invalid value: "{"x" * 64}": must be no more than 63 bytes'
    assert names.check_annotations({"Upper.Case/Key": "any\nthing"}) == []
    (cause,) = names.check_annotations({"a": "x" * 262144})
    assert cause.reason == "FieldValueTooLong"
    assert cause.message == "Too long: may not be more than 262144 bytes"


def test_keys_ports_and_variables() -> None:
    assert names.check_config_key("..") == ["must not be '..'"]
    assert names.check_config_key("..a") == ["must not start with '..'"]
    assert "regex used" in names.check_config_key("a b")[0]
    assert names.check_env_name("a b!") == []
    assert len(names.check_env_name("a=b")) == 1
    assert names.check_env_name("") == ["environment variable name must be non-empty"]
    assert names.check_port_name("http-1") == []
    assert names.check_port_name("1--1-") == [
        "must contain at least one letter (a-z)",
        "must not contain consecutive hyphens",
        "must not begin or end with a hyphen",
    ]
    assert names.check_port_number(0) == ["must be between 1 and 65535, inclusive"]
