"""The documentation is complete, current, and its links lead somewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest
import typer

from roost.api.registry import builtin
from roost.cli.main import app
from roost.cli.settings import Settings
from roost.controllers.registry import ALL
from roost.node.decide import TRANSITIONS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([
    *DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md"), *ROOT.glob("*.md"),
])  # fmt: skip
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
_RUN = re.compile(r"^( *)<!-- run -->\n\1```sh\n(.*?)\n\1```$", re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATED: dict[str, str] = load_generator().pages()


def prose(path: Path) -> str:
    """Return a page without its code."""
    return _FENCE.sub("", path.read_text())


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as renderers make them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(prose(path))
    }


# ---------------------------------------------------------------- generated pages


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_generated_pages_are_fresh(name: str):
    assert (DOCS / "reference" / name).read_text() == GENERATED[name], "run ./dev docs"


def test_every_setting_command_kind_and_controller_is_documented():
    settings, commands = GENERATED["settings.md"], GENERATED["command-line.md"]
    kinds, controllers = GENERATED["kinds.md"], GENERATED["controllers.md"]
    words = [command.name for command in typer.main.get_command(app).commands.values()]
    assert not [field.name for field in fields(Settings) if f"`{field.name}`" not in settings]
    assert not [word for word in words if not re.search(rf"(?m)^## roost {word}\b", commands)]
    assert not [kind for kind in builtin().kinds() if f"| `{kind.plural}` |" not in kinds]
    assert not [name for name in ALL if f"`{name}`" not in controllers]


def test_every_transition_is_drawn():
    page = GENERATED["pod-lifecycle.md"]
    arrows = {f"{a} --> {b}: {e}" for a, row in TRANSITIONS.items() for e, b in row.items()}
    assert not [arrow for arrow in arrows if arrow not in page]


# ---------------------------------------------------------------- links


def broken(page: Path) -> Iterator[str]:
    for target in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_internal_link_resolves(page: Path):
    assert list(broken(page)) == []


def test_every_page_is_reached_from_the_start():
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        for target in _LINK.findall(prose(page)):
            path = target.partition("#")[0]
            if path and not re.match(r"[a-z]+:", target):
                ahead.append((page.parent / path).resolve())
    assert [name_of(page) for page in PAGES if page not in reached] == []


def test_every_decision_is_listed():
    index = (DOCS / "adr" / "README.md").read_text()
    assert not [p.name for p in DOCS.glob("adr/0*.md") if f"({p.name})" not in index]


# ---------------------------------------------------------------- what pages say of the code


def test_every_package_has_a_line_in_the_architecture():
    page = (DOCS / "explanation" / "architecture.md").read_text()
    rows = "\n".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    packages = [p.parent.name for p in (ROOT / "src" / "roost").glob("*/__init__.py")]
    assert not [name for name in packages if f"`{name}`" not in rows]


def test_kinds_that_are_called_idle_are_kinds():
    page = (DOCS / "explanation" / "differences.md").read_text()
    section = page.partition("## Stored, without effect")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")][1:]
    named = {name.strip() for row in rows for name in row.split(",")}
    assert named
    assert not named - {kind.name for kind in builtin().kinds()}


def test_controllers_that_are_called_missing_are_missing():
    page = (DOCS / "explanation" / "differences.md").read_text()
    section = page.partition("## Controllers that are missing")[2].partition("\n## ")[0]
    missing = re.findall(r"`([a-z-]+-controller)`", section)
    assert missing
    assert not [name for name in missing if name in ALL]


def test_every_dependency_is_explained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"].values()
    wanted = [*project["project"]["dependencies"], *(name for group in groups for name in group)]
    page = (DOCS / "reference" / "dependencies.md").read_text()
    names = [re.split(r"[<>=;\[]", text)[0] for text in wanted]
    assert not [name for name in names if not re.search(rf"(`|\| ){name}(`| \|)", page)]


def test_files_that_checklists_name_exist():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    source = ROOT / "src" / "roost"
    roots = [ROOT, source, source / "api", source / "apiserver"]
    named = sorted(set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", page)))
    real = [path for path in named if not re.search(r"[A-Z]{3}", path)]  # NAME and GROUP are yours
    assert len(real) > 20
    assert not [path for path in real if not any((root / path).exists() for root in roots)]


# ---------------------------------------------------------------- manners


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_has_one_title_and_ends_its_fences(page: Path):
    titles = re.findall(r"^# .+$", prose(page), re.MULTILINE)
    assert len(titles) == 1
    assert len(re.findall(r"^ *```", page.read_text(), re.MULTILINE)) % 2 == 0


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_has_a_path_of_somebodys_machine(page: Path):
    assert not re.search(r"/home/\w|/Users/", page.read_text())


# ---------------------------------------------------------------- commands


COMMANDS = [(page, text) for page in PAGES for _, text in _RUN.findall(page.read_text())]


@pytest.mark.slow
@pytest.mark.parametrize(("page", "text"), COMMANDS, ids=[name_of(page) for page, _ in COMMANDS])
def test_marked_commands_work(page: Path, text: str, tmp_path: Path):
    roost = tmp_path / "bin" / "roost"
    roost.parent.mkdir()
    roost.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m roost "$@"\n')
    roost.chmod(0o755)
    data = tmp_path / "data"
    data.mkdir()
    environment = {
        "PATH": f"{roost.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "ROOST_DATA_DIR": str(data),
    }
    done = subprocess.run(
        ["sh", "-ec", text], cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
