"""Which media type, and which form of an object, a client gets.

Two filters of the real server follow each other: the router compares bare media types with what a
route produces, then the serialiser looks at parameters (`as=Table;v=v1;g=meta.k8s.io`). Answers are
remembered per header text, as clients send the same few for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from roost.api.errors import NotAcceptable
from roost.api.kind import Kind
from roost.apiserver import failures
from roost.apiserver.messages import JSON, YAML

PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
BUILTIN_TYPES: Final = (JSON, YAML, PROTOBUF)
CUSTOM_TYPES: Final = (JSON, YAML)
_WATCHABLE_TYPES: Final = (*BUILTIN_TYPES, f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")
_FORMS: Final = frozenset({"Table", "PartialObjectMetadata", "PartialObjectMetadataList"})


class Form(NamedTuple):
    """What to answer with: `transform` is "", Table or PartialObjectMetadata(List)."""

    media: str = JSON
    transform: str = ""
    version: str = "v1"


PLAIN: Final = Form()


class _Clause(NamedTuple):
    media: str
    params: tuple[tuple[str, str], ...]


def _clauses(accept: str) -> list[_Clause]:
    """Parse an Accept header; the most wanted come first."""
    found: list[tuple[float, _Clause]] = []
    for part in accept.split(","):
        media, *params = (piece.strip() for piece in part.split(";"))
        if not media:
            continue
        quality, kept = 1.0, []
        for param in params:
            key, _, value = param.partition("=")
            if key.strip() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 1.0
            else:
                kept.append((key.strip(), value.strip().strip('"')))
        found.append((quality, _Clause(media.lower(), tuple(kept))))
    found.sort(key=lambda entry: -entry[0])
    return [clause for _, clause in found]


def _matches(media: str, offered: str) -> bool:
    if media in {"*/*", offered}:
        return True
    return media.endswith("/*") and offered.startswith(media[:-1])


def _form_of(clause: _Clause, offered: str, shape: str) -> Form | None:
    params = dict(clause.params)
    transform = params.get("as", "")
    if not transform:
        return Form(offered)
    if shape == "discovery" or (transform == "Table" and offered == PROTOBUF):
        return None
    if transform not in _FORMS or params.get("g", "") != "meta.k8s.io":
        return None
    if params.get("v", "") not in {"v1", "v1beta1"}:
        return None
    return Form(offered, transform, params["v"])


@lru_cache(maxsize=512)
def negotiate(accept: str, shape: str = "object", custom: bool = False) -> Form:
    """Return the form that an Accept header asks for.

    `shape` is object, list, watch or discovery, which has one form only. Raises NotAcceptable.
    """
    if not accept:
        return PLAIN
    clauses = _clauses(accept)
    if not custom and not is_produced(accept, BUILTIN_TYPES):
        listed = _WATCHABLE_TYPES if shape in {"list", "watch"} else BUILTIN_TYPES
        raise failures.not_acceptable(listed)
    offered = CUSTOM_TYPES if custom else BUILTIN_TYPES
    for clause in clauses:
        for media in offered:
            if _matches(clause.media, media):
                form = _form_of(clause, media, shape)
                if form is not None:
                    return form
    raise failures.only_accepted(offered)


def plain_media(accept: str) -> str:
    """Return the media type for what has one form only and is sent in any case, as errors are."""
    try:
        return negotiate(accept, "discovery").media
    except NotAcceptable:
        return JSON


def is_produced(accept: str, produced: Sequence[str]) -> bool:
    """Say whether the router lets a request through to what produces these media types."""
    return any(clause.media in {"*/*", *produced} for clause in _clauses(accept or "*/*"))


def most_wanted(accept: str, offered: Sequence[str]) -> str:
    """Return which of `offered` an Accept header wants most, "" for none; anything if it is empty."""
    for clause in _clauses(accept or "*/*"):
        for media in offered:
            if _matches(clause.media, media):
                return media
    return ""


def wants_pretty(query: dict[str, str], user_agent: str) -> bool:
    """Say whether the answer shall be indented: asked for, or read by a person's tool."""
    asked = query.get("pretty")
    if asked is not None:
        return asked.lower() not in {"false", "0"}
    return user_agent.startswith(("curl", "Wget", "Mozilla/5.0"))


def body_type(content_type: str, custom: bool = False) -> str:
    """Return JSON, YAML or PROTOBUF for a Content-Type; raises UnsupportedMediaType."""
    media = content_type.partition(";")[0].strip().lower()
    if media in {"", JSON}:
        return JSON
    if media == YAML:
        return YAML
    if media == PROTOBUF and not custom:
        return PROTOBUF
    raise failures.unknown_format(CUSTOM_TYPES if custom else BUILTIN_TYPES)


#: Groups whose internal types are in a package with another name than the group's first part.
_PACKAGES: Final = {"": "core", "events.k8s.io": "core"}


def check_shape(form: Form, shape: str, kind: Kind, custom: bool = False) -> None:
    """Refuse a list's form for one object, and one object's for a list; raises NotAcceptable."""
    is_list = shape == "list"
    wrong = "PartialObjectMetadata" if is_list else "PartialObjectMetadataList"
    if form.transform != wrong or shape == "watch":
        return
    go_type = f"{_PACKAGES.get(kind.group, kind.group.partition('.')[0])}.{kind.name}"
    if custom:
        go_type = "unstructured.Unstructured"
    found = f"is a list (*{go_type}List)" if is_list else f"is not a list (*{go_type})"
    raise NotAcceptable(f"you requested {wrong}, but the requested object {found}")
