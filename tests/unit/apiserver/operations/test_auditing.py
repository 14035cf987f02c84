"""The audit log: which requests, how much of them, and where it is written."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from fakes.apiserver import Everybody, running
from roost.adapters.real.auditlog import AuditFile
from roost.adapters.virtual.clock import LoopClock
from roost.api.errors import Unauthorized
from roost.apiserver.attributes import User
from roost.apiserver.auditing.auditor import Auditor
from roost.apiserver.auditing.policy import Level, PolicyError, parse_policy
from roost.apiserver.messages import Request
from roost.apiserver.requestinfo import parse_path

JANE = User("jane", ("devs", "system:authenticated"))
PODS = "/api/v1/namespaces/n/pods"


def policy(*rules: dict[str, Any], **more: Any) -> Any:
    return parse_policy(
        {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": list(rules), **more}
    )


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ({}, True),
        ({"users": ["jane"]}, True),
        ({"users": ["joe"]}, False),
        ({"userGroups": ["devs"]}, True),
        ({"userGroups": ["ops"]}, False),
        ({"verbs": ["list"]}, False),
        ({"verbs": ["get"]}, True),
        ({"namespaces": ["n"]}, True),
        ({"namespaces": [""]}, False),
        ({"resources": [{"group": ""}]}, True),
        ({"resources": [{"group": "apps"}]}, False),
        ({"resources": [{"group": "*", "resources": ["pods/log"]}]}, True),
        ({"resources": [{"group": "", "resources": ["pods"]}]}, False),  # not its subresources
        ({"resources": [{"group": "", "resources": ["pods/log"]}]}, True),
        ({"resources": [{"group": "", "resources": ["pods/*"]}]}, True),
        ({"resources": [{"group": "", "resources": ["*/log"]}]}, True),
        ({"resources": [{"group": "", "resources": ["*"], "resourceNames": ["p"]}]}, True),
        ({"resources": [{"group": "", "resources": ["*"], "resourceNames": ["q"]}]}, False),
        ({"nonResourceURLs": ["*"]}, False),
    ],
)
def test_rules(rule: dict[str, Any], matches: bool) -> None:
    info = parse_path("GET", f"{PODS}/p/log")
    found = policy({"level": "Metadata", **rule}).rule(JANE, info)
    assert (found.level == Level.METADATA) == matches


def test_paths_and_the_first_rule_counts() -> None:
    rules = policy({"level": "None", "nonResourceURLs": ["/healthz*"]}, {"level": "Request"})
    assert rules.rule(JANE, parse_path("GET", "/healthz/ping")).level == Level.NONE
    assert rules.rule(JANE, parse_path("GET", "/version")).level == Level.REQUEST


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ([], "rules: there must be at least one"),
        ([{"level": "All"}], "rules\\[0\\].level"),
        ([{"level": "None", "user": ["a"]}], 'unknown field "rules\\[0\\].user"'),
        ([{"level": "None", "omitStages": ["Never"]}], "omitStages"),
        (
            [{"level": "None", "namespaces": ["n"], "nonResourceURLs": ["/x"]}],
            "cannot apply to both",
        ),
        ([{"level": "None", "nonResourceURLs": ["/a*b"]}], "is no path"),
        ([{"level": "None", "resources": [{"group": "apps/v1"}]}], "'apps/v1' is no API group"),
    ],
)
def test_a_wrong_policy_is_refused(rules: list[Any], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        policy(*rules)


class Lines:
    def __init__(self) -> None:
        self.events: list[Any] = []

    def write(self, line: bytes) -> None:
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        self.events.append(json.loads(line))


def audited(rules: Any, *requests: Request, refused: str = "") -> list[Any]:
    async def scene() -> list[Any]:
        lines = Lines()
        async with running(authorizer=Everybody(refused)) as api:
            api.auditor = Auditor(rules, lines, LoopClock())
            for request in requests:
                await api.handle(request)
        return lines.events

    return asyncio.run(scene())


def test_how_much_is_recorded() -> None:
    body = b'{\n "metadata": {"name": "c"}}'

    def make(level: str) -> list[Any]:
        request = Request(
            "POST", "/api/v1/namespaces/n/configmaps", "dryRun=All", {"user-agent": "t"}, body, JANE,
            peer="192.0.2.1",
        )  # fmt: skip
        return audited(policy({"level": level}), request)

    received, complete = make("Metadata")
    assert (received["stage"], complete["stage"]) == ("RequestReceived", "ResponseComplete")
    assert received["auditID"] == complete["auditID"]
    assert complete["requestURI"] == "/api/v1/namespaces/n/configmaps?dryRun=All"
    assert (complete["verb"], complete["sourceIPs"]) == ("create", ["192.0.2.1"])
    assert complete["user"] == {"username": "jane", "groups": list(JANE.groups)}
    assert complete["objectRef"] == {
        "resource": "configmaps", "namespace": "n", "apiVersion": "v1", "name": "c",
    }  # fmt: skip
    assert "name" not in received["objectRef"]  # the body has not been read yet
    assert received["stageTimestamp"] == received["requestReceivedTimestamp"]
    assert complete["responseStatus"] == {"metadata": {}, "code": 201}
    assert complete["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert "requestObject" not in complete
    assert make("None") == []
    _, complete = make("Request")
    assert complete["requestObject"]["metadata"]["name"] == "c"
    assert "responseObject" not in complete
    _, complete = make("RequestResponse")
    assert complete["responseObject"]["kind"] == "ConfigMap"


def test_refusals_say_why_and_stages_can_be_left_out() -> None:
    rules = policy({"level": "Metadata"}, omitStages=["RequestReceived"])
    (event,) = audited(rules, Request("GET", PODS, user=JANE), refused="jane")
    assert event["responseStatus"]["reason"] == "Forbidden"
    assert event["responseStatus"]["code"] == 403
    assert event["annotations"]["authorization.k8s.io/decision"] == "forbid"


def test_whoever_acts_as_somebody_else_is_named() -> None:
    rules = policy({"level": "Metadata"}, omitStages=["RequestReceived"])
    headers = {"impersonate-user": "joe"}
    (event,) = audited(rules, Request("GET", PODS, "", headers, user=JANE))
    assert event["user"]["username"] == "jane"
    assert event["impersonatedUser"]["username"] == "joe"


def test_managed_fields_can_be_left_out() -> None:
    body = b'{"metadata": {"name": "c"}}'
    request = Request("POST", "/api/v1/namespaces/n/configmaps", body=body, user=JANE)
    rules = policy({"level": "RequestResponse", "omitManagedFields": True})
    assert "managedFields" not in audited(rules, request)[-1]["responseObject"]["metadata"]


def test_nor_are_they_in_tables() -> None:
    path = "/api/v1/namespaces/n/configmaps"
    made = Request("POST", path, body=b'{"metadata": {"name": "c"}}', user=JANE)
    accept = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    rules = policy({"level": "RequestResponse", "omitManagedFields": True})
    table = audited(rules, made, Request("GET", path, "includeObject=Object", accept, user=JANE))[
        -1
    ]
    (row,) = table["responseObject"]["rows"]
    assert row["object"]["metadata"]["name"] == "c"
    assert "managedFields" not in row["object"]["metadata"]


def test_a_status_that_is_no_failure_is_told_too() -> None:
    path = "/api/v1/namespaces/n/configmaps"
    made = Request("POST", path, body=b'{"metadata": {"name": "c"}}', user=JANE)
    rules = policy({"level": "Metadata", "verbs": ["delete"]})
    gone = audited(rules, made, Request("DELETE", f"{path}/c", user=JANE))[-1]["responseStatus"]
    assert (gone["status"], gone["code"], gone["details"]["name"]) == ("Success", 200, "c")


def test_what_takes_long_has_begun_even_if_it_is_refused() -> None:
    rules = policy({"level": "Metadata"})
    watch = Request("GET", PODS, "watch=true", user=JANE)
    stages = [(e["stage"], e.get("responseStatus", {}).get("code")) for e in audited(
        rules, watch, Request("GET", PODS, user=JANE), refused="jane"
    )]  # fmt: skip
    assert stages == [
        ("RequestReceived", None), ("ResponseStarted", 403), ("ResponseComplete", 403),
        ("RequestReceived", None), ("ResponseComplete", 403),
    ]  # fmt: skip


def test_nobody_knows_who_has_bad_credentials() -> None:
    async def scene() -> list[Any]:
        lines = Lines()
        async with running() as api:
            rules = policy(
                {"level": "None", "userGroups": ["system:unauthenticated"]}, {"level": "Metadata"}
            )
            api.auditor = Auditor(rules, lines, LoopClock())
            api.unauthenticated(Request("GET", PODS), Unauthorized("Unauthorized"))
        return lines.events

    (event,) = asyncio.run(scene())
    assert (event["stage"], event["user"]) == ("ResponseStarted", {})
    assert event["responseStatus"]["code"] == 401


def test_a_fault_of_the_server_is_told() -> None:
    class Broken(Everybody):
        def authorize(self, request: Any) -> Any:
            raise RuntimeError("oh")

    async def scene() -> list[Any]:
        lines = Lines()
        async with running(authorizer=Broken()) as api:
            api.auditor = Auditor(policy({"level": "Metadata"}), lines, LoopClock())
            with pytest.raises(RuntimeError):
                await api.handle(Request("GET", PODS, user=JANE))
        return lines.events

    _, event = asyncio.run(scene())
    assert event["stage"] == "Panic"
    assert event["responseStatus"] == {
        "metadata": {}, "status": "Failure", "message": "APIServer panic'd: oh",
        "reason": "InternalError", "code": 500,
    }  # fmt: skip


def test_a_list_of_one_object_is_about_that_object() -> None:
    rules = policy(
        {"level": "Metadata", "resources": [{"resources": ["pods"], "resourceNames": ["p"]}]},
        omitStages=["RequestReceived"],
    )
    asked = [
        Request("GET", PODS, f"fieldSelector=metadata.name%3D{name}", user=JANE) for name in "pq"
    ]
    (event,) = audited(rules, *asked)
    assert (event["verb"], event["objectRef"]["name"]) == ("list", "p")


def test_a_long_user_agent_is_cut() -> None:
    (event, _) = audited(
        policy({"level": "Metadata"}),
        Request("GET", PODS, "", {"user-agent": "x" * 2000}, user=JANE),
    )
    assert event["userAgent"] == "x" * 1024 + "...TRUNCATED"


def test_the_file_is_its_owners_and_is_put_aside_when_it_is_large(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    path.write_bytes(b"x" * 100 + b"\n")
    path.chmod(0o600)
    for number in range(3):
        file = AuditFile(str(path), 100, 2)
        file.write(b"%d\n" % number + b"y" * 99 + b"\n")
        file.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().startswith(b"2\n")
    assert (tmp_path / "audit.log.1").read_bytes().startswith(b"1\n")
    assert (tmp_path / "audit.log.2").read_bytes().startswith(b"0\n")
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "audit.log", "audit.log.1", "audit.log.2",
    ]  # fmt: skip


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    for number, age_s in ((1, 100), (2, 5000)):
        aside = tmp_path / f"audit.log.{number}"
        aside.write_text("x")
        os.utime(aside, (time.time() - age_s,) * 2)
    AuditFile(str(path), 100, 5).close()
    assert (tmp_path / "audit.log.2").exists()
    AuditFile(str(path), 100, 5, 3600.0).close()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["audit.log", "audit.log.1"]
