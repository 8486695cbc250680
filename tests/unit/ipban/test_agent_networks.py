"""Aggregation and packed entries, held against brute force."""

from __future__ import annotations

import random
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

import pytest
from ipban.networks import aggregate, pairs, ranges
from ipban.packed import changed, entries, locate, pack_network, tile, without
from ipban_fakes import covers


def packed(found: list[IPv4Network] | list[IPv6Network]) -> bytes:
    return b"".join(sorted({pack_network(network) for network in found}))


def random4(source: random.Random) -> list[IPv4Network]:
    made = []
    for _ in range(source.randrange(0, 40)):
        prefix = source.randrange(20, 33)
        address = (10 << 24 | source.randrange(1 << 13)) >> (32 - prefix) << (32 - prefix)
        made.append(IPv4Network((address, prefix)))
    return made


@pytest.mark.parametrize("seed", range(60))
def test_ipv4_against_the_standard_library(seed: int) -> None:
    found = random4(random.Random(seed))
    expected = packed(list(collapse_addresses(found)))
    assert aggregate(packed(found), 4) == expected


@pytest.mark.parametrize("seed", range(30))
def test_ipv6_against_the_standard_library(seed: int) -> None:
    source = random.Random(seed)
    base = int(IPv6Network("2001:db8::/32").network_address)
    found = []
    for _ in range(source.randrange(0, 40)):
        prefix = source.randrange(40, 129)
        address = (base | source.randrange(1 << 90)) >> (128 - prefix) << (128 - prefix)
        found.append(IPv6Network((address, prefix)))
    assert aggregate(packed(found), 6) == packed(list(collapse_addresses(found)))


@pytest.mark.parametrize("seed", range(20))
def test_every_address_is_covered_as_before(seed: int) -> None:
    found = random4(random.Random(seed))
    merged = ranges(packed(found), 4)
    for address in range(10 << 24, (10 << 24) + (1 << 13), 7):
        expected = any(
            int(network.network_address) <= address <= int(network.broadcast_address) for network in found
        )
        assert covers(merged, address) == expected


def test_ranges_touch_nothing_else() -> None:
    found = [ip_network("192.0.2.0/25"), ip_network("192.0.2.128/25"), ip_network("192.0.3.0/32")]
    start = int(ip_network("192.0.2.0/24").network_address)
    assert ranges(packed(found), 4) == [(start, start + 257)]  # type: ignore[arg-type]


def test_the_last_address_of_all() -> None:
    found = packed([IPv4Network("255.0.0.0/8")])
    assert pairs(ranges(found, 4), 4) == bytes((255, 0, 0, 0, 0, 0, 0, 0))
    assert aggregate(found, 4) == found
    last6 = packed([IPv6Network("ff00::/8")])
    assert aggregate(last6, 6) == last6


def test_nothing_is_nothing() -> None:
    assert aggregate(b"", 4) == aggregate(b"", 6) == pairs([], 4) == b""


@pytest.mark.parametrize("seed", range(30))
def test_changes_keep_the_order(seed: int) -> None:
    source = random.Random(seed)
    there = {bytes((source.randrange(256), source.randrange(256))) for _ in range(50)}
    steps = [
        (bytes((source.randrange(256), source.randrange(256))), bool(source.randrange(2))) for _ in range(80)
    ]
    result = changed(b"".join(sorted(there)), 2, steps)
    for entry, present in steps:
        (there.add if present else there.discard)(entry)
    assert result == b"".join(sorted(there))


def test_without_says_what_was_there() -> None:
    chunk = bytes((1, 2, 4, 8))
    assert without(chunk, [bytes((2,)), bytes((3,)), bytes((9,))]) == (bytes((1, 4, 8)), [bytes((2,))])
    assert without(b"", [bytes((2,))]) == (b"", [])


def test_locate_in_nothing() -> None:
    assert locate(b"", b"\1\2") == (0, False)


def test_tiles() -> None:
    assert tile(b"<..>", b"abcd", (1, 2)) == b"<ab><cd>"
    assert tile(b"<..>", b"", (1, 2)) == b""


def test_networks_there_and_back() -> None:
    for text in ("192.0.2.0/24", "2001:db8::/48"):
        network = ip_network(text)
        entry = pack_network(network)
        assert ip_network((entry[:-1], entry[-1])) == network
    assert list(entries(b"aabb", 2)) == [b"aa", b"bb"]
