"""The story of an object, from what a cluster itself remembers."""

from __future__ import annotations

from roost.cli.story import story_of

POD = {
    "kind": "Pod",
    "metadata": {
        "name": "web-1",
        "creationTimestamp": "2025-01-01T00:00:02Z",
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "uid": "1", "controller": True}],
        "managedFields": [
            {
                "manager": "kubelet", "operation": "Update", "subresource": "status",
                "time": "2025-01-01T00:00:09Z",
                "fieldsV1": {"f:status": {"f:phase": {}, "f:podIP": {}}},
            }
        ],
        "deletionTimestamp": "2025-01-01T00:01:00Z",
    },
    "status": {
        "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2025-01-01T00:00:03Z"}
        ],
        "containerStatuses": [
            {
                "name": "main",
                "lastState": {
                    "terminated": {
                        "startedAt": "2025-01-01T00:00:04Z", "finishedAt": "2025-01-01T00:00:05Z",
                        "reason": "OOMKilled", "exitCode": 137,
                    }
                },
                "state": {"running": {"startedAt": "2025-01-01T00:00:08Z"}},
            }
        ],
    },
}  # fmt: skip
SET = {
    "kind": "ReplicaSet",
    "metadata": {"name": "web", "creationTimestamp": "2025-01-01T00:00:01Z"},
}
EVENT = {
    "involvedObject": {"kind": "Pod", "name": "web-1"},
    "type": "Warning", "reason": "BackOff", "message": "again", "count": 3,
    "firstTimestamp": "2025-01-01T00:00:06Z", "lastTimestamp": "2025-01-01T00:00:07Z",
    "source": {"component": "kubelet"},
}  # fmt: skip


def test_a_story_is_told_in_the_order_of_time_from_the_owner_on() -> None:
    told = [(m.time[-3:-1], m.object, m.who, m.what) for m in story_of([SET, POD], [EVENT])]
    assert told == [
        ("01", "ReplicaSet/web", "", "was created"),
        ("02", "Pod/web-1", "", "was created, for ReplicaSet/web"),
        ("03", "Pod/web-1", "", "PodScheduled became True"),
        ("04", "Pod/web-1", "", "container main started"),
        ("05", "Pod/web-1", "", "container main ended: OOMKilled, exit code 137"),
        ("06", "Pod/web-1", "kubelet",
         "Warning BackOff: again (3 times, last 2025-01-01T00:00:07Z)"),
        ("08", "Pod/web-1", "", "container main started"),
        ("09", "Pod/web-1", "kubelet", "update (status): status.phase, status.podIP"),
        ("00", "Pod/web-1", "", "is to be gone"),
    ]  # fmt: skip


def test_many_fields_are_counted() -> None:
    fields = {f"f:{letter}": {} for letter in "abcdef"}
    entry = {"manager": "me", "time": "1", "fieldsV1": {"f:data": fields}}
    obj = {"kind": "ConfigMap", "metadata": {"name": "a", "managedFields": [entry]}}
    assert story_of([obj], [])[-1].what == "update: data.a, data.b, data.c, data.d, 2 more"
