"""What each hub is told, and that it is told about everybody."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard import register
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.compile import (
    calendar,
    compile_settings,
)
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.settings import Settings
from wireguard import settings as on_hub
from wireguard_world import PEERS, POLICY, key, peer, peers, policy

STANDBY = {"name": "standby", "shared_key_with": "gate"}


def compiled(there: register.Register | None = None, **changes: Any) -> dict[str, Settings]:
    return compile_settings(policy(**changes), there or peers())


def test_people_are_on_every_hub_and_others_where_they_live() -> None:
    found = compiled()
    assert [one.name for one in found["gate"].peers] == ["anna", "ci"]
    assert [one.name for one in found["gate2"].peers] == ["anna", "office"]
    assert [one.name for one in found["gate"].elsewhere] == ["office"]
    assert found["gate"].elsewhere[0].networks == ("198.51.100.0/24", "2001:db8:51::/48")
    assert [one.name for one in found["gate2"].elsewhere] == ["ci"]


def test_hubs_reach_what_lives_elsewhere_through_each_other() -> None:
    (other,) = compiled()["gate"].hubs
    assert (other.name, other.public_key) == ("gate2", key("hub gate2"))
    assert other.endpoint == "[2001:db8::12]:51820"
    assert other.addresses == ("10.80.0.2", "fd42:80::2")
    assert other.networks == ("10.80.1.2/32", "198.51.100.0/24", "2001:db8:51::/48", "fd42:80:1::2/128")
    assert (other.next_public_key, other.next_endpoint) == (None, None)


def test_a_hub_whose_key_is_not_known_yet_is_left_out() -> None:
    there = peers(wireguard_hub_keys={"gate": PEERS["wireguard_hub_keys"]["gate"]})
    assert compiled(there)["gate"].hubs == ()
    assert [one.name for one in compiled(there)["gate2"].hubs] == ["gate"]


def test_the_key_that_comes() -> None:
    keys = copy.deepcopy(PEERS["wireguard_hub_keys"])
    keys["gate"].update(next_public_key=key("next"), next_port=51821)
    (other,) = compiled(peers(wireguard_hub_keys=keys))["gate2"].hubs
    assert (other.next_public_key, other.next_endpoint) == (key("next"), "192.0.2.11:51821")
    assert other.public_key == key("hub gate")


def test_hubs_of_one_key_are_one_to_the_others() -> None:
    found = compiled(wireguard_hubs=[*POLICY["wireguard_hubs"], STANDBY])
    assert [one.name for one in found["gate2"].hubs] == ["gate"]
    assert [one.name for one in found["gate"].hubs] == ["gate2"]
    assert [one.name for one in found["standby"].hubs] == ["gate2"]
    assert found["standby"].peers == found["gate"].peers
    assert found["standby"].addresses == found["gate"].addresses == ("10.80.0.1/24", "fd42:80::1/64")


def test_access_rules() -> None:
    found = compiled()["gate"]
    developers = next(group for group in found.groups if group.name == "developers")
    first, second, third = developers.rules
    assert first.name == "developers 1"
    assert first.to == ("192.0.2.0/24", "2001:db8:d::/48")
    assert (second.to_groups, second.to_peers) == (("services",), ("office",))
    assert third.to_hub
    (inside,) = found.inside_rules
    assert (inside.name, inside.sources, inside.to_peers) == ("inside 1", ("192.0.2.0/24",), ("office",))


def test_a_rule_without_anybody_left_is_none_that_allows_everything() -> None:
    groups = copy.deepcopy(POLICY["wireguard_groups"])
    groups[1]["rules"] = [{"to": ["peer:old"]}, {"to": ["peer:old", "192.0.2.7"]}]
    inside = [{"from": ["192.0.2.0/24"], "to": ["peer:old"]}]
    found = compiled(wireguard_groups=groups, wireguard_inside_rules=inside)
    (rule,) = found["gate"].groups[1].rules
    assert (rule.name, rule.to, rule.to_peers) == ("services 2", ("192.0.2.7/32",), ())
    assert found["gate"].inside_rules == ()


def test_expired_peers_stay_with_their_end_so_that_time_alone_changes_nothing() -> None:
    there = peers(peer("bob", addresses=["10.80.0.20", "fd42:80::14"], expires_at="2020-01-01T00:00:00Z"))
    bob = next(one for one in compiled(there)["gate"].peers if one.name == "bob")
    assert bob.expires_at == 1577836800
    assert calendar(there) == ["2020-01-01 00:00:00 UTC"]


def test_only_where_the_hub_begins_does_it_keep_alive() -> None:
    found = {one.name: one for one in compiled()["gate2"].peers}
    assert (found["office"].keepalive, found["office"].endpoint) == (25, "203.0.113.9:51820")
    assert (found["anna"].keepalive, found["anna"].endpoint) == (0, None)


def test_the_document_is_plain_json() -> None:
    found = compiled()["gate"].document()
    assert json.loads(json.dumps(found)) == found
    assert found["inside_rules"][0]["from"] == ["192.0.2.0/24"]
    assert found["pools"] == ["10.80.0.0/24", "10.80.1.0/24", "fd42:80::/64", "fd42:80:1::/64"]
    assert found["groups"][0]["rules"][0]["ports"][2] == {"protocol": "icmp", "first": None, "last": None}


@pytest.mark.parametrize("changes", [{}, {"wireguard_hubs": [*POLICY["wireguard_hubs"], STANDBY]}])
def test_the_program_on_the_hub_accepts_it(changes: dict[str, Any]) -> None:
    bob = peer("bob", addresses=["10.80.0.20", "fd42:80::14"], expires_at="2020-01-01T00:00:00Z")
    for found in compiled(peers(bob), **changes).values():
        read = on_hub.check(json.loads(json.dumps(found.document())))
        assert {one.name for one in read.peers} == {one.name for one in found.peers}
