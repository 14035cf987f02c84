"""A whole cluster in a network namespace of its own, as a user starts it, and ways to use it.

cluster.up()                      `roost up`
cluster.kubectl("get", "pods")    text on success; `ask` for the code and both outputs
cluster.inside(function)          a function of this process, its sockets in the namespace
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from images import Entry, TestImage, folder, link

T = TypeVar("T")
_CLONE_NEWNET = 0x40000000
_DEBIAN_PROGRAMS = (
    "bash tar cat ls sleep id mkdir cp rm stty head tail date touch echo env seq curl getent"
)


#: However little the machine has left of its disk, tests want their pods.
_KEEP_PODS = ("--eviction-hard", "")


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str


class Namespace:
    """A network namespace. Mounts and processes stay those of the machine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = f"/run/netns/{name}"

    @classmethod
    def make(cls) -> Namespace:
        namespace = cls(f"roost-test-{uuid.uuid4().hex[:8]}")
        subprocess.run(["ip", "netns", "add", namespace.name], check=True)
        namespace.run("ip", "link", "set", "lo", "up")
        return namespace

    def remove(self) -> None:
        subprocess.run(["ip", "netns", "del", self.name], check=True)

    def command(self, *argv: str) -> list[str]:
        return ["nsenter", f"--net={self.path}", "--", *argv]

    def run(self, *argv: str, timeout_s: float = 20) -> str:
        done = subprocess.run(
            self.command(*argv), capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert done.returncode == 0, f"{argv}: {done.stderr or done.stdout}"
        return done.stdout

    def enter(self) -> None:
        """Let the sockets that this thread makes be those of the namespace."""
        with open(self.path) as handle:
            failed = ctypes.CDLL(None).setns(handle.fileno(), _CLONE_NEWNET)
        assert not failed, f"cannot enter {self.path}"

    def inside(self, work: Callable[[], T]) -> T:
        """Run a function in a thread whose sockets are those of the namespace."""
        result: list[T] = []
        failure: list[BaseException] = []

        def enter() -> None:
            try:
                self.enter()
                result.append(work())
            except BaseException as error:  # noqa: BLE001 - given on to the caller's thread
                failure.append(error)

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        if failure:
            raise failure[0]
        return result[0]

    def processes(self) -> list[int]:
        """Return the processes that are in the namespace."""
        argv = ["ip", "netns", "pids", self.name]
        said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
        return [int(pid) for pid in said.split()]


def eventually(
    condition: Callable[[], T], within_s: float = 30.0, what: Callable[[], object] | str = ""
) -> T:
    """Return the first true answer of `condition`; fail with `what` when there is none in time."""
    deadline = time.monotonic() + within_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {within_s:g} s: {what() if callable(what) else what}")
        time.sleep(0.1)


def free_port(namespace: Namespace) -> int:
    def take() -> int:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port: int = listener.getsockname()[1]
            return port

    return namespace.inside(take)


class Cluster:
    """`roost up` in a namespace, with its data in `root`."""

    def __init__(self, namespace: Namespace, root: Path, node: str = "n1") -> None:
        self.namespace = namespace
        self.root = root
        self.data = root / "data"
        self.node = node
        self.process: subprocess.Popen[str] | None = None
        self.registry = ""

    @property
    def kubeconfig(self) -> str:
        return str(self.data / "admin.kubeconfig")

    @property
    def environment(self) -> dict[str, str]:
        """What commands see; kubectl keeps its cache of discovery with the cluster that it is of."""
        return {**clean_environment(), "KUBECACHEDIR": str(self.root / "kubectl")}

    # ------------------------------------------------------------ the cluster itself

    def up(self, *flags: str) -> None:
        """Start `roost up` and return when it says that it is up."""
        log = (self.root / "up.log").open("a")
        begun = (self.root / "up.log").stat().st_size
        self.process = subprocess.Popen(
            self.namespace.command(
                sys.executable, "-m", "roost", "up", "--data-dir", str(self.data),
                "--node-name", self.node, *_KEEP_PODS, *flags,
            ),
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, text=True, cwd=self.root,
            env=clean_environment(),
        )  # fmt: skip

        def said() -> str:
            return (self.root / "up.log").read_bytes()[begun:].decode()

        eventually(lambda: "Roost is up" in said() or self.process.poll() is not None, 60, said)
        assert "Roost is up" in said(), said()

    def stop(self) -> None:
        """Do what Ctrl-C does: pods go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(20) == 0

    def down(self) -> None:
        """Stop everything and forget it."""
        if self.data.exists():
            self.roost("down", "--delete-data", "--yes", timeout_s=60)
        if self.process is not None:
            self.process.wait(20)
        for pid in self.namespace.processes():  # a registry that a test left, for example
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def component(self, name: str) -> int:
        """Return the pid of the `server` or the `agent`; 0 if it does not run."""
        assert self.process is not None
        for folder_ in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (folder_ / "cmdline").read_bytes().split(b"\0")
                if (
                    b"roost.cli.service" in words
                    and name.encode() in words
                    and str(self.data).encode() in words[-2]
                ):
                    return int(folder_.name)
        return 0

    # ------------------------------------------------------------ commands

    def ask(
        self, *argv: str, given: str | None = None, timeout_s: float = 60, **environment: str
    ) -> Answer:
        """Run a command in the namespace."""
        done = subprocess.run(
            self.namespace.command(*argv),
            input=given, capture_output=True, text=True, timeout=timeout_s, check=False,
            cwd=self.root, env={**self.environment, **environment},
        )  # fmt: skip
        return Answer(done.returncode, done.stdout, done.stderr)

    def ask_kubectl(self, *argv: str, **more: Any) -> Answer:
        return self.ask("kubectl", "--kubeconfig", self.kubeconfig, *argv, **more)

    def kubectl(self, *argv: str, **more: Any) -> str:
        answer = self.ask_kubectl(*argv, **more)
        assert answer.code == 0, f"kubectl {' '.join(argv)}: {answer.err}{answer.out}"
        return answer.out

    def start_kubectl(self, *argv: str, **more: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.namespace.command("kubectl", "--kubeconfig", self.kubeconfig, *argv),
            text=True, cwd=self.root, env=self.environment, **more,
        )  # fmt: skip

    def ask_roost(self, *argv: str, **more: Any) -> Answer:
        return self.ask(sys.executable, "-m", "roost", *with_data(argv, self.data), **more)

    def roost(self, *argv: str, **more: Any) -> str:
        answer = self.ask_roost(*argv, **more)
        assert answer.code == 0, f"roost {' '.join(argv)}: {answer.err}{answer.out}"
        return answer.out

    def inside(self, work: Callable[[], T]) -> T:
        return self.namespace.inside(work)

    def space(self, name: str) -> Space:
        return Space(self, name)


def with_data(argv: Sequence[str], data: Path) -> list[str]:
    """Return a command of `roost` that works on a data directory."""
    words = list(argv)
    if words and words[0] == "version":
        return words
    at = words.index("--") if "--" in words else len(words)
    return [*words[:at], "--data-dir", str(data), *words[at:]]


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what would point a command elsewhere."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ROOST_") and name not in ("KUBECONFIG", "COLUMNS")
    }


@dataclass
class Space:
    """A namespace of the cluster: what one test uses, removed after it."""

    cluster: Cluster
    name: str

    @property
    def registry(self) -> str:
        return self.cluster.registry

    def kubectl(self, *argv: str, **more: Any) -> str:
        return self.cluster.kubectl("-n", self.name, *argv, **more)

    def ask(self, *argv: str, **more: Any) -> Answer:
        return self.cluster.ask_kubectl("-n", self.name, *argv, **more)

    def start(self, *argv: str, **more: Any) -> subprocess.Popen[str]:
        return self.cluster.start_kubectl("-n", self.name, *argv, **more)

    def apply(self, *objects: Any) -> None:
        """Apply manifests: texts of YAML, or objects."""
        for item in objects:
            text = item if isinstance(item, str) else json.dumps(item)
            self.kubectl("apply", "-f", "-", given=text)

    def get(self, kind: str, name: str) -> dict[str, Any]:
        answer = self.ask("get", kind, name, "-o", "json")
        found: dict[str, Any] = json.loads(answer.out) if answer.code == 0 else {}
        return found

    def list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        words = ["-l", selector] if selector else []
        items: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "-o", "json", *words))[
            "items"
        ]
        return items

    def events(self, name: str) -> set[str]:
        """Return the reasons of the events about an object."""
        chosen = f"involvedObject.name={name}"
        return set(
            self.kubectl(
                "get", "events", "--field-selector", chosen, "-o", "jsonpath={.items[*].reason}"
            ).split()
        )

    def status(self, pod: str, container: int = 0) -> dict[str, Any]:
        """Return a container's status."""
        statuses = self.get("pod", pod).get("status", {}).get("containerStatuses") or []
        return statuses[container] if len(statuses) > container else {}

    def ready(self, *pods: str, within_s: float = 40) -> None:
        """Wait until pods are ready; say why they are not."""
        names = [f"pod/{name}" for name in pods] or ["pod", "--all"]
        answer = self.ask("wait", "--for=condition=Ready", *names, f"--timeout={within_s:g}s")
        if answer.code != 0:
            raise AssertionError(answer.err + self.kubectl("describe", *names[:1]))

    def pod(self, name: str, script: str = "sleep 1000000", **more: Any) -> dict[str, Any]:
        """Return a pod that runs a script of busybox's shell."""
        return shell_pod(name, f"{self.registry}/busybox:1", script, **more)

    def run(self, name: str, script: str = "sleep 1000000", **more: Any) -> None:
        """Apply such a pod and wait until it is ready."""
        self.apply(self.pod(name, script, **more))
        self.ready(name)

    def client(self, name: str = "client") -> str:
        """Start a pod that has curl, getent, tar and bash; returns its name."""
        image = {"image": f"{self.registry}/debian:1"}
        self.run(name, container=image, terminationGracePeriodSeconds=1)
        return name

    def fetch(self, client: str, url: str, *options: str) -> str:
        """Fetch a URL in such a pod."""
        return self.exec(client, "curl", "-sS", "-f", "-m", "5", *options, url)

    def exec(self, pod: str, *argv: str, **more: Any) -> str:
        return self.kubectl("exec", pod, "--", *argv, **more)


def shell_pod(
    name: str, image: str, script: str, *, container: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    """Return a pod with one container that runs a script; `container` and `spec` go into those."""
    labels = spec.pop("labels", {"app": name})
    main = {
        "name": "main",
        "image": image,
        "command": ["sh", "-c", f"trap 'exit 0' TERM; {script} & wait"]
        if script.startswith("sleep ")
        else ["sh", "-c", script],
        **(container or {}),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [main], **spec},
    }


# ---------------------------------------------------------------- images


def debian_image() -> TestImage:
    """Return an image of bash, tar, curl and coreutils with their libraries, from this machine's own.

    (Debian's static busybox looks up no names: its C library crashes when it does.)
    """
    files: dict[str, Entry | bytes | str] = {
        "etc/": folder(),
        "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
        "etc/group": "root:x:0:\n",
        "root/": folder(0o700),
        "tmp/": folder(0o1777),
        "usr/": folder(),
        "usr/bin/": folder(),
        "bin": link("usr/bin"),
        "usr/bin/sh": link("bash"),
    }
    for name in _DEBIAN_PROGRAMS.split():
        program = shutil.which(name, path="/usr/bin:/bin")
        assert program is not None, f"{name} is not installed"
        files[f"usr/bin/{name}"] = Entry(Path(program).read_bytes(), 0o755)
        said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for word in said.split():
            if word.startswith("/"):
                files[word.lstrip("/")] = Entry(Path(word).read_bytes(), 0o755)
    return TestImage([files], {"Cmd": ["bash"], "Env": ["PATH=/usr/bin"]})


@dataclass
class Registry:
    """Debian's docker-registry, without TLS, on the namespace's loopback."""

    namespace: Namespace
    root: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> str:
        """Start it; returns host:port."""
        self.port = free_port(self.namespace)
        config = self.root / "registry.yml"
        config.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.root / 'registry'}}}}}\n"
            f"http: {{addr: '127.0.0.1:{self.port}'}}\n"
        )
        log = (self.root / "registry.log").open("ab")
        self.process = subprocess.Popen(
            self.namespace.command("docker-registry", "serve", str(config)), stdout=log, stderr=log
        )
        host = f"127.0.0.1:{self.port}"

        def answers() -> bool:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            return False

        eventually(lambda: self.namespace.inside(answers), 10, "the registry does not listen")
        return host

    def push(self, image: TestImage, name: str) -> None:
        archive = self.root / "push.tar"
        image.docker_archive(archive, "image:pushed")
        self.namespace.run(
            "skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false",
            f"docker-archive:{archive}", f"docker://127.0.0.1:{self.port}/{name}",
        )  # fmt: skip
        archive.unlink()

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)


# ---------------------------------------------------------------- nothing is left behind


def traces(roots: Sequence[str], instances: Sequence[str]) -> dict[str, list[str]]:
    """Return what on this machine belongs to clusters that kept their data below `roots`."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    words = [*roots, *(f"/run/roost/{name}" for name in instances)]
    found = {
        "mounts": [line for line in mounts if any(word in line for word in words)],
        "processes": list(_processes_with(roots)),
        "cgroups": [
            str(path)
            for base in ("/sys/fs/cgroup", "/sys/fs/cgroup/*")
            for name in instances
            for path in Path("/").glob(f"{base[1:]}/roost-{name}*")
        ],
        "run": [str(p) for name in instances for p in Path("/run/roost").glob(f"{name}*")],
    }
    return {name: items for name, items in found.items() if items}


def _processes_with(roots: Sequence[str]) -> Iterator[str]:
    own = os.getpid()
    for folder_ in Path("/proc").glob("[0-9]*"):
        if int(folder_.name) == own:
            continue
        with contextlib.suppress(OSError):
            line = (folder_ / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = str((folder_ / "cwd").readlink())
            if any(root in line or where.startswith(root) for root in roots):
                yield f"{folder_.name} {line[:150]}"


def machine_state(repository: Path) -> dict[str, set[str]]:
    """Return what of this machine no test may change."""
    links = json.loads(subprocess.run(["ip", "-j", "link"], capture_output=True, check=True).stdout)
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False)
    return {
        "links": {link_["ifname"] for link_ in links},
        "nft tables": set(tables.stdout.splitlines()),
        "files of the repository": {p.name for p in repository.iterdir()},
        "files of /tmp": {
            p.name for p in Path("/tmp").iterdir() if p.name.startswith("roost-test")
        },
        "network namespaces": {p.name for p in Path("/run/netns").glob("roost-test-*")},
    }
