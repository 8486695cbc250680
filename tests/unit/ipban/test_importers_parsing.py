"""What a feed may hold: every refusal names the line and the rule."""

from __future__ import annotations

import dataclasses
import random

import pytest
from ipban.importers import networks, parsing
from ipban.importers.networks import Ranges, RefusedError
from ipban.importers.settings import Feed

FEED = Feed("drop", "https://lists.example.com/drop.txt", "drop", "all", "drop list")


def parse(text: str, *own: str, **changed: object) -> list[str]:
    return parsing.parse(dataclasses.replace(FEED, **changed), text.encode(), own)


def test_addresses_and_networks_of_both_families_each_once_and_sorted() -> None:
    text = """\
# a netset
; another comment
198.51.100.0/24 ; SBL1
192.0.2.7   # a host
192.0.2.7/32
2001:db8:1::/48

2001:DB8::7
"""
    assert parse(text) == ["192.0.2.7", "198.51.100.0/24", "2001:db8::7", "2001:db8:1::/48"]


def test_a_byte_order_mark_and_windows_lines_are_no_matter() -> None:
    assert parse("\ufeff192.0.2.7\r\n192.0.2.8\r\n") == ["192.0.2.7", "192.0.2.8"]


@pytest.mark.parametrize(
    ("changed", "text", "expected"),
    [
        ({"format": "csv"}, '192.0.2.7,"spam, a lot",2024\n"192.0.2.8",x\n', ["192.0.2.7", "192.0.2.8"]),
        ({"format": "csv"}, "#first,line\n192.0.2.7,x\n", ["192.0.2.7"]),
        ({"format": "csv", "skip_lines": 1}, "ip,why\n192.0.2.7,x\n", ["192.0.2.7"]),
        ({"format": "csv", "column": 2, "delimiter": ";"}, "x; 192.0.2.7 ;y\n", ["192.0.2.7"]),
    ],
)
def test_a_column_of_csv(changed: dict[str, object], text: str, expected: list[str]) -> None:
    assert parse(text, **changed) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<!DOCTYPE html><html><body>Not found", "must be a list of networks, it is a page"),
        ("\n \n<html>", "must be a list of networks, it is a page"),
        ("192.0.2.7\nerror: quota exceeded\n", "line 2: error:: must be an IPv4 or IPv6 address or network"),
        ("192.0.2.256\n", "line 1: 192.0.2.256: must be an IPv4 or IPv6 address"),
        ("192.0.2.007\n", "line 1: 192.0.2.007: must be an IPv4 or IPv6 address"),
        ("192.0.2\n", "line 1: 192.0.2: must be an IPv4 or IPv6 address"),
        ("192.0.2.7/24\n", "line 1: 192.0.2.7/24: must not have host bits set"),
        ("2001:db8::1/64\n", "line 1: 2001:db8::1/64: must not have host bits set"),
        ("192.0.2.0/33\n", "the prefix must be at most 32"),
        ("192.0.2.0/024\n", "the prefix must be a number"),
        ("192.0.2.0/255.255.255.0\n", "the prefix must be a number"),
        ("192.0.2.0/\n", "the prefix must be a number"),
        ("45.0.0.0/8\n", "45.0.0.0/8: the prefix must be at least 16"),
        ("2001::/16\n", "2001::/16: the prefix must be at least 32"),
        ("0.0.0.0/0\n", "0.0.0.0/0: the prefix must be at least 16"),
        ("192.0.2.7\n10.1.2.3\n", "line 2: 10.1.2.3: must not hold private, reserved or multicast networks"),
        ("127.0.0.1\n", "must not hold private, reserved or multicast networks"),
        ("172.16.0.0/16\n", "must not hold private, reserved or multicast networks"),
        ("fe80::1\n", "must not hold private, reserved or multicast networks"),
        ("::1\n", "must not hold private, reserved or multicast networks"),
        ("::ffff:192.0.2.1\n", "must not hold private, reserved or multicast networks"),
        ("fd00::/32\n", "must not hold private, reserved or multicast networks"),
        ("", "has 0 entries: must have at least 1 (min_entries)"),
        ("# nothing today\n", "has 0 entries: must have at least 1 (min_entries)"),
        ("x" * 200, "x...: must be an IPv4 or IPv6 address"),
        ("192.0.2.7\x00\n", "must be an IPv4 or IPv6 address"),
    ],
)
def test_one_bad_line_refuses_the_feed(text: str, says: str) -> None:
    with pytest.raises(RefusedError) as refused:
        parse(text)
    assert says in str(refused.value)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(RefusedError, match="must be text in UTF-8"):
        parsing.parse(FEED, b"\xff\xfe1\x009\x00", ())


@pytest.mark.parametrize("text", ["198.51.100.9", "198.51.0.0/16", "198.51.100.0/28"])
def test_own_networks_are_refused_whether_inside_or_around(text: str) -> None:
    with pytest.raises(RefusedError, match=r"line 1: .*: must not hold networks of our own"):
        parse(text, "198.51.100.0/24", "2001:db8::/32")


def test_what_is_named_in_ignore_is_left_out() -> None:
    text = "10.0.0.0/8\n192.0.2.7\n0.0.0.0/8\n"
    assert parse(text, ignore=("10.0.0.0/8", "0.0.0.0/8")) == ["192.0.2.7"]
    with pytest.raises(RefusedError, match=r"line 1: 10\.0\.0\.0/8: the prefix must be"):
        parse(text, ignore=("10.0.0.0/9",))


def test_too_many_entries_are_refused() -> None:
    with pytest.raises(RefusedError, match=r"has 2 entries: must have at most 1 \(max_entries\)"):
        parse("192.0.2.7\n192.0.2.8\n", max_entries=1)


@pytest.mark.parametrize(
    ("count", "usual", "fine"),
    [
        (1000, 1000, True),
        (1999, 1000, True),
        (10_000, 1000, False),
        (499, 1000, False),
        (501, 1000, True),
        # Fewer than a hundred more or less are nothing unusual.
        (99, 1, True),
        (1, 99, True),
        (0, 1000, False),
    ],
)
def test_an_unusual_size_is_refused(count: int, usual: int, fine: bool) -> None:
    if fine:
        parsing.check_change(FEED, count, usual)
        return
    with pytest.raises(
        RefusedError, match=f"has {count} entries after {usual}: .* by more than the factor 2"
    ):
        parsing.check_change(FEED, count, usual)


def test_lookups_agree_with_comparing_everything() -> None:
    chance = random.Random(5)

    def some(count: int) -> list[networks.Network]:
        found = []
        for _ in range(count):
            prefix = chance.randrange(20, 33)
            found.append((4, chance.randrange(1 << 13) << 19 >> (32 - prefix) << (32 - prefix), prefix))
        return found

    known, asked = some(40), some(2000)
    ranges = Ranges(map(networks.text, known))
    for one in asked:
        low, high = one[1], networks.last(one)
        touching = any(other[1] <= high and networks.last(other) >= low for other in known)
        assert ranges.overlap(one) is touching
        if any(other[1] <= low and networks.last(other) >= high for other in known):
            assert ranges.hold(one)


@pytest.mark.parametrize(
    ("address", "network"),
    [("192.0.2.77", "192.0.2.0/24"), ("2001:db8::1:2:3:4", "2001:db8::/64"), ("::ffff:1.2.3.4", "::/64")],
)
def test_the_network_around_an_address(address: str, network: str) -> None:
    assert networks.text(networks.around(address, 24, 64)) == network
