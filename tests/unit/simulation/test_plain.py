"""Which commands are known without their image."""

from __future__ import annotations

import pytest

from roost.simulation.workloads.plain import is_plain


@pytest.mark.parametrize(
    "argv",
    [
        ["true"], ["/bin/false"], ["sleep", "5"], ["/usr/bin/sleep", "infinity"], ["/pause"],
        ["sh", "-c", "exit 3"], ["/bin/sh", "-ec", "echo hi; exit 0"], ["sh", "-c", ""],
        ["bash", "-c", "for i in 1 2; do echo $i; done | grep 1 && sleep 1"],
        ["sh", "-c", "until nslookup db; do sleep 2; done"],
        ["sh", "-c", "f() { echo hi; }; f; exec sleep 5"],
        ["sh", "-c", "X=$(hostname) env A=b timeout 5 sh -c 'echo $X'"],
        ["sh", "-c", "command -v python"], ["env", "A=b", "true"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_programs_that_all_images_have(argv: list[str]):
    assert is_plain(argv)


@pytest.mark.parametrize(
    "argv",
    [
        [], ["/server"], ["python", "-c", "pass"], ["/app/sleep", "5"], ["exit", "3"][1:],
        ["sh"], ["sh", "/run.sh"], ["sh", "-c", "exec /server --port 80"],
        ["sh", "-c", "echo $(version) > /x"], ["sh", "-c", "$PROGRAM"], ["sh", "-c", "eval x"],
        ["sh", "-c", "if true; then . /env; fi"], ["sh", "-c", "echo 'unfinished"],
        ["sh", "-c", "sleep 1 && bash -c nginx"], ["timeout", "5", "nginx"], ["/x/exit"],
        ["xargs", "-n1", "nginx"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_only_an_image_knows(argv: list[str]):
    assert not is_plain(argv)
