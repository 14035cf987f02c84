"""What Linux tells of the machine's use."""

import os
import time

from roost.adapters.real.usage import LinuxMachine


def test_work_and_memory_of_any_process_count() -> None:
    machine = LinuxMachine()
    before = machine.usage()
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    after = machine.usage()
    assert after.cpu_seconds - before.cpu_seconds >= 0.05
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < after.memory_rss_bytes < whole
    assert 0 < after.memory_working_set_bytes < whole
    assert after.pids > 1
