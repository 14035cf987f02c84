"""What the DNS process cannot write about itself ends nobody else."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from roost.network.dns.process import DnsProcess
from roost.network.plan import NetworkError


def test_a_process_whose_file_cannot_be_written_is_not_left_alone(tmp_path: Path) -> None:
    (tmp_path / "dns.pid").mkdir()
    process = DnsProcess(tmp_path, "127.0.0.1", 1)
    with pytest.raises(NetworkError, match="the DNS process cannot be started"):
        asyncio.run(process.ensure())
    assert process._child is not None
    assert process._child.poll() == -signal.SIGKILL
