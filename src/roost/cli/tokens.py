"""`roost token`: bearer tokens, kept as hashes in the data directory; a server
knows a new token at once, and forgets a deleted one within ten seconds."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime

from roost.adapters.real.files import DiskFiles
from roost.apiserver.static_tokens import StaticTokens, TokenFileError
from roost.cli import output
from roost.cli.places import Places


def _tokens(places: Places) -> StaticTokens:
    if not places.root.exists():
        output.fail(f"there is no server in {places.root}; name its place with --data-dir")
    tokens = StaticTokens(DiskFiles(), str(places.tokens))
    try:
        tokens.entries()
    except TokenFileError as error:
        output.fail(str(error))
    except OSError as error:
        output.fail(f"{places.tokens}: {error.strerror}")
    return tokens


def create(places: Places, user: str, groups: list[str], hours: float) -> None:
    """Print a new token for a user."""
    if not user or not all(groups):
        output.fail("--user and --group must say a name")
    if not 0 <= hours < math.inf:
        output.fail("--hours must be 0 (for ever) or more")
    life_s = hours * 3600 if hours else None
    output.say(_tokens(places).create(user, groups, now=time.time(), life_s=life_s))


def show(places: Places, form: str) -> None:
    """Print what is known of all tokens."""
    entries = _tokens(places).entries()
    facts = [
        {"id": e.id, "user": e.user, "groups": list(e.groups), "expires": _when(e.expires)}
        for e in entries
    ]
    if form in ("json", "yaml"):
        output.say(output.as_format(facts, form))
        return
    rows = [(f["id"], f["user"], ",".join(f["groups"]), f["expires"]) for f in facts]
    for line in output.table_lines(("Id", "User", "Groups", "Expires"), rows):
        output.say(line)


def _when(expires: float | None) -> str:
    if expires is None:
        return "never"
    return datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def delete(places: Places, token_id: str) -> None:
    """Remove a token by its id."""
    if not _tokens(places).remove(token_id):
        output.fail(f"there is no token with the id {token_id}; see `roost token list`")
    output.say(f"token {token_id} deleted")
