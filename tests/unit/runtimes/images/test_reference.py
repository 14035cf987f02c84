"""Names of images."""

from __future__ import annotations

import pytest

from roost.runtimes.images.reference import InvalidName, Reference, is_loopback, parse

_DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nginx", Reference("docker.io", "library/nginx", "latest")),
        ("nginx:1.27", Reference("docker.io", "library/nginx", "1.27")),
        ("bitnami/redis", Reference("docker.io", "bitnami/redis", "latest")),
        ("docker.io/nginx", Reference("docker.io", "library/nginx", "latest")),
        ("index.docker.io/a/b", Reference("docker.io", "a/b", "latest")),
        ("ghcr.io/a/b/c:v1", Reference("ghcr.io", "a/b/c", "v1")),
        ("localhost/x", Reference("localhost", "x", "latest")),
        ("localhost:5000/x:y", Reference("localhost:5000", "x", "y")),
        ("127.0.0.1:5000/x", Reference("127.0.0.1:5000", "x", "latest")),
        ("[::1]:5000/x", Reference("[::1]:5000", "x", "latest")),
        ("k8s.gcr.io/pause:3.9", Reference("k8s.gcr.io", "pause", "3.9")),
        (f"nginx@{_DIGEST}", Reference("docker.io", "library/nginx", "", _DIGEST)),
        (f"a.b/c:t@{_DIGEST}", Reference("a.b", "c", "t", _DIGEST)),
    ],
)
def test_reading(text: str, expected: Reference) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "a b", "Nginx", "a//b", "/a", "a/", "a:", "a:b:c", "a@sha256:12", "a@md5:" + "0" * 32,
        "-a", "a..b/c/../d", "x.y:99999/a", "a" * 300, "f" * 64, "a:" + "t" * 129, "http://a.b/c",
    ],
)  # fmt: skip
def test_what_names_nothing(text: str) -> None:
    with pytest.raises(InvalidName, match="couldn't parse image name"):
        parse(text)


def test_the_forms_of_a_name() -> None:
    reference = parse(f"nginx:1.27@{_DIGEST}")
    assert str(reference) == f"docker.io/library/nginx:1.27@{_DIGEST}"
    assert reference.tagged() == "docker.io/library/nginx:1.27"
    assert reference.version == _DIGEST
    assert reference.pinned(_DIGEST) == f"docker.io/library/nginx@{_DIGEST}"
    with pytest.raises(InvalidName, match="repository name must be lowercase"):
        parse("docker.io/Foo")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]:5"]
)
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["localhost.example", "10.0.0.1:5000", "127.0.0.1.nip.io", "example:80"]
)
def test_not_this_machine(host: str) -> None:
    assert not is_loopback(host)
