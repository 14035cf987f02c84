"""Where things lie in a data directory: one place that knows every path."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from roost.network.plan import instance_of


@dataclass(frozen=True, slots=True)
class Places:
    """The paths of one data directory."""

    root: Path

    @property
    def instance(self) -> str:
        """Short text that differs between data directories of one machine."""
        return instance_of(str(self.root))

    @property
    def admin_kubeconfig(self) -> Path:
        return self.root / "admin.kubeconfig"

    @property
    def agent_kubeconfig(self) -> Path:
        return self.root / "agent" / "agent.kubeconfig"

    @property
    def proxy_kubeconfig(self) -> Path:
        return self.root / "agent" / "proxy.kubeconfig"

    @property
    def kubelet_identity(self) -> tuple[Path, Path]:
        """The certificate and the key of the node's own API."""
        return self.root / "agent" / "kubelet.crt", self.root / "agent" / "kubelet.key"

    @property
    def database(self) -> Path:
        return self.root / "server" / "roost.db"

    @property
    def pki(self) -> Path:
        return self.root / "server" / "pki"

    @property
    def secret_keys(self) -> Path:
        """The keys that seal Secrets in the database."""
        return self.root / "server" / "secrets.keys"

    @property
    def tokens(self) -> Path:
        return self.root / "server" / "tokens.json"

    @property
    def agent(self) -> Path:
        return self.root / "agent"

    @property
    def network(self) -> Path:
        return self.root / "network"

    @property
    def dns(self) -> Path:
        return self.root / "network" / "dns"

    @property
    def runtime(self) -> Path:
        """Images and containers."""
        return self.root / "runtime"

    @property
    def pod_logs(self) -> Path:
        return self.root / "logs" / "pods"

    @property
    def control_socket(self) -> Path:
        """Where a running agent answers `roost image`."""
        return self.run / "agent.sock"

    def log(self, component: str) -> Path:
        return self.root / "logs" / f"{component}.log"

    def pid_file(self, component: str) -> Path:
        return self.root / f"{component}.pid"

    @property
    def run(self) -> Path:
        """What a restart of the machine clears: sockets and bound namespaces."""
        if os.geteuid() == 0:
            return Path("/run/roost") / self.instance
        return Path(os.environ.get("XDG_RUNTIME_DIR") or self.root / "run") / self.instance
