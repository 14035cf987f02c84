"""Run by run.mjs inside Pyodide: pytest, where no loop can be waited for, and without what no page has.

A page's own event loop cannot be run to an end by a synchronous test, and there are no sockets for the
usual one. The loop of the simulation needs neither: time jumps, as in a simulated cluster.

Rules of what is left out: a module of tests that cannot be imported for want of a package in ABSENT, and
a test that names, itself or by a helper or fixture of the tests, a module in USELESS or a time zone.
Usage: inside.py ARGUMENTS-OF-PYTEST. Its last line counts what passed and what was left out, and why.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, ModuleType
from typing import Any, Final

import pytest

from roost.simulation.loop import VirtualLoop

#: Packages that are not in a page -> why.
ABSENT: Final = {
    "aiohttp": "sockets",
    "cryptography": "compiled, and no wheel for a page",
    "dnslib": "sockets",
    "hypothesis": "compiled, and no wheel for a page",
    "kr8s": "sockets",
    "pyroute2": "sockets",
    "re2": "compiled, and no wheel for a page",
    "resource": "no processes",
}
#: Modules of Python that can be imported in a page, and do nothing there -> what is missing.
USELESS: Final = {
    "concurrent": "threads",
    "multiprocessing": "processes",
    "roost.adapters.real": "what the outside is made real with",
    "socket": "sockets",
    "subprocess": "processes",
    "threading": "threads",
}
#: What tests of time zones name. They need tzdata, a package that a page would have to load.
_ZONE: Final = re.compile(r"\b(Africa|America|Asia|Australia|Europe)/[A-Z][a-z]")


class _Policy(asyncio.events._BaseDefaultEventLoopPolicy):  # type: ignore[name-defined]
    _loop_factory = VirtualLoop


class _Module(pytest.Module):
    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        try:
            return super().collect()
        except self.CollectError as error:
            package = (getattr(error.__cause__, "name", None) or "").partition(".")[0]
            if isinstance(error.__cause__, ModuleNotFoundError) and package in ABSENT:
                pytest.skip(f"needs {package}", allow_module_level=True)
            raise


class Page:
    """A plugin of pytest: applies the rules, and counts what came of them."""

    def __init__(self) -> None:
        self.passed = 0
        self.left_out: Counter[str] = Counter()

    def pytest_pycollect_makemodule(self, module_path: Any, parent: Any) -> pytest.Module:
        return _Module.from_parent(parent, path=module_path)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            used = next(_useless(item), None)
            if used is not None:
                item.add_marker(pytest.mark.skip(reason=f"needs {used}"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.passed += report.when == "call" and report.passed
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            self.left_out[report.longrepr[2].removeprefix("Skipped: ")] += 1


def _useless(item: pytest.Item) -> Iterator[str]:
    seen: set[CodeType] = set()
    if isinstance(item, pytest.Function):
        if _ZONE.search(str(getattr(item, "callspec", None) and item.callspec.params)):
            yield "tzdata"
        yield from _named(item.obj, seen)
        for fixtures in item._fixtureinfo.name2fixturedefs.values():
            yield from _named(fixtures[-1].func, seen)


def _named(function: Callable[..., Any], seen: set[CodeType]) -> Iterator[str]:
    """Return the modules in USELESS that a function of the tests names, or one that it calls."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    code = getattr(function, "__code__", None)
    if code is None or code in seen or not code.co_filename.startswith("/tests/"):
        return
    seen.add(code)
    for constant in _constants(code):
        if isinstance(constant, str) and _ZONE.search(constant):
            yield "tzdata"
    for name in _names(code):
        value = function.__globals__.get(name, name)
        yield from (useless for useless in USELESS if _is_of(value, useless))
        for inner in vars(value).values() if inspect.isclass(value) else (value,):
            if inspect.isfunction(inner):
                yield from _named(inner, seen)


def _is_of(value: object, module: str) -> bool:
    """Tell whether something is a module, the name of one, or of one."""
    if isinstance(value, ModuleType):
        value = value.__name__
    home = value if isinstance(value, str) else str(getattr(value, "__module__", ""))
    return home == module or home.startswith(f"{module}.")


def _constants(code: CodeType) -> Iterator[object]:
    for constant in code.co_consts:
        yield constant
        if isinstance(constant, CodeType):
            yield from _constants(constant)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in _constants(code):
        if isinstance(constant, CodeType):
            yield from constant.co_names


if __name__ == "__main__":
    asyncio._set_running_loop(None)  # the page's own, which runs around this program
    asyncio.events._set_event_loop_policy(_Policy())  # type: ignore[attr-defined]
    page = Page()
    code = pytest.main(sys.argv[1:], plugins=[page])
    print(json.dumps({"passed": page.passed, "left_out": page.left_out}))
    raise SystemExit(code)
