"""What names, labels, annotations and keys may look like, and what the API says of those that may not.

Every `check_*` for a text returns the list of its faults as apimachinery words them, empty if it has
none; the caller puts them into a `Cause` with the path. Lengths are counted in bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any

from roost.api.errors import Cause

LABEL_MAX_BYTES = 63
SUBDOMAIN_MAX_BYTES = 253
ANNOTATIONS_MAX_BYTES = 256 * 1024
#: A generated name is a base of at most this many characters and five characters of chance.
GENERATED_BASE_MAX = 63 - 5

EMPTY = "must be non-empty"
_NOT_AN_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_RELAXED = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_SUBDOMAIN_RELAXED = rf"{_LABEL_RELAXED}(\.{_LABEL_RELAXED})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"
_QUALIFIED_RULE = (
    "must consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)


def too_long(limit: int, unit: str = "bytes") -> str:
    """Return what is said of a text over `limit` bytes; older rules call them characters."""
    return f"must be no more than {limit} {unit}"


def out_of_range(low: int, high: int) -> str:
    """Return what is said of a number outside [low, high]."""
    return f"must be between {low} and {high}, inclusive"


def breaks_pattern(rule: str, pattern: str, *examples: str) -> str:
    """Return what is said of a text that does not match a pattern."""
    if not examples:
        return f"{rule} (regex used for validation is '{pattern}')"
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{rule} (e.g. {shown}regex used for validation is '{pattern}')"


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


class _Shape:
    """A pattern, its longest length and the words for what breaks it."""

    __slots__ = ("_fault", "_limit", "_match", "_too_long")

    def __init__(
        self, rule: str, pattern: str, *examples: str, limit: int = 0, unit: str = "characters"
    ) -> None:
        self._match = re.compile(pattern).fullmatch
        self._limit = limit
        self._too_long = too_long(limit, unit)
        self._fault = breaks_pattern(rule, pattern, *examples)

    def __call__(self, text: str) -> list[str]:
        fits = self._match(text) is not None
        if fits and (not self._limit or len(text) <= self._limit):
            return []
        faults = [self._too_long] if self._limit and _size(text) > self._limit else []
        return faults if fits else [*faults, self._fault]


#: IsDNS1123Subdomain
check_subdomain = _Shape(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character",
    _SUBDOMAIN, "example.com", limit=SUBDOMAIN_MAX_BYTES,
)  # fmt: skip
#: IsDNS1123SubdomainWithUnderscore
check_subdomain_relaxed = _Shape(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' "
    "or '.', and must start and end with an alphanumeric character",
    _SUBDOMAIN_RELAXED, "example.com", limit=SUBDOMAIN_MAX_BYTES,
)  # fmt: skip
#: IsDNS1035Label
check_label_1035 = _Shape(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character",
    "[a-z]([-a-z0-9]*[a-z0-9])?", "my-name", "abc-123", limit=LABEL_MAX_BYTES,
)  # fmt: skip
#: IsWildcardDNS1123Subdomain
check_wildcard_subdomain = _Shape(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which "
    "must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric "
    "character",
    rf"\*\.{_SUBDOMAIN}", "*.example.com", limit=SUBDOMAIN_MAX_BYTES,
)  # fmt: skip
#: IsValidLabelValue
check_label_value = _Shape(
    f"a valid label must be an empty string or {_QUALIFIED_RULE.removeprefix('must ')}",
    _VALUE, "MyValue", "my_value", "12345", limit=LABEL_MAX_BYTES, unit="bytes",
)  # fmt: skip
#: IsCIdentifier
check_c_identifier = _Shape(
    "a valid C identifier must start with alphabetic character or '_', followed by a string of "
    "alphanumeric characters or '_'",
    "[A-Za-z_][A-Za-z0-9_]*", "my_name", "MY_NAME", "MyName",
)  # fmt: skip
#: IsHTTPHeaderName
check_http_header = _Shape(
    "a valid HTTP header must consist of alphanumeric characters or '-'",
    "[-A-Za-z0-9]+", "X-Header-Name",
)  # fmt: skip
#: IsValidPercent
check_percent = _Shape(
    "a valid percent string must be a numeric string followed by an ending '%'",
    "[0-9]+%", "1%", "93%",
)  # fmt: skip
_label = _Shape(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character",
    _LABEL, "my-name", "123-abc", limit=LABEL_MAX_BYTES,
)  # fmt: skip
_config_key = _Shape(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    "[-._a-zA-Z0-9]+", "key.name", "KEY_NAME", "key-name", limit=SUBDOMAIN_MAX_BYTES,
)  # fmt: skip
_strict_env = _Shape(
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', "
    "or '.', and must not start with a digit",
    "[-._a-zA-Z][-._a-zA-Z0-9]*", "my.env-name", "MY_ENV.NAME", "MyEnvName1",
)  # fmt: skip
_name_part = _Shape(_QUALIFIED_RULE, _QUALIFIED, "MyName", "my.name", "123-abc")
_is_subdomain = re.compile(_SUBDOMAIN).fullmatch
_TOO_MANY_PARTS = (
    breaks_pattern(
        f"a valid label key {_QUALIFIED_RULE}", _QUALIFIED, "MyName", "my.name", "123-abc"
    )
    + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)


def check_label(text: str) -> list[str]:
    """IsDNS1123Label: a valid subdomain that is no label has dots, and is told so."""
    faults = _label(text)
    if faults and not _label._match(text) and _is_subdomain(text):
        faults[-1] = "must not contain dots"
    return faults


def check_qualified_name(text: str) -> list[str]:
    """IsQualifiedName: a label key, `name` or `example.com/name`."""
    prefix, slash, name = text.partition("/")
    if not slash:
        prefix, name = "", text
    elif "/" in name:
        return [_TOO_MANY_PARTS]
    faults = []
    if slash and not prefix:
        faults.append(f"prefix part {EMPTY}")
    elif slash:
        faults = [f"prefix part {fault}" for fault in check_subdomain(prefix)]
    if not name:
        faults.append(f"name part {EMPTY}")
    elif _size(name) > LABEL_MAX_BYTES:
        faults.append(f"name part {too_long(LABEL_MAX_BYTES)}")
    faults.extend(f"name part {fault}" for fault in _name_part(name))
    return faults


def _directory_faults(text: str) -> list[str]:
    if text in {".", ".."}:
        return [f"must not be '{text}'"]
    return ["must not start with '..'"] if text.startswith("..") else []


def check_config_key(text: str) -> list[str]:
    """IsConfigMapKey: a key in the data of a ConfigMap or Secret."""
    return _config_key(text) + _directory_faults(text)


_env_letters = re.compile("[ -<>-~]*").fullmatch


def check_env_name(text: str) -> list[str]:
    """IsRelaxedEnvVarName: the name of an environment variable in a container."""
    faults = [] if text else [f"environment variable name {EMPTY}"]
    if not _env_letters(text):
        faults.append(
            "a valid environment variable name must consist only of printable ASCII characters "
            "other than '='"
        )
    return faults


def check_env_name_strict(text: str) -> list[str]:
    """IsEnvVarName: the name of an environment variable taken from a key."""
    return _strict_env(text) + _directory_faults(text)


_port_letters = re.compile("[-a-z0-9]+").fullmatch
_find_letter = re.compile("[a-z]").search


def check_port_name(text: str) -> list[str]:
    """IsValidPortName: the name of a container port."""
    faults = []
    if _size(text) > 15:
        faults.append(too_long(15, "characters"))
    if not _port_letters(text):
        faults.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not _find_letter(text):
        faults.append("must contain at least one letter (a-z)")
    if "--" in text:
        faults.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        faults.append("must not begin or end with a hyphen")
    return faults


def check_port_number(port: int) -> list[str]:
    """IsValidPortNum."""
    return [] if 1 <= port <= 65535 else [out_of_range(1, 65535)]


def check_path_segment(text: str) -> list[str]:
    """IsValidPathSegmentName: a name that is only used in URLs, e.g. a Role's."""
    if text in {".", ".."}:
        return [f"may not be '{text}'"]
    return check_path_segment_prefix(text)


def check_path_segment_prefix(text: str) -> list[str]:
    """IsValidPathSegmentPrefix: what such a name may begin with."""
    return [f"may not contain '{letter}'" for letter in "/%" if letter in text]


def check_ip(text: str) -> list[str]:
    """A text that is an address, in any form of it."""
    try:
        ip_address(text)
    except ValueError:
        return [_NOT_AN_IP]
    return []


def check_ip_name(text: str) -> list[str]:
    """ValidateIPAddressName: the name of an IPAddress is the address in its shortest form."""
    padded = "." in text and ":" not in text and _padded(text)
    try:
        found = ip_address(_leading_zero_free(text) if padded else text)
    except ValueError:
        found = None
    if found is None or "%" in text:
        return [_NOT_AN_IP]
    if padded:
        return ["must not have leading 0s"]
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return ["must not be an IPv4-mapped IPv6 address"]
    return [] if str(found) == text else [f'must be in canonical form ("{found}")']


def _padded(address: str) -> bool:
    return any(len(part) > 1 and part.startswith("0") for part in address.split("."))


def _leading_zero_free(address: str) -> str:
    return ".".join(part.lstrip("0") or "0" for part in address.split("."))


#: The name rules of `Kind.name_rule`.
NAME_RULES: Mapping[str, Callable[[str], list[str]]] = {
    "subdomain": check_subdomain,
    "label": check_label,
    "label1035": check_label_1035,
    "service": check_label,
    "path": check_path_segment,
    "rbac": check_path_segment,
    "ip": check_ip_name,
}


def check_name(rule: str, name: str) -> list[str]:
    """Return the faults of `name` under a rule of NAME_RULES (KeyError for an unknown rule)."""
    return NAME_RULES[rule](name)


def check_generate_name(rule: str, prefix: str) -> list[str]:
    """Return the faults of `metadata.generateName`, which may end in a dash."""
    check = NAME_RULES[rule]
    if check is check_path_segment:
        return check_path_segment_prefix(prefix)
    if len(prefix) > 1 and prefix.endswith("-"):
        prefix = prefix[:-2] + "a"
    return check(prefix)


def name_from(generate_name: str, suffix: str) -> str:
    """Return the generated name: the base, cut to 58 characters, and the suffix (5 characters)."""
    return generate_name[:GENERATED_BASE_MAX] + suffix


def _invalid(path: str, value: Any, faults: list[str]) -> list[Cause]:
    if not faults:
        return []
    shown = json.dumps(value, ensure_ascii=False)
    return [
        Cause("FieldValueInvalid", f"Invalid value: {shown}: {fault}", path) for fault in faults
    ]


def check_labels(labels: Mapping[str, str] | None, path: str = "metadata.labels") -> list[Cause]:
    """Return the causes for which a map of labels is invalid."""
    causes: list[Cause] = []
    for key, value in sorted((labels or {}).items()):
        causes += _invalid(path, key, check_qualified_name(key))
        causes += _invalid(path, value, check_label_value(value))
    return causes


def check_annotations(
    annotations: Mapping[str, str] | None, path: str = "metadata.annotations"
) -> list[Cause]:
    """Return the causes for which annotations are invalid: their keys, and 256 KiB in all."""
    causes: list[Cause] = []
    total = 0
    for key, value in sorted((annotations or {}).items()):
        causes += _invalid(path, key, check_qualified_name(key.lower()))
        total += _size(key) + _size(value)
    if total > ANNOTATIONS_MAX_BYTES:
        text = f"Too long: may not be more than {ANNOTATIONS_MAX_BYTES} bytes"
        causes.append(Cause("FieldValueTooLong", text, path))
    return causes
