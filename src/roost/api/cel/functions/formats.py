"""Kubernetes' library for named formats: format.dns1123Label().validate(text)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from roost.api import names
from roost.api.cel.functions.declare import Declarations
from roost.api.cel.functions.network import is_url
from roost.api.cel.values import NONE, EvaluationError, Optional, Wrapped, timestamp_of

declarations = Declarations()
_add = declarations.add
_UUID = re.compile(
    r"^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$"
)
_LABEL_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
_LABEL_VALUE_MAX = 63
Faults = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True)
class NamedFormat(Wrapped):
    """A format with its check."""

    name: str
    type_name = "kubernetes.NamedFormat"


def _prefix(faults: Faults) -> Faults:
    """A prefix may end in a dash: a name will be made of it."""
    return lambda text: faults(text[:-1] + "a" if text.endswith("-") else text)


def _label_value(text: str) -> list[str]:
    found = []
    if len(text) > _LABEL_VALUE_MAX:
        found.append(f"must be no more than {_LABEL_VALUE_MAX} characters")
    if not _LABEL_VALUE.match(text):
        found.append(
            "a valid label must be an empty string or consist of alphanumeric "
            "characters, '-', '_' or '.', and "
            "must start and end with an alphanumeric character (e.g. 'MyValue',  "
            "or 'my_value',  or '12345', "
            "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
        )
    return found


def _uri(text: str) -> list[str]:
    return [] if is_url(text) else ["invalid URI"]


def _uuid(text: str) -> list[str]:
    return [] if _UUID.match(text) else ["does not match the UUID format"]


def _byte(text: str) -> list[str]:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ["invalid base64"]
    return []


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
    "labelValue": _label_value,
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
