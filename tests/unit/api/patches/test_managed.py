"""Who owns which field after creates, updates and patches."""

from typing import Any

import pytest

from roost.api.patches.fields import FieldSet
from roost.api.patches.managed import manager_of, reset_fields, track_update
from roost.api.schema.node import Node
from roost.api.values import Object, copy_of

META = {"name": "g", "namespace": "d", "uid": "u", "resourceVersion": "1"}


def write(
    gadget: Node, old: Object | None, new: Object, manager: str = "me", **more: Any
) -> Object:
    new = copy_of(new)
    now = more.pop("now", "2026-01-01T00:00:00Z")
    track_update(gadget, old, new, manager=manager, api_version="v1", now=now, **more)
    return new


def owners(value: Object) -> dict[str, Any]:
    return {
        entry["manager"]: entry["fieldsV1"] for entry in value["metadata"].get("managedFields", ())
    }


def changed(value: Object, **spec: Any) -> Object:
    return {**value, "spec": {**value["spec"], **spec}}


@pytest.fixture
def created(gadget: Node) -> Object:
    fresh = write(gadget, None, {"metadata": {"name": "g"}, "spec": {"replicas": 1}})
    return {**fresh, "metadata": {**META, **fresh["metadata"]}}


def test_who_creates_owns_what_is_there(created: Object) -> None:
    assert created["metadata"]["managedFields"] == [
        {
            "manager": "me",
            "operation": "Update",
            "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {".": {}, "f:replicas": {}}},
        }
    ]


def test_a_change_takes_the_field_from_others(gadget: Node, created: Object) -> None:
    after = write(gadget, created, changed(created, replicas=2), "other")
    assert owners(after) == {
        "me": {"f:spec": {}},
        "other": {"f:spec": {"f:replicas": {}}},
    }


def test_an_entry_that_owns_nothing_is_gone(gadget: Node, created: Object) -> None:
    after = write(gadget, created, {"metadata": created["metadata"]}, "other")
    assert "managedFields" not in after["metadata"]


def test_time_moves_only_for_who_gains_fields(gadget: Node, created: Object) -> None:
    later = {"now": "2026-01-01T01:00:00Z"}
    same = write(gadget, created, created, **later)
    assert same["metadata"] == created["metadata"]
    two = write(gadget, created, changed(created, paused=True), **later)
    assert two["metadata"]["managedFields"][0]["time"] == later["now"]
    back = write(gadget, two, created | {"metadata": two["metadata"]}, now="2026-01-01T02:00:00Z")
    assert back["metadata"]["managedFields"][0]["time"] == later["now"]
    assert owners(back) == owners(created)


def test_the_same_manager_through_a_subresource_is_another_entry(
    gadget: Node, created: Object
) -> None:
    status = {**created, "status": {"phase": "Ready"}}
    reset = reset_fields("g", "gadgets", "status")
    after = write(gadget, created, status, subresource="status", reset_fields=reset)
    entries = after["metadata"]["managedFields"]
    assert [entry.get("subresource") for entry in entries] == [None, "status"]
    assert entries[1]["fieldsV1"] == {"f:status": {".": {}, "f:phase": {}}}


def test_status_and_spec_are_reset_by_each_other(gadget: Node, created: Object) -> None:
    both = {**changed(created, paused=True), "status": {"phase": "Ready"}}
    main = write(gadget, created, both)
    assert owners(main)["me"] == {"f:spec": {".": {}, "f:replicas": {}, "f:paused": {}}}
    status = write(
        gadget, created, both, "agent", subresource="status",
        reset_fields=reset_fields("g", "gadgets", "status"),
    )  # fmt: skip
    assert owners(status)["agent"] == {"f:status": {".": {}, "f:phase": {}}}


def test_a_status_that_keeps_its_metadata_owns_none(gadget: Node, created: Object) -> None:
    marked = {**created["metadata"], "labels": {"a": "b"}}
    both = {**created, "metadata": marked, "status": {"phase": "Ready"}}
    reset = reset_fields("storage.k8s.io", "volumeattachments", "status")
    after = write(gadget, created, both, "agent", subresource="status", reset_fields=reset)
    assert owners(after)["agent"] == {"f:status": {".": {}, "f:phase": {}}}


def test_an_empty_list_clears_nothing(gadget: Node, created: Object) -> None:
    sent = {**created, "metadata": {**created["metadata"], "managedFields": []}}
    assert owners(write(gadget, created, sent)) == owners(created)


def test_entries_of_versions_that_never_were_are_forgotten(gadget: Node, created: Object) -> None:
    (entry,) = created["metadata"]["managedFields"]
    other = {**entry, "manager": "other", "apiVersion": "v9"}
    sent = {**created, "metadata": {**created["metadata"], "managedFields": [entry, other]}}
    assert list(owners(write(gadget, created, sent))) == ["me"]


def test_a_kind_without_status_subresource_tracks_status() -> None:
    assert not reset_fields("g", "gadgets", "", has_status=False)
    assert reset_fields("g", "gadgets", "") == FieldSet.of(("status",))


def test_clients_can_clear_ownership(gadget: Node, created: Object) -> None:
    sent: list[Any] = [{}]
    cleared = write(
        gadget, created, {**created, "metadata": {**created["metadata"], "managedFields": sent}}
    )
    assert "managedFields" not in cleared["metadata"]
    later = write(gadget, cleared, changed(cleared, replicas=5))
    assert "managedFields" not in later["metadata"]


def test_ownership_sent_by_a_client_is_taken_if_it_is_good(gadget: Node, created: Object) -> None:
    entry = {
        "manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:replicas": {}}},
    }  # fmt: skip

    def sent(*entries: Any, **more: Any) -> Object:
        metadata = {**created["metadata"], "managedFields": list(entries)}
        return write(gadget, created, {**created, "metadata": metadata}, **more)

    assert owners(sent(entry)) == {"x": entry["fieldsV1"]}
    for bad in ({**entry, "operation": "Guess"}, {**entry, "fieldsType": "V2"}, "text",
                {**entry, "apiVersion": ""}, {**entry, "fieldsV1": {"z:": {}}}):  # fmt: skip
        assert owners(sent(bad)) == owners(created)
    assert owners(sent(entry, subresource="status")) == owners(created)


def test_the_eleventh_updater_merges_the_oldest_two(gadget: Node) -> None:
    value = write(gadget, None, {"metadata": META, "spec": {}}, "m0", now="2026-01-01T00:00:00Z")
    for index in range(1, 12):
        new = copy_of(value)
        new["spec"].setdefault("extra", {})[f"k{index}"] = "v"
        value = write(gadget, value, new, f"m{index}", now=f"2026-01-01T00:00:{index:02}Z")
    entries = value["metadata"]["managedFields"]
    assert len(entries) == 10
    assert entries[0]["manager"] == "ancient-changes"
    assert entries[0]["time"] == "2026-01-01T00:00:02Z"
    assert entries[0]["fieldsV1"]["f:spec"]["f:extra"] == {".": {}, "f:k1": {}, "f:k2": {}}


def test_entries_are_ordered_by_operation_then_time(gadget: Node, created: Object) -> None:
    applied = {
        "manager": "z", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "time": "2027-01-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}},
    }  # fmt: skip
    metadata = {**created["metadata"]}
    metadata["managedFields"] = [*metadata["managedFields"], applied]
    live = {**created, "metadata": metadata}
    after = write(gadget, live, changed(live, paused=True), "a", now="2025-01-01T00:00:00Z")
    assert [e["manager"] for e in after["metadata"]["managedFields"]] == ["z", "a", "me"]


def test_names_and_such_belong_to_nobody(gadget: Node) -> None:
    assert "managedFields" not in write(gadget, None, {"metadata": META})["metadata"]


def test_an_untouched_entry_is_the_same_object(gadget: Node, created: Object) -> None:
    after = write(gadget, created, changed(created, paused=True), "other")
    assert after["metadata"]["managedFields"][0] == created["metadata"]["managedFields"][0]


def test_who_scales_has_no_time(gadget: Node, created: Object) -> None:
    after = write(gadget, created, changed(created, replicas=3), "hpa", subresource="scale")
    (entry,) = [e for e in after["metadata"]["managedFields"] if e["manager"] == "hpa"]
    assert "time" not in entry


def test_too_deep_an_object_keeps_its_owners(gadget: Node, created: Object) -> None:
    deep: Any = 1
    for _ in range(2000):
        deep = {"a": deep}
    new = changed(created, extra=deep)
    track_update(gadget, created, new, manager="x", api_version="v1", now="t")
    assert owners(new) == owners(created)


def test_the_manager_of_a_request() -> None:
    assert manager_of("kubectl-edit", "curl/8") == "kubectl-edit"
    assert manager_of("", "kubectl/v1.36.0 (linux/amd64)") == "kubectl"
    assert manager_of(None, "x" * 200 + "/1") == "x" * 128
