"""Images for tests, made of a few files: an OCI layout, a docker-archive, or just a layer's tar.

busybox = TestImage({"/bin/busybox": busybox_program()}, cmd=["sh"], links=...)
busybox.docker_archive(path, "busybox:latest")
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_APPLETS = """
sh ls cp cat echo sleep true false id env head tail wc grep sed dd ps kill mkdir rm touch stat
hostname nc httpd wget df mount ln chmod yes seq date stty tty test printf find sync awk sha256sum
tr cut sort ip vi top nslookup usleep timeout readlink unshare
"""


def architecture() -> str:
    """Return this machine's architecture in the words of images."""
    return _MACHINES.get(platform.machine(), platform.machine())


@dataclass(frozen=True)
class Entry:
    """One thing in a layer: a file, or with `kind` something else (tarfile's type constants)."""

    content: bytes = b""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    kind: bytes = tarfile.REGTYPE
    target: str = ""  # of a link
    device: tuple[int, int] = (0, 0)
    xattrs: Mapping[str, str] = field(default_factory=dict)


Files = Mapping[str, Entry | bytes | str]


def folder(mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    """Return a folder's entry."""
    return Entry(mode=mode, uid=uid, gid=gid, kind=tarfile.DIRTYPE)


def link(target: str) -> Entry:
    """Return a symbolic link's entry."""
    return Entry(mode=0o777, kind=tarfile.SYMTYPE, target=target)


def layer_tar(files: Files | Sequence[tuple[str, Entry | bytes | str]]) -> bytes:
    """Return the tar of a layer; names are taken as they are, in their order, even twice."""
    pairs = files.items() if isinstance(files, Mapping) else files
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, entry in pairs:
            if not isinstance(entry, Entry):
                entry = Entry(entry.encode() if isinstance(entry, str) else entry)
            member = tarfile.TarInfo(name)
            member.mode, member.uid, member.gid = entry.mode, entry.uid, entry.gid
            member.type, member.linkname = entry.kind, entry.target
            member.devmajor, member.devminor = entry.device
            member.size = len(entry.content) if entry.kind == tarfile.REGTYPE else 0
            member.mtime = 1_700_000_000
            if entry.xattrs:
                member.pax_headers = {f"SCHILY.xattr.{k}": v for k, v in entry.xattrs.items()}
            tar.addfile(member, io.BytesIO(entry.content) if member.size else None)
    return buffer.getvalue()


def digest(content: bytes) -> str:
    """Return the digest that names `content`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class TestImage:
    """An image of layers, lowest first, each a dict of files; `config` is its config's inner part."""

    __test__ = False

    layers: Sequence[Files]
    config: Mapping[str, Any] = field(default_factory=dict)
    arch: str = field(default_factory=architecture)

    def tars(self) -> list[bytes]:
        """Return the uncompressed layers."""
        return [layer_tar(files) for files in self.layers]

    def config_bytes(self) -> bytes:
        """Return the config document."""
        document = {
            "architecture": self.arch,
            "os": "linux",
            "config": dict(self.config),
            "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in self.tars()]},
        }
        return json.dumps(document).encode()

    def blobs(self) -> tuple[dict[str, bytes], bytes]:
        """Return all blobs by digest (compressed layers, config), and the manifest."""
        layers = [gzip.compress(tar, 1, mtime=0) for tar in self.tars()]
        config = self.config_bytes()
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor(config, "application/vnd.oci.image.config.v1+json"),
            "layers": [
                _descriptor(layer, "application/vnd.oci.image.layer.v1.tar+gzip")
                for layer in layers
            ],
        }
        return {digest(blob): blob for blob in [*layers, config]}, json.dumps(manifest).encode()

    def oci_layout(self, path: Path, name: str) -> Path:
        """Write an OCI layout as a folder."""
        store = path / "blobs/sha256"
        store.mkdir(parents=True, exist_ok=True)
        blobs, manifest = self.blobs()
        for key, blob in [*blobs.items(), (digest(manifest), manifest)]:
            (store / key.removeprefix("sha256:")).write_bytes(blob)
        entry = _descriptor(manifest, "application/vnd.oci.image.manifest.v1+json")
        entry["annotations"] = {"org.opencontainers.image.ref.name": name}
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        index = {"schemaVersion": 2, "manifests": [entry]}
        (path / "index.json").write_text(json.dumps(index))
        return path

    def docker_archive(self, path: Path, *names: str, compress: bool = False) -> Path:
        """Write a tar as `docker save` does."""
        with tarfile.open(path, "w:gz" if compress else "w") as tar:
            layers = []
            for content in self.tars():
                layers.append(f"{digest(content)[7:]}/layer.tar")
                _add(tar, layers[-1], content)
            config = self.config_bytes()
            _add(tar, f"{digest(config)[7:]}.json", config)
            manifest = [
                {"Config": f"{digest(config)[7:]}.json", "RepoTags": names, "Layers": layers}
            ]
            _add(tar, "manifest.json", json.dumps(manifest).encode())
        return path


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}


def busybox_image(files: Files | None = None, config: Mapping[str, Any] | None = None) -> TestImage:
    """Return an image with busybox and a few users, and `files` in a layer of their own on top."""
    program = shutil.which("busybox", path="/bin:/usr/bin")
    if program is None:
        raise RuntimeError("busybox-static is not installed")
    base: dict[str, Entry | bytes | str] = {
        "bin/": folder(),
        "bin/busybox": Entry(Path(program).read_bytes(), 0o755),
        **{f"bin/{name}": link("busybox") for name in _APPLETS.split()},
        "etc/": folder(),
        "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001:web:/home:/bin/sh\n",
        "etc/group": "root:x:0:\nweb:x:1001:\nextra:x:2000:web\n",
        "root/": folder(0o700),
        "tmp/": folder(0o1777),
    }
    layers: list[Files] = [base]
    if files:
        layers.append(files)
    return TestImage(layers, {"Cmd": ["sh"], "Env": ["PATH=/bin"], **(config or {})})
