"""What the names of proxied things mean, and which log requests are refused."""

import pytest

from roost.api.errors import BadRequest, Invalid, ServiceUnavailable
from roost.apiserver.proxies import service_port, split_name
from roost.apiserver.streams import check_log_options

SERVICE = {"spec": {"ports": [{"port": 80, "name": "web"}, {"port": 81}]}}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a", ("", "a", "")),
        ("a:80", ("", "a", "80")),
        ("https:a:web", ("https", "a", "web")),
        (":a:", ("", "a", "")),
    ],
)
def test_names_may_have_a_scheme_and_a_port(name: str, parts: tuple[str, str, str]) -> None:
    assert split_name(name, "pod") == parts


@pytest.mark.parametrize("name", ["ftp:a:80", "a:b:c:d", ":80"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(BadRequest, match=rf'^invalid service request "{name}"$'):
        split_name(name, "service")


def test_a_port_goes_by_number_or_name() -> None:
    assert service_port(SERVICE, "s", "80") == "web"
    assert service_port(SERVICE, "s", "web") == "web"
    assert service_port(SERVICE, "s", "81") == ""
    assert service_port(SERVICE, "s", "") == ""


def test_a_number_that_no_port_has_is_told() -> None:
    with pytest.raises(ServiceUnavailable, match=r'^no service port 99 found for service "s"$'):
        service_port(SERVICE, "s", "99")


def test_one_of_two_streams_has_no_last_lines() -> None:
    check_log_options("p", {"stream": "All", "tailLines": "3"})
    with pytest.raises(Invalid, match="`tailLines` and specific `stream` are mutually exclusive"):
        check_log_options("p", {"stream": "Stdout", "tailLines": "3"})
