"""Why a server cannot be reached, in a few words that help whoever reads them."""

from __future__ import annotations

import ssl

import aiohttp

from roost.api.errors import ServiceUnavailable


class Unreachable(ServiceUnavailable):
    """No answer came at all: it is not the server that refuses."""


def why(error: Exception) -> str:
    """Return what kept a request from being answered."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "there is no host of this name"
    cause = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not to be trusted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"no TLS connection: {getattr(cause, 'reason', None) or cause}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "there is no host of this name"
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    if isinstance(cause, aiohttp.ServerDisconnectedError):
        return "it hung up before it answered"
    if isinstance(cause, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return "this is no http or https URL"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(error) or type(error).__name__
