"""What a path means before anything is known of kinds."""

from __future__ import annotations

import pytest

from roost.apiserver.requestinfo import is_proxied


@pytest.mark.parametrize(
    ("path", "proxied"),
    [
        ("/api/v1/namespaces/n/services/https:web:443/proxy/upload", True),
        ("/api/v1/namespaces/n/pods/web/proxy", True),
        ("/api/v1/nodes/n1/proxy/logs/", True),
        ("/api/v1/namespaces/n/pods/proxy", False),
        ("/api/v1/namespaces/n/configmaps/web/proxy", False),
        ("/apis/example.com/v1/namespaces/n/pods/web/proxy", False),
        ("/proxy", False),
        ("/api/v1/namespaces/n/pods/web/log", False),
    ],
)
def test_what_leads_through_the_api(path: str, proxied: bool) -> None:
    assert is_proxied(path) is proxied
