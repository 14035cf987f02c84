"""The flags of the API server that few need: audit, OpenID Connect, authenticating proxies.

They are the real server's own, by the same names.
"""

from __future__ import annotations

from typing import Annotated, Final

import typer

_PANEL: Final = "Audit and access"

AuditPolicy = Annotated[
    str | None,
    typer.Option(help="File with the audit policy: what is recorded.", rich_help_panel=_PANEL),
]
AuditLog = Annotated[
    str | None,
    typer.Option(help="File for audit events; '-' is the standard output.", rich_help_panel=_PANEL),
]
AuditSize = Annotated[
    int | None,
    typer.Option(
        help="Megabytes before the audit log is put aside [default: 100].", rich_help_panel=_PANEL
    ),
]
AuditBackups = Annotated[
    int | None,
    typer.Option(help="How many old audit logs are kept [default: 10].", rich_help_panel=_PANEL),
]
AuditAge = Annotated[
    int | None,
    typer.Option(
        help="Days after which old audit logs go; 0: never [default: 0].", rich_help_panel=_PANEL
    ),
]
OidcIssuer = Annotated[
    str | None,
    typer.Option(
        help="OpenID Connect issuer whose tokens are believed (https).", rich_help_panel=_PANEL
    ),
]
OidcClient = Annotated[
    str | None,
    typer.Option(help="Audience that tokens of the issuer must be for.", rich_help_panel=_PANEL),
]
OidcUser = Annotated[
    str | None,
    typer.Option(help="Claim that is the username [default: sub].", rich_help_panel=_PANEL),
]
OidcUserPrefix = Annotated[
    str | None,
    typer.Option(
        help="Put before usernames; '-' is nothing [default: issuer#].", rich_help_panel=_PANEL
    ),
]
OidcGroups = Annotated[
    str | None, typer.Option(help="Claim that holds the groups.", rich_help_panel=_PANEL)
]
OidcGroupsPrefix = Annotated[
    str | None, typer.Option(help="Put before groups.", rich_help_panel=_PANEL)
]
OidcRequired = Annotated[
    str | None,
    typer.Option(help="Claims that tokens must have: key=value, by comma.", rich_help_panel=_PANEL),
]
OidcCa = Annotated[
    str | None,
    typer.Option(
        help="Who signed the issuer's certificate [default: public authorities].",
        rich_help_panel=_PANEL,
    ),
]
ProxyCa = Annotated[
    str | None,
    typer.Option(help="Who signs proxies that say in headers who asks.", rich_help_panel=_PANEL),
]
ProxyNames = Annotated[
    str | None, typer.Option(help="Common names of such proxies, by comma.", rich_help_panel=_PANEL)
]
ProxyUser = Annotated[
    str | None, typer.Option(help="Headers with the username, by comma.", rich_help_panel=_PANEL)
]
ProxyUid = Annotated[
    str | None, typer.Option(help="Headers with the UID, by comma.", rich_help_panel=_PANEL)
]
ProxyGroup = Annotated[
    str | None, typer.Option(help="Headers with groups, by comma.", rich_help_panel=_PANEL)
]
ProxyExtra = Annotated[
    str | None,
    typer.Option(help="Prefixes of headers with more, by comma.", rich_help_panel=_PANEL),
]
