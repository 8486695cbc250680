"""The peers' file: what it may say, beside the policy, and that writing it loses nothing."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard import register
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.reading import (
    Violations,
    network,
)
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.validate import validate
from wireguard_world import CI, NOW, OFFICE, PEERS, POLICY, key, peer, peers, policy, refused

ONE_KEY = {hub: {"public_key": key("x"), "port": 51820} for hub in ("gate", "gate2")}


def test_the_example_is_accepted() -> None:
    assert refused() == ""


def test_what_is_written_is_what_was_read() -> None:
    there = peers(peer("zoe", expires_at="2027-02-01", tunnel="full", reason='"Zoë": at 3 o\'clock, #1'))
    text = register.render(there)
    assert register.parse(yaml.safe_load(text), Violations()) == there
    assert register.render(register.parse(yaml.safe_load(text), Violations())) == text


def test_words_that_yaml_would_read_as_something_else_stay_text() -> None:
    there = peers(peer("no", owner="off"), peer("null", owner="1e3"))
    found = yaml.safe_load(register.render(there))["wireguard_peers"]
    assert [(one["name"], one["owner"]) for one in found][2:] == [
        ("no", "off"),
        ("null", "1e3"),
        ("office",) * 2,
    ]


def test_the_order_of_hand_edits_does_not_matter() -> None:
    turned = {**copy.deepcopy(PEERS), "wireguard_peers": list(reversed(PEERS["wireguard_peers"]))}
    assert register.parse(turned, Violations()) == peers()


def test_nothing_is_a_register_too() -> None:
    assert register.parse({}, Violations()) == register.Register()
    assert "wireguard_peers: []" in register.render(register.Register())


@pytest.mark.parametrize("text", ["2027-01-31T12:00:00Z", "2027-01-31T13:00:00+01:00"])
def test_times(text: str) -> None:
    assert register.timestamp(text) == NOW
    assert register.iso(NOW) == "2027-01-31T12:00:00Z"


def test_a_date_is_its_beginning_in_utc() -> None:
    assert register.timestamp("2027-01-31") == NOW - 43200
    assert register.timestamp("2027-01-31T12:00:00") is None


def test_the_timers_of_the_hubs_end_with_2199() -> None:
    assert register.timestamp("2199-12-31T23:59:59Z") == register.LAST - 1
    assert register.timestamp("2200-01-01") is None


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (peer("Bob"), 'wireguard_peers[Bob].name is "Bob": must be 1 to 31 lower case'),
        (peer("anna", public_key=key("b")), 'wireguard_peers[anna].name is "anna": must not be used twice'),
        (peer("bob", owner=""), 'wireguard_peers[bob].owner is "": says who answers for it'),
        (peer("bob", owner="{{ lookup('pipe', 'id') }}"), "must be one line of at most 500 characters"),
        (peer("bob", kind="robot"), "must be one of: person, service, site"),
        (peer("bob", group="nobody"), 'group is "nobody": must be a group: developers, services, sites'),
        (
            peer("bob", public_key="AAAA"),
            'public_key is "AAAA": must be a WireGuard public key, 44 characters',
        ),
        (peer("bob", public_key="AAAA"), "this one has 3 bytes"),
        (peer("bob", public_key="no key"), "this is no base64"),
        (peer("bob", public_key="A" * 43 + "="), "this one is empty"),
        (peer("bob", public_key=key("b")[:-2] + "9="), "the end of this one is not as wg writes it"),
        (
            peer("bob", public_key=None),
            "wireguard_peers[bob].public_key is null: must be a WireGuard public key",
        ),
        (peer("bob", public_key=key("anna")), "must not be the key of anna"),
        (peer("bob", public_key=key("hub gate")), "must not be the key of the hub gate"),
        (peer("bob", public_key=key("old")), "must not be the key of old, which gave it up on 2027-01-30"),
        (
            peer("bob", addresses=["10.80.0.17", "fd42:80::20"]),
            '"10.80.0.17": must not be the address of anna',
        ),
        (peer("bob", addresses=["10.80.0.1", "fd42:80::20"]), "must not be the address of the hub gate too"),
        (
            peer("bob", addresses=["10.80.0.18", "fd42:80::20"]),
            "was old's and rests in quarantine until 2027-03-01",
        ),
        (peer("bob", addresses=["10.80.0.20"]), "must be one address of IPv4 and IPv6 in the pool people"),
        (
            peer("bob", addresses=["10.80.0.20/32"]),
            'addresses is "10.80.0.20/32": must be an address without',
        ),
        (
            peer("bob", addresses=["10.80.1.9", "fd42:80::20"]),
            "it is in the pool machines; a peer is in one pool",
        ),
        (peer("bob", addresses=["10.9.9.9", "fd42:80::20"]), "it is in none of their networks"),
        (peer("bob", addresses=["10.80.0.255", "fd42:80::20"]), "its broadcast address"),
        (peer("bob", hub="nowhere"), 'hub is "nowhere": must be a hub: gate, gate2'),
        (peer("bob", kind="service"), "hub is null: must be given for a service"),
        (peer("bob", networks=["203.0.113.0/24"]), "must name the networks behind a site, and nothing for a"),
        (peer("bob", kind="site", hub="gate"), "networks is []: must name the networks behind a site"),
        (peer("bob", endpoint="somewhere"), 'endpoint is "somewhere": must be host:port'),
        (peer("bob", expires_at="soon"), 'expires_at is "soon": must be a time with its zone'),
        (peer("bob", expires="2027-01-31"), "wireguard_peers[bob].expires is"),
        (
            peer("bob", kind="site", hub="gate", networks=["198.51.100.128/25"]),
            '[bob].networks is "198.51.100.128/25": must not overlap 198.51.100.0/24 of office',
        ),
        (
            peer("bob", kind="site", hub="gate", networks=["10.80.0.0/16"]),
            'networks is "10.80.0.0/16": must not overlap 10.80.0.0/24 of the pool people',
        ),
        (peer("bob", kind="site", hub="gate", networks=["0.0.0.0/0"]), "must not be the whole Internet"),
    ],
)
def test_a_peer_is_refused(more: dict[str, Any], says: str) -> None:
    assert says in refused(None, more)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"wireguard_revision": -1}, "wireguard_revision is -1: must be a whole number"),
        ({"wireguard_peer": []}, "wireguard_peer is []: is not known here"),
        ({"wireguard_hub_keys": []}, "must be a mapping from hubs to their public keys"),
        ({"wireguard_hub_keys": {"gate": {"public_key": "x"}}}, "wireguard_hub_keys[gate].public_key is"),
        ({"wireguard_hub_keys": {"gate": "x"}}, 'wireguard_hub_keys[gate] is "x": must be a hub with'),
        (
            {"wireguard_hub_keys": {"old": {"public_key": key("x"), "port": 51820}}},
            'wireguard_hub_keys is "old": is not one of wireguard_hubs',
        ),
        (
            {"wireguard_hub_keys": {"gate": {"public_key": key("x"), "port": 4711}}},
            "wireguard_hub_keys[gate].port is 4711: must be the hub's port 51820 or its rotation_port 51821",
        ),
        (
            {"wireguard_hub_keys": ONE_KEY},
            "must not be the key of the hub gate without shared_key_with",
        ),
        ({"wireguard_released": [{"name": "x"}]}, "wireguard_released[x].released_at is null"),
    ],
)
def test_the_file_is_refused(changes: dict[str, Any], says: str) -> None:
    assert says in refused(None, **changes)


def test_an_address_may_be_reserved_for_a_peer() -> None:
    assert refused(None, peer("bob", addresses=["10.80.0.9", "fd42:80::9"])) == ""


def test_an_address_is_free_after_its_quarantine() -> None:
    bob = peer("bob", addresses=["10.80.0.18", "fd42:80::12"])
    assert refused({"wireguard_quarantine": "1h"}, bob) == ""


def test_a_rule_may_name_a_peer_that_was_revoked() -> None:
    groups = copy.deepcopy(POLICY["wireguard_groups"])
    groups[1]["rules"].append({"to": ["peer:old"]})
    assert refused({"wireguard_groups": groups}) == ""


def test_one_hub_is_where_everybody_lives() -> None:
    alone = {"wireguard_hubs": POLICY["wireguard_hubs"][:1]}
    keys = {"gate": PEERS["wireguard_hub_keys"]["gate"]}
    homeless = [{key: value for key, value in one.items() if key != "hub"} for one in (CI, OFFICE)]
    assert refused(alone, wireguard_hub_keys=keys, wireguard_peers=homeless) == ""


def test_hubs_of_one_key_may_tell_the_same() -> None:
    hubs = [POLICY["wireguard_hubs"][0], {"name": "gate2", "shared_key_with": "gate"}]
    assert refused({"wireguard_hubs": hubs}, wireguard_hub_keys=ONE_KEY) == ""


def lines_beside(pools: list[str], *more: dict[str, Any]) -> list[str]:
    found = Violations()
    beside = {"stage": [network(text) for text in pools]}
    validate(policy(), peers(*more), NOW, found, beside, None)
    return found.lines


def test_pools_of_two_environments_do_not_overlap() -> None:
    (line,) = lines_beside(["10.80.0.0/22"])[:1]
    assert 'wireguard_pools[people].networks is "10.80.0.0/24": must not overlap 10.80.0.0/22' in line
    assert "of the environment stage" in line


def test_a_peer_is_not_in_the_pools_of_two_environments() -> None:
    (line,) = lines_beside(["10.81.0.0/24"], peer("bob", addresses=["10.81.0.20", "fd42:80::20"]))
    assert "it is in the pool of the environment stage; a peer is in one pool of one environment" in line


def test_an_endpoint_has_to_resolve() -> None:
    hubs = [{**POLICY["wireguard_hubs"][0], "endpoint": "vpn.example.com"}, POLICY["wireguard_hubs"][1]]
    office = {**OFFICE, "endpoint": "office.example.com:51820"}
    asked: list[str] = []

    def resolve(host: str) -> str | None:
        asked.append(host)
        return "Name or service not known" if host.startswith("vpn") else None

    found = Violations()
    there = peers(wireguard_peers=[CI, office])
    validate(policy(wireguard_hubs=hubs), there, NOW, found, {}, resolve)
    assert found.lines == [
        'wireguard_hubs[gate].endpoint is "vpn.example.com":'
        " must resolve to an address; the answer is: Name or service not known"
    ]
    assert sorted(asked) == ["office.example.com", "vpn.example.com"], "addresses are not asked for"
