"""The example of a cluster in a page, in a real browser, which tells what it saw."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from types import ModuleType
from typing import Any

import pytest

import roost
from pyodide_world import HERE, MISSING, ROOT, made

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((found for name in NAMES if (found := shutil.which(name))), None)
WANTING = [*MISSING, *(["chromium"] if BROWSER is None else [])]
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage")  # fmt: skip
RUNTIME = ("yaml", "jwt", "msgspec")
EXAMPLE = ROOT / "examples" / "11-cluster-in-a-page"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(WANTING) and not os.environ.get("CI"), reason=f"needs {' and '.join(WANTING)}"
    ),
]


def gatherer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gather", EXAMPLE / "gather.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, Queue[dict[str, Any]]]]:
    """Serve a folder; give its address, and what the page tells."""
    told: Queue[dict[str, Any]] = Queue()

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def do_POST(self) -> None:
            told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", told
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def browser(address: str, profile: Path) -> Iterator[None]:
    """Look at a page as long as the block lasts."""
    with (profile.parent / "chromium.log").open("wb") as log:
        running = subprocess.Popen(
            [str(BROWSER), *FLAGS, f"--user-data-dir={profile}", address],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        yield
    finally:
        running.terminate()
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def test_pods_become_ready_while_the_page_is_drawn(tmp_path: Path):
    world = made()
    folder = tmp_path / "page"
    packages = [Path(roost.__file__).parent, *(world.folder / "site" / n for n in RUNTIME)]
    gatherer().gather(folder, world.folder / "node_modules" / "pyodide", packages)
    watched = (folder / "page.html").read_text().replace("page.mjs", "watch.mjs")
    (folder / "index.html").write_text(
        (folder / "page.html").read_text() + re.findall(r"<script .*</script>", watched)[0]
    )
    shutil.copy(HERE / "watch.mjs", folder)
    with served(folder) as (address, told), browser(f"{address}/", tmp_path / "profile"):
        try:
            seen = told.get(timeout=120)
        except Empty:
            pytest.fail((tmp_path / "chromium.log").read_text(errors="replace")[-2000:])
    assert seen["errors"] == []
    first = {name for name, *_ in seen["first"]}
    then = {name for name, *_ in seen["then"]}
    assert (len(first), len(then)) == (3, 5)
    assert first < then
    assert {node for _, node, *_ in seen["then"]} == {"node-1", "node-2", "node-3"}
    assert seen["state"].startswith("3 nodes, ")
    assert seen["frames"] > 5, "the page stood still"


def test_the_example_and_the_tests_have_the_same_pyodide():
    gather = gatherer()
    locked = json.loads((HERE / "package.json").read_text())["dependencies"]["pyodide"]
    assert locked == gather.PYODIDE
    assert sys.modules["pyodide_world"].PLATFORM == gather.PLATFORM
