"""Where the agent keeps things: one place that knows every path under its data folder. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from roost.api.values import Object
from roost.node import podspec


@dataclass(frozen=True, slots=True)
class Layout:
    """`root` is the agent's own folder, `logs` holds the pods' logs, `memory` (a tmpfs, when the
    machine has one) holds secrets and tokens; without one they are files of mode 0600 on disk."""

    root: str
    logs: str
    memory: str

    @classmethod
    def under(cls, data_dir: str, memory: str = "") -> Layout:
        """Return the usual layout in a data folder."""
        return cls(data_dir, f"{data_dir}/logs", memory or f"{data_dir}/secret")

    def pod(self, uid: str) -> str:
        return f"{self.root}/pods/{uid}"

    def pod_memory(self, uid: str) -> str:
        return f"{self.memory}/pods/{uid}"

    def volume(self, uid: str, name: str) -> str:
        """A volume that lies on the disk."""
        return f"{self.pod(uid)}/volumes/{name}"

    def record(self, uid: str) -> str:
        """The pod as last known, with what is remembered of it: read when the agent starts."""
        return f"{self.root}/agent/pods/{uid}.json"

    @property
    def records(self) -> str:
        return f"{self.root}/agent/pods"

    @property
    def volumes(self) -> str:
        """The directories of local-path volumes, each of the volume's name."""
        return f"{self.root}/volumes"

    @property
    def references(self) -> str:
        """ConfigMaps and Secrets as last read, so that restarts work while the server is away."""
        return f"{self.memory}/references"

    def hosts(self, uid: str) -> str:
        return f"{self.pod(uid)}/etc-hosts"

    def hostname(self, uid: str) -> str:
        return f"{self.pod(uid)}/hostname"

    def resolv_conf(self, uid: str) -> str:
        return f"{self.pod(uid)}/resolv.conf"

    def termination_message(self, uid: str, container: str, attempt: int) -> str:
        return f"{self.pod(uid)}/containers/{container}/{attempt}"

    def pod_logs(self, pod: Object) -> str:
        return podspec.log_folder(self.logs, pod)

    def container_logs(self, pod: Object, container: str) -> str:
        """The logs of all attempts at a container."""
        return f"{self.pod_logs(pod)}/{container}"

    def log(self, pod: Object, container: str, attempt: int) -> str:
        return podspec.log_path(self.logs, pod, container, attempt)
