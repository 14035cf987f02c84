"""Paths that are no resources: version, health, metrics, discovery, OpenAPI, keys of tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from roost.apiserver import failures
from roost.apiserver.core import BUILTIN_GROUPS, Core
from roost.apiserver.discovering import Discovery
from roost.apiserver.encoding import encode, pretty_json
from roost.apiserver.health import Health
from roost.apiserver.messages import JSON, TEXT, Answer, Request
from roost.apiserver.metrics import CONTENT_TYPE, Metrics
from roost.apiserver.negotiation import is_produced
from roost.apiserver.requestinfo import RequestInfo

VERSION: Final = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.0+roost",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "cpython",
    "platform": "linux/amd64",
}
_INDEX: Final = ("/", "/index.html")
_OWN: Final = ("/metrics", "/version")
_PAGE: Final = b"404 page not found\n"


def page_not_found() -> Answer:
    headers = (("X-Content-Type-Options", "nosniff"),)
    return Answer(404, _PAGE, TEXT, headers)


class NonResource:
    """Answers every path that names no resource. `documents` maps exact paths to JSON bodies."""

    def __init__(
        self,
        core: Core,
        discovery: Discovery,
        metrics: Metrics,
        health: Health,
        documents: Mapping[str, Callable[[], bytes]],
    ) -> None:
        self._core = core
        self.discovery = discovery
        self.metrics = metrics
        self._documents = documents
        self._health = health

    async def answer(self, request: Request) -> Answer:
        path = request.path.rstrip("/") or "/"
        healthy = self._health.answer(path, request.query)
        if healthy is not None:
            return healthy
        found = self.discovery.answer(request, path)
        if found is not None:
            if request.method != "GET":
                raise failures.method_not_allowed()
            return found
        if path == "/metrics":
            return Answer(200, await self.metrics.text(), CONTENT_TYPE)
        if path in _INDEX:
            return Answer(200, self._index())
        document = self._documents.get(path)
        if path == "/version" or document is not None:
            if request.method != "GET":
                raise failures.method_not_allowed()
            if document is None and not is_produced(request.headers.get("accept", ""), (JSON,)):
                raise failures.not_acceptable((JSON,))
            return Answer(200, encode(VERSION) if document is None else document())
        return self._missing(path)

    def _index(self) -> bytes:
        """Return what the root of the server shows: the paths that lead somewhere."""
        paths = {*self.discovery.paths(), *self._health.paths(), *self._documents, *_OWN}
        return pretty_json({"paths": sorted(paths)}).rstrip(b"\n")

    def _missing(self, path: str) -> Answer:
        parts = path.split("/")
        if parts[1:2] == ["api"] and len(parts) > 2:
            raise failures.no_such_path()
        if (
            parts[1:2] == ["apis"]
            and len(parts) > 3
            and parts[2] in BUILTIN_GROUPS & set(self._core.registry.groups())
        ):
            raise failures.no_such_path()
        return page_not_found()

    def unknown(self, info: RequestInfo) -> Answer:
        """Answer a path that looks like a resource, but there is no such kind."""
        return self._missing(info.path)
