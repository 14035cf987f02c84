"""Shows what controllers, scheduler and process count, among the metrics of the server they run in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product

from roost.adapters.real.usage import process_usage
from roost.apiserver.authenticator import Authenticator
from roost.apiserver.exposition import Family, counter, gauge
from roost.apiserver.server import ApiServer
from roost.decisions.controller import Key
from roost.engine.engine import Engine
from roost.engine.scheduling import Scheduling
from roost.engine.schedulingcounters import RESULTS, times_tried
from roost.engine.workqueue import WorkQueue
from roost.ports.histogram import Histogram
from roost.store.sqlite import SqliteStore


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


def show_callers(api: ApiServer, authenticator: Authenticator) -> None:
    """Show for how long the certificates of those who ask are still good."""

    def families() -> Iterator[Family]:
        yield Family(
            "apiserver_client_certificate_expiration_seconds", "histogram",
            "Distribution of the remaining lifetime on the certificate used to authenticate a"
            " request.", samples=[((), authenticator.lifetimes)],
        )  # fmt: skip

    api.metrics.sources.append(families)


def show_store(api: ApiServer, store: SqliteStore) -> None:
    """Show how long the disk takes for writes, and how large the store is."""

    def families() -> Iterator[Family]:
        yield Family(
            "roost_store_commit_duration_seconds", "histogram",
            "How long one transaction takes until it is on disk: one or more writes.",
            samples=[((), store.commits)],
        )  # fmt: skip
        yield Family(
            "apiserver_storage_size_bytes", "gauge",
            "Size of the storage database file physically allocated in bytes.",
            ("storage_cluster_id",), [(("etcd-0",), store.size_bytes())],
        )  # fmt: skip

    api.metrics.sources.append(families)


def show_controllers(api: ApiServer, engine: Engine) -> None:
    """Show what controllers do, and their queues."""

    def families() -> Iterator[Family]:
        yield from _queues(engine.queues())
        counters, label = engine.counters(), ("name",)
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


def _queues(queues: Mapping[str, WorkQueue[Key]]) -> Iterator[Family]:
    """Show queues as client-go does."""
    shown: tuple[tuple[str, str, str, Callable[[WorkQueue[Key]], float | Histogram]], ...] = (
        ("depth", "gauge", "Current depth of workqueue", lambda queue: queue.depth()),
        (
            "adds_total", "counter", "Total number of adds handled by workqueue",
            lambda queue: queue.adds,
        ),
        (
            "retries_total", "counter", "Total number of retries handled by workqueue",
            lambda queue: queue.retries,
        ),
        (
            "queue_duration_seconds", "histogram",
            "How long in seconds an item stays in workqueue before being requested.",
            lambda queue: queue.waited,
        ),
        (
            "work_duration_seconds", "histogram",
            "How long in seconds processing an item from workqueue takes.",
            lambda queue: queue.worked,
        ),
        (
            "unfinished_work_seconds", "gauge",
            (
                "How many seconds of work has done that is in progress and hasn't been observed by"
                " work_duration. Large values indicate stuck threads. One can deduce the number of"
                " stuck threads by observing the rate at which this increases."
            ),
            lambda queue: sum(queue.unfinished()),
        ),
        (
            "longest_running_processor_seconds", "gauge",
            "How many seconds has the longest running processor for workqueue been running.",
            lambda queue: max(queue.unfinished(), default=0.0),
        ),
    )  # fmt: skip
    for name, kind, text, value in shown:
        samples = [((queue,), value(each)) for queue, each in queues.items()]
        yield Family(f"workqueue_{name}", kind, text, ("name",), samples)


def show_scheduler(api: ApiServer, scheduling: Scheduling) -> None:
    """Show what the scheduler did and what waits for it."""

    def families() -> Iterator[Family]:
        yield from _attempts(scheduling)
        yield from _preemption(scheduling)
        yield from _waiting(scheduling)

    api.metrics.sources.append(families)


def _attempts(scheduling: Scheduling) -> Iterator[Family]:
    counters, labels = scheduling.counters, ("profile", "result")
    every = dict.fromkeys(product(scheduling.scheduler.profiles, RESULTS), 0)
    every |= {key: each.total() for key, each in counters.attempts.items()}
    yield Family(
        "scheduler_schedule_attempts_total", "counter",
        "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could"
        " not be scheduled, while 'error' means an internal scheduler problem.",
        labels, sorted(every.items()),
    )  # fmt: skip
    yield Family(
        "scheduler_scheduling_attempt_duration_seconds", "histogram",
        "Scheduling attempt latency in seconds (scheduling algorithm + binding)",
        labels, sorted(counters.attempts.items()),
    )  # fmt: skip
    yield Family(
        "scheduler_scheduling_algorithm_duration_seconds", "histogram",
        "Scheduling algorithm latency in seconds", samples=[((), counters.algorithm)],
    )  # fmt: skip
    yield Family(
        "scheduler_pod_scheduling_sli_duration_seconds", "histogram",
        "E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue"
        " and might involve multiple scheduling attempts.", ("attempts",),
        [((times_tried(count),), each) for count, each in sorted(counters.pods.items())],
    )  # fmt: skip
    yield Family(
        "scheduler_pod_scheduling_attempts", "histogram",
        "Number of attempts to successfully schedule a pod.", samples=[((), counters.tries)],
    )  # fmt: skip


def _preemption(scheduling: Scheduling) -> Iterator[Family]:
    counters = scheduling.counters
    yield counter(
        "scheduler_preemption_attempts_total",
        "Total preemption attempts in the cluster till now", counters.preemptions,
    )  # fmt: skip
    yield Family(
        "scheduler_preemption_victims", "histogram", "Number of selected preemption victims",
        samples=[((), counters.victims)],
    )  # fmt: skip


def _waiting(scheduling: Scheduling) -> Iterator[Family]:
    queue, snapshot = scheduling.queue, scheduling.scheduler.snapshot
    yield Family(
        "scheduler_pending_pods", "gauge",
        "Number of pending pods, by the queue type. 'active' means number of pods in activeQ;"
        " 'backoff' means number of pods in backoffQ; 'unschedulable' means number of pods in"
        " unschedulablePods that the scheduler attempted to schedule and failed; 'gated' is the"
        " number of unschedulable pods that the scheduler never attempted to schedule because"
        " they are gated.",
        ("queue",), [((name,), n) for name, n in queue.waiting().items()],
    )  # fmt: skip
    yield Family(
        "scheduler_queue_incoming_pods_total", "counter",
        "Number of pods added to scheduling queues by event and queue type.",
        ("event", "queue"), sorted(queue.incoming.items()),
    )  # fmt: skip
    yield Family(
        "scheduler_unschedulable_pods", "gauge",
        "The number of unschedulable pods broken down by plugin name. A pod will increment the"
        " gauge for all plugins that caused it to not schedule and so this metric have meaning"
        " only when broken down by plugin.", ("plugin", "profile"),
        sorted(queue.rejected().items()),
    )  # fmt: skip
    counted = {
        "assumed_pods": scheduling.assumed(),
        "nodes": len(snapshot.present()),
        "pods": snapshot.pods(),
    }
    yield Family(
        "scheduler_cache_size", "gauge",
        "Number of nodes, pods, and assumed (bound) pods in the scheduler cache.",
        ("type",), [((name,), n) for name, n in counted.items()],
    )  # fmt: skip
