"""What the columns of several kinds share: names, ages, selectors, containers.

A description that starts with `SCHEMA` refers to the schema document: the text of that field there.
`table.py` puts it in when somebody asks for a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from roost.api.kind import Column
from roost.api.selectors import label_selector
from roost.api.values import Object

NONE = "<none>"
UNSET = "<unset>"
UNKNOWN = "<unknown>"
SCHEMA = "schema:"

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 86400 * 365


#: The fields whose texts columns refer to, so that only these are kept of the document.
references: set[str] = set()


def described(field: str) -> str:
    """Return the description that stands for the schema's text of `Definition.field`."""
    references.add(field)
    return SCHEMA + field


_META = "apimachinery.pkg.apis.meta.v1.ObjectMeta."


def get(value: Any, *path: str) -> Any:
    """Return what lies at a path of members, None if it ends on the way."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def at(*path: str, default: Any = "") -> Callable[[Object, float], Any]:
    """Return the cell function for the value at a path; absent ones show `default`."""

    def cell(value: Object, _: float) -> Any:
        found = get(value, *path)
        return default if found is None else found

    return cell


def count(*path: str) -> Callable[[Object, float], int]:
    """Return the cell function for the number of members or items at a path."""
    return lambda value, _: len(get(value, *path) or ())


def duration_text(seconds: float) -> str:
    """Return a time span as kubectl shows it: 5s, 3m20s, 5h10m, 3d4h, 2y30d."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if seconds < 0:
        return "0s"
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    for limit, big, small, names in (
        (10 * _MINUTE, _MINUTE, 1, "ms"),
        (3 * _HOUR, _MINUTE, 0, "m"),
        (8 * _HOUR, _HOUR, _MINUTE, "hm"),
        (48 * _HOUR, _HOUR, 0, "h"),
        (8 * _DAY, _DAY, _HOUR, "dh"),
        (2 * _YEAR, _DAY, 0, "d"),
        (8 * _YEAR, _YEAR, _DAY, "yd"),
    ):
        if whole < limit:
            return _two_units(whole, big, small, names)
    return f"{whole // _YEAR}y"


def _two_units(whole: int, big: int, small: int, names: str) -> str:
    rest = whole % big // small if small else 0
    return f"{whole // big}{names[0]}" + (f"{rest}{names[1]}" if rest else "")


def seconds_of(time: Any) -> float | None:
    """Return the epoch seconds of an RFC 3339 time, None if there is none."""
    if not isinstance(time, str) or not time:
        return None
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def since(time: Any, now: float) -> str:
    """Return how long ago a time was."""
    then = seconds_of(time)
    return UNKNOWN if then is None else duration_text(now - then)


def _age(value: Object, now: float) -> str:
    return since(get(value, "metadata", "creationTimestamp"), now)


def _name(value: Object, _: float) -> str:
    return get(value, "metadata", "name") or ""


def name_column(cell: Callable[[Object, float], Any] = _name, priority: int = 0) -> Column:
    """Return the column with the object's name."""
    return Column("Name", cell, "string", "name", priority, described(_META + "name"))


NAME = name_column()
AGE = Column("Age", _age, description=described(_META + "creationTimestamp"))
#: The last column of kinds that have none of their own, and of custom resources.
CREATED_AT = Column(
    "Created At",
    at("metadata", "creationTimestamp"),
    "date",
    description=described(_META + "creationTimestamp"),
)
DEFAULT = (NAME, CREATED_AT)


def labels_text(labels: Mapping[str, str] | None) -> str:
    """Return a map of labels as `a=b,c=d`."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) if labels else NONE


def selector_text(selector: Mapping[str, Any] | None) -> str:
    """Return a LabelSelector object as text."""
    try:
        return str(label_selector(selector)) or NONE
    except ValueError:
        return "<error>"


def go_selector(selector: Mapping[str, Any]) -> str:
    """Return a LabelSelector object as Go prints such a value; a few columns show it so."""
    labels = selector.get("matchLabels") or {}
    pairs = "".join(f"{key}: {labels[key]}," for key in sorted(labels))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{item.get('key') or ''},"
        f"Operator:{item.get('operator') or ''},Values:[{' '.join(item.get('values') or ())}],}},"
        for item in selector.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{pairs}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )


def _joined(path: tuple[str, ...], member: str) -> Callable[[Object, float], str]:
    def cell(value: Object, _: float) -> str:
        return ",".join(item.get(member) or "" for item in get(value, *path) or ())

    return cell


def containers_columns(*path: str, priority: int = 1) -> tuple[Column, Column]:
    """Return the columns Containers and Images of the pod template at a path."""
    spec = (*path, "spec", "containers")
    return (
        Column("Containers", _joined(spec, "name"), priority=priority,
               description="Names of each container in the template."),
        Column("Images", _joined(spec, "image"), priority=priority,
               description="Images referenced by each container in the template."),
    )  # fmt: skip


def condition(value: Object, name: str) -> Object | None:
    """Return the status condition of a type."""
    for item in get(value, "status", "conditions") or ():
        if item.get("type") == name:
            found: Object = item
            return found
    return None


def truth(value: Any) -> str:
    """Return True, False or <unset>."""
    return UNSET if value is None else "True" if value else "False"


def some(items: Sequence[str], most: int, total: int, *, more: bool) -> str:
    """Return the first items of a list, and how many more there are."""
    text = ",".join(items)
    return f"{text} + {total - most} more..." if more else text
