"""Acting as somebody else: what the headers ask for, and who may.

Kubernetes tries modes in order and the first that allows wins; if none does, the first refusal is the
answer. A constrained mode needs two permissions: `impersonate-on:MODE:VERB` on what is requested, and
`impersonate:MODE` on each part of the identity. The legacy mode needs `impersonate` on each part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import unquote

from roost.api.errors import BadRequest, Forbidden
from roost.apiserver.access.identity import (
    ANONYMOUS_NAME,
    AUTHENTICATED,
    MASTERS,
    NODE_NAME,
    NODES,
    UNAUTHENTICATED,
    service_account_groups,
    split_node,
    split_service_account,
    with_group,
)
from roost.apiserver.access.refusals import forbidden, quote
from roost.apiserver.attributes import Attributes, Decision, User

Authorize: TypeAlias = Callable[[Attributes], Decision]

_AUTHENTICATION = "authentication.k8s.io"
_PREFIX = "impersonate-"
_EXTRA = "impersonate-extra-"


def wanted_user(headers: Iterable[tuple[str, str]]) -> User | None:
    """Return the user that Impersonate-* headers ask for, None without them.

    Raises BadRequest if there is a part of an identity without a user name.
    """
    given = [(key.lower(), value) for key, value in headers if key[:12].lower() == _PREFIX]
    if not given:
        return None
    name, uid = "", ""
    groups: list[str] = []
    extra: dict[str, tuple[str, ...]] = {}
    for key, value in given:
        if key == "impersonate-user":
            name = name or value
        elif key == "impersonate-uid":
            uid = uid or value
        elif key == "impersonate-group":
            groups.append(value)
        elif key.startswith(_EXTRA):
            field = unquote(key[len(_EXTRA) :])
            extra[field] = (*extra.get(field, ()), value)
    wanted = User(name, tuple(groups), uid, extra)
    if name:
        return wanted
    if not (uid or groups or extra):
        return None
    raise BadRequest(f"requested {_go_text(wanted)} without impersonating a user name")


def impersonated_user(authorize: Authorize, request: Attributes, wanted: User) -> User:
    """Return the user to go on as, with the groups that every such user has.

    `request.user` is who really asks. Raises Forbidden if that user may not act as `wanted`.
    """
    refusal: Forbidden | None = None
    for mode in _MODES:
        if not mode.applies(wanted, request.user):
            continue
        try:
            return _try_mode(authorize, request, wanted, mode)
        except Forbidden as error:
            refusal = refusal or error
    assert refusal is not None, "the legacy mode always applies"
    raise refusal


@dataclass(frozen=True, slots=True)
class _Mode:
    name: str  # "" is the legacy mode
    applies: Callable[[User, User], bool]

    @property
    def verb(self) -> str:
        return f"impersonate:{self.name}" if self.name else "impersonate"


def _only_name(wanted: User) -> bool:
    return not (wanted.uid or wanted.groups or wanted.extra)


def _is_own_node(wanted: User, asker: User) -> bool:
    node = split_node(wanted.name)
    return (
        _only_name(wanted)
        and node is not None
        and split_service_account(asker.name) is not None
        and tuple(asker.extra.get(NODE_NAME, ())) == (node,)
    )


_MODES = (
    _Mode("associated-node", _is_own_node),
    _Mode("arbitrary-node", lambda wanted, _: _only_name(wanted) and bool(split_node(wanted.name))),
    _Mode(
        "serviceaccount",
        lambda wanted, _: _only_name(wanted) and bool(split_service_account(wanted.name)),
    ),
    _Mode(
        "user-info",
        lambda wanted, _: not split_node(wanted.name) and not split_service_account(wanted.name),
    ),
    _Mode("", lambda _wanted, _asker: True),
)


def _try_mode(authorize: Authorize, request: Attributes, wanted: User, mode: _Mode) -> User:
    if mode.name:
        _check(authorize, replace(request, verb=f"impersonate-on:{mode.name}:{request.verb}"))
        _check_sane(request, wanted, mode)
    for part in _parts(request.user, wanted, mode):
        _check(authorize, part)
    groups = wanted.groups
    account = split_service_account(wanted.name)
    if mode.name and split_node(wanted.name):
        groups = (NODES,)
    elif account and not groups:
        groups = service_account_groups(account[0])
    if wanted.name == ANONYMOUS_NAME:
        groups = with_group(groups, UNAUTHENTICATED)
    elif UNAUTHENTICATED not in groups:
        groups = with_group(groups, AUTHENTICATED)
    return replace(wanted, groups=groups)


def _parts(asker: User, wanted: User, mode: _Mode) -> Iterator[Attributes]:
    """Yield what must be allowed: the name, the uid, each group and each extra value."""
    home = _AUTHENTICATION if mode.name else ""
    name = Attributes(asker, mode.verb, home, "v1", "users", name=wanted.name)
    node, account = split_node(wanted.name), split_service_account(wanted.name)
    if mode.name and node:
        shown = "*" if mode.name == "associated-node" else node
        name = replace(name, resource="nodes", name=shown)
    elif account:
        name = replace(name, resource="serviceaccounts", namespace=account[0], name=account[1])
    yield name
    if wanted.uid:
        yield Attributes(asker, mode.verb, _AUTHENTICATION, "v1", "uids", name=wanted.uid)
    for group in wanted.groups:
        yield Attributes(asker, mode.verb, home, "v1", "groups", name=group)
    for key in sorted(wanted.extra):
        for value in wanted.extra[key]:
            yield Attributes(
                asker, mode.verb, _AUTHENTICATION, "v1", "userextras", subresource=key, name=value
            )


def _check_sane(request: Attributes, wanted: User, mode: _Mode) -> None:
    """Refuse what no constrained mode may give, whatever the rules say."""
    groups = Attributes(request.user, mode.verb, _AUTHENTICATION, "v1", "groups")
    if "" in wanted.groups:
        raise forbidden(groups, "impersonating the empty string group is not allowed")
    if MASTERS in wanted.groups:
        raise forbidden(
            replace(groups, name=MASTERS), "impersonating the system:masters group is not allowed"
        )
    extras = replace(groups, resource="userextras")
    for key, values in sorted(wanted.extra.items()):
        if not key:
            raise forbidden(extras, "impersonating the empty string key in extra is not allowed")
        if "" in values:
            raise forbidden(extras, "impersonating the empty string value in extra is not allowed")


def _check(authorize: Authorize, request: Attributes) -> None:
    decision = authorize(request)
    if not decision.allowed:
        raise forbidden(request, decision.reason)


def _go_text(user: User) -> str:
    """Return a user as Go's %#v prints it, which is what the real message shows."""
    extra = "(nil)"
    if user.extra:
        fields = (f"{quote(key)}:{_go_list(user.extra[key])}" for key in sorted(user.extra))
        extra = "{" + ", ".join(fields) + "}"
    return (
        f"&user.DefaultInfo{{Name:{quote(user.name)}, UID:{quote(user.uid)},"
        f" Groups:{_go_list(user.groups)}, Extra:map[string][]string{extra}}}"
    )


def _go_list(texts: tuple[str, ...]) -> str:
    if not texts:
        return "[]string(nil)"
    return "[]string{" + ", ".join(quote(text) for text in texts) + "}"
