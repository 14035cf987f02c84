"""Real containers: what runs in them, how they end, and that nothing of them stays."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from container_scene import log_lines, logged, scene
from images import TestImage, busybox_image, folder
from roost.runtimes.oci.overlay import mount_overlay, try_overlay, unmount_overlay
from roost.runtimes.port import Limits, Mount, RuntimeFault, Security, State

pytestmark = pytest.mark.root


def test_a_container_runs_logs_and_ends_with_its_code(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "echo out; echo err >&2; printf rest; exit 7")
            changes = here.runtime.events()
            started = await here.runtime.start_container(spec)
            assert started.started_at >= started.created_at > 0
            status = await here.ended(spec.id)
            assert (status.state, status.exit_code, status.reason) == (State.EXITED, 7, "Error")
            assert status.finished_at >= status.started_at
            lines = sorted(line.split(" ", 1)[1] for line in log_lines(spec.log_path))
            assert lines == ["stderr F err", "stdout F out", "stdout P rest"]
            assert [each.state for each in await anext(changes)] == [State.EXITED]
            assert (await here.runtime.start_container(spec)).exit_code == 7  # twice is once
            await here.runtime.remove_container(spec.id)
            await here.runtime.remove_container(spec.id)
            assert log_lines(spec.log_path)

    asyncio.run(body())


def test_what_the_process_sees(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            volume = tmp_path / "volume"
            volume.mkdir()
            (volume / "file").write_text("from the host\n")
            script = (
                "hostname; id -u; id -g; id -G; pwd; echo $A $B; cat /v/file; "
                "touch /v/x || echo refused; echo > /tmp/ok && echo written; "
                "grep NoNewPrivs /proc/self/status; echo 1 > /proc/sys/kernel/printk || echo masked; "
                "df /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2"
            )
            _, printed = await here.run(
                script,
                env=(("A", "1"), ("B", "x y")),
                working_dir="/made/up",
                mounts=(Mount(str(volume), "/v", read_only=True),),
                security=Security(user=1000, supplemental_groups=(3000,), no_new_privileges=True),
            )
            lines = printed.splitlines()
            assert lines[:7] == [
                *("host-run0", "1000", "1001", "1001 2000 3000", "/made/up", "1 x y"),
                "from the host",
            ]
            assert any("refused" in line for line in lines)
            assert "written" in lines
            assert "NoNewPrivs:\t1" in lines
            assert any("masked" in line for line in lines)
            assert "65536" in lines

    asyncio.run(body())


def test_capabilities_read_only_root_and_privilege(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            show = "grep CapEff /proc/self/status | cut -f2"
            _, default = await here.run(show)
            _, none = await here.run(show, security=Security(drop_capabilities=("ALL",)))
            _, one = await here.run(
                show, security=Security(drop_capabilities=("ALL",), add_capabilities=("NET_ADMIN",))
            )
            assert [int(text, 16) for text in (default, none, one)] == [0xA80425FB, 0, 1 << 12]
            _, printed = await here.run(
                "touch /x || echo refused; mount -t tmpfs none /tmp || echo no",
                security=Security(read_only_root=True, seccomp="RuntimeDefault"),
            )
            assert "no" in printed.splitlines()
            assert "refused" in printed
            _, printed = await here.run(
                "mount -t tmpfs none /tmp && echo mounted; ls /dev/null",
                security=Security(privileged=True),
            )
            assert "mounted" in printed

    asyncio.run(body())


def test_seccomp_lets_ordinary_work_through_and_refuses_the_rest(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            secure = Security(seccomp="RuntimeDefault", add_capabilities=("SYS_CHROOT",))
            status, printed = await here.run(
                "(echo a | cat; seq 100 | sort -n | tail -1; sleep 0.01) & wait; unshare -U true",
                security=secure,
            )
            assert {"a", "100"} <= set(printed.splitlines())
            assert "not permitted" in printed  # the kernel alone would let anybody do it
            assert status.exit_code == 1
            status, _ = await here.run("unshare -U true")
            assert status.exit_code == 0

    asyncio.run(body())


def test_the_kernel_enforces_the_limits(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            status, _ = await here.run(
                "tail /dev/zero", limits=Limits(memory_bytes=32 << 20), name="greedy"
            )
            assert (status.exit_code, status.reason) == (137, "OOMKilled")
            status, _ = await here.run(
                "tail /dev/zero", sandbox={"limits": Limits(memory_bytes=32 << 20)}, name="pod"
            )
            assert (status.exit_code, status.reason) == (137, "OOMKilled")
            _, printed = await here.run(
                "for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; echo not reached",
                limits=Limits(pids=5),
            )
            assert "not reached" not in printed.splitlines()

    asyncio.run(body())


def test_stop_asks_first_and_kills_then(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            polite = here.spec(
                sandbox, 'trap "exit 42" USR1; echo up; while :; do sleep 0.05; done', "a"
            )
            polite = here.spec(
                sandbox,
                'trap "exit 42" USR1; echo up; while :; do sleep 0.05; done',
                "polite",
                stop_signal="SIGUSR1",
            )
            deaf = here.spec(sandbox, 'trap "" TERM; echo up; while :; do sleep 0.05; done', "deaf")
            for spec in (polite, deaf):
                await here.runtime.start_container(spec)
                await logged(spec.log_path, "up")
            await here.runtime.stop_container(polite.id, 10)
            assert (await here.status(polite.id)).exit_code == 42
            await here.runtime.stop_container(deaf.id, 0.2)
            assert (await here.status(deaf.id)).exit_code == 137
            await here.runtime.stop_container(deaf.id, 5)

    asyncio.run(body())


def test_a_start_that_fails_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "", command=("/no/such/program",))
            with pytest.raises(RuntimeFault, match=r"(?i)no such file or directory") as caught:
                await here.runtime.start_container(spec)
            assert caught.value.reason == "RunContainerError"
            with pytest.raises(RuntimeFault, match=r"executable file .*not found in \$PATH"):
                await here.runtime.start_container(here.spec(sandbox, "", command=("nonsense",)))
            with pytest.raises(RuntimeFault, match="image will run as root"):
                await here.runtime.start_container(
                    here.spec(sandbox, "", security=Security(run_as_non_root=True))
                )
            with pytest.raises(RuntimeFault, match="/no/such/volume"):
                await here.runtime.start_container(
                    here.spec(sandbox, "", mounts=(Mount("/no/such/volume", "/v"),))
                )
            [status] = await here.runtime.recover()
            assert status.containers == ()

    asyncio.run(body())


def test_usage_counts(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "sleep 100 & x=$(seq 200000); echo up; wait")
            await here.runtime.start_container(spec)
            await logged(spec.log_path, "up")
            [usage] = await here.runtime.usage()
            assert usage.container_id == spec.id
            assert 0 < usage.cpu_seconds < 20
            assert usage.memory_working_set_bytes >= usage.memory_rss_bytes > 500_000
            assert usage.pids == 2

    asyncio.run(body())


def test_an_image_s_volumes_are_writable_and_keep_its_content(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            files = {"data/": folder(0o711, 1000, 1001), "data/seed": "from the image\n"}
            image = await here.load(busybox_image(files, {"Volumes": {"/data": {}, "/empty": {}}}))
            script = (
                "cat /data/seed; stat -c %a.%u /data; "
                "echo > /data/x && echo > /empty/x && echo written"
            )
            _, printed = await here.run(
                script, image=image.id, security=Security(read_only_root=True)
            )
            assert printed.splitlines() == ["from the image", "711.1000", "written"]

    asyncio.run(body())


def test_layers_hide_and_merge_as_their_tars_say(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            lower = {
                **dict.fromkeys(("gone", "kept", "a/one", "b/one", "secret/one"), "1"),
                "secret/": folder(0o700, 1000),
            }
            upper = {
                ".wh.gone": "",
                "a/two": "2",
                "b/.wh..wh..opq": "",
                "b/two": "2",
                "secret/two": "2",
            }
            layers = [*busybox_image().layers, lower, upper]
            image = await here.load(TestImage(layers, {"Env": ["PATH=/bin"]}))
            script = (
                "ls -d gone kept a/* b/* secret/*; stat -c %a.%u secret; rm -r a; mkdir a; ls a"
            )
            _, printed = await here.run(script, image=image.id)
            assert sorted(printed.split()) == sorted(
                [
                    "ls:",
                    "gone:",
                    "No",
                    "such",
                    "file",
                    "or",
                    "directory",
                    "kept",
                    "a/one",
                    "a/two",
                    "b/two",
                    "secret/one",
                    "secret/two",
                    "700.1000",
                ]
            )

    asyncio.run(body())


def test_a_place_that_cannot_hold_overlays_is_named(tmp_path: Path) -> None:
    for name in ("lower", "upper", "work", "root"):
        (tmp_path / name).mkdir()
    mount_overlay([tmp_path / "lower"], tmp_path / "upper", tmp_path / "work", tmp_path / "root")
    try:
        assert "cannot hold overlay file systems" in try_overlay(tmp_path / "root")
    finally:
        unmount_overlay(tmp_path / "root")
    assert try_overlay(tmp_path) == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lower", "root", "upper", "work"]


def test_a_container_needs_no_log(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "echo unheard; exit 4", log_path="")
            await here.runtime.start_container(spec)
            assert (await here.ended(spec.id)).exit_code == 4

    asyncio.run(body())


def test_many_layers(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path / ("deep" * 20)) as here:
            base = busybox_image().layers
            more = [{f"layer{number}": str(number)} for number in range(70)]
            image = await here.load(TestImage([*base, *more], {"Env": ["PATH=/bin"]}))
            _, printed = await here.run("cat /layer*", image=image.id)
            assert len(printed) == sum(len(str(number)) for number in range(70))

    asyncio.run(body())
