"""What is counted at the door: who got in, who may, and what is audited."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from roost.apiserver.auditing.auditor import Auditor
from roost.apiserver.exposition import Family, counter

_RESULT: Final = ("result",)


class Attempts:
    """The counters of one server: plain additions on the way of a request."""

    __slots__ = ("admitted", "allowed", "forbidden", "turned_away")

    def __init__(self) -> None:
        #: Requests with good credentials, or none; requests with bad ones.
        self.admitted = 0
        self.turned_away = 0
        self.allowed = 0
        self.forbidden = 0

    def families(self, auditor: Auditor | None) -> Iterator[Family]:
        """Yield what was counted."""
        yield Family(
            "authentication_attempts", "counter", "Counter of authenticated attempts.", _RESULT,
            [(("failure",), self.turned_away), (("success",), self.admitted)],
        )  # fmt: skip
        yield Family(
            "authorization_attempts_total", "counter",
            "Counter of authorization attempts broken down by result. It can be either 'allowed',"
            " 'denied', 'no-opinion' or 'error'.", _RESULT,
            [(("allowed",), self.allowed), (("no-opinion",), self.forbidden)],
        )  # fmt: skip
        yield counter(
            "apiserver_audit_event_total",
            "Counter of audit events generated and sent to the audit backend.",
            auditor.events if auditor else 0,
        )  # fmt: skip
        yield Family(
            "apiserver_audit_level_total", "counter",
            "Counter of policy levels for audit events (1 per request).", ("level",),
            [((level,), count) for level, count in (auditor.levels if auditor else {}).items()],
        )  # fmt: skip
