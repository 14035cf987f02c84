"""CONNECT: what admission is told before a stream or a proxy is opened."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from roost.api.kind import Kind
from roost.api.numerals import natural
from roost.api.values import Object
from roost.apiserver.attributes import Admission
from roost.apiserver.core import Core, undo_all
from roost.apiserver.messages import Request
from roost.apiserver.options import parse_bool
from roost.apiserver.requestinfo import RequestInfo

_FLAGS: Final = frozenset({"stdin", "stdout", "stderr", "tty"})


async def admit_connection(core: Core, kind: Kind, info: RequestInfo, request: Request) -> None:
    """Ask admission about a connection; raises StatusError if it may not be made."""
    admission = Admission(
        "CONNECT", kind, info.namespace if kind.namespaced else "", info.name, request.user,
        _options(kind, info, request), None, info.subresource, warnings=request.warnings,
    )  # fmt: skip
    try:
        await core.admit(admission)
        await core.validate(admission)
    except BaseException:
        undo_all(admission)
        raise


def _options(kind: Kind, info: RequestInfo, request: Request) -> Object:
    """Return the parameters of a connection as an object (PodExecOptions and so on)."""
    options: Object = {"kind": kind.subresources[info.subresource].kind, "apiVersion": "v1"}
    if info.subresource == "proxy":
        path = f"/{info.rest}" if info.rest else ""
        if request.path.endswith("/") and not path.endswith("/"):
            path += "/"
        return {**options, "path": path} if path else options
    for key, value in parse_qsl(request.query, keep_blank_values=True):
        if info.subresource == "portforward":
            if key == "ports":
                ports = [natural(port) for port in value.split(",")]
                options.setdefault("ports", []).extend(one for one in ports if one is not None)
        elif key in _FLAGS:
            if parse_bool(value):
                options[key] = True
        elif key == "container" and value:
            options[key] = value
        elif key == "command" and info.subresource == "exec":
            options.setdefault(key, []).append(value)
    return options
