"""What is said of texts that are no addresses."""

from __future__ import annotations

import pytest

from roost.api.addresses import AddressError, parse_address, parse_network


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "unable to parse IP"),
        ("x", "unable to parse IP"),
        ("%eth0", "missing IPv6 address"),
        ("a.b", 'unexpected character (at "a.b")'),
        ("1.2.3.4:80", 'unexpected character (at ":80")'),
        ("1.2.3", "IPv4 address too short"),
        ("1.2.3.4.5", "IPv4 address too long"),
        ("1.2.3.04", "IPv4 field has octet with leading zero"),
        ("1.2.3.256", "IPv4 field has value >255"),
        ("1..2.3", 'IPv4 field must have at least one digit (at ".2.3")'),
        ("::1%", "zone must be a non-empty string"),
        ("1:2", "address string too short"),
        ("1:", 'colon must be followed by more characters (at ":")'),
        ("1:g", 'each colon-separated field must have at least one digit (at "g")'),
        ("12345::", 'each group must have 4 or less digits (at "12345::")'),
        ("1::2::3", 'multiple :: in address (at ":3")'),
        ("1:2:3:4:5:6:7:8:9", 'trailing garbage after address (at "9")'),
        ("1:2:3:4:5:6:7::8", "the :: must expand to at least one field of zeros"),
        ("::1.2.3", 'ParseAddr("1.2.3"): IPv4 address too short (at "1.2.3")'),
    ],
)
def test_fault_of_an_address(text: str, fault: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(text)
    assert str(caught.value) == f'ParseAddr("{text}"): {fault}'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1.2.3.4", "no '/'"),
        ("1.2.3/8", 'ParseAddr("1.2.3"): IPv4 address too short'),
        ("fe80::1%a/64", "IPv6 zones cannot be present in a prefix"),
        ("1.2.3.4/", 'bad bits after slash: ""'),
        ("1.2.3.4/08", 'bad bits after slash: "08"'),
        ("1.2.3.4/255.0.0.0", 'bad bits after slash: "255.0.0.0"'),
        ("::/129", "prefix length out of range"),
    ],
)
def test_fault_of_a_network(text: str, fault: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_network(text)
    assert str(caught.value) == f'netip.ParsePrefix("{text}"): {fault}'


def test_addresses_are_read() -> None:
    assert parse_address("::ffff:1.2.3.4") == parse_address("::ffff:102:304")
    assert parse_network("10.1.2.3/8") == (parse_address("10.1.2.3"), 8)
