"""Rules of storage classes and of CSI."""

from collections.abc import Callable
from typing import Any

import pytest

Refused = Callable[..., list[str]]
STORAGE = "storage.k8s.io"


def test_a_driver(refused: Refused) -> None:
    spec = {
        "fsGroupPolicy": "Some",
        "volumeLifecycleModes": ["Odd"],
        "tokenRequests": [
            {"audience": "a", "expirationSeconds": 1 << 33},
            {"audience": "a", "expirationSeconds": 1},
        ],
        "nodeAllocatableUpdatePeriodSeconds": 5,
    }
    assert refused(STORAGE, "CSIDriver", {"spec": spec}) == [
        (
            'spec.fsGroupPolicy: Unsupported value: "Some": supported values: '
            '"File", "None", "ReadWriteOnceWithFSType"'
        ),
        (
            "spec.tokenRequests[0].expirationSeconds: Invalid value: 8589934592: "
            "may not specify a duration larger than 2^32 seconds"
        ),
        'spec.tokenRequests[1].audience: Duplicate value: "a"',
        (
            'spec.volumeLifecycleModes: Unsupported value: "Odd": supported values: '
            '"Persistent", "Ephemeral"'
        ),
        (
            "spec.nodeAllocatableUpdatePeriodSeconds: Invalid value: 5: "
            "must be greater than or equal to 10 seconds"
        ),
    ]


def test_how_a_driver_attaches_is_for_ever(refused: Refused) -> None:
    assert refused(STORAGE, "CSIDriver", {"spec": {"attachRequired": False}}, {"spec": {}}) == [
        "spec.attachedRequired: Invalid value: false: field is immutable"
    ]


def test_drivers_on_a_node(refused: Refused) -> None:
    driver = {"name": "d", "nodeID": "n" * 257, "topologyKeys": ["a", "a", ""]}
    assert [
        cause[:60] for cause in refused(STORAGE, "CSINode", {"spec": {"drivers": [driver]}})
    ] == [
        f'spec.drivers[0].nodeID: Invalid value: "{"n" * 20}',
        'spec.drivers[0]: Duplicate value: "a"',
        "spec.drivers[0]: Required value",
        'spec.drivers[0]: Invalid value: "": name part must be non-empty'[:60],
        'spec.drivers[0]: Invalid value: "": name part must consist of'[:60],
    ]


def test_only_the_number_of_volumes_of_a_driver_may_change(refused: Refused) -> None:
    old = {"spec": {"drivers": [{"name": "d", "nodeID": "n"}]}}
    more = {"spec": {"drivers": [{"name": "d", "nodeID": "n", "allocatable": {"count": 3}}]}}
    other = {"spec": {"drivers": [{"name": "d", "nodeID": "m", "allocatable": {"count": 3}}]}}
    assert refused(STORAGE, "CSINode", more, old) == []
    assert refused(STORAGE, "CSINode", other, old) == [
        (
            'spec.drivers: Invalid value: {"Name":"d","NodeID":"m","TopologyKeys":null,'
            '"Allocatable":null}: field is immutable'
        )
    ]


def test_an_attachment_is_for_ever(refused: Refused) -> None:
    def attachment(node: str) -> dict[str, object]:
        return {
            "spec": {"attacher": "d", "nodeName": node, "source": {"persistentVolumeName": "v"}}
        }

    assert refused(STORAGE, "VolumeAttachment", attachment("b"), attachment("a")) == [
        (
            'spec: Invalid value: {"Attacher":"d","Source":{"PersistentVolumeName":"v",'
            '"InlineVolumeSpec":null},"NodeName":"b"}: field is immutable'
        )
    ]


def test_a_class_is_looked_at_again_when_it_changes(refused: Refused) -> None:
    old = {"provisioner": "a"}
    causes = refused(STORAGE, "StorageClass", {"provisioner": ""}, old)
    assert causes == [
        "provisioner: Required value",
        'provisioner: Invalid value: "": field is immutable',
    ]


def test_what_provides_a_class_of_attributes(refused: Refused) -> None:
    body = {"driverName": "Example.com/Driver", "parameters": {"a": "b"}}
    assert refused(STORAGE, "VolumeAttributesClass", body) == []
    assert refused(STORAGE, "VolumeAttributesClass", {}) == [
        "driverName: Required value",
        "parameters: Required value: must contain at least one key/value pair",
    ]


def test_a_volume_without_an_object_is_of_a_driver_alone(refused: Refused) -> None:
    def inline(**spec: object) -> list[str]:
        source = {"inlineVolumeSpec": spec}
        body = {"spec": {"attacher": "d", "nodeName": "n", "source": source}}
        return [
            cause.removeprefix("spec.source.inlineVolumeSpec")
            for cause in refused(STORAGE, "VolumeAttachment", body)
        ]

    csi = {"driver": "example.com", "volumeHandle": "h"}
    assert inline(csi=csi, accessModes=["ReadWriteOnce"]) == []
    not_inline = "Forbidden: may not be specified in the context of inline volumes"
    assert inline(
        csi=csi, accessModes=["ReadWriteOnce"], claimRef={"name": "c"}, capacity={"storage": "1Gi"},
        nodeAffinity={}, storageClassName="s", volumeMode="Block",
        persistentVolumeReclaimPolicy="Delete",
    ) == [
        f".claimRef: {not_inline}",
        f".capacity: {not_inline}",
        (".persistentVolumeReclaimPolicy: Forbidden: may only be Retain in the context of"
         " inline volumes"),
        f".nodeAffinity: {not_inline}",
        f".storageClassName: {not_inline}",
        (".volumeMode: Forbidden: may not specify volumeMode other than Filesystem in the context of"
         " inline volumes"),
    ]  # fmt: skip
    assert inline(hostPath={"path": "/x"}) == [
        ".csi: Required value: has to be specified in the context of inline volumes",
        ".accessModes: Required value",
    ]


ZONE = "failure-domain.beta.kubernetes.io/zone"
BETTER_ZONE = 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'
BETTER_ARCH = 'deprecated since v1.14; use "kubernetes.io/arch" instead'


@pytest.mark.parametrize(
    ("group", "kind", "body", "said"),
    [
        (
            "storage.k8s.io",
            "StorageClass",
            {
                "provisioner": "a",
                "allowedTopologies": [{"matchLabelExpressions": [{"key": ZONE, "values": ["a"]}]}],
            },
            [f"allowedTopologies[0].matchLabelExpressions[0].key: {BETTER_ZONE}"],
        ),
        (
            "storage.k8s.io",
            "CSIStorageCapacity",
            {
                "storageClassName": "a",
                "nodeTopology": {
                    "matchLabels": {"beta.kubernetes.io/arch": "x", "a": "b"},
                    "matchExpressions": [{"key": ZONE, "operator": "Exists"}],
                },
            },
            [
                f"nodeTopology.matchExpressions[0].key: {ZONE} is {BETTER_ZONE}",
                f"nodeTopology.matchLabels.beta.kubernetes.io/arch: {BETTER_ARCH}",
            ],
        ),
        (
            "node.k8s.io",
            "RuntimeClass",
            {"handler": "a", "scheduling": {"nodeSelector": {ZONE: "a", "b": "c"}}},
            [f"scheduling.nodeSelector: {BETTER_ZONE}"],
        ),
    ],
)
def test_labels_of_nodes_that_have_another_name(
    refused: Refused, group: str, kind: str, body: dict[str, Any], said: list[str]
) -> None:
    warnings: list[str] = []
    assert refused(group, kind, body, warnings=warnings) == []
    assert warnings == said
