"""The image store and the registry client against a real registry and skopeo."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
import subprocess
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from images import Entry, TestImage, busybox_image, digest, folder
from roost.runtimes.images.machine import this_machine
from roost.runtimes.images.registry import Registry
from roost.runtimes.images.service import ImageService
from roost.runtimes.images.store import ImageStore
from roost.runtimes.port import RuntimeFault

pytestmark = pytest.mark.root

_ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/root"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real registry on a free loopback port; yields host:port."""
    root = tmp_path_factory.mktemp("registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = root / "config.yml"
    settings = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(root / "data")}},
        "http": {"addr": address},
    }
    config.write_text(json.dumps(settings))
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(config)], stdout=log, stderr=log, env=_ENVIRONMENT
        )
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{address}/v2/", timeout=1).close()
                break
            assert process.poll() is None, (root / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield address
    finally:
        process.terminate()
        process.wait()


def push(image: TestImage, work: Path, name: str) -> None:
    archive = image.docker_archive(work / "push.tar", "pushed:latest")
    argv = ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"docker-archive:{archive}"]
    subprocess.run([*argv, f"docker://{name}"], check=True, env=_ENVIRONMENT)


def with_service(root: Path, body: Callable[[ImageService], Awaitable[None]]) -> None:
    async def run() -> None:
        service = ImageService(ImageStore(root, this_machine()), Registry())
        await service.open()
        try:
            await body(service)
        finally:
            await service.close()

    asyncio.run(run())


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_pull_find_share_and_remove(tmp_path: Path, registry: str) -> None:
    plain, more = busybox_image(), busybox_image({"extra": "x"}, {"User": "web"})
    push(plain, tmp_path, f"{registry}/team/plain:v1")
    push(more, tmp_path, f"{registry}/team/more:v1")

    async def body(service: ImageService) -> None:
        first, second = await asyncio.gather(
            *(service.pull_image(f"{registry}/team/{name}:v1", {}) for name in ("plain", "more"))
        )
        assert first.id == digest(plain.config_bytes())
        assert first.tags == (f"{registry}/team/plain:v1",)
        assert second.user == "web"
        assert len(list((tmp_path / "store/layers").iterdir())) == 2  # one of three is shared
        for name in (first.id, first.id[7:], first.id[7:20], first.digests[0], first.tags[0]):
            assert await service.find_image(name) == first
        assert await service.find_image(f"{registry}/team/plain") is None
        assert await service.pull_image(first.digests[0], {}) == first
        await service.remove_image(first.id)
        assert await service.list_images() == [second]
        assert len(list((tmp_path / "store/layers").iterdir())) == 2
        await service.remove_image(second.tags[0])
        assert [
            list((tmp_path / "store" / name).iterdir()) for name in ("layers", "blobs", "partial")
        ] == [[]] * 3

    with_service(tmp_path / "store", body)


def test_a_tag_that_moves_leaves_its_old_image(tmp_path: Path, registry: str) -> None:
    async def body(service: ImageService) -> None:
        push(busybox_image({"a": "1"}), tmp_path, f"{registry}/moving")
        old = await service.pull_image(f"{registry}/moving", {})
        push(busybox_image({"a": "2"}), tmp_path, f"{registry}/moving")
        new = await service.pull_image(f"{registry}/moving", {})
        assert new.id != old.id
        assert (await service.find_image(old.id)).tags == ()
        assert (await service.find_image(f"{registry}/moving")).id == new.id

    with_service(tmp_path / "store", body)

    async def reopened(service: ImageService) -> None:
        assert len(await service.list_images()) == 2
        assert (await service.find_image(f"{registry}/moving")).tags == (
            f"{registry}/moving:latest",
        )

    with_service(tmp_path / "store", reopened)


def test_concurrent_pulls_of_one_image_are_one(tmp_path: Path, registry: str) -> None:
    push(busybox_image({"b": "x"}), tmp_path, f"{registry}/once")

    async def body(service: ImageService) -> None:
        pulls = [asyncio.create_task(service.pull_image(f"{registry}/once", {})) for _ in range(6)]
        await asyncio.sleep(0)
        pulls[0].cancel()  # another takes over
        results = await asyncio.gather(*pulls, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert len({image.id for image in results[1:]}) == 1

    with_service(tmp_path / "store", body)


def test_refusals_are_what_people_know(tmp_path: Path, registry: str) -> None:
    async def body(service: ImageService) -> None:
        name = f"{registry}/no/such:v1"
        with pytest.raises(RuntimeFault) as caught:
            await service.pull_image(name, {})
        assert caught.value.reason == "ErrImagePull"
        assert caught.value.message == (
            f'failed to pull and unpack image "{name}": '
            f'failed to resolve reference "{name}": {name}: not found'
        )
        with pytest.raises(RuntimeFault) as caught:
            await service.pull_image("Not A Name", {})
        assert caught.value.reason == "InvalidImageName"
        with pytest.raises(RuntimeFault) as caught:
            await service.pull_image("127.0.0.1:1/nobody/there", {})
        assert caught.value.reason == "ErrImagePull"

    with_service(tmp_path / "store", body)


def test_an_image_for_another_machine_is_refused(tmp_path: Path, registry: str) -> None:
    other = TestImage([{"x": "y"}], arch="mips")
    push(other, tmp_path, f"{registry}/other")

    async def body(service: ImageService) -> None:
        with pytest.raises(RuntimeFault, match="image is for linux/mips"):
            await service.pull_image(f"{registry}/other", {})
        assert list((tmp_path / "store/partial").iterdir()) == []

    with_service(tmp_path / "store", body)


@pytest.mark.parametrize("form", ["archive", "compressed", "layout", "layout.tar", "skopeo"])
def test_archives_of_every_form(tmp_path: Path, form: str) -> None:
    image = busybox_image({"form": form})
    path = tmp_path / "image"
    if form in {"archive", "compressed"}:
        image.docker_archive(path, "some/thing:v1", "other:v2", compress=form == "compressed")
    else:
        image.oci_layout(path, "some/thing:v1")
    if form == "layout.tar":
        subprocess.run(["tar", "-C", path, "-cf", tmp_path / "image.tar", "."], check=True)
        path = tmp_path / "image.tar"
    if form == "skopeo":
        target = f"docker-archive:{tmp_path}/copied.tar:some/thing:v1"
        subprocess.run(["skopeo", "copy", "-q", f"oci:{path}:some/thing:v1", target], check=True)
        path = tmp_path / "copied.tar"

    async def body(service: ImageService) -> None:
        [loaded] = await service.load_image(str(path))
        assert loaded.id == digest(image.config_bytes())
        assert "docker.io/some/thing:v1" in loaded.tags
        assert list((tmp_path / "store/partial").iterdir()) == []

    with_service(tmp_path / "store", body)


def test_a_damaged_archive_changes_nothing(tmp_path: Path) -> None:
    layout = busybox_image().oci_layout(tmp_path / "layout", "x")
    biggest = max((layout / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    content = bytearray(biggest.read_bytes())
    content[len(content) // 2] ^= 1
    biggest.write_bytes(content)

    async def body(service: ImageService) -> None:
        with pytest.raises(RuntimeFault, match="layer") as caught:
            await service.load_image(str(layout))
        assert caught.value.reason == "ErrImagePull"
        assert await service.list_images() == []
        assert list((tmp_path / "store/layers").iterdir()) == []
        assert list((tmp_path / "store/partial").iterdir()) == []
        with pytest.raises(RuntimeFault):
            await service.load_image("/no/such/file")

    with_service(tmp_path / "store", body)


def test_unfinished_work_and_unnamed_layers_go_at_the_next_start(tmp_path: Path) -> None:
    archive = busybox_image({"z": "z"}).docker_archive(tmp_path / "a.tar", "z")
    store = tmp_path / "store"

    async def load(service: ImageService) -> None:
        await service.load_image(str(archive))

    with_service(store, load)
    (store / "partial/half").mkdir()
    (store / "layers" / ("0" * 64) / "diff").mkdir(parents=True)

    async def look(service: ImageService) -> None:
        assert len(await service.list_images()) == 1
        assert list((store / "partial").iterdir()) == []
        assert len(list((store / "layers").iterdir())) == 2

    with_service(store, look)
    next((store / "layers").iterdir()).joinpath("layer.json").unlink()

    async def incomplete(service: ImageService) -> None:
        assert await service.list_images() == []  # better pulled again than run with a hole
        assert len(list((store / "layers").iterdir())) == 2  # a container may run on them

    with_service(store, incomplete)


def test_folders_that_layers_leave_unsaid_keep_what_lower_layers_said(tmp_path: Path) -> None:
    image = TestImage(
        [
            {
                "tmp/": folder(0o1777),
                "home/": folder(0o755),
                "home/web/": folder(0o700, 1000, 1000),
            },
            {"tmp/x": "1", "home/web/file": "2", "new/file": "3"},
            {"opt/": folder(0o750), "opt/y": Entry(b"", 0o600)},
        ]
    )
    archive = image.docker_archive(tmp_path / "a.tar", "a")

    async def body(service: ImageService) -> None:
        [loaded] = await service.load_image(str(archive))
        patch, *layers = service.store.lower_folders(loaded.id)
        assert len(layers) == 3
        web = (patch / "home/web").stat()
        assert (stat.S_IMODE(web.st_mode), web.st_uid) == (0o700, 1000)
        assert stat.S_IMODE((patch / "tmp").stat().st_mode) == 0o1777
        assert not (patch / "new").exists()
        assert files_of(patch) == set()

    with_service(tmp_path / "store", body)
