"""An operator written with kopf: it handles its resources, is killed, and takes up where it was."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client import ApiException

from bare_server import BareServer
from cluster_scene import clean_environment, eventually

pytestmark = pytest.mark.slow
GROUP, VERSION, PLURAL = "sea.example", "v1", "lighthouses"
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{PLURAL}.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": PLURAL, "singular": "lighthouse", "kind": "Lighthouse"},
        "versions": [{
            "name": VERSION, "served": True, "storage": True, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "required": ["colour"],
                         "properties": {"colour": {"type": "string"}}},
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            }}},
        }],
    },
}  # fmt: skip


class Operator:
    """`kopf run` on the operator beside this file."""

    def __init__(self, server: BareServer, namespace: str, log: Path) -> None:
        self.server, self.namespace, self.log = server, namespace, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = Path(__file__).with_name("lighthouse_operator.py")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kopf", "run", "--standalone", "-n", self.namespace,
                 str(program)],
                stdout=log, stderr=log,
                env={**clean_environment(), "KUBECONFIG": str(self.server.kubeconfig)},
            )  # fmt: skip

    def kill(self) -> None:
        """End it as a lost machine would: nothing is tidied up."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)


@pytest.fixture
def api(server: BareServer) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(server.kubeconfig)) as made:
        yield made


@pytest.fixture
def space(api: client.ApiClient) -> Iterator[str]:
    core, extensions = client.CoreV1Api(api), client.ApiextensionsV1Api(api)
    made = core.create_namespace({"metadata": {"generateName": "sea-"}}).metadata.name
    extensions.create_custom_resource_definition(CRD)
    yield made
    extensions.delete_custom_resource_definition(CRD["metadata"]["name"])
    core.delete_namespace(made)


@pytest.fixture
def operator(server: BareServer, space: str, tmp_path: Path) -> Iterator[Operator]:
    made = Operator(server, space, tmp_path / "operator.log")
    yield made
    made.kill()


class Lights:
    """The lighthouses of a namespace and the ConfigMaps of their keepers."""

    def __init__(self, api: client.ApiClient, space: str, log: Path) -> None:
        self.core, self.custom = client.CoreV1Api(api), client.CustomObjectsApi(api)
        self.space, self.log = space, log
        self.address = (GROUP, VERSION, space, PLURAL)

    def build(self, name: str, colour: str) -> None:
        body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Lighthouse",
                "metadata": {"name": name}, "spec": {"colour": colour}}  # fmt: skip
        self.custom.create_namespaced_custom_object(*self.address, body)

    def paint(self, name: str, colour: str) -> None:
        change = {"spec": {"colour": colour}}
        self.custom.patch_namespaced_custom_object(*self.address, name, change)

    def demolish(self, name: str) -> None:
        self.custom.delete_namespaced_custom_object(*self.address, name)

    def get(self, name: str) -> dict[str, Any]:
        """Return a lighthouse; empty when it is gone."""
        try:
            found: dict[str, Any] = self.custom.get_namespaced_custom_object(*self.address, name)
        except ApiException as error:
            if error.status != 404:
                raise
            return {}
        return found

    def status(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(name).get("status", {})
        return found

    def keepers(self) -> dict[str, dict[str, str]]:
        found = self.core.list_namespaced_config_map(self.space).items
        return {item.metadata.name: item.data or {} for item in found}

    def until_lit(self, name: str, colour: str) -> None:
        eventually(lambda: self.status(name).get("colour") == colour, 15, self.log.read_text)


def test_an_operator_handles_its_resources_across_a_restart(
    api: client.ApiClient, space: str, operator: Operator
):
    lights = Lights(api, space, operator.log)
    lights.build("first", "white")  # before there is an operator
    operator.start()
    lights.until_lit("first", "white")
    first = lights.get("first")
    assert first["metadata"]["finalizers"] == ["sea.example/keeper"]
    assert first["status"]["built"] == {"keeper": "first"}
    keeper = lights.core.read_namespaced_config_map("first", space)
    assert (keeper.data, keeper.metadata.labels) == (
        {"colour": "white"},
        {"sea.example/lit": "yes"},
    )
    assert keeper.metadata.owner_references[0].uid == first["metadata"]["uid"]

    lights.paint("first", "red")
    lights.until_lit("first", "red")
    assert lights.keepers()["first"] == {"colour": "red", "before": "white"}
    turns = lights.status("first").get("turns", 0)
    eventually(
        lambda: lights.status("first").get("turns", 0) >= turns + 2, 10, operator.log.read_text
    )

    def said() -> set[str]:
        return {e.reason for e in lights.core.list_namespaced_event(space).items}

    eventually(lambda: "Lit" in said(), 10, said)

    operator.kill()
    lights.paint("first", "green")
    lights.build("second", "blue")
    lights.demolish("first")
    assert lights.get("first")["metadata"]["deletionTimestamp"]  # its finalizer holds it
    turns = lights.status("first")["turns"]
    operator.start()
    lights.until_lit("second", "blue")
    eventually(lambda: not lights.get("first"), 10, operator.log.read_text)
    eventually(lambda: "first" not in lights.keepers(), 10, "the keeper was not collected")
    assert {"first-ruin", "second"} <= set(lights.keepers())

    lights.paint("second", "black")
    eventually(lambda: "a light is not black" in operator.log.read_text(), 10)
    assert lights.status("second")["colour"] == "blue"
    lights.demolish("second")
    eventually(lambda: not lights.get("second"), 10, operator.log.read_text)
    assert "Traceback" not in operator.log.read_text()
