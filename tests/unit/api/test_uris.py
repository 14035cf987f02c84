"""How URIs are split, and what is said of what is none."""

from __future__ import annotations

import pytest

from roost.api.uris import absolute_fault, parse_reference, reference_fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty url"),
        ("a\nb", "net/url: invalid control character in URL"),
        (":a", "missing protocol scheme"),
        ("a/b", "invalid URI for request"),
        ("http://a b/", 'invalid character " " in host name'),
        ("http://a:b/", 'invalid port ":b" after host'),
        ("http://a:1:2/", 'invalid port ":1:2" after host'),
        ("http://[::1/", "missing ']' in host"),
        ("http://[x]/", 'invalid host: ParseAddr("x"): unable to parse IP'),
        ("http://[1.2.3.4]/", "invalid IP-literal"),
        ("http://a%zz/", 'invalid URL escape "%zz"'),
        ("http://a%41/", 'invalid URL escape "%41"'),
        ("http://a/%zz", 'invalid URL escape "%zz"'),
        ("http://a\\b@c/", "net/url: invalid userinfo"),
        ("http://a/b", ""),
        ("/a b", ""),
        ("mailto:a", ""),
        ("*", ""),
    ],
)
def test_fault_of_a_whole_uri(text: str, fault: str) -> None:
    said = absolute_fault(text)
    assert said.partition(": ")[2] == fault
    assert bool(said) == bool(fault)


def test_fault_of_a_reference_is_told_without_its_fragment() -> None:
    assert reference_fault("a:b#c") == ""
    assert reference_fault("1:b#c") == 'parse "1:b": first path segment in URL cannot contain colon'


def test_parts() -> None:
    found = parse_reference("HTTPS://u:p@[fe80::1]:8443/a%20b?q=1#f")
    assert (found.scheme, found.user, found.hostname, found.port) == (
        "https", "u:p", "fe80::1", "8443",
    )  # fmt: skip
    assert (found.host, found.path, found.query, found.fragment) == (
        "[fe80::1]:8443", "/a%20b", "q=1", "f",
    )  # fmt: skip
    assert parse_reference("a/b:c").path == "a/b:c"
