"""Health: the texts of the real server, check by check."""

from __future__ import annotations

from roost.apiserver.exposition import text_of
from roost.apiserver.health import LIVEZ, READYZ, Health
from roost.apiserver.messages import Answer


def ask(health: Health, path: str, query: str = "") -> tuple[int, str]:
    answer = health.answer(path, query)
    assert isinstance(answer, Answer)
    return answer.code, answer.whole().decode()


def test_all_is_well() -> None:
    health = Health()
    for root in ("/healthz", "/livez", "/readyz"):
        assert ask(health, root) == (200, "ok")
    text = "[+]ping ok\n[+]log ok\nlivez check passed\n"
    assert ask(health, "/livez", "verbose") == (200, text)
    assert health.answer("/version", "") is None


def test_a_failing_check_is_named_and_its_reason_kept() -> None:
    health = Health()
    health.add("etcd", lambda: "disk full")
    text = "[+]ping ok\n[+]log ok\n[-]etcd failed: reason withheld\nhealthz check failed\n"
    assert ask(health, "/healthz") == (500, text)
    assert ask(health, "/healthz/etcd") == (500, "internal server error: disk full\n")
    assert ask(health, "/healthz", "exclude=etcd") == (200, "ok")
    shown = ask(health, "/healthz", "exclude=etcd&verbose")[1]
    assert "[+]etcd excluded: ok\n" in shown


def test_what_cannot_be_excluded_is_said() -> None:
    shown = ask(Health(), "/readyz", "verbose&exclude=b&exclude=a")[1]
    assert 'warn: some health checks cannot be excluded: no matches for "a","b"\n' in shown


def test_a_start_is_ready_when_all_its_steps_are_done() -> None:
    health = Health()
    done = health.hook("rbac/bootstrap-roles")
    assert ask(health, "/readyz")[0] == 500
    assert ask(health, "/readyz/poststarthook/rbac/bootstrap-roles")[0] == 500
    done()
    assert ask(health, "/readyz/poststarthook/rbac/bootstrap-roles") == (200, "ok")
    assert ask(health, "/readyz") == (200, "ok")


def test_a_check_belongs_to_its_roots() -> None:
    health = Health()
    health.add("etcd-readiness", lambda: "", (READYZ,))
    assert ask(health, f"{LIVEZ}/etcd-readiness") == (404, "404 page not found\n")
    assert ask(health, f"{READYZ}/etcd-readiness") == (200, "ok")


def test_how_checks_went_is_counted() -> None:
    health = Health()
    health.add("etcd", lambda: "disk full", (READYZ,))
    ask(health, READYZ)
    ask(health, "/livez/ping")
    text = text_of(health.families()).decode()
    for line in (
        'kubernetes_healthcheck{name="etcd",type="readyz"} 0',
        'kubernetes_healthcheck{name="ping",type="livez"} 1',
        'kubernetes_healthchecks_total{name="etcd",status="error",type="readyz"} 1',
        'kubernetes_healthchecks_total{name="ping",status="success",type="livez"} 1',
    ):
        assert f"{line}\n" in text
