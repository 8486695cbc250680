"""Which bans a deny list of limited size has."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_network

import pytest
from ipban.denylist.selection import rendered, select, without
from ipban.packed import pack_network


def packed(*networks: str) -> list[bytes]:
    return [pack_network(ip_network(network)) for network in networks]


def at_most(limit: int):
    def fits(networks: Sequence[str]) -> bool:
        return len(networks) <= limit

    return fits


@pytest.mark.parametrize(
    ("banned", "protected", "expected"),
    [
        ([], [], []),
        (["192.0.2.1/32"], [], ["192.0.2.1/32"]),
        (["192.0.2.1/32", "192.0.2.0/32"], [], ["192.0.2.0/31"]),
        (["192.0.2.0/24", "192.0.2.7/32"], [], ["192.0.2.0/24"]),
        (["2001:db8::/33", "2001:db8:8000::/33", "192.0.2.1/32"], [], ["192.0.2.1/32", "2001:db8::/32"]),
        (["192.0.2.0/30"], ["192.0.2.1/32"], ["192.0.2.0/32", "192.0.2.2/31"]),
        (["192.0.2.0/30"], ["192.0.2.0/24"], []),
        (["192.0.2.0/24"], ["10.0.0.0/8", "192.0.2.0/25", "192.0.2.64/26"], ["192.0.2.128/25"]),
        (["2001:db8::/127"], ["2001:db8::/128", "192.0.2.0/24"], ["2001:db8::1/128"]),
    ],
)
def test_the_fewest_networks_without_what_is_protected(
    banned: list[str], protected: list[str], expected: list[str]
) -> None:
    assert rendered(packed(*banned), packed(*protected)) == expected


@pytest.mark.parametrize(
    ("found", "holes", "left"),
    [
        ([(0, 10)], [(2, 3), (5, 6)], [(0, 2), (3, 5), (6, 10)]),
        ([(0, 4), (6, 10)], [(2, 8)], [(0, 2), (8, 10)]),
        ([(0, 4), (6, 10)], [(0, 4), (9, 20)], [(6, 9)]),
        ([(5, 6)], [(0, 1), (2, 3), (7, 8)], [(5, 6)]),
    ],
)
def test_ranges_less_others(
    found: list[tuple[int, int]], holes: list[tuple[int, int]], left: list[tuple[int, int]]
) -> None:
    assert without(found, holes) == left


def test_all_are_taken_where_they_fit() -> None:
    found = select(packed("192.0.2.9/32", "192.0.2.0/32", "192.0.2.1/32"), [], at_most(2))
    assert found.networks == ("192.0.2.0/31", "192.0.2.9/32")
    assert found.taken == 3


def test_the_newest_are_taken_where_not_all_fit() -> None:
    scattered = packed(*(f"198.51.{number}.1/32" for number in range(100)))
    found = select(scattered, [], at_most(10))
    assert found.taken == 10
    assert found.networks == tuple(f"198.51.{number}.1/32" for number in range(10))


def test_aggregation_makes_room_for_older_ones() -> None:
    """A whole network, host by host, and scattered ones before it."""
    newest = packed(*(f"203.0.113.{number}/32" for number in range(256)))
    older = packed(*(f"198.51.{number}.1/32" for number in range(100)))
    found = select([*newest, *older], [], at_most(11))
    assert "203.0.113.0/24" in found.networks
    assert 256 + 8 <= found.taken <= 256 + 10


def test_protected_networks_that_split_a_ban_count() -> None:
    found = select(packed("192.0.2.0/24"), packed("192.0.2.77/32"), at_most(3))
    assert (found.networks, found.taken) == ((), 0)


def test_nothing_fits_into_nothing() -> None:
    assert select(packed("192.0.2.1/32"), [], at_most(0)).networks == ()
