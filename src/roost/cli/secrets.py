"""`roost secrets`: the keys that seal Secrets in the server's database."""

from __future__ import annotations

from typing import Final

from roost.adapters.real.files import DiskFiles
from roost.cli import output
from roost.cli.places import Places
from roost.store.port import StoreError
from roost.store.sealing import Keyring

#: What is sealed, by keys of the store.
_PREFIXES: Final = ("/registry/core/secrets/",)


def keyring(places: Places) -> Keyring:
    """Return the keys of a data directory."""
    return Keyring(DiskFiles(), str(places.secret_keys), _PREFIXES)


def rotate(places: Places) -> None:
    """Make a new key, by which everything is sealed from now on."""
    if not places.database.exists():
        output.fail(f"there is no server in {places.root}; name its place with --data-dir")
    try:
        made = keyring(places).rotate()
    except StoreError as error:
        output.fail(str(error))
    except OSError as error:
        output.fail(f"{places.secret_keys}: {error.strerror}")
    output.say(f"new Secrets are sealed by the key {made} from now on")
    output.say("the next start of the server seals the others by it too")
