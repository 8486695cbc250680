"""What the module refuses before it asks the store anything: option, value and rule."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.ipban.model import (
    Request,
    RequestError,
    parse_request,
)

NOW = datetime.datetime(2027, 1, 31, 12, tzinfo=datetime.timezone.utc)
DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(
        ["reason", "source", "list", "expires_in", "expires_at", "wide_reason", "actor", "withdraw"]
    ),
    "networks": [],
    "lookup": [],
    "state": "present",
    "kind": "ban",
}


def parse(**options: Any) -> Request:
    return parse_request({**DEFAULTS, **options}, NOW)


def ban(*networks: str, **options: Any) -> Request:
    return parse(networks=list(networks), **{"reason": "scans", **options})


def test_networks_are_written_as_people_write_them_each_once() -> None:
    found = ban("192.0.2.7/32", "192.0.2.7", "2001:DB8:0::1", "2001:db8:1::/48", "198.51.100.0/24")
    assert found.networks == ("192.0.2.7", "2001:db8::1", "2001:db8:1::/48", "198.51.100.0/24")


def test_who_and_where_have_defaults_only_for_what_is_to_be_there() -> None:
    present, absent = ban("192.0.2.7"), ban("192.0.2.7", state="absent", reason=None)
    assert (present.source, present.list) == ("operator", "all")
    assert (absent.source, absent.list) == (None, None)
    assert ban("192.0.2.7", kind="allow").list is None


def test_an_end() -> None:
    assert ban("192.0.2.7").expires_at is None
    assert ban("192.0.2.7", expires_in="1d12h").expires_at == NOW + datetime.timedelta(hours=36)
    for text in ("2027-01-31T13:00:00Z", "2027-01-31T14:00:00+01:00", "2027-01-31T13:00:00.000+00:00"):
        assert ban("192.0.2.7", expires_at=text).expires_at == NOW + datetime.timedelta(hours=1)


@pytest.mark.parametrize(
    ("network", "says"),
    [
        ("example.com", "must be an address or a network"),
        ("", "must be an address or a network"),
        ("192.0.2.256", "must be an address or a network"),
        ("192.0.2.07", "must be an address or a network"),
        ("192.0.2.0/33", "must be an address or a network"),
        ("192.0.2.0/255.255.255.0", "must be an address or a network"),
        ("192.0.2.0/024", "must be an address or a network"),
        ("192.0.2.7 ", "must be an address or a network"),
        ("192.0.2.7\n", "must be an address or a network"),
        ("fe80::1%eth0", "must be an address or a network"),
        ("192.0.2.7/24", "must not have host bits set; its network is 192.0.2.0/24"),
        ("2001:db8::1/64", "must not have host bits set; its network is 2001:db8::/64"),
        ("0.0.0.0/0", "must not be wider than /8 (IPv4) or /19 (IPv6), whatever the reason"),
        ("::/0", "must not be wider than /8 (IPv4) or /19 (IPv6), whatever the reason"),
        ("45.0.0.0/8", "wider than /16 (IPv4) or /32 (IPv6) needs a wide_reason"),
        ("2a00::/19", "wider than /16 (IPv4) or /32 (IPv6) needs a wide_reason"),
        ("127.0.0.1", "must not touch unspecified, loopback"),
        ("169.254.1.1", "must not touch unspecified, loopback"),
        ("224.0.0.1", "must not touch unspecified, loopback"),
        ("::1", "must not touch unspecified, loopback"),
        ("::ffff:192.0.2.1", "must not touch unspecified, loopback"),
        ("fe80::1", "must not touch unspecified, loopback"),
        ("ff02::1", "must not touch unspecified, loopback"),
    ],
)
def test_a_network_that_can_not_be_banned(network: str, says: str) -> None:
    with pytest.raises(RequestError) as refused:
        ban("192.0.2.1", network)
    assert str(refused.value).startswith(f'networks[1] is "{network}": {says}')


def test_a_wide_ban_with_its_own_reason() -> None:
    assert ban("45.0.0.0/8", wide_reason="the whole of it attacks").wide_reason
    with pytest.raises(RequestError, match="whatever the reason"):
        ban("44.0.0.0/7", wide_reason="the whole of it attacks")


def test_an_allow_entry_that_covers_everything() -> None:
    with pytest.raises(RequestError, match="an allow entry must not be wider than /8"):
        ban("0.0.0.0/0", kind="allow")
    assert ban("10.0.0.0/8", "127.0.0.0/8", kind="allow").networks


def test_what_is_taken_back_may_be_anything() -> None:
    assert ban("45.0.0.0/8", "127.0.0.1", state="absent").networks == ("45.0.0.0/8", "127.0.0.1")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reason": None}, "reason is missing"),
        ({"reason": " "}, 'reason is " ": must be one line'),
        ({"reason": "two\nlines"}, "must be one line of 1 to 500 characters"),
        ({"reason": "x" * 501}, "must be one line of 1 to 500 characters"),
        ({"source": "Operator"}, 'source is "Operator": must be of lower case letters'),
        ({"list": "web/ssh"}, 'list is "web/ssh": must be of lower case letters'),
        ({"list": "web", "kind": "allow"}, "entries of the allow list are valid for all lists"),
        ({"expires_in": "2"}, 'expires_in is "2": must be a time span such as'),
        ({"expires_in": "0s"}, 'expires_in is "0s": must be a time span such as'),
        ({"expires_in": ""}, "must be a time span such as"),
        ({"expires_in": "99999999999999999999w"}, ""),
        ({"expires_at": "tomorrow"}, 'expires_at is "tomorrow": must be a time with its zone'),
        ({"expires_at": "2027-02-01T12:00:00"}, "must be a time with its zone"),
        (
            {"expires_at": "2027-01-31T11:59:59Z"},
            "must be in the future; it is 2027-01-31T12:00:00+00:00 here",
        ),
        ({"state": "absent", "expires_in": "2h"}, "what is absent does not expire"),
        ({"actor": "a\tb"}, "actor is"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], says: str) -> None:
    if not says:
        assert ban("192.0.2.7", **options).expires_at
        return
    with pytest.raises(RequestError) as refused:
        ban("192.0.2.7", **options)
    assert says in str(refused.value)


def test_lookups_and_withdrawals() -> None:
    assert parse(lookup=["192.0.2.7/32", "::1"]).lookup == ("192.0.2.7", "::1")
    assert parse(withdraw="some-feed").withdraw == "some-feed"
    with pytest.raises(RequestError, match=r'lookup\[0\] is "x": must be an address'):
        parse(lookup=["x"])
    with pytest.raises(RequestError, match='withdraw is "Some Feed": must be of lower case'):
        parse(withdraw="Some Feed")
