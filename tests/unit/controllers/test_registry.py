"""Choosing controllers as kube-controller-manager does."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from roost.api.registry import builtin
from roost.controllers.certificates import CertificateRules
from roost.controllers.registry import ALIASES, ALL, Setup, chosen, controllers
from roost.controllers.resourcequota import QuotaRules
from roost.decisions.certificates import Request
from roost.decisions.served import served_kinds

KNOWN = ("a-controller", "b-controller", "scheduler")


def test_all_some_and_all_but_some() -> None:
    assert chosen("*", KNOWN) == KNOWN
    assert chosen("*,-b-controller", KNOWN) == ("a-controller", "scheduler")
    assert chosen("scheduler, a-controller", KNOWN) == ("a-controller", "scheduler")
    assert chosen("-a-controller", KNOWN) == ()


def test_what_is_off_by_default_has_to_be_named() -> None:
    assert "token-cleaner-controller" not in chosen("*")
    assert chosen("tokencleaner") == ("token-cleaner-controller",)


def test_an_unknown_name_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match='"nope" is not in the list of known controllers'):
        chosen("*,-nope", KNOWN)


def test_old_names_are_understood() -> None:
    assert chosen("job,garbagecollector") == ("job-controller", "garbage-collector-controller")
    assert set(ALIASES.values()) <= set(ALL)


def test_every_declaration_carries_its_registered_name() -> None:
    rules = QuotaRules(lambda group, plural, obj: {}, lambda spec, group, plural, obj: True)
    certificates = CertificateRules(lambda pem: Request("", (), (), (), ()), lambda spec, sub: True)
    served = served_kinds(builtin().kinds())
    setup = Setup(
        "PEM", served, rules, certificates, node_ports=frozenset(),
        cluster_cidr=IPv4Network("10.244.0.0/16"),
    )  # fmt: skip
    made = controllers(ALL, setup)
    assert [c.name for c in made] == list(ALL)
    shared = {}
    for controller in made:
        for watch in controller.watches:
            for index, function in watch.indexes.items():
                key = (watch.resource, index)
                assert shared.setdefault(key, function) is function, key


def test_what_the_setup_does_not_have_is_left_out() -> None:
    made = controllers(("node-ipam-controller", "service-lb-controller"), Setup())
    assert made == ()
