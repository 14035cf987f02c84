"""What each upstream test is given: clients and a namespace of its own."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from kinds import NAMESPACES
from scenes import Scene
from typedclient import GoClient, Kind, Resource, Thing


@dataclass
class Framework:
    """Clients for one test, in its namespace unless told otherwise."""

    client: GoClient
    namespace: str
    unique: str
    scene: Scene
    namespaces: list[str]  # to be deleted after the test

    @property
    def nodes(self) -> tuple[str, ...]:
        """The names of the cluster's nodes."""
        return self.scene.nodes

    def typed(self, kind: Kind, namespace: str | None = None) -> Resource:
        """Return a typed client, in the test's namespace if the kind has one."""
        own = self.namespace if namespace is None else namespace
        return self.client.typed(kind, own if kind.namespaced else "")

    def dynamic(self, kind: Kind) -> Resource:
        return self.client.dynamic(kind, self.namespace if kind.namespaced else "")

    def another_namespace(self) -> str:
        self.namespaces.append(make_namespace(self.client, self.unique))
        return self.namespaces[-1]


def make_namespace(client: GoClient, base: str) -> str:
    """Make a namespace as the programme does; returns its name."""
    made: Thing = client.typed(NAMESPACES).create(
        {
            "metadata": {
                "generateName": f"{base[:40]}-",
                "labels": {
                    "e2e-framework": base,
                    "e2e-run": str(uuid.uuid4()),
                    # Some groups ask for more rights, and none of the tests here needs them.
                    **{
                        f"pod-security.kubernetes.io/{mode}": "baseline"
                        for mode in ("enforce", "audit", "warn")
                    },
                },
            }
        }
    )
    name: str = made["metadata"]["name"]
    return name
