"""Metrics: what is counted, and its text."""

from __future__ import annotations

import asyncio
import re
from typing import cast

import pytest

from fakes.apiserver import running
from fakes.timeless import run
from roost.api.errors import Forbidden, Unauthorized
from roost.api.kind import Resource
from roost.api.registry import builtin
from roost.apiserver.admission.base import Base
from roost.apiserver.admission.chain import Chain
from roost.apiserver.admission.port import Lookup
from roost.apiserver.attributes import Admission, User
from roost.apiserver.exposition import Family, gauge, text_of
from roost.apiserver.messages import Answer, Frames, Request, WatchAnswer
from roost.apiserver.metrics import Metrics
from roost.apiserver.requestinfo import parse_path
from roost.ports.histogram import Histogram

ADMIN = User("admin", ("system:masters",))


def test_the_text_form() -> None:
    seconds = Histogram((0.1, 1.0), (2, 1, 3), 9.5)
    families = [
        Family("b_seconds", "histogram", "B.", ("x",), [(("1",), seconds)]),
        gauge("a", "A.", 7),
        Family("c_total", "counter", "C.", ("l",), [(('say "hi"\n\\',), 1.5)]),
    ]  # fmt: skip
    assert text_of(families).decode() == (
        "# HELP a A.\n# TYPE a gauge\na 7\n"
        "# HELP b_seconds B.\n# TYPE b_seconds histogram\n"
        'b_seconds_bucket{x="1",le="0.1"} 2\nb_seconds_bucket{x="1",le="1"} 3\n'
        'b_seconds_bucket{x="1",le="+Inf"} 6\nb_seconds_sum{x="1"} 9.5\nb_seconds_count{x="1"} 6\n'
        "# HELP c_total C.\n# TYPE c_total counter\n"
        'c_total{l="say \\"hi\\"\\n\\\\"} 1.5\n'
    )


_SAMPLE = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)"
    r'(?:\{(?P<labels>(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (?P<value>\S+)'
)


def parsed(text: str) -> dict[str, dict[str, float]]:
    """Read a text as Prometheus does: every sample belongs to the family before it, and comes once."""
    families: dict[str, dict[str, float]] = {}
    name = kind = ""
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            assert name not in families, f"{name} comes twice"
            families[name] = {}
        elif line.startswith("# TYPE "):
            assert line.split()[2] == name
            kind = line.split()[3]
            assert kind in {"counter", "gauge", "histogram"}
        else:
            found = _SAMPLE.fullmatch(line)
            assert found, line
            ends = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
            assert found["name"] in {name + end for end in ends}, line
            sample = f"{found['name']}{{{found['labels'] or ''}}}"
            assert sample not in families[name], f"{sample} comes twice"
            families[name][sample] = float(found["value"])
    return families


def test_prometheus_can_read_all_of_it_and_dashboards_find_their_names() -> None:
    async def scene() -> str:
        async with running() as api:
            path = "/api/v1/namespaces/n/configmaps"
            await api.handle(Request("POST", path, body=b'{"metadata":{"name":"a"}}', user=ADMIN))
            await api.handle(Request("GET", path, user=ADMIN))
            nobody = Request("GET", "/metrics")
            api.unauthenticated(nobody, Unauthorized("Unauthorized"))
            await api.client().delete(Resource("", "v1", "configmaps"), "a", "n")
            return (await api.metrics.text()).decode()

    families = parsed(asyncio.run(scene()))
    assert {
        "aggregator_unavailable_apiservice", "apiserver_request_terminations_total",
        "apiserver_audit_event_total", "apiserver_current_inflight_requests",
        "apiserver_flowcontrol_current_executing_requests",
        "apiserver_flowcontrol_current_executing_seats",
        "apiserver_flowcontrol_current_inqueue_requests",
        "apiserver_flowcontrol_dispatched_requests_total",
        "apiserver_flowcontrol_nominal_limit_seats",
        "apiserver_flowcontrol_rejected_requests_total", "apiserver_longrunning_requests",
        "apiserver_flowcontrol_request_wait_duration_seconds",
        "apiserver_request_duration_seconds", "apiserver_request_sli_duration_seconds",
        "apiserver_request_total", "apiserver_resource_objects",
        "apiserver_response_sizes", "apiserver_storage_objects", "apiserver_watch_events_total",
        "authentication_attempts", "authorization_attempts_total", "kubernetes_build_info",
        "rest_client_requests_total",
    } <= set(families)  # fmt: skip
    assert families["authentication_attempts"] == {
        'authentication_attempts{result="failure"}': 1,
        'authentication_attempts{result="success"}': 2,
    }
    assert (
        families["authorization_attempts_total"]['authorization_attempts_total{result="allowed"}']
        == 2
    )
    asked = 'rest_client_requests_total{code="200",host="in-process",method="DELETE"}'
    assert families["rest_client_requests_total"][asked] == 1


def test_clients_cannot_make_labels() -> None:
    metrics = Metrics()
    for index in range(100):
        path = f"/made-up-{index}/{index}"
        metrics.answered(parse_path("GET", path), known=False, code=404, seconds=0, size_bytes=0)
        unknown = parse_path("GET", f"/apis/g{index}/v1/things")
        metrics.answered(unknown, known=False, code=404, seconds=0, size_bytes=0)
    text = asyncio.run(metrics.text()).decode()
    assert text.count("apiserver_request_total{") == 2
    assert "made-up" not in text


def test_nor_by_methods_and_subresources() -> None:
    async def scene() -> int:
        async with running() as api:
            for index in range(50):
                pod = f"/api/v1/namespaces/n/pods/a/made-up-{index}"
                await api.handle(Request("GET", pod, user=ADMIN))
                await api.handle(Request(f"MADE{index}", "/version", user=ADMIN))
            text = (await api.metrics.text()).decode()
            assert "made" not in text.lower()
            return text.count("apiserver_request_total{")

    assert asyncio.run(scene()) == 2


def test_a_server_counts_requests_objects_and_watches() -> None:
    async def scene() -> str:
        async with running() as api:
            base = "/api/v1/namespaces/n/configmaps"
            body = b'{"metadata":{"name":"a"}}'
            await api.handle(Request("POST", base, body=body, user=ADMIN))
            await api.handle(Request("GET", f"{base}/a", user=ADMIN))
            watch = await api.handle(Request("GET", base, "watch=true", user=ADMIN))
            assert isinstance(watch, WatchAnswer)
            arrived = asyncio.Event()

            class Sink:
                def write(self, frames: Frames) -> None:
                    arrived.set()

                def close(self) -> None:
                    """Nothing to close."""

            task = asyncio.create_task(watch.run(Sink()))
            await arrived.wait()  # the state so far; now the watch is live
            arrived.clear()
            await api.handle(Request("DELETE", f"{base}/a", user=ADMIN))
            await arrived.wait()
            answer = await api.handle(Request("GET", "/metrics", user=ADMIN))
            task.cancel()
            assert isinstance(answer, Answer)
            return answer.whole().decode()

    text = asyncio.run(scene())
    for line in (
        (
            'apiserver_request_total{code="201",component="apiserver",dry_run="",group="",resource="configmaps",'
            'scope="resource",subresource="",verb="POST",version="v1"} 1'
        ),
        (
            'apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="configmaps",'
            'scope="namespace",subresource="",verb="WATCH",version="v1"} 1'
        ),
        'apiserver_storage_objects{resource="configmaps"} 0',
        'apiserver_storage_objects{resource="deployments.apps"} 0',
        'apiserver_resource_objects{group="apps",resource="deployments"} 0',
        (
            'apiserver_longrunning_requests{component="apiserver",group="",resource="configmaps",'
            'scope="cluster",subresource="",verb="WATCH",version="v1"} 1'
        ),
        'apiserver_watch_events_total{group="",resource="configmaps",version="v1"} 1',
        'apiserver_current_inflight_requests{request_kind="readOnly"} 1',
        'apiserver_flowcontrol_nominal_limit_seats{priority_level="workload-low"} 245',
    ):
        assert line in text, line


def test_what_others_made_a_request_wait_is_not_the_servers_own() -> None:
    metrics = Metrics()
    info = parse_path("GET", "/api/v1/pods")
    metrics.answered(info, known=True, code=200, seconds=5.0, size_bytes=0, waited_s=4.5)
    info.dry_run = "All"
    metrics.answered(info, known=True, code=200, seconds=1.0, size_bytes=0)
    families = parsed(asyncio.run(metrics.text()).decode())
    own = families["apiserver_request_sli_duration_seconds"]
    assert [value for name, value in own.items() if "_sum" in name] == [1.5]
    whole = families["apiserver_request_duration_seconds"]
    assert [value for name, value in whole.items() if "_sum" in name] == [5.0, 1.0]


def test_requests_that_are_ended_are_counted_apart_from_what_budgets_refuse() -> None:
    metrics = Metrics()
    for path, code in (("", 429), ("/p", 504), ("/p", 200), ("/p/eviction", 429)):
        info = parse_path("GET", f"/api/v1/namespaces/n/pods{path}")
        metrics.answered(info, known=True, code=code, seconds=1.0, size_bytes=0)
    found = parsed(asyncio.run(metrics.text()).decode())["apiserver_request_terminations_total"]
    assert [name.partition(",")[0].partition("{")[2] for name in found] == [
        'code="429"',
        'code="504"',
    ]


def test_admission_says_how_long_each_plugin_took_and_whether_it_refused() -> None:
    class Slow(Base):
        name = "Slow"

        async def admit(self, request: Admission, lookup: Lookup) -> None:
            await asyncio.sleep(0.2)

        async def validate(self, request: Admission, lookup: Lookup) -> None:
            raise Forbidden("no")

    chain = Chain([Slow()])
    kind = next(each for each in builtin().kinds() if each.plural == "configmaps")

    async def scene() -> None:
        write = Admission("CREATE", kind, "n", "a", ADMIN)
        await chain.admit(write, cast("Lookup", None))
        with pytest.raises(Forbidden):
            await chain.validate(write, cast("Lookup", None))

    run(scene())
    families = parsed(text_of(chain.durations.families()).decode())
    plugins = families["apiserver_admission_controller_admission_duration_seconds"]
    start = "apiserver_admission_controller_admission_duration_seconds_bucket{"
    took = 'name="Slow",operation="CREATE",rejected="false",type="admit"'
    assert plugins[f'{start}{took},le="0.1"}}'] == 0
    assert plugins[f'{start}{took},le="0.5"}}'] == 1
    refused = 'name="Slow",operation="CREATE",rejected="true",type="validate"'
    assert plugins[f'{start}{refused},le="0.005"}}'] == 1
    whole = "apiserver_admission_step_admission_duration_seconds"
    assert (
        families[whole][f'{whole}_count{{operation="CREATE",rejected="true",type="validate"}}'] == 1
    )


def test_what_is_deprecated_and_asked_for_is_shown() -> None:
    async def scene() -> str:
        async with running() as api:
            await api.handle(Request("GET", "/api/v1/namespaces/n/endpoints", user=ADMIN))
            await api.handle(Request("GET", "/api/v1/namespaces/n/pods", user=ADMIN))
            return (await api.metrics.text()).decode()

    name = "apiserver_requested_deprecated_apis"
    assert parsed(asyncio.run(scene()))[name] == {
        f'{name}{{group="",removed_release="",resource="endpoints",subresource="",version="v1"}}': 1
    }
