"""Rules of pods."""

from collections.abc import Callable
from typing import Any

Refused = Callable[..., list[str]]


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **spec}}


def container(name: str = "c", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "i:1", **more}


def test_a_plain_pod_passes(refused: Refused) -> None:
    assert refused("", "Pod", pod(container())) == []


def test_containers_are_required(refused: Refused) -> None:
    assert refused("", "Pod", pod()) == ["spec.containers: Required value"]


def test_faults_come_in_the_order_of_the_real_server(refused: Refused) -> None:
    causes = refused(
        "",
        "Pod",
        pod(
            {"name": "", "image": ""},
            container("b", ports=[{"containerPort": 0, "protocol": "X"}]),
            container("b"),
            restartPolicy="Sometimes",
        ),
    )
    assert causes == [
        "spec.containers[0].name: Required value",
        "spec.containers[0].image: Required value",
        "spec.containers[1].ports[0].containerPort: Required value",
        (
            'spec.containers[1].ports[0].protocol: Unsupported value: "X": supported values: '
            '"SCTP", "TCP", "UDP"'
        ),
        'spec.containers[2].name: Duplicate value: "b"',
        (
            'spec.restartPolicy: Unsupported value: "Sometimes": supported values: '
            '"Always", "OnFailure", "Never"'
        ),
    ]


def test_mounts_name_volumes(refused: Refused) -> None:
    mounts = [{"name": "none", "mountPath": "/x"}]
    assert refused("", "Pod", pod(container(volumeMounts=mounts))) == [
        'spec.containers[0].volumeMounts[0].name: Not found: "none"'
    ]


def test_requests_stay_below_limits(refused: Refused) -> None:
    resources = {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}
    assert refused("", "Pod", pod(container(resources=resources))) == [
        (
            'spec.containers[0].resources.requests: Invalid value: "2": '
            "must be less than or equal to cpu limit of 1"
        )
    ]


def test_a_probe_has_one_handler(refused: Refused) -> None:
    assert refused("", "Pod", pod(container(livenessProbe={}))) == [
        "spec.containers[0].livenessProbe: Required value: must specify a handler type"
    ]
    both = {"exec": {"command": ["x"]}, "tcpSocket": {"port": 1}}
    (cause,) = refused("", "Pod", pod(container(readinessProbe=both)))
    assert "may not specify more than 1 handler type" in cause


def test_a_running_pod_changes_its_image_and_little_else(refused: Refused) -> None:
    old = pod(container())
    assert refused("", "Pod", pod(container(image="i:2")), old) == []
    (cause,) = refused("", "Pod", pod(container(command=["x"])), old)
    assert cause.startswith("spec: Forbidden: pod updates may not change fields other than `spec.")
    assert "\n@@ -" in cause
    (cause,) = refused("", "Pod", pod(container(), container("d")), old)
    assert cause == "spec.containers: Forbidden: pod updates may not add or remove containers"


def test_tolerations_can_only_be_added(refused: Refused) -> None:
    one = {"key": "a", "operator": "Exists"}
    assert refused("", "Pod", pod(container(), tolerations=[one]), pod(container())) == []
    (cause,) = refused("", "Pod", pod(container()), pod(container(), tolerations=[one]))
    assert cause.startswith("spec.tolerations: Forbidden: existing toleration can not be modified")


def test_doubtful_pods_are_warned_of(refused: Refused) -> None:
    env = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    warnings: list[str] = []
    assert refused("", "Pod", pod(container(env=env)), warnings=warnings) == []
    assert warnings == [
        (
            'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped '
            "when using apply"
        )
    ]


def test_a_host_name_fits_the_kernel(refused: Refused) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}], "hostnameOverride": "a" * 65}
    assert refused("", "Pod", {"spec": spec}) == [
        "spec.hostnameOverride: Too long: may not be more than 64 bytes"
    ]


def test_a_profile_that_is_not_local_has_no_path(refused: Refused) -> None:
    context = {"seccompProfile": {"type": "Unconfined", "localhostProfile": "x"}}
    assert refused("", "Pod", pod(container(), securityContext=context)) == [
        (
            "spec.securityContext.seccompProfile.localhostProfile: Invalid value: "
            '{"Type":"Unconfined","LocalhostProfile":"x"}: '
            "can only be set when seccomp type is Localhost"
        )
    ]


def test_a_refused_change_shows_that_change_alone(refused: Refused) -> None:
    fields = {"activeDeadlineSeconds": 9, "tolerations": [{"operator": "Exists"}]}
    old, new = (pod(container(), hostname=name, **fields) for name in ("a", "b"))
    (cause,) = refused("", "Pod", new, old)
    changed = [line for line in cause.splitlines()[1:] if line.startswith(("+", "-"))]
    assert changed == ['- "hostname": "a",', '+ "hostname": "b",']


def test_resources_of_a_pod_cover_those_it_has_of_its_containers(refused: Refused) -> None:
    def of_pod(asked: dict[str, Any], resources: dict[str, Any], **more: Any) -> list[str]:
        return refused("", "Pod", pod(container(resources=asked), resources=resources, **more))

    others = {"requests": {"ephemeral-storage": "1Gi", "memory": "1Gi", "cpu": "2"}}
    assert of_pod(others, {"requests": {"cpu": "2"}}) == []
    path, least = "spec.resources", "must be greater than or equal to aggregate container"
    assert of_pod(others, {"requests": {"cpu": "1"}}) == [
        f'{path}.requests[cpu]: Invalid value: "1": {least} requests of 2'
    ]
    pages = {"limits": {"cpu": "1", "hugepages-2Mi": "4Mi"}}
    assert of_pod(pages, {"limits": {"cpu": "1", "hugepages-2Mi": "2Mi"}})[:2] == [
        f'{path}.requests[hugepages-2Mi]: Invalid value: "2Mi": {least} requests of 4Mi',
        f'{path}.limits[hugepages-2Mi]: Invalid value: "2Mi": {least} limits of 4Mi',
    ]
    assert of_pod({}, {"limits": {"foo": "1"}}, os={"name": "windows"}) == [
        f"{path}: Forbidden: may not be set for a windows pod"
    ]
