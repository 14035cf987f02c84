"""What pods ask for."""

from __future__ import annotations

from typing import Any

from roost.api.values import Object
from roost.decisions.requests import pod_requests, scored_requests


def container(cpu: str = "", memory: str = "", **more: Any) -> Object:
    wanted = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    return {"resources": {"requests": wanted}, **more}


def pod(*containers: Object, init: tuple[Object, ...] = (), **spec: Any) -> Object:
    return {"spec": {"containers": list(containers), "initContainers": list(init), **spec}}


def test_containers_add_up() -> None:
    body = pod(container("100m", "1Gi"), container("1"))
    assert pod_requests(body) == {"cpu": 1100, "memory": 1024**3}


def test_init_containers_run_alone() -> None:
    body = pod(container("100m"), init=(container("2"), container("500m")))
    assert pod_requests(body) == {"cpu": 2000}


def test_sidecars_run_beside_all_that_start_after_them() -> None:
    sidecar = container("1", restartPolicy="Always")
    assert pod_requests(pod(container("1"), init=(sidecar,))) == {"cpu": 2000}
    assert pod_requests(pod(container("1"), init=(sidecar, container("3")))) == {"cpu": 4000}
    assert pod_requests(pod(container("1"), init=(container("3"), sidecar))) == {"cpu": 3000}


def test_overhead_comes_on_top_and_the_pod_level_wins() -> None:
    body = pod(container("1"), overhead={"cpu": "250m"})
    assert pod_requests(body) == {"cpu": 1250}
    body = pod(container("1", "1Gi"), resources={"requests": {"cpu": "3"}})
    assert pod_requests(body) == {"cpu": 3000, "memory": 1024**3}


def test_scoring_assumes_something_for_those_that_do_not_say() -> None:
    assert scored_requests(pod(container(), container("1", "1Gi"))) == (
        1100, 200 * 1024**2 + 1024**3,
    )  # fmt: skip
