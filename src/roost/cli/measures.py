"""Shows what controllers, scheduler and process count, among the metrics of the server they run in."""

from __future__ import annotations

from collections.abc import Iterator

from roost.adapters.real.usage import process_usage
from roost.apiserver.exposition import Family, counter, gauge
from roost.apiserver.server import ApiServer
from roost.engine.engine import Engine
from roost.engine.scheduling import Scheduling


def show_process(api: ApiServer) -> None:
    """Show what this process uses."""

    def families() -> Iterator[Family]:
        usage = process_usage()
        yield counter(
            "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
            usage.cpu_seconds,
        )  # fmt: skip
        for name, text, value in (
            ("resident_memory_bytes", "Resident memory size in bytes.", usage.resident_bytes),
            ("virtual_memory_bytes", "Virtual memory size in bytes.", usage.virtual_bytes),
            ("open_fds", "Number of open file descriptors.", usage.open_files),
            ("max_fds", "Maximum number of open file descriptors.", usage.most_files),
            (
                "start_time_seconds",
                "Start time of the process since unix epoch in seconds.",
                usage.started_at,
            ),
        ):
            yield gauge(f"process_{name}", text, value)

    api.metrics.sources.append(families)


def show_controllers(api: ApiServer, engine: Engine) -> None:
    """Show the queues of controllers."""

    def families() -> Iterator[Family]:
        counters, label = engine.counters(), ("name",)
        yield Family(
            "workqueue_depth", "gauge", "Current depth of workqueue", label,
            [((name,), depth) for name, depth in engine.queued().items()],
        )  # fmt: skip
        yield Family(
            "workqueue_adds_total", "counter", "Total number of adds handled by workqueue", label,
            [((name,), each.reconciled) for name, each in counters.items()],
        )  # fmt: skip
        yield Family(
            "workqueue_retries_total", "counter", "Total number of retries handled by workqueue",
            label, [((name,), each.retries) for name, each in counters.items()],
        )  # fmt: skip
        yield Family(
            "roost_controller_actions_total", "counter", "Requests that controllers decided on.",
            label, [((name,), each.actions) for name, each in counters.items()],
        )  # fmt: skip
        yield Family(
            "roost_controller_refusals_total", "counter",
            "Requests of controllers that the server refused, by reason.", ("name", "reason"),
            [
                ((name, reason), count)
                for name, each in counters.items()
                for reason, count in each.errors.items()
            ],
        )  # fmt: skip
        yield Family(
            "roost_controller_faults_total", "counter", "Decisions that failed: bugs.", label,
            [((name,), each.faults) for name, each in counters.items()],
        )  # fmt: skip

    api.metrics.sources.append(families)


def show_scheduler(api: ApiServer, scheduling: Scheduling) -> None:
    """Show what the scheduler did and what waits for it."""

    def families() -> Iterator[Family]:
        # They are counted together; mostly there is one.
        counts, profile = scheduling.counters, ",".join(scheduling.scheduler.profiles)
        yield Family(
            "scheduler_schedule_attempts_total", "counter",
            "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could"
            " not be scheduled, while 'error' means an internal scheduler problem.",
            ("profile", "result"),
            [
                ((profile, "scheduled"), counts.bound),
                ((profile, "unschedulable"), counts.unschedulable),
                ((profile, "error"), counts.failures),
            ],
        )  # fmt: skip
        yield counter(
            "scheduler_preemption_attempts_total",
            "Total preemption attempts in the cluster till now", counts.preemptions,
        )  # fmt: skip
        yield Family(
            "scheduler_pending_pods", "gauge",
            "Number of pending pods, by the queue type. 'active' means number of pods in activeQ;"
            " 'backoff' means number of pods in backoffQ; 'unschedulable' means number of pods in"
            " unschedulablePods that the scheduler attempted to schedule and failed; 'gated' is the"
            " number of unschedulable pods that the scheduler never attempted to schedule because"
            " they are gated.",
            ("queue",), [((name,), n) for name, n in scheduling.queue.counts().items()],
        )  # fmt: skip

    api.metrics.sources.append(families)
