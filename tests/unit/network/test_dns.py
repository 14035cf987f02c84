"""Cluster DNS: names of Services, and what does not exist."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from dnslib import DNSRecord

from roost.network.dns.server import Names, Resolver
from roost.network.dns.zone import build_zone, zone_table


def service(name, **spec):
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": spec}


WEB = service("web", clusterIP="10.96.0.20", ports=[{"name": "http", "port": 80}])
DB = service("db", clusterIP="None", ports=[{"name": "sql", "port": 5432}])
OUT = service("out", type="ExternalName", externalName="example.org.")
ALIAS = service("alias", type="ExternalName", externalName="web.shop.svc.cluster.local")
EMPTY = service("empty", clusterIP="None")
SLICE = {
    "metadata": {
        "name": "db-1",
        "namespace": "shop",
        "labels": {"kubernetes.io/service-name": "db"},
    },
    "addressType": "IPv4",
    "ports": [{"name": "sql", "port": 5432}],
    "endpoints": [
        {"addresses": ["10.244.0.3"], "hostname": "db-0", "conditions": {"ready": True}},
        {"addresses": ["10.244.0.4"], "conditions": {"ready": True}},
        {"addresses": ["10.244.0.5"], "hostname": "db-2", "conditions": {"ready": False}},
    ],
}
TABLE = zone_table([WEB, DB, OUT, ALIAS, EMPTY], [SLICE])
ZONE = build_zone(TABLE)


def data(name, type="A"):
    return [record.data for record in ZONE.answer(name, type).records]


@pytest.mark.parametrize(
    ("name", "type", "expected"),
    [
        ("web.shop.svc.cluster.local", "A", ["10.96.0.20"]),
        ("WEB.Shop.svc.cluster.local", "A", ["10.96.0.20"]),
        ("_http._tcp.web.shop.svc.cluster.local", "SRV", [(0, 100, 80, "web.shop.svc.cluster.local")]),
        ("db.shop.svc.cluster.local", "A", ["10.244.0.3", "10.244.0.4"]),
        ("db-0.db.shop.svc.cluster.local", "A", ["10.244.0.3"]),
        ("10-244-0-4.db.shop.svc.cluster.local", "A", ["10.244.0.4"]),
        ("10-244-0-9.shop.pod.cluster.local", "A", ["10.244.0.9"]),
        ("20.0.96.10.in-addr.arpa", "PTR", ["web.shop.svc.cluster.local"]),
        ("3.0.244.10.in-addr.arpa", "PTR", ["db-0.db.shop.svc.cluster.local"]),
        ("out.shop.svc.cluster.local", "CNAME", ["example.org"]),
        ("alias.shop.svc.cluster.local", "A", ["web.shop.svc.cluster.local", "10.96.0.20"]),
        ("dns-version.cluster.local", "TXT", ["1.1.0"]),
    ],
)  # fmt: skip
def test_names_that_exist(name, type, expected):
    assert data(name, type) == expected


@pytest.mark.parametrize(
    "name",
    [
        "nope.shop.svc.cluster.local",
        "web.other.svc.cluster.local",
        "db-2.db.shop.svc.cluster.local",
        "web.shop.svc.cluster.local.shop.svc.cluster.local",
        "300-1-1-1.shop.pod.cluster.local",
    ],
)
def test_names_that_do_not_exist_are_known_not_to(name):
    answer = ZONE.answer(name, "A")
    assert answer.ours
    assert not answer.known


@pytest.mark.parametrize("name", ["web.shop.svc.cluster.local", "shop.svc.cluster.local",
                                  "svc.cluster.local", "empty.shop.svc.cluster.local"])  # fmt: skip
def test_names_without_such_a_record_exist_all_the_same(name):
    answer = ZONE.answer(name, "AAAA")
    assert answer.known
    assert not answer.records


def test_srv_answers_bring_the_addresses_along():
    answer = ZONE.answer("_sql._tcp.db.shop.svc.cluster.local", "SRV")
    assert {record.data for record in answer.extra} == {"10.244.0.3", "10.244.0.4"}


def test_other_names_are_not_ours():
    assert not ZONE.answer("example.org", "A").ours


def ask(names, name, type="A", *, tcp=False):
    async def run():
        question = DNSRecord.question(name, type)
        packed = await Resolver(names).resolve(question.pack(), tcp=tcp)
        return DNSRecord.parse(packed)

    return asyncio.run(run())


@pytest.fixture
def names(tmp_path):
    path = tmp_path / "names.json"
    path.write_text(json.dumps({**TABLE, "upstreams": []}))
    found = Names(path)
    found.reload()
    return found


def test_an_answer_on_the_wire(names):
    reply = ask(names, "web.shop.svc.cluster.local")
    assert reply.header.aa == 1
    assert [str(record.rdata) for record in reply.rr] == ["10.96.0.20"]


def test_nxdomain_on_the_wire_carries_the_soa(names):
    reply = ask(names, "nope.shop.svc.cluster.local")
    assert reply.header.rcode == 3
    assert len(reply.auth) == 1


def test_without_other_servers_foreign_names_fail_at_once(names):
    started = time.monotonic()
    assert ask(names, "example.org").header.rcode == 2
    assert time.monotonic() - started < 1


def test_large_answers_are_truncated_on_udp_and_whole_on_tcp(tmp_path):
    many = {**SLICE, "endpoints": [{"addresses": [f"10.244.1.{n}"]} for n in range(60)]}
    path = tmp_path / "names.json"
    path.write_text(json.dumps({**zone_table([DB], [many]), "upstreams": []}))
    names = Names(path)
    names.reload()
    assert ask(names, "db.shop.svc.cluster.local").header.tc == 1
    assert len(ask(names, "db.shop.svc.cluster.local", tcp=True).rr) == 60


def test_a_broken_table_leaves_the_last_good_one(names):
    names._path.write_text("{broken")
    names.reload()
    assert ask(names, "web.shop.svc.cluster.local").rr


@pytest.mark.parametrize("junk", [b"", b"\0", b"\xff" * 40, b"\0" * 12])
def test_junk_gets_no_answer(names, junk):
    assert asyncio.run(Resolver(names).resolve(junk, tcp=False)) is None
