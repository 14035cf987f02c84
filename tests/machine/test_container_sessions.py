"""Exec, attach, port-forward and log rotation on real containers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from container_scene import all_output, logged, scene, text_of, until
from roost.runtimes.port import RuntimeFault, Security, State

pytestmark = pytest.mark.root


def test_exec_has_streams_codes_and_the_container_s_user(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "sleep 100", security=Security(user=1000), env=(("A", "1"),))
            await here.runtime.start_container(spec)
            argv = ("sh", "-c", "cat; echo err >&2; id -u; echo $A; exit 3")
            process = await here.runtime.exec(spec.id, argv, tty=False, stdin=True)
            await process.write(b"input\n")
            await process.close_stdin()
            assert await all_output(process) == (b"input\n1000\n1\n", b"err\n")
            assert await process.wait() == 3
            await process.close()
            process = await here.runtime.exec(
                spec.id, ("sh", "-c", "echo x; exit 255"), tty=False, stdin=False
            )
            assert await all_output(process) == (b"x\n", b"")
            assert await process.wait() == 255  # as the OCI runtime ends that has no such program
            await process.close()

    asyncio.run(body())


@pytest.mark.parametrize("tty", [False, True])
@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("nonsense", "executable file not found in $PATH"),
        ("/no/such", "stat /no/such: no such file or directory"),
        ("/etc", "permission denied"),
    ],
)
def test_a_program_that_cannot_be_run_is_a_fault_and_no_exit_code(
    tmp_path: Path, program, why, tty
):
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "sleep 100")
            await here.runtime.start_container(spec)
            process = await here.runtime.exec(spec.id, (program,), tty=tty, stdin=False)
            assert await all_output(process) == (b"", b"")
            with pytest.raises(RuntimeFault) as failed:
                await process.wait()
            words = "exec failed: unable to start container process"
            assert f'{words}: exec: "{program}": {why}' in failed.value.message
            await process.close()

    asyncio.run(body())


def test_exec_on_a_terminal_follows_its_size(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "sleep 100")
            await here.runtime.start_container(spec)
            process = await here.runtime.exec(spec.id, ("sh",), tty=True, stdin=True)
            await until(process, b"#")
            await process.resize(101, 37)
            await process.write(
                b"while [ \"$(stty size)\" != '37 101' ]; do :; done; echo resi''zed\n"
            )
            await until(process, b"resized")
            await process.write(b"exit 5\n")
            await all_output(process)
            assert await process.wait() == 5
            await process.close()
            hung = await here.runtime.exec(spec.id, ("sleep", "99"), tty=True, stdin=True)
            await asyncio.sleep(0.05)
            await hung.close()
            listing = await here.runtime.exec(spec.id, ("ps",), tty=False, stdin=False)
            assert b"sleep 99" not in (await all_output(listing))[0]
            await listing.close()

    asyncio.run(body())


def test_attach_talks_to_the_main_process(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(
                sandbox, "while read x; do echo got $x; echo bad $x >&2; done", stdin=True
            )
            await here.runtime.start_container(spec)
            process = await here.runtime.attach(spec.id, stdin=True)
            await process.write(b"one\n")
            seen = set()
            output = process.output()
            async with asyncio.timeout(10):
                while len(seen) < 2:
                    seen.add(await anext(output))
            assert seen == {(1, b"got one\n"), (2, b"bad one\n")}
            await process.close()
            again = await here.runtime.attach(spec.id, stdin=True)
            await again.write(b"two\n")
            assert b"two" in await until(again, b"two")
            await again.close()
            assert (await here.status(spec.id)).state is State.RUNNING

    asyncio.run(body())


def test_stdin_once_ends_with_the_first_client(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "cat; echo end", stdin=True, stdin_once=True)
            await here.runtime.start_container(spec)
            process = await here.runtime.attach(spec.id, stdin=True)
            await process.write(b"line\n")
            await process.close_stdin()
            assert (await all_output(process))[0] == b"line\nend\n"
            assert await process.wait() == 0
            await process.close()
            assert (await here.ended(spec.id)).exit_code == 0

    asyncio.run(body())


def test_attach_to_a_terminal(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "", command=("sh",), stdin=True, tty=True)
            await here.runtime.start_container(spec)
            process = await here.runtime.attach(spec.id, stdin=True)
            await process.resize(90, 30)
            await process.write(b"stty size; echo $TERM\n")
            assert b"30 90" in await until(process, b"xterm")
            await process.write(b"exit 4\n")
            await all_output(process)
            await process.close()
            assert (await here.ended(spec.id)).exit_code == 4

    asyncio.run(body())


def test_a_port_inside_the_sandbox(tmp_path: Path, make_namespace) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox(network_namespace=make_namespace().path)
            script = "echo served > /tmp/index.html; httpd -f -p 8080 -h /tmp"
            await here.runtime.start_container(here.spec(sandbox, script))
            for _ in range(100):
                try:
                    process = await here.runtime.open_port(sandbox.id, 8080)
                    break
                except RuntimeFault:
                    await asyncio.sleep(0.01)
            await process.write(b"GET /index.html HTTP/1.0\r\n\r\n")
            out, _ = await all_output(process)
            assert out.endswith(b"served\n")
            assert await process.wait() == 0
            await process.close()
            with pytest.raises(RuntimeFault, match="refused"):
                await here.runtime.open_port(sandbox.id, 8081)

    asyncio.run(body())


@pytest.mark.parametrize("kind", ["exec", "tty", "attach"])
def test_closing_wakes_whoever_reads_or_writes(tmp_path: Path, kind: str) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(sandbox, "sleep 100", stdin=True)
            await here.runtime.start_container(spec)
            if kind == "attach":
                process = await here.runtime.attach(spec.id, stdin=True)
            else:
                argv = ("sleep", "99")
                process = await here.runtime.exec(spec.id, argv, tty=kind == "tty", stdin=True)
            async with asyncio.timeout(10):
                reader = asyncio.create_task(all_output(process))
                writer = asyncio.create_task(
                    process.write(b"x" * 1_000_000 if kind == "exec" else b"x")
                )
                await asyncio.sleep(0.05)
                await process.close()
                await reader
                await writer
                await process.close()

    asyncio.run(body())


def test_log_rotation_loses_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        async with scene(tmp_path) as here:
            sandbox = await here.sandbox()
            spec = here.spec(
                sandbox, "i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); sleep 0.001; done"
            )
            await here.runtime.start_container(spec)
            await logged(spec.log_path, "5")
            assert await here.runtime.rotate_log(spec.id, spec.log_path + ".1")
            await here.ended(spec.id)
            printed = text_of(spec.log_path + ".1") + "\n" + text_of(spec.log_path)
            assert printed.split() == [str(number) for number in range(300)]

    asyncio.run(body())
