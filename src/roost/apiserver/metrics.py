"""Counters of the server in Prometheus' text form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What is counted: requests by verb, resource and code; and what the feed and store stand at."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, str, int]] = Counter()

    def count(self, verb: str, group: str, resource: str, code: int) -> None:
        """Count one answered request."""
        self._requests[verb, group, resource, code] += 1

    def text(self, revision: int, watchers: int) -> bytes:
        """Return everything as text."""
        return "\n".join(self._lines(revision, watchers)).encode()

    def _lines(self, revision: int, watchers: int) -> Iterator[str]:
        yield "# HELP apiserver_request_total Counter of apiserver requests broken out for each verb."
        yield "# TYPE apiserver_request_total counter"
        for (verb, group, resource, code), count in sorted(self._requests.items()):
            yield (
                f'apiserver_request_total{{verb="{verb}",group="{group}",'
                f'resource="{resource}",code="{code}"}} {count}'
            )
        yield "# HELP apiserver_longrunning_requests Gauge of all active long-running requests."
        yield "# TYPE apiserver_longrunning_requests gauge"
        yield f'apiserver_longrunning_requests{{verb="WATCH"}} {watchers}'
        yield "# HELP roost_store_revision The revision of the newest visible change."
        yield "# TYPE roost_store_revision counter"
        yield f"roost_store_revision {revision}"
        yield ""
