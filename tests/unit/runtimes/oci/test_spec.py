"""The OCI runtime document."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from roost.runtimes.images.config import ImageConfig
from roost.runtimes.oci.seccomp import default_profile
from roost.runtimes.oci.spec import (
    ALL_CAPABILITIES,
    DEFAULT_CAPABILITIES,
    Device,
    Surroundings,
    command_line,
    environment,
    granted,
    runtime_spec,
)
from roost.runtimes.oci.users import Identity
from roost.runtimes.port import ContainerSpec, Limits, Mount, RuntimeFault, SandboxSpec, Security

_SANDBOX = SandboxSpec("s", "p", "ns", "u", "h", "/logs", network_namespace="/run/netns/x")
_SPEC = ContainerSpec("c", "s", "main", 0, "image")
_IMAGE = ImageConfig(entrypoint=("/entry",), command=("cmd",), env=(("PATH", "/bin"), ("A", "1")))
_AROUND = Surroundings(
    "/root", "/roost/s/c", "/shm", "hybrid", "amd64", uts="/ns/uts", ipc="/ns/ipc"
)


def document(
    spec: ContainerSpec = _SPEC,
    sandbox: SandboxSpec = _SANDBOX,
    around: Surroundings = _AROUND,
    image: ImageConfig = _IMAGE,
) -> dict[str, Any]:
    return runtime_spec(spec, sandbox, image, Identity(5, 6, (7,)), around)


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        ((), (), ["/entry", "cmd"]),
        ((), ("x",), ["/entry", "x"]),
        (("own",), (), ["own"]),
        (("own",), ("x",), ["own", "x"]),
    ],
)
def test_command_and_args(
    command: tuple[str, ...], args: tuple[str, ...], expected: list[str]
) -> None:
    assert command_line(replace(_SPEC, command=command, args=args), _IMAGE) == expected


def test_nothing_to_run() -> None:
    with pytest.raises(RuntimeFault, match="no command specified"):
        command_line(_SPEC, ImageConfig())


def test_environment() -> None:
    spec = replace(_SPEC, env=(("A", "2"), ("B", "3")), tty=True)
    assert environment(spec, _IMAGE) == ["PATH=/bin", "TERM=xterm", "A=2", "B=3"]
    assert environment(_SPEC, ImageConfig())[0].startswith("PATH=/usr/local/sbin:")


@pytest.mark.parametrize(
    ("security", "expected"),
    [
        (Security(), set(DEFAULT_CAPABILITIES)),
        (Security(privileged=True), set(ALL_CAPABILITIES)),
        (Security(drop_capabilities=("ALL",)), set()),
        (Security(drop_capabilities=("all",), add_capabilities=("CAP_CHOWN",)), {"CAP_CHOWN"}),
        (
            Security(add_capabilities=("ALL",), drop_capabilities=("SYS_ADMIN",)),
            set(ALL_CAPABILITIES) - {"CAP_SYS_ADMIN"},
        ),
        (Security(add_capabilities=("net_admin",)), {*DEFAULT_CAPABILITIES, "CAP_NET_ADMIN"}),
        (Security(drop_capabilities=("NET_RAW",)), set(DEFAULT_CAPABILITIES) - {"CAP_NET_RAW"}),
    ],
)
def test_capabilities(security: Security, expected: set[str]) -> None:
    assert set(granted(security, ALL_CAPABILITIES)) == expected


def test_capabilities_that_cannot_be_given_are_refused_by_name() -> None:
    with pytest.raises(RuntimeFault, match='capability "CAP_NONSENSE" is unknown'):
        granted(Security(add_capabilities=("NONSENSE",)), ALL_CAPABILITIES)
    with pytest.raises(RuntimeFault, match='"CAP_BPF" is not available on this node'):
        granted(Security(add_capabilities=("BPF",)), ALL_CAPABILITIES[:20])


def test_the_process() -> None:
    spec = replace(
        _SPEC,
        working_dir="/w",
        security=Security(no_new_privileges=True),
        limits=Limits(oom_score_adj=-997),
    )
    process = document(spec)["process"]
    assert process["user"] == {"uid": 5, "gid": 6, "umask": 0o022, "additionalGids": [7]}
    assert (process["cwd"], process["noNewPrivileges"], process["terminal"]) == ("/w", True, False)
    assert process["oomScoreAdj"] == -997
    assert "inheritable" not in process["capabilities"]
    assert "ambient" not in process["capabilities"]
    assert (
        document(spec, around=replace(_AROUND, lowest_oom_score=0))["process"]["oomScoreAdj"] == 0
    )


def test_namespaces() -> None:
    def found(sandbox: SandboxSpec, around: Surroundings) -> dict[str, str]:
        return {
            item["type"]: item.get("path", "new")
            for item in document(sandbox=sandbox, around=around)["linux"]["namespaces"]
        }

    assert found(_SANDBOX, _AROUND) == {
        "mount": "new",
        "uts": "/ns/uts",
        "ipc": "/ns/ipc",
        "network": "/run/netns/x",
        "pid": "new",
    }
    host = replace(_SANDBOX, host_network=True, host_pid=True, network_namespace="")
    assert found(host, replace(_AROUND, uts="", ipc="")) == {"mount": "new"}
    shared = found(_SANDBOX, replace(_AROUND, pid="/ns/pid", cgroup_mode="v2"))
    assert (shared["pid"], shared["cgroup"]) == ("/ns/pid", "new")
    assert found(replace(_SANDBOX, network_namespace=""), _AROUND)["network"] == "new"


def test_mounts_of_the_spec_replace_defaults_and_come_parents_first() -> None:
    mounts = (
        Mount("/h/deep", "/a/b/c", read_only=True),
        Mount("/h/a", "/a", propagation="rslave"),
        Mount("", "/cache", tmpfs_size_bytes=4096),
        Mount("/h/shm", "/dev/shm"),
    )
    found = document(replace(_SPEC, mounts=mounts))
    targets = [mount["destination"] for mount in found["mounts"]]
    assert targets[:2] == ["/proc", "/dev"]
    assert targets[-4:] == ["/a", "/cache", "/dev/shm", "/a/b/c"]
    assert targets.count("/dev/shm") == 1
    by_target = {mount["destination"]: mount for mount in found["mounts"]}
    assert by_target["/a/b/c"]["options"] == ["rbind", "rprivate", "ro"]
    assert "size=4096" in by_target["/cache"]["options"]
    assert "ro" in by_target["/sys"]["options"]
    assert found["linux"]["rootfsPropagation"] == "rslave"


def test_resources() -> None:
    limits = Limits(cpu_millis=500, cpu_request_millis=250, memory_bytes=1 << 20, pids=10)
    found = document(replace(_SPEC, limits=limits))["linux"]["resources"]
    assert found["cpu"] == {"shares": 256, "quota": 50_000, "period": 100_000}
    assert found["memory"] == {"limit": 1 << 20}
    assert found["pids"] == {"limit": 10}
    assert found["devices"] == [{"allow": False, "access": "rwm"}]
    v2 = document(replace(_SPEC, limits=limits), around=replace(_AROUND, cgroup_mode="v2"))
    assert v2["linux"]["resources"]["unified"] == {"memory.oom.group": "1"}
    assert v2["linux"]["resources"]["memory"]["swap"] == 1 << 20
    none = document()["linux"]["resources"]
    assert none["cpu"] == {"shares": 2}
    assert "memory" not in none
    assert "pids" not in none


def test_privilege_takes_every_fence_away() -> None:
    device = Device("/dev/x", "c", 1, 2, 0o600, 0, 0)
    around = replace(_AROUND, devices=(device,))
    fenced = document(around=around)["linux"]
    assert "/proc/kcore" in fenced["maskedPaths"]
    assert "/proc/sys" in fenced["readonlyPaths"]
    assert "devices" not in fenced
    spec = replace(_SPEC, security=Security(privileged=True, seccomp="Unconfined"))
    free = document(spec, around=around)
    assert not {"maskedPaths", "readonlyPaths", "seccomp"} & free["linux"].keys()
    assert free["linux"]["devices"][0]["path"] == "/dev/x"
    assert free["linux"]["resources"]["devices"] == [{"allow": True, "access": "rwm"}]


def test_seccomp() -> None:
    secure = replace(_SPEC, security=Security(seccomp="RuntimeDefault"))
    profile = document(secure)["linux"]["seccomp"]
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = {name for rule in profile["syscalls"] if "args" not in rule for name in rule["names"]}
    assert {"read", "execve", "openat", "futex", "clone3"} <= allowed
    assert (
        not {"mount", "unshare", "setns", "bpf", "reboot", "init_module", "keyctl", "userfaultfd"}
        & allowed
    )
    [clone3] = [rule for rule in profile["syscalls"] if rule["names"] == ["clone3"]]
    assert (clone3["action"], clone3["errnoRet"]) == ("SCMP_ACT_ERRNO", 38)
    opened = default_profile("arm64", ["CAP_SYS_ADMIN"])
    assert opened is not None
    assert any("mount" in rule["names"] for rule in opened["syscalls"])
    assert not any(rule.get("errnoRet") for rule in opened["syscalls"])
    assert "seccomp" not in document()["linux"]
    with pytest.raises(RuntimeFault, match=r"seccompProfile: Localhost profiles are not supported"):
        document(replace(_SPEC, security=Security(seccomp="Localhost")))
    with pytest.raises(RuntimeFault, match="no RuntimeDefault profile for z80"):
        document(secure, around=replace(_AROUND, architecture="z80"))
