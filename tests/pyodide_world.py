"""Pyodide under Node.js, with what Roost needs there: set up once for each lock, in .cache.

Pure packages are those of the environment that the tests run in; msgspec, the one dependency that is
compiled, has a wheel for Pyodide, whose hash the lock of the project names. All else that is compiled
(cryptography, RE2, libyaml) is not there, as in a page.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from zipfile import ZipFile

import roost

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "tests" / "browser"
CACHE = ROOT / ".cache"
LOCK = ROOT / "requirements-dev.lock"
#: What a page needs, and what the tests need besides.
RUNTIME = ("pyjwt", "pyyaml")
TESTING = ("iniconfig", "packaging", "pluggy", "pygments", "pytest")
#: Where pip finds wheels for this Pyodide; it goes with the version in package.json.
PLATFORM = ("--platform", "pyemscripten_2026_0_wasm32", "--python-version", "3.14",
            "--implementation", "cp", "--abi", "cp314")  # fmt: skip
MISSING = [name for name in ("node", "npm") if shutil.which(name) is None]


@dataclass(frozen=True, slots=True)
class World:
    """A folder with Node's packages and Python's."""

    folder: Path

    def run(
        self, program: str, *argv: str, seed: str = "0", awaits: bool = False, timeout_s: int = 300
    ) -> tuple[int, bytes, str]:
        """Run a program to its end; return its code, what it wrote and what it complained of.

        Its path is as it is inside, where /tests and /src are. `awaits`: it is its `main` that the
        page's own event loop runs.
        """
        plan = {
            "mounts": {
                "/src": str(Path(roost.__file__).parents[1]),
                "/tests": str(ROOT / "tests"),
                "/examples": str(ROOT / "examples"),
                "/site": str(self.folder / "site"),
                "/compiled": str(self.folder / "compiled"),
            },
            "path": ["/src", "/site", "/tests"],
            "cache": "/compiled",
            "program": program,
            "argv": argv,
            "awaits": awaits,
            "seed": seed,
        }
        # Files, because a write into a pipe may be cut short.
        with TemporaryFile() as out, TemporaryFile() as complaints:
            done = subprocess.run(
                ["node", str(self.folder / "run.mjs"), json.dumps(plan)],
                stdout=out, stderr=complaints, timeout=timeout_s, check=False,
            )  # fmt: skip
            out.seek(0)
            complaints.seek(0)
            return done.returncode, out.read(), complaints.read().decode(errors="replace")


def made() -> World:
    """Return the world, set up if it is not yet."""
    parts = (HERE / "package-lock.json").read_bytes(), _locked("msgspec").encode()
    mark = sha256(b"".join(parts) + Path(__file__).read_bytes()).hexdigest()[:12]
    folder = CACHE / f"pyodide-{mark}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "run.mjs"):
        shutil.copy(HERE / name, folder)
    if not (folder / "installed").exists():
        _install(folder)
        (folder / "installed").touch()
    return World(folder)


def _install(folder: Path) -> None:
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder,
                   check=True, capture_output=True, timeout=120)  # fmt: skip
    site = folder / "site"
    shutil.rmtree(site, ignore_errors=True)
    for name in ("site", "compiled", "wheels"):
        (folder / name).mkdir(exist_ok=True)
    for name in (*RUNTIME, *TESTING):
        _copy_pure(name, site)
    wanted = folder / "requirements.txt"
    wanted.write_text(_locked("msgspec"))
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
         "--only-binary", ":all:", *PLATFORM, "--require-hashes", "-d", str(folder / "wheels"),
         "-r", str(wanted)],
        check=True, capture_output=True, timeout=120,
        env={**os.environ, "PIP_NO_INPUT": "1"},
    )  # fmt: skip
    for wheel in (folder / "wheels").glob("msgspec-*.whl"):
        with ZipFile(wheel) as archive:
            archive.extractall(site)


def _copy_pure(name: str, site: Path) -> None:
    """Copy an installed package without what is compiled for this machine."""
    for file in importlib.metadata.files(name) or ():
        if ".." in file.parts or file.suffix in (".so", ".pyc"):
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(str(file.locate()), target)


def _locked(name: str) -> str:
    """Return the lines of the lock that name a package and its hashes."""
    found = re.search(rf"^{name}==.*?(?=^\S)", LOCK.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]
