"""Addresses of pods: never twice, and remembered on disk."""

from __future__ import annotations

import pytest

from roost.network.addresses import AddressBook
from roost.network.plan import NetworkError, NodeNetwork, choose_pod_range


def test_addresses_differ_and_survive_a_restart(tmp_path):
    book = AddressBook(tmp_path / "a", "10.244.0.0/29")
    book.load()
    taken = [book.take(f"uid{n}", "p", "ns", n, (("TCP", "", 80, 8080),)) for n in range(5)]
    assert len({lease.address for lease in taken}) == 5
    assert "10.244.0.1" not in {lease.address for lease in taken}
    with pytest.raises(NetworkError, match="in use"):
        book.take("more", "p", "ns", 9)
    again = AddressBook(tmp_path / "a", "10.244.0.0/29")
    assert sorted(again.load(), key=lambda x: x.address) == taken
    again.give_back(taken[2])
    assert again.take("new", "p", "ns", 10).address == taken[2].address


def test_a_returned_address_rests_while_there_are_others(tmp_path):
    book = AddressBook(tmp_path / "a", "10.244.0.0/24")
    book.load()
    first = book.take("a", "p", "ns", 1)
    book.give_back(first)
    assert book.take("b", "p", "ns", 2).address != first.address


def test_a_lease_that_cannot_be_read_keeps_its_address_taken(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "10.244.0.2").write_text("{half")
    book = AddressBook(tmp_path / "a", "10.244.0.0/24")
    assert book.load() == []
    assert book.take("a", "p", "ns", 1).address == "10.244.0.3"


def test_a_range_that_overlaps_a_route_is_avoided():
    assert choose_pod_range("10.244.0.0/24", ["192.168.0.0/16"]) == "10.244.0.0/24"
    assert choose_pod_range("10.244.0.0/24", ["10.244.0.0/23"]) == "10.244.2.0/24"
    with pytest.raises(NetworkError, match="no free range"):
        choose_pod_range("10.244.0.0/24", ["10.0.0.0/8", "10.245.0.0/16"])
    with pytest.raises(NetworkError, match="is not an IPv4 range"):
        choose_pod_range("here", [])


def test_names_fit_the_kernel():
    network = NodeNetwork("abc123")
    assert len(network.bridge) <= 15
    assert len(network.veth_name("1" * 36, 99999)) <= 15
    assert network.veth_name("a", 1) != network.veth_name("a", 2)
