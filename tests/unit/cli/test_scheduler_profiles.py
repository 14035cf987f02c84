"""The file with the scheduler's profiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from roost.cli.server import ServerError, choose_profiles
from roost.scheduler.profile import Profile

TWO = """
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: default-scheduler
- schedulerName: packer
"""


def test_no_file_is_the_default_profile() -> None:
    assert choose_profiles("") == (Profile(),)


def test_a_file_names_the_profiles(tmp_path: Path) -> None:
    path = tmp_path / "scheduler.yaml"
    path.write_text(TWO)
    assert [one.name for one in choose_profiles(str(path))] == ["default-scheduler", "packer"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot be read: No such file or directory"),
        ("[1]", "is no object"),
        ("a: [", "is no valid YAML"),
        (TWO + "- schedulerName: packer\n", 'Duplicate value: "packer"'),
        (TWO + "- plugins: 7\n", "scheduler_config"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(tmp_path: Path, text: str | None, why: str) -> None:
    path = tmp_path / "scheduler.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ServerError, match=why):
        choose_profiles(str(path))
