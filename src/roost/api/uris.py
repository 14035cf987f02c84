"""URIs that somebody wrote as text, split as Go splits them, and what it has against them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote

from roost.api.addresses import AddressError, parse_address
from roost.api.validation.causes import quoted

_scheme = re.compile("([A-Za-z][A-Za-z0-9+.-]*):").match
_bad_escape = re.compile("%(?![0-9A-Fa-f]{2})").search
#: A host may escape what is no ASCII, and the percent sign itself.
_bad_host_escape = re.compile("%(?!25|[89A-Fa-f][0-9A-Fa-f])").search
_odd_in_user = re.compile(r"[^A-Za-z0-9\-._:~!$&'()*+,;=%@]").search
_port = re.compile("(:[0-9]*)?").fullmatch
_NOT_IN_HOSTS = frozenset(" \\^`{|}")


class UriError(ValueError):
    """A text that is no URI; the text of the error is the reason."""


@dataclass(frozen=True, slots=True)
class Uri:
    """The parts of a URI. `host` has the port; `path` is as it was written."""

    scheme: str = ""
    opaque: str = ""
    user: str = ""
    host: str = ""
    path: str = ""
    query: str = ""
    fragment: str = ""

    @property
    def hostname(self) -> str:
        host = self._apart[0]
        return host[1:-1] if host.startswith("[") and host.endswith("]") else host

    @property
    def port(self) -> str:
        return self._apart[1]

    @property
    def _apart(self) -> tuple[str, str]:
        host, colon, port = self.host.rpartition(":")
        return (host, port) if colon and _port(colon + port) else (self.host, "")


def parse_reference(text: str) -> Uri:
    """Read a URI or a part of one. Raises UriError."""
    bare, _, fragment = text.partition("#")
    found = _parse(bare, absolute=False)
    _check_escapes(fragment)
    return Uri(
        found.scheme, found.opaque, found.user, found.host, found.path, found.query, fragment
    )


def check_absolute(text: str) -> None:
    """Check that a text is a whole URI, or an absolute path. Raises UriError."""
    _parse(text, absolute=True)


def absolute_fault(text: str) -> str:
    """Return all that Go's `ParseRequestURI` says of a text that is no whole URI, else ""."""
    try:
        check_absolute(text)
    except UriError as error:
        return f"parse {quoted(text)}: {error}"
    return ""


def reference_fault(text: str) -> str:
    """Return all that Go's `Parse` says of a text that is no reference, else ""."""
    bare = text.partition("#")[0]
    try:
        _parse(bare, absolute=False)
    except UriError as error:
        return f"parse {quoted(bare)}: {error}"
    try:
        _check_escapes(text[len(bare) :])
    except UriError as error:
        return f"parse {quoted(text)}: {error}"
    return ""


def _parse(text: str, *, absolute: bool) -> Uri:
    if any(letter < " " or letter == "\x7f" for letter in text):
        raise UriError("net/url: invalid control character in URL")
    if not text and absolute:
        raise UriError("empty url")
    if text == "*":
        return Uri(path="*")
    if text.startswith(":"):
        raise UriError("missing protocol scheme")
    found = _scheme(text)
    scheme = found[1].lower() if found else ""
    rest, _, query = text[found.end() if found else 0 :].partition("?")
    if not rest.startswith("/"):
        if scheme:
            return Uri(scheme, opaque=rest, query=query)
        if absolute:
            raise UriError("invalid URI for request")
        if ":" in rest.partition("/")[0]:
            raise UriError("first path segment in URL cannot contain colon")
    user = host = ""
    if rest.startswith("//") and (scheme or not (absolute or rest.startswith("///"))):
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        user, host = _authority(authority)
    _check_escapes(rest)
    return Uri(scheme, user=user, host=host, path=rest, query=query)


def _authority(text: str) -> tuple[str, str]:
    user, at, host = text.rpartition("@")
    host = _host(host)
    if at and _odd_in_user(user):
        raise UriError("net/url: invalid userinfo")
    _check_escapes(user)
    return user, host


def _host(text: str) -> str:
    literal = text.startswith("[")
    if literal:
        if "]" not in text:
            raise UriError("missing ']' in host")
        port = text[text.rindex("]") + 1 :]
    else:
        port = text[len(text.partition(":")[0]) :]
    if not _port(port):
        raise UriError(f"invalid port {quoted(port)} after host")
    odd = _bad_host_escape(text)
    if odd:
        raise UriError(f"invalid URL escape {quoted(text[odd.start() : odd.start() + 3])}")
    for letter in text:
        if letter in _NOT_IN_HOSTS:
            raise UriError(f"invalid character {quoted(letter)} in host name")
    host = unquote(text)
    if literal:
        try:
            address = parse_address(host[1 : host.rindex("]")])
        except AddressError as error:
            raise UriError(f"invalid host: {error}") from None
        if isinstance(address, ipaddress.IPv4Address):
            raise UriError("invalid IP-literal")
    return host


def _check_escapes(text: str) -> None:
    found = _bad_escape(text)
    if found:
        raise UriError(f"invalid URL escape {quoted(text[found.start() : found.start() + 3])}")
