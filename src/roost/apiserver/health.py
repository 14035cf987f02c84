"""Health: /healthz, /livez and /readyz, with named checks and the real server's texts.

A check is a function that returns what is wrong, "" if nothing. A step is something that has to happen
once before the server is well; it fails until it is `done`. Rule: nothing but the names of what fails
leaves the server here, for these paths are public; the reason of one check is told at its own path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import parse_qs

from roost.apiserver.exposition import Family
from roost.apiserver.messages import TEXT, Answer

#: Returns what is wrong, "" if nothing is.
Check: TypeAlias = Callable[[], str]

HEALTHZ: Final = "/healthz"
LIVEZ: Final = "/livez"
READYZ: Final = "/readyz"
ROOTS: Final = (HEALTHZ, LIVEZ, READYZ)
_NO_SNIFFING: Final = (("X-Content-Type-Options", "nosniff"),)


@dataclass(frozen=True, slots=True)
class _Named:
    name: str
    check: Check
    roots: frozenset[str]


class Health:
    """The checks of one server, in the order in which they were added."""

    def __init__(self) -> None:
        self._checks: dict[str, _Named] = {}
        self._waiting: set[str] = set()
        #: How often a check went how, by (name, status, type).
        self._went: dict[tuple[str, str, str], int] = {}
        self.add("ping", lambda: "")
        self.add("log", lambda: "")

    def add(self, name: str, check: Check, roots: Sequence[str] = ROOTS) -> None:
        """Ask `check` at these roots; it must be quick and wait for nothing."""
        self._checks[name] = _Named(name, check, frozenset(roots))

    def step(self, name: str, roots: Sequence[str] = ROOTS) -> Callable[[], None]:
        """Fail at these roots until the returned function is called."""
        self._waiting.add(name)
        self.add(name, lambda: "not finished" if name in self._waiting else "", roots)
        return lambda: self._waiting.discard(name)

    def hook(self, name: str) -> Callable[[], None]:
        """Add the step of a start hook: it is shown as `poststarthook/NAME`."""
        return self.step(f"poststarthook/{name}")

    def paths(self) -> list[str]:
        """Return the paths that answer: the roots, and each check below them."""
        single = [f"{root}/{check.name}" for check in self._checks.values() for root in check.roots]
        return [*ROOTS, *single]

    def answer(self, path: str, query: str) -> Answer | None:
        """Return the answer at a path, None if it is none of health."""
        for root in ROOTS:
            if path == root:
                return self._root(root, query)
            if path.startswith(root + "/"):
                return self._single(root, path[len(root) + 1 :])
        return None

    def _single(self, root: str, name: str) -> Answer:
        found = self._checks.get(name)
        if found is None or root not in found.roots:
            return Answer(404, b"404 page not found\n", TEXT, _NO_SNIFFING)
        wrong = self._ask(found, root)
        if wrong:
            text = f"internal server error: {wrong}\n"
            return Answer(500, text.encode(), TEXT, _NO_SNIFFING)
        return Answer(200, b"ok", TEXT)

    def _ask(self, named: _Named, root: str) -> str:
        """Return what is wrong, and count it."""
        wrong = named.check()
        went = named.name, "error" if wrong else "success", root[1:]
        self._went[went] = self._went.get(went, 0) + 1
        return wrong

    def families(self) -> Iterator[Family]:
        """Yield how the checks that were asked for went, and how they go now."""
        yield Family(
            "kubernetes_healthchecks_total", "counter",
            "This metric records the results of all healthcheck.", ("name", "status", "type"),
            sorted(self._went.items()),
        )  # fmt: skip
        yield Family(
            "kubernetes_healthcheck", "gauge",
            "This metric records the result of a single healthcheck.", ("name", "type"),
            [
                ((named.name, root[1:]), 0 if named.check() else 1)
                for named in self._checks.values()
                for root in sorted(named.roots)
            ],
        )  # fmt: skip

    def _root(self, root: str, query: str) -> Answer:
        asked = parse_qs(query, keep_blank_values=True) if query else {}
        excluded = set(asked.get("exclude", ()))
        lines, failed = [], False
        for named in self._checks.values():
            if root not in named.roots:
                continue
            if named.name in excluded:
                excluded.discard(named.name)
                lines.append(f"[+]{named.name} excluded: ok\n")
            elif self._ask(named, root):
                failed = True
                lines.append(f"[-]{named.name} failed: reason withheld\n")
            else:
                lines.append(f"[+]{named.name} ok\n")
        if excluded:
            names = ",".join(f'"{name}"' for name in sorted(excluded))
            lines.append(f"warn: some health checks cannot be excluded: no matches for {names}\n")
        what = root[1:]
        if failed:
            lines.append(f"{what} check failed\n")
            return Answer(500, "".join(lines).encode(), TEXT, _NO_SNIFFING)
        if "verbose" not in asked:
            return Answer(200, b"ok", TEXT, _NO_SNIFFING)
        lines.append(f"{what} check passed\n")
        return Answer(200, "".join(lines).encode(), TEXT, _NO_SNIFFING)
