"""The query parameters of requests: parsed, checked, with the real server's complaints."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

from roost.api.errors import BadRequest
from roost.api.numerals import natural, whole
from roost.api.patches.managed import MANAGER_MAX_BYTES
from roost.api.validation.causes import Causes
from roost.api.validation.metadata import field_manager
from roost.api.values import Object
from roost.apiserver import failures

_PAIRS_LIMIT = 1000


_MALFORMED: Final = re.compile("%(?![0-9A-Fa-f]{2})|;")


class Query(dict[str, str]):
    """The first value of each parameter; of `dryRun` every value counts."""

    __slots__ = ("dry_runs",)

    def __init__(self) -> None:
        self.dry_runs: list[str] = []


def parse_query(query: str) -> Query:
    """Read a query; what cannot be decoded is passed over, as in Go."""
    found = Query()
    if query:
        pairs = query.split("&")
        if len(pairs) > _PAIRS_LIMIT:
            raise BadRequest("too many query parameters")
        for pair in pairs:
            if not pair or _MALFORMED.search(pair):
                continue
            key, value = map(unquote_plus, pair.partition("=")[::2])
            found.setdefault(key, value)
            if key == "dryRun":
                found.dry_runs.append(value)
    return found


def dry_runs(query: dict[str, str]) -> list[str]:
    """Return every `dryRun` of a query."""
    if isinstance(query, Query):
        return query.dry_runs
    return [query["dryRun"]] if "dryRun" in query else []


def parse_bool(text: str | None) -> bool:
    """Read a boolean as the real server does: anything but false, 0 and nothing is true."""
    if text is None:
        return False
    return text.lower() not in {"false", "0"}


def parse_optional_bool(text: str | None) -> bool | None:
    return None if text is None else parse_bool(text)


def parse_int(text: str | None) -> int | None:
    """Read an int64; raises BadRequest."""
    if text is None or text == "":
        return None
    value = whole(text)
    if value is None:
        raise failures.bad_integer(text)
    if not -(2**63) <= value < 2**63:
        raise BadRequest(f'strconv.ParseInt: parsing "{text}": value out of range')
    return value


def parse_version(text: str) -> int | None:
    """Read a resourceVersion: None when it is not an unsigned number."""
    number = natural(text)
    return number if number is not None and number < 2**64 else None


@dataclass(slots=True)
class ListOptions:
    """What to list or watch, and from when."""

    labels: str = ""
    fields: str = ""
    resource_version: str = ""
    match: str = ""
    limit: int = 0
    continue_token: str = ""
    timeout_s: int | None = None
    bookmarks: bool = False
    initial_events: bool | None = None


def list_options(query: dict[str, str], *, watch: bool) -> ListOptions:
    """Read and check the options of a list or a watch; raises BadRequest or Invalid."""
    if not query:
        options = ListOptions()
    else:
        options = ListOptions(
            labels=query.get("labelSelector", ""),
            fields=query.get("fieldSelector", ""),
            resource_version=query.get("resourceVersion", ""),
            match=query.get("resourceVersionMatch", ""),
            limit=parse_int(query.get("limit")) or 0,
            continue_token=query.get("continue", ""),
            timeout_s=parse_int(query.get("timeoutSeconds")),
            bookmarks=parse_bool(query.get("allowWatchBookmarks")),
            initial_events=parse_optional_bool(query.get("sendInitialEvents")),
        )
    if watch:
        _default_watch(options)
        _check_watch(options)
    elif query:
        _check_list(options)
    return options


def _default_watch(options: ListOptions) -> None:
    if (
        options.initial_events is None
        and not options.match
        and options.resource_version in {"", "0"}
    ):
        options.initial_events = True
        options.match = "NotOlderThan"


_MATCH: Final = "resourceVersionMatch"
_EXACT: Final = "Exact"
_NOT_OLDER: Final = "NotOlderThan"
_WITH_CONTINUE: Final = f"{_MATCH} is forbidden when continue is provided"


def _refuse(kind: str, causes: Causes) -> None:
    if causes:
        raise failures.bad_options(kind, causes)


def _check_list(options: ListOptions) -> None:
    causes, match = Causes(), options.match
    if match:
        if not options.resource_version:
            causes.forbidden(_MATCH, f"{_MATCH} is forbidden unless resourceVersion is provided")
        if options.continue_token:
            causes.forbidden(_MATCH, _WITH_CONTINUE)
        if match not in {_EXACT, _NOT_OLDER}:
            causes.not_supported(_MATCH, match, (_EXACT, _NOT_OLDER, ""))
        if match == _EXACT and options.resource_version == "0":
            causes.forbidden(_MATCH, f'{_MATCH} "exact" is forbidden for resourceVersion "0"')
    if options.initial_events is not None:
        causes.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")
    _refuse("ListOptions", causes)


def _check_watch(options: ListOptions) -> None:
    causes, match = Causes(), options.match
    if options.initial_events is not None and match != _NOT_OLDER:
        causes.forbidden(_MATCH, f"sendInitialEvents requires setting {_MATCH} to {_NOT_OLDER}")
    if match:
        if options.initial_events is None:
            text = f"{_MATCH} is forbidden for watch unless sendInitialEvents is provided"
            causes.forbidden(_MATCH, text)
        if match != _NOT_OLDER:
            causes.not_supported(_MATCH, match, (_NOT_OLDER,))
        if options.continue_token:
            causes.forbidden(_MATCH, _WITH_CONTINUE)
    _refuse("ListOptions", causes)


@dataclass(slots=True)
class WriteOptions:
    """The options of create, update and patch."""

    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = "Warn"
    force: bool | None = None
    #: Did the request name its field manager itself?
    manager_given: bool = False

    def sent(self) -> Object:
        """Return what the request said itself, as admission is told of it."""
        found: Object = {"fieldManager": self.field_manager} if self.manager_given else {}
        if self.field_validation != "Warn":
            found["fieldValidation"] = self.field_validation
        return found


def write_options(
    query: dict[str, str], kind: str, user_agent: str, *, applies: bool = False
) -> WriteOptions:
    """Read the options of a write; `kind` is CreateOptions, UpdateOptions or PatchOptions.

    Raises Invalid. A patch that `applies` must name its manager, and others may not force.
    """
    if not query and not applies:
        return WriteOptions(field_manager=manager_of(user_agent))
    manager = query.get("fieldManager", "")
    dry_run = dry_runs(query)
    validation = query.get("fieldValidation", "")
    force = parse_optional_bool(query.get("force"))
    causes = Causes()
    if applies and not manager:
        causes.required("fieldManager", "is required for apply patch")
    elif kind == "PatchOptions" and not applies and force is not None:
        causes.forbidden("force", "may not be specified for non-apply patch")
    field_manager(manager, "fieldManager", causes)
    check_dry_run(dry_run, causes)
    if validation not in _VALIDATIONS:
        causes.not_supported("fieldValidation", validation, _VALIDATIONS)
    _refuse(kind, causes)
    return WriteOptions(
        bool(dry_run), manager or manager_of(user_agent), validation or "Warn", force,
        bool(manager),
    )  # fmt: skip


_VALIDATIONS: Final = ("", "Ignore", "Strict", "Warn")


def check_dry_run(values: list[str], causes: Causes) -> None:
    """Refuse anything but All."""
    if any(value != "All" for value in values):
        causes.not_supported("dryRun", values, ("All",))


@lru_cache(maxsize=1024)
def manager_of(user_agent: str) -> str:
    """Return the default field manager: the user agent up to its first slash."""
    name = user_agent.partition("/")[0]
    kept = "".join(char for char in name if char.isprintable())
    return kept.encode()[:MANAGER_MAX_BYTES].decode(errors="ignore") or "unknown"


@dataclass(slots=True)
class DeleteRequest:
    """The options of a deletion, from the body or the query."""

    grace_period_s: int | None = None
    propagation: str | None = None
    orphan_dependents: bool | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False
    raw: dict[str, object] = field(default_factory=dict)
