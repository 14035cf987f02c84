"""Kubernetes' library for named formats: format.dns1123Label().validate(text)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from roost.api import names
from roost.api.cel.functions.declare import Declarations
from roost.api.cel.values import NONE, EvaluationError, Optional, Wrapped, timestamp_of
from roost.api.encodings import is_base64
from roost.api.uris import absolute_fault

declarations = Declarations()
_add = declarations.add
_UUID = re.compile(
    r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$"
)
Faults = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class NamedFormat(Wrapped):
    """A format with its check."""

    name: str
    type_name = "kubernetes.NamedFormat"


def _prefix(faults: Faults) -> Faults:
    """A prefix may end in a dash: a name will be made of it. The letter before it is not looked at."""

    def check(text: str) -> list[str]:
        return faults(text[:-2] + "a" if len(text) > 1 and text.endswith("-") else text)

    return check


def _uri(text: str) -> list[str]:
    fault = absolute_fault(text)
    return [fault] if fault else []


def _uuid(text: str) -> list[str]:
    return [] if _UUID.match(text) else ["does not match the UUID format"]


def _byte(text: str) -> list[str]:
    return [] if is_base64(text) else ["invalid base64"]


def _date(text: str) -> list[str]:
    return _datetime(f"{text}T00:00:00Z") and ["invalid date"]


def _datetime(text: str) -> list[str]:
    try:
        timestamp_of(text)
    except EvaluationError:
        return ["invalid datetime"]
    return []


_FORMATS: Mapping[str, Faults] = {
    "dns1123Label": names.check_label,
    "dns1123Subdomain": names.check_subdomain,
    "dns1035Label": names.check_label_1035,
    "qualifiedName": names.check_qualified_name,
    "dns1123LabelPrefix": _prefix(names.check_label),
    "dns1123SubdomainPrefix": _prefix(names.check_subdomain),
    "dns1035LabelPrefix": _prefix(names.check_label_1035),
    "labelValue": names.check_label_value,
    "uri": _uri,
    "uuid": _uuid,
    "byte": _byte,
    "date": _date,
    "datetime": _datetime,
}


def _declare(name: str) -> None:
    value = NamedFormat(name)
    _add(f"format.{name}() kubernetes.NamedFormat")(lambda: value)


for _name in _FORMATS:
    _declare(_name)


@_add("format.named(string) optional(kubernetes.NamedFormat)")
def named(name: str) -> Optional:
    return Optional(present=True, value=NamedFormat(name)) if name in _FORMATS else NONE


@_add("kubernetes.NamedFormat . validate(string) optional(list(string))", cost="scan")
def validate(value: NamedFormat, text: str) -> Optional:
    """No value when the text is in form; else what is wrong with it."""
    found = _FORMATS[value.name](text)
    return Optional(present=True, value=found) if found else NONE
