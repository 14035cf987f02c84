"""Environment, command line and the downward API."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from fakes.node import container, pod
from roost.decisions.resources import CONFIG_MAPS
from roost.node.downward import Surroundings, field_value, resource_value
from roost.node.env import command_line, environment, expand, service_variables
from roost.node.sources import SECRETS, NotYetKnown, Ref, Refused, Sources

AROUND = Surroundings("node-1", ("192.168.0.7",), ("10.244.0.3",), {"cpu": "4", "memory": "8Gi"})
SETTINGS = {"data": {"a": "1", "b": "2"}}
SECRET = {"data": {"pw": base64.b64encode(b"s3cret").decode()}}
SOURCES = Sources(
    {
        Ref(CONFIG_MAPS, "default", "settings"): SETTINGS,
        Ref(SECRETS, "default", "keys"): SECRET,
        Ref(CONFIG_MAPS, "default", "gone"): None,
    }
)


def env_of(*variables: dict[str, Any], services: Any = (), **more: Any) -> dict[str, str]:
    one = container(env=list(variables), **more)
    return environment(pod("web", one), one, SOURCES, AROUND, services)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$(A)-$(B)", "1-2"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$(NONE)", "$(NONE)"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(A", "$(A"),
        ("a$$b", "a$b"),
        ("", ""),
    ],
)
def test_expansion(text: str, result: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == result


def test_a_variable_sees_those_before_it_only() -> None:
    found = env_of(
        {"name": "A", "value": "$(B)"},
        {"name": "B", "value": "b"},
        {"name": "C", "value": "$(A)/$(B)"},
    )
    assert found == {"A": "$(B)", "B": "b", "C": "$(B)/b"}


def test_env_from_comes_first_and_is_overridden() -> None:
    found = env_of(
        {"name": "P_a", "value": "mine"},
        envFrom=[
            {"prefix": "P_", "configMapRef": {"name": "settings"}},
            {"secretRef": {"name": "keys"}},
            {"configMapRef": {"name": "gone", "optional": True}},
        ],
    )
    assert found == {"P_a": "mine", "P_b": "2", "pw": "s3cret"}


def test_keys_of_config_maps_and_secrets() -> None:
    found = env_of(
        {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "a"}}},
        {"name": "P", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "pw"}}},
        {
            "name": "O",
            "valueFrom": {"configMapKeyRef": {"name": "gone", "key": "k", "optional": True}},
        },
    )
    assert found == {"A": "1", "P": "s3cret"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMapKeyRef": {"name": "gone", "key": "k"}}, 'configmap "gone" not found'),
        (
            {"configMapKeyRef": {"name": "settings", "key": "k"}},
            "couldn't find key k in ConfigMap default/settings",
        ),
        ({"fieldRef": {"fieldPath": "spec.nope"}}, "unsupported fieldPath: spec.nope"),
        ({"fileKeyRef": {"path": "x"}}, "unsupported env source: fileKeyRef"),
    ],
)
def test_what_is_missing_is_named(source: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused) as refused:
        env_of({"name": "X", "valueFrom": source})
    assert refused.value.reason == "CreateContainerConfigError"
    assert refused.value.message == message


def test_what_was_not_read_yet_is_told_apart() -> None:
    with pytest.raises(NotYetKnown):
        env_of({"name": "X", "valueFrom": {"secretKeyRef": {"name": "unread", "key": "k"}}})


def test_command_and_args_are_expanded() -> None:
    one = container(command=["run", "$(A)"], args=["$$(A)", "$(Z)"])
    assert command_line(one, {"A": "1"}) == (("run", "1"), ("$(A)", "$(Z)"))


SERVICES = [
    {
        "metadata": {"name": "my-db", "namespace": "default"},
        "spec": {
            "clusterIP": "10.96.0.9",
            "ports": [{"port": 5432, "name": "pg"}, {"port": 53, "protocol": "UDP", "name": "d-n"}],
        },
    },
    {
        "metadata": {"name": "kubernetes", "namespace": "default"},
        "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443, "name": "https"}]},
    },
    {
        "metadata": {"name": "headless", "namespace": "default"},
        "spec": {"clusterIP": "None", "ports": [{"port": 1}]},
    },
    {
        "metadata": {"name": "away", "namespace": "other"},
        "spec": {"clusterIP": "10.96.0.3", "ports": [{"port": 1}]},
    },
]


def test_service_variables_by_namespace() -> None:
    found = service_variables(SERVICES, "default", links=True)
    assert found["MY_DB_SERVICE_HOST"] == "10.96.0.9"
    assert found["MY_DB_SERVICE_PORT"] == "5432"
    assert found["MY_DB_SERVICE_PORT_PG"] == "5432"
    assert found["MY_DB_SERVICE_PORT_D_N"] == "53"
    assert found["MY_DB_PORT"] == "tcp://10.96.0.9:5432"
    assert found["MY_DB_PORT_53_UDP_PROTO"] == "udp"
    assert found["MY_DB_PORT_53_UDP_ADDR"] == "10.96.0.9"
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert not any(name.startswith(("HEADLESS", "AWAY")) for name in found)


def test_without_links_only_the_api_server_is_told() -> None:
    found = service_variables(SERVICES, "other", links=False)
    assert {name.split("_")[0] for name in found} == {"KUBERNETES"}


def test_own_variables_win_over_service_variables() -> None:
    found = env_of({"name": "MY_DB_SERVICE_HOST", "value": "mine"}, services=SERVICES)
    assert found["MY_DB_SERVICE_HOST"] == "mine"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "default"),
        ("metadata.uid", "uid-web"),
        ("metadata.labels['app']", "shop"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['a/b']", 'say "hi"'),
        ("metadata.annotations", 'a/b="say \\"hi\\""'),
        ("spec.nodeName", "node-1"),
        ("spec.serviceAccountName", "robot"),
        ("status.hostIP", "192.168.0.7"),
        ("status.podIPs", "10.244.0.3"),
    ],
)
def test_fields_of_the_pod(path: str, value: str) -> None:
    body = pod("web", serviceAccountName="robot")
    body["metadata"].update(labels={"app": "shop"}, annotations={"a/b": 'say "hi"'})
    assert field_value(body, path, AROUND) == value


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        ("limits.cpu", "1", "2"),
        ("limits.cpu", "1m", "1500"),
        ("limits.memory", "1Mi", "64"),
        ("requests.cpu", "1m", "1500"),
        ("requests.memory", "1", str(64 << 20)),
        ("limits.ephemeral-storage", "1", "0"),
    ],
)
def test_resources_of_a_container(resource: str, divisor: str, value: str) -> None:
    one = container(resources={"limits": {"cpu": "1500m", "memory": "64Mi"}})
    source = {"resource": resource, "divisor": divisor}
    assert resource_value(pod("web", one), source, "main", AROUND) == value


def test_without_a_limit_the_node_is_the_limit() -> None:
    source = {"resource": "limits.memory", "divisor": "1Gi"}
    assert resource_value(pod("web"), source, "main", AROUND) == "8"
