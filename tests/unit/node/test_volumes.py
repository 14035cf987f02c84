"""Volumes as values, and as folders on disk."""

from __future__ import annotations

import asyncio
import base64
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from fakes.node import pod
from roost.adapters.real.clock import SystemClock
from roost.adapters.virtual.processes import ScriptedProcesses
from roost.decisions.resources import (
    CONFIG_MAPS,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
)
from roost.node.downward import Surroundings
from roost.node.layout import Layout
from roost.node.podfiles import DiskPodFiles, open_below, write_payload
from roost.node.sources import SECRETS, NotYetKnown, Ref, Refused, Sources, TokenRef
from roost.node.volumes import HostFolder, Payload, PlannedFile, Scratch, plan_volumes

AROUND = Surroundings("node-1", ("192.168.0.7",), (), {"cpu": "4"})
SOURCES = Sources(
    {
        Ref(CONFIG_MAPS, "default", "settings"): {
            "data": {"a": "1", "b": "2"},
            "binaryData": {"c": base64.b64encode(b"\x00").decode()},
        },
        Ref(CONFIG_MAPS, "default", "gone"): None,
        Ref(SECRETS, "default", "keys"): {"data": {"pw": base64.b64encode(b"s").decode()}},
        Ref(PERSISTENT_VOLUME_CLAIMS, "default", "data"): {
            "spec": {"volumeName": "pv"}, "status": {"phase": "Bound"},
        },
        Ref(PERSISTENT_VOLUMES, "", "pv"): {"spec": {"hostPath": {"path": "/srv"}}},
        Ref(PERSISTENT_VOLUME_CLAIMS, "default", "remote"): {
            "spec": {"volumeName": "pv-nfs"}, "status": {"phase": "Bound"},
        },
        Ref(PERSISTENT_VOLUMES, "", "pv-nfs"): {"spec": {"nfs": {"server": "s"}, "claimRef": {}}},
    },
    {TokenRef("", 3600): "token"},
)  # fmt: skip


def planned(volume: dict[str, Any], **spec: Any) -> Any:
    body = pod("web", volumes=[{"name": "v", **volume}], **spec)
    body["metadata"]["labels"] = {"app": "shop"}
    (found,) = plan_volumes(body, SOURCES, AROUND)
    return found


def files_of(payload: Payload) -> dict[str, tuple[bytes, int]]:
    return {file.path: (file.content, file.mode) for file in payload.files}


def test_config_map_whole_and_by_items() -> None:
    whole = planned({"configMap": {"name": "settings"}})
    assert files_of(whole) == {"a": (b"1", 0o644), "b": (b"2", 0o644), "c": (b"\0", 0o644)}
    items = [{"key": "a", "path": "x/y", "mode": 0o400}, {"key": "b", "path": "z"}]
    some = planned({"configMap": {"name": "settings", "items": items, "defaultMode": 0o600}})
    assert files_of(some) == {"x/y": (b"1", 0o400), "z": (b"2", 0o600)}


def test_optional_sources_may_be_missing() -> None:
    assert planned({"configMap": {"name": "gone", "optional": True}}).files == ()
    items = [{"key": "zzz", "path": "z"}]
    body = {"configMap": {"name": "settings", "items": items, "optional": True}}
    assert planned(body).files == ()


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "gone"}}, 'configmap "gone" not found'),
        (
            {"secret": {"secretName": "keys", "items": [{"key": "k", "path": "k"}]}},
            "references non-existent secret key: k",
        ),
        ({"csi": {"driver": "x"}}, "volume type csi is not supported by this node"),
        (
            {"projected": {"sources": [{"clusterTrustBundle": {"path": "x"}}]}},
            "projected clusterTrustBundle is not supported by this node",
        ),
        (
            {"persistentVolumeClaim": {"claimName": "remote"}},
            'PersistentVolume "pv-nfs" is of type nfs; this node supports hostPath and local',
        ),
        ({"emptyDir": {"medium": "HugePages"}}, 'emptyDir medium "HugePages" is not supported'),
    ],
)
def test_refusals_name_what_is_wrong(volume: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused) as refused:
        planned(volume)
    prefix = 'MountVolume.SetUp failed for volume "v" : '
    assert refused.value.message.startswith(prefix + message)
    assert refused.value.reason == "FailedMount"


def test_what_is_not_read_yet_is_told_apart() -> None:
    with pytest.raises(NotYetKnown):
        planned({"configMap": {"name": "unread"}})


def test_projected_joins_sources() -> None:
    sources = [
        {"serviceAccountToken": {"path": "token"}},
        {"configMap": {"name": "settings", "items": [{"key": "a", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [
                    {"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}},
                    {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
                    {
                        "path": "cpu",
                        "resourceFieldRef": {"resource": "limits.cpu", "containerName": "main"},
                    },
                ]
            }
        },
    ]
    found = planned({"projected": {"sources": sources}})
    assert found.secret
    assert {path: content for path, (content, _) in files_of(found).items()} == {
        "token": b"token", "ca.crt": b"1", "ns": b"default", "labels": b'app="shop"', "cpu": b"4",
    }  # fmt: skip


def test_fs_group_may_read_and_makes_tokens_private() -> None:
    security = {"fsGroup": 2000, "runAsUser": 7}
    found = planned(
        {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        securityContext=security,
    )
    assert found.group == 2000
    assert (found.files[0].mode, found.files[0].user) == (0o640, 7)
    scratch = planned({"emptyDir": {}}, securityContext=security)
    assert scratch == Scratch("v", memory=False, size_bytes=None, group=2000)


def test_other_kinds() -> None:
    assert planned({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}) == Scratch(
        "v", memory=True, size_bytes=1 << 20
    )
    assert planned({"hostPath": {"path": "/srv", "type": "File"}}) == HostFolder(
        "v", "/srv", "File"
    )
    claimed = planned({"persistentVolumeClaim": {"claimName": "data"}})
    assert claimed == HostFolder("v", "/srv", "DirectoryOrCreate")


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "..x"])
def test_items_may_not_leave_the_volume(path: str) -> None:
    with pytest.raises(Refused, match="invalid path"):
        planned({"configMap": {"name": "settings", "items": [{"key": "a", "path": path}]}})


# -- on disk ------------------------------------------------------------------------------------


def payload(**contents: str) -> Payload:
    return Payload(
        "v", tuple(PlannedFile(path, text.encode(), 0o640) for path, text in contents.items())
    )


def test_a_payload_is_switched_by_one_link(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    assert write_payload(folder, payload(a="1", b="2"), "..one")
    first = (folder / "..data").readlink()
    assert (folder / "a").readlink() == Path("..data/a")
    assert stat.S_IMODE((folder / "a").stat().st_mode) == 0o640
    assert not write_payload(folder, payload(a="1", b="2"), "..two")
    assert (folder / "..data").readlink() == first
    assert write_payload(folder, payload(a="3", c="4"), "..three")
    assert (folder / "a").read_text() == "3"
    assert sorted(entry.name for entry in folder.iterdir()) == ["..data", "..three", "a", "c"]


def test_nested_paths_show_their_first_folder(tmp_path: Path) -> None:
    folder = tmp_path / "v"
    write_payload(folder, Payload("v", (PlannedFile("x/y", b"1", 0o600),)), "..one")
    assert (folder / "x").is_symlink()
    assert (folder / "x" / "y").read_bytes() == b"1"


def disk(tmp_path: Path) -> DiskPodFiles:
    layout = Layout.under(str(tmp_path / "d"), str(tmp_path / "m"))
    return DiskPodFiles(layout, ScriptedProcesses(), SystemClock(), may_mount=False)


def test_secrets_go_to_memory_and_all_goes_with_the_pod(tmp_path: Path) -> None:
    files = disk(tmp_path)
    secret = Payload("s", (PlannedFile("k", b"1", 0o600),), secret=True)
    assert asyncio.run(files.place("u", secret)) == f"{tmp_path}/m/pods/u/volumes/s"
    assert asyncio.run(files.place("u", payload(a="1"))) == f"{tmp_path}/d/pods/u/volumes/v"
    scratch = Path(asyncio.run(files.place("u", Scratch("e"))))
    (scratch / "kept").write_text("x")
    asyncio.run(files.place("u", Scratch("e")))
    assert (scratch / "kept").read_text() == "x"
    assert stat.S_IMODE(scratch.stat().st_mode) == 0o777
    asyncio.run(files.release("u"))
    assert not list((tmp_path / "d" / "pods").iterdir())
    assert not list((tmp_path / "m" / "pods").iterdir())


@pytest.mark.parametrize(
    ("kind", "made"),
    [("", True), ("DirectoryOrCreate", True), ("FileOrCreate", True), ("Directory", False),
     ("File", False), ("Socket", False)],
)  # fmt: skip
def test_host_path_types(tmp_path: Path, kind: str, *, made: bool) -> None:
    async def main() -> None:
        path = tmp_path / "host"
        planned = HostFolder("v", str(path), kind)
        if made:
            assert await disk(tmp_path).place("u", planned) == str(path)
            assert path.is_file() == (kind == "FileOrCreate")
        else:
            with pytest.raises(Refused, match="hostPath type check failed"):
                await disk(tmp_path).place("u", planned)
            assert not path.exists()

    asyncio.run(main())


def test_a_sub_path_is_made_but_never_leaves_its_volume(tmp_path: Path) -> None:
    files = disk(tmp_path)

    def sub_path(path: str) -> str:
        return asyncio.run(files.sub_path("u", "main", Scratch("e"), path))

    base = Path(asyncio.run(files.place("u", Scratch("e"))))
    made = sub_path("a/b")
    assert Path(made).is_dir()
    (base / "inner").symlink_to("a")
    assert sub_path("inner/b") == made
    (base / "out").symlink_to("/etc")
    (base / "up").symlink_to("../..")
    for escape in ("out", "out/passwd", "up/other"):
        with pytest.raises(Refused, match="leads out"):
            sub_path(escape)


def test_opening_below_gives_the_very_file(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "f").write_text("x")
    opened = open_below(str(tmp_path), "a/f")
    try:
        assert Path(f"/proc/self/fd/{opened}").read_text() == "x"
    finally:
        os.close(opened)


def test_tmpfs_is_mounted_with_its_size_and_group(tmp_path: Path) -> None:
    async def main() -> None:
        processes = ScriptedProcesses()
        layout = Layout.under(str(tmp_path))
        files = DiskPodFiles(layout, processes, SystemClock(), may_mount=True)
        group = os.getgid()
        where = await files.place("u", Scratch("e", memory=True, size_bytes=4096, group=group))
        options = f"mode=2777,gid={group},size=4096"
        assert processes.ran == [("mount", "-t", "tmpfs", "-o", options, "tmpfs", where)]

    asyncio.run(main())
