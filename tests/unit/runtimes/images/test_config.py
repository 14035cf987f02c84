"""Manifests, indexes and configs, as strangers write them."""

from __future__ import annotations

from typing import Any

import pytest

from roost.runtimes.images.config import (
    OCI_INDEX,
    BadImage,
    Platform,
    choose_manifest,
    decode,
    is_index,
    read_config,
    read_manifest,
)


def entry(number: int, *platform: str) -> dict[str, Any]:
    keys = ("os", "architecture", "variant")
    about = {"platform": dict(zip(keys, platform, strict=False))} if platform else {}
    return {"digest": f"sha256:{number:064x}", "size": number, **about}


@pytest.mark.parametrize(
    ("mine", "offered", "chosen"),
    [
        (("linux", "amd64"), [("linux", "arm64"), ("linux", "amd64")], 1),
        (("linux", "amd64"), [("windows", "amd64"), ("linux", "amd64")], 1),
        (("linux", "arm64", "v8"), [("linux", "arm64")], 0),
        (("linux", "arm64"), [("linux", "arm64", "v8")], 0),
        (("linux", "arm", "v7"), [("linux", "arm", "v5"), ("linux", "arm", "v6")], 1),
        (("linux", "arm", "v7"), [("linux", "arm", "v6"), ("linux", "arm", "v7")], 1),
        (("linux", "arm", "v6"), [("linux", "arm", "v7"), ("linux", "arm", "v5")], 1),
        (("linux", "amd64"), [()], 0),
        (("linux", "amd64"), [("unknown", "unknown"), ("linux", "amd64")], 1),
    ],
)
def test_the_best_of_an_index(
    mine: tuple[str, ...], offered: list[tuple[str, ...]], chosen: int
) -> None:
    index = {"manifests": [entry(number, *platform) for number, platform in enumerate(offered)]}
    assert choose_manifest(index, Platform(*mine)).size_bytes == chosen


def test_nothing_suitable_is_named() -> None:
    index = {"manifests": [entry(1, "linux", "s390x"), entry(2, "linux", "arm", "v7")]}
    with pytest.raises(BadImage, match="linux/amd64 is not among linux/s390x, linux/arm/v7"):
        choose_manifest(index, Platform("linux", "amd64"))
    with pytest.raises(BadImage):
        choose_manifest(
            {"manifests": [entry(1, "linux", "arm", "v7")]}, Platform("linux", "arm", "v6")
        )


def test_an_index_is_known_by_its_type_or_its_content() -> None:
    assert is_index({}, OCI_INDEX)
    assert is_index({"manifests": []}, "application/json")
    assert not is_index({"config": {}}, "application/json")


@pytest.mark.parametrize(
    "document",
    [
        {"schemaVersion": 1, "fsLayers": []},
        {"schemaVersion": 2},
        {"schemaVersion": 2, "config": {"digest": "sha256:x", "size": 1}},
        {"schemaVersion": 2, "config": {"digest": "md5:" + "0" * 32, "size": 1}},
        {"schemaVersion": 2, "config": {"digest": f"sha256:{1:064x}"}},
        {"schemaVersion": 2, "config": {"digest": "sha256:../../../../etc/passwd", "size": 1}},
        {"schemaVersion": 2, "config": entry(1), "layers": [entry(1)] * 501},
    ],
)
def test_bad_manifests(document: dict[str, Any]) -> None:
    with pytest.raises(BadImage):
        read_manifest(document)


def test_the_config_s_inheritance() -> None:
    found = read_config(
        {
            "os": "linux",
            "architecture": "amd64",
            "config": {
                "Entrypoint": ["/e"],
                "Cmd": None,
                "Env": ["A=1=2", "B", "=x"],
                "User": "web",
                "WorkingDir": "/w",
                "StopSignal": "SIGQUIT",
                "Volumes": {"/data": {}},
                "ExposedPorts": {"80/tcp": {}},
            },
            "rootfs": {"diff_ids": [f"sha256:{1:064x}"]},
        },
        Platform("linux", "amd64"),
    )
    assert (found.entrypoint, found.command) == (("/e",), ())
    assert found.env == (("A", "1=2"), ("B", ""))
    assert (found.user, found.working_dir, found.stop_signal) == ("web", "/w", "SIGQUIT")
    assert (found.volumes, found.exposed_ports) == (("/data",), ("80/tcp",))
    with pytest.raises(BadImage, match="image is for windows/amd64, this node is linux/amd64"):
        read_config({"os": "windows", "architecture": "amd64"}, Platform("linux", "amd64"))


@pytest.mark.parametrize("content", [b"", b"[]", b"<html>", b"\xff"])
def test_documents_that_are_none(content: bytes) -> None:
    with pytest.raises(BadImage, match="the manifest is not"):
        decode(content, "the manifest")
