"""test/e2e/apps/cronjob.go: what takes minutes, with all controllers, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from roost.simulation import Cluster

pytestmark = pytest.mark.slow
Object = dict[str, Any]


def cron_job(policy: str, **spec: Any) -> Object:
    container = {"name": "c", "image": "busybox", "command": ["sleep", "300"]}
    pod = {"restartPolicy": "OnFailure", "containers": [container]}
    job = {"parallelism": 1, "completions": 1, "backoffLimit": 1, "template": {"spec": pod}}
    return {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"},
        "spec": {
            "schedule": "*/1 * * * ?", "concurrencyPolicy": policy, "jobTemplate": {"spec": job},
            **spec,
        },
    }  # fmt: skip


def seconds(cluster: Cluster, value: Object, minutes: int) -> Iterator[tuple[list[str], list[str]]]:
    """Yield each second which Jobs are active as the status says, and which are not on their way out."""
    cluster.apply(value)
    for _ in range(60 * minutes):
        cluster.advance(1)
        status = cluster.client.get("cronjobs", "c").get("status") or {}
        jobs = [job["metadata"] for job in cluster.client.list("jobs")]
        yield (
            [reference["name"] for reference in status.get("active") or ()],
            [job["name"] for job in jobs if not job.get("deletionTimestamp")],
        )


def test_jobs_run_beside_each_other():
    """CronJob should schedule multiple jobs concurrently"""
    with Cluster(nodes=2) as cluster:
        for active, jobs in seconds(cluster, cron_job("Allow"), 4):
            assert set(active) <= set(jobs)
        assert len(active) >= 2


def test_no_job_of_the_suspended():
    """CronJob should not schedule jobs when suspended"""
    with Cluster(nodes=2) as cluster:
        for active, jobs in seconds(cluster, cron_job("Allow", suspend=True), 6):
            assert (active, jobs) == ([], [])


def test_no_second_job_where_that_is_forbidden():
    """CronJob should not schedule new jobs when ForbidConcurrent"""
    with Cluster(nodes=2) as cluster:
        most = 0
        for active, jobs in seconds(cluster, cron_job("Forbid"), 6):
            assert len(active) <= 1
            if active:
                assert active == [job for job in jobs if job in active]
            most = max(most, len(active))
        assert most == 1


def test_the_newer_job_replaces_the_older():
    """CronJob should replace jobs when ReplaceConcurrent"""
    with Cluster(nodes=2) as cluster:
        seen: list[str] = []
        for active, jobs in seconds(cluster, cron_job("Replace"), 4):
            assert len(jobs) <= 1
            assert set(active) <= set(jobs)
            seen += [job for job in jobs if job not in seen]
        assert len(seen) >= 3
