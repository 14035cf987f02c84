"""What caches keep: everything but managedFields, and equal parts once."""

from __future__ import annotations

from typing import Any

from roost.api.values import copy_of
from roost.client.slimming import Slimmer


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": "web"}, "managedFields": [{"manager": "m"}]},
        "spec": {
            "containers": [{"name": "c", "env": [{"name": "A", "value": "1"}], "tty": True}],
            "tolerations": [],
            **spec,
        },
        "status": {"phase": "Running", "restarts": 0},
    }


def test_only_managed_fields_are_left_out() -> None:
    given = pod("a")
    before = copy_of(given)
    slim = Slimmer().slim(given)
    assert given == before
    del before["metadata"]["managedFields"]
    assert slim == before


def test_equal_parts_of_different_objects_are_one() -> None:
    slimmer = Slimmer()
    first, second = slimmer.slim(pod("a")), slimmer.slim(pod("b", nodeName="n"))
    assert second["metadata"]["name"] == "b"
    assert second["spec"]["nodeName"] == "n"
    assert second["spec"]["containers"] is first["spec"]["containers"]
    assert second["metadata"]["labels"] is first["metadata"]["labels"]
    other = pod("c")
    other["spec"]["containers"][0]["tty"] = False
    third = slimmer.slim(other)["spec"]["containers"][0]
    assert third["tty"] is False
    assert third["env"] is first["spec"]["containers"][0]["env"]


def test_equal_for_python_is_not_equal_enough() -> None:
    slimmer = Slimmer()
    slimmer.slim(pod("a", value={"deep": {"is": [1]}}))
    slim = slimmer.slim(pod("b", value={"deep": {"is": [True]}}))
    assert slim["spec"]["value"]["deep"]["is"][0] is True


def test_what_did_not_change_stays_the_same() -> None:
    slimmer = Slimmer()
    old = slimmer.slim(pod("a"))
    changed = pod("a")
    changed["status"]["phase"] = "Failed"
    new = slimmer.slim(changed, old)
    assert new["spec"] is old["spec"]
    assert new["status"] == {"phase": "Failed", "restarts": 0}
    assert old["status"]["phase"] == "Running"
