"""Secrets in the database of a running server: sealed, through a new key, a restart and a lost key."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from bare_server import BareServer
from cluster_scene import clean_environment
from wire import Caller, administrator

pytestmark = pytest.mark.slow
PATH = "/api/v1/namespaces/default/secrets"
WORD = base64.b64encode(b"a very secret word").decode()


def make(admin: Caller, name: str) -> None:
    admin.made(PATH, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
                      "data": {"word": WORD}})  # fmt: skip


def words(admin: Caller) -> dict[str, str]:
    return {one["metadata"]["name"]: one["data"]["word"] for one in admin.get(PATH).body["items"]}


def restarted(server: BareServer) -> Caller:
    (server.root / "server.log").unlink()
    server.start()
    return administrator(server.url, server.data)


def on_disk(server: BareServer, text: str) -> bool:
    files = (server.data / "server").glob("roost.db*")
    return any(text.encode() in path.read_bytes() for path in files)


def test_they_are_sealed_and_their_key_can_be_changed(tmp_path: Path):
    server = BareServer(tmp_path)
    server.start()
    try:
        admin = administrator(server.url, server.data)
        make(admin, "one")
        keys = server.data / "server" / "secrets.keys"
        assert keys.stat().st_mode & 0o777 == 0o600
        assert not on_disk(server, WORD)
        command = [sys.executable, "-m", "roost", "secrets", "rotate"]
        said = subprocess.run(
            [*command, "--data-dir", str(server.data)],
            capture_output=True, text=True, check=True, env=clean_environment(),
        ).stdout  # fmt: skip
        make(admin, "two")
        assert words(admin) == {"one": WORD, "two": WORD}
        new, old = [line.split()[0] for line in keys.read_text().splitlines() if line[0] != "#"]
        assert f"by the key {new} from now on" in said
        assert on_disk(server, f"roost:sealed:1:{new}")

        server.stop()
        admin = restarted(server)
        assert words(admin) == {"one": WORD, "two": WORD}
        assert not on_disk(server, f"roost:sealed:1:{old}")
        server.stop()

        kept = keys.read_bytes()
        keys.unlink()
        with pytest.raises(AssertionError, match=r"which is not in .*secrets.keys: put that file"):
            restarted(server)
        log = (server.root / "server.log").read_text()
        assert "Traceback" not in log
        keys.write_bytes(kept)
        assert words(restarted(server)) == {"one": WORD, "two": WORD}
    finally:
        server.stop()
