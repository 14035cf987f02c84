"""The tree keeps its shape: small modules, said purposes, no drawers for odds and ends."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "roost"
MODULES = sorted(SOURCE.rglob("*.py"))
MODULE_LINES, FUNCTION_LINES = 420, 60
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}
UNFINISHED = ("TO" + "DO", "FIX" + "ME", "X" + "XX", "NotImplemented" + "Error")

#: Larger than the rule, each with its reason. An entry that is no longer needed fails the test.
LONG_MODULES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def functions(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{name_of(path)}:{node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_modules_are_short():
    long = {name_of(p) for p in MODULES if len(p.read_text().splitlines()) > MODULE_LINES}
    assert long == set(LONG_MODULES)


def test_functions_are_short():
    long = {name for p in MODULES for name, lines in functions(p) if lines > FUNCTION_LINES}
    assert long == set(LONG_FUNCTIONS)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is_for(path: Path):
    assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


def test_no_module_is_a_drawer():
    parts = {(name_of(p), part) for p in MODULES for part in (*p.parts, p.stem)}
    assert not [name for name, part in parts if part in FORBIDDEN_NAMES]


def test_nothing_is_left_unfinished():
    found = [
        f"{name_of(path)}: {word}"
        for path in MODULES
        for word in UNFINISHED
        if word in path.read_text()
    ]
    assert not found


def test_no_module_is_an_orphan():
    """Every module is imported by another one, by a test or by an entry point."""
    texts = [p.read_text() for p in (*MODULES, *ROOT.glob("tests/**/*.py"))]
    texts += [p.read_text() for p in ROOT.glob("benchmarks/**/*.py")]
    texts.append((ROOT / "pyproject.toml").read_text())
    everything = "\n".join(texts)
    orphans = []
    for path in MODULES:
        dotted = ".".join(("roost", *path.relative_to(SOURCE).with_suffix("").parts))
        if path.name in ("__init__.py", "__main__.py"):
            continue
        package, _, stem = dotted.rpartition(".")
        named = f"from {package} import" in everything and stem in everything
        if dotted not in everything and not named:
            orphans.append(dotted)
    assert not orphans
