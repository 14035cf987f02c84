"""Gathers in a folder all that the page needs: `python gather.py FOLDER`.

Pyodide comes from npm. Roost and the packages it needs in a page come from the environment that this
runs in, but for msgspec: it is compiled, and has a wheel for Pyodide.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile

HERE = Path(__file__).parent
PYODIDE = "314.0.7"
#: Wheels are for one version of Pyodide; this is what that one calls itself.
PLATFORM = ("--platform", "pyemscripten_2026_0_wasm32", "--python-version", "3.14",
            "--implementation", "cp", "--abi", "cp314")  # fmt: skip
ENGINE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "pyodide-lock.json",
          "python_stdlib.zip")  # fmt: skip
PAGE = ("page.html", "page.mjs", "cluster.py")
PURE = ("roost", "yaml", "jwt")


def gather(folder: Path, engine: Path, packages: Iterable[Path]) -> None:
    """Make the folder of a page from Pyodide's folder and those of Python packages."""
    (folder / "pyodide").mkdir(parents=True, exist_ok=True)
    for name in ENGINE:
        shutil.copy(engine / name, folder / "pyodide")
    for name in PAGE:
        shutil.copy(HERE / name, folder)
    with ZipFile(folder / "packages.zip", "w", ZIP_DEFLATED) as archive:
        for package in packages:
            for file in _files(package):
                archive.write(file, file.relative_to(package.parent))


def _files(package: Path) -> Iterator[Path]:
    for file in sorted(package.rglob("*")):
        # What is compiled for this machine is of no use there.
        if file.is_file() and file.suffix != ".pyc" and not file.name.endswith("linux-gnu.so"):
            yield file


def main(folder: Path) -> None:
    pure = [Path(str(spec.origin)).parent for name in PURE if (spec := find_spec(name))]
    with TemporaryDirectory() as scratch:
        there = Path(scratch)
        subprocess.run(["npm", "install", "--silent", "--ignore-scripts", "--prefix", scratch,
                        f"pyodide@{PYODIDE}"], check=True)  # fmt: skip
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", *PLATFORM,
                        "--only-binary", ":all:", "-d", scratch,
                        f"msgspec=={version('msgspec')}"], check=True)  # fmt: skip
        with ZipFile(next(there.glob("msgspec-*.whl"))) as wheel:
            wheel.extractall(there)
        gather(folder, there / "node_modules" / "pyodide", [*pure, there / "msgspec"])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
