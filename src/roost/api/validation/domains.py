"""Rules for names that begin with a domain."""

from __future__ import annotations

import re

from roost.api import names
from roost.api.validation.causes import Causes

_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_is_path = re.compile(_PATH).fullmatch


def domain_prefixed_path(text: str, path: str, causes: Causes) -> None:
    """Check a name such as acme.io/foo."""
    if not text:
        causes.required(path)
        return
    host, slash, rest = text.partition("/")
    if not slash or not host or not rest:
        causes.invalid(path, text, 'must be a domain-prefixed path (such as "acme.io/foo")')
        return
    causes.faults(path, host, names.check_subdomain(host))
    if not _is_path(rest):
        causes.invalid(path, rest, names.breaks_pattern("Invalid path", _PATH))


def fully_qualified(text: str, path: str, causes: Causes) -> None:
    """Check a domain of three parts or more."""
    if not text:
        causes.required(path)
        return
    faults = names.check_subdomain(text)
    if faults:
        causes.invalid(path, text, ",".join(faults))
    elif len(text.split(".")) < 3:
        rule = "should be a domain with at least three segments separated by dots"
        causes.invalid(path, text, rule)
