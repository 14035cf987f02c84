"""Run by run.mjs inside Pyodide: import a cluster; print how long it took and what came with it."""

from __future__ import annotations

import json
import sys
import time

#: What has no wheel for Pyodide, or nothing to do in a page.
ABSENT = ("aiohttp", "cryptography", "dnslib", "pyroute2", "re2", "sqlite3", "typer", "uvloop")

before = set(sys.modules)
began = time.perf_counter()
from roost.simulation import Cluster  # noqa: E402 - the import is what is measured

imported = time.perf_counter()
with Cluster(nodes=3):
    started = time.perf_counter()

after = set(sys.modules) - before
print(
    json.dumps(
        {
            "import_s": round(imported - began, 3),
            "up_s": round(started - imported, 3),
            "modules": sorted(name for name in after if name.startswith("roost.")),
            "absent": sorted(name for name in ABSENT if name in after),
        }
    )
)
