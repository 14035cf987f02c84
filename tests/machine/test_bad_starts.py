"""Starts that cannot succeed: exit code 1, one line that says what is wrong, nothing lost."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cluster_scene import Answer, Cluster, clean_environment

pytestmark = [pytest.mark.root, pytest.mark.slow]


def start(cluster: Cluster, *words: str, **environment: str) -> Answer:
    """Run `roost up`, which is expected to fail."""
    argv = words or ("up", "--data-dir", str(cluster.data), "--node-name", cluster.node)
    return cluster.ask(sys.executable, "-m", "roost", *argv, timeout_s=60, **environment)


def refused(answer: Answer, *texts: str) -> None:
    assert answer.code == 1, answer
    lines = answer.err.splitlines()
    assert len(lines) == 1, answer.err
    assert lines[0].startswith("error: ")
    for text in texts:
        assert text in lines[0], lines[0]


def test_without_root(tmp_path: Path):
    """As nobody, who must be able to read the code: the interpreter may be where only root can."""
    argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
            sys.executable, "-m", "roost"]  # fmt: skip
    environment = {**clean_environment(), "HOME": "/nonexistent"}

    def run(*words: str) -> Answer:
        done = subprocess.run([*argv, *words], capture_output=True, text=True, check=False,
                              cwd="/", env=environment, timeout=30)  # fmt: skip
        return Answer(done.returncode, done.stdout, done.stderr)

    if run("version").code != 0:
        # Not as another user then, but without the privilege that counts.
        def run(*words: str) -> Answer:
            code = "import os, sys; os.geteuid = lambda: 65534; from roost.cli.main import main; main()"
            done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True,
                                  text=True, check=False, env=environment, timeout=30)  # fmt: skip
            return Answer(done.returncode, done.stdout, done.stderr)

    folder = tmp_path / "data"
    for command in ("up", "agent", "down"):
        refused(run(command, "--data-dir", str(folder)), "needs root", "sudo") if (
            command != "down"
        ) else refused(run(command, "--data-dir", str(folder)))
    assert not folder.exists()


@pytest.mark.parametrize("missing", ["conmon", "nft", "runc"])
def test_without_a_program(own_cluster: Cluster, missing: str):
    """The machine's programs, but for one, are linked into a folder that hides the real ones."""
    package = {"nft": "nftables"}.get(missing, missing)
    hidden = {missing, "crun"} if missing == "runc" else {missing}
    folder = own_cluster.root / "bin"
    folder.mkdir()
    for place in ("/usr/sbin", "/usr/bin"):
        for program in Path(place).iterdir():
            if program.name not in hidden and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    script = "".join(f"mount --bind {own_cluster.root}/empty /usr/sbin/{name} 2>/dev/null; "
                     f"mount --bind {own_cluster.root}/empty /usr/bin/{name} 2>/dev/null; "
                     for name in hidden)  # fmt: skip
    (own_cluster.root / "empty").write_text("")  # not executable, so not found
    argv = ["unshare", "-m", "sh", "-c", f'{script} exec "$@"', "-", sys.executable, "-m", "roost",
            "up", "--data-dir", str(own_cluster.data)]  # fmt: skip
    answer = own_cluster.ask(*argv, timeout_s=60)
    refused(answer, f"apt-get install {package}")
    assert not own_cluster.data.exists()
    shutil.rmtree(folder)


def test_with_a_port_in_use(own_cluster: Cluster):
    def listen() -> socket.socket:
        return socket.create_server(("0.0.0.0", 6443))

    with own_cluster.inside(listen):
        refused(start(own_cluster), "0.0.0.0:6443", "in use", "--port")
    own_cluster.up()
    assert own_cluster.ask_roost("get", "nodes").code == 0


def test_with_damaged_data_and_with_it_repaired(own_cluster: Cluster):
    cluster = own_cluster
    cluster.up()
    cluster.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    twice = start(cluster)
    refused(twice, "already up", str(cluster.data), "pid")
    refused(start(cluster, "server", "--data-dir", str(cluster.data), "--port", "0"))
    cluster.stop()

    for name, text in (
        ("server/pki/ca.crt", b"-----BEGIN CERTIFICATE-----\nrubbish\n"),
        ("server/pki/ca.key", b""),
        ("server/pki/service-account.key", b"rubbish"),
        ("server/roost.db", b"this is no database, " * 400),
    ):
        path = cluster.data / name
        kept = path.read_bytes()
        for more in ("-wal", "-shm"):
            assert not path.with_name(path.name + more).exists() or name.endswith(".db")
        path.write_bytes(text)
        refused(start(cluster), path.name)
        assert path.read_bytes() == text, "what is damaged must stay for whoever can repair it"
        path.write_bytes(kept)
    path = cluster.data / "server/tokens.json"
    path.write_bytes(b"{not json")
    refused(start(cluster), "tokens.json")
    path.unlink()

    cluster.up()
    assert cluster.kubectl("get", "configmap", "kept", "-o", "jsonpath={.data.a}") == "b"


def test_with_settings_that_are_unknown_or_wrong(own_cluster: Cluster):
    cluster = own_cluster
    file = cluster.root / "config.yaml"
    base = ("up", "--data-dir", str(cluster.data))
    file.write_text("colour: blue\n")
    refused(start(cluster, *base, "--config", str(file)), str(file), "'colour'")
    refused(start(cluster, *base, ROOST_CONFIG=str(file)), str(file), "'colour'")
    file.write_text("port: [1\n")
    refused(start(cluster, *base, "--config", str(file)), str(file), "not valid YAML")
    file.write_text("port: true\n")
    refused(start(cluster, *base, "--config", str(file)), "port", str(file))
    file.write_text("- port\n")
    refused(start(cluster, *base, "--config", str(file)), "map of settings")
    refused(start(cluster, *base, "--config", "/nowhere/x.yaml"), "/nowhere/x.yaml")
    refused(start(cluster, *base, ROOST_COLOUR="blue"), "ROOST_COLOUR")
    refused(start(cluster, *base, ROOST_PORT="many"), "port", "'many'")
    refused(start(cluster, *base, "--port", "70000"), "port", "65535")
    refused(start(cluster, *base, "--runtime", "docker"), "runtime")
    refused(start(cluster, *base, "--log-level", "loud"), "log_level")
    refused(start(cluster, *base, "--pod-cidr", "nonsense"), "nonsense")
    refused(start(cluster, *base, "--node-ip", "nonsense"), "nonsense")
    refused(start(cluster, *base, "--node-name", "Not A Name"), "Not A Name")
    refused(start(cluster, *base, "--bind-address", "nonsense"), "nonsense")
    refused(start(cluster, *base, "--pod-cidr", "fd00::/64"), "fd00::/64")
    refused(start(cluster, *base, "--controllers", "nobody"), "nobody")
    (cluster.root / "file").write_text("")
    refused(
        start(cluster, "up", "--data-dir", str(cluster.root / "file")), str(cluster.root / "file")
    )
