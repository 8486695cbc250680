"""What people write: read with the role's defaults, refused with variable, value and rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard import model
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.settings import Ports
from wireguard_world import POLICY, policy, refused

DEFAULTS = Path(__file__).resolve().parents[3] / "roles" / "wireguard" / "defaults" / "main.yml"


def pools(*more: dict[str, Any]) -> dict[str, Any]:
    return {"wireguard_pools": [*POLICY["wireguard_pools"], *more]}


def hubs(*found: dict[str, Any]) -> dict[str, Any]:
    return {"wireguard_hubs": list(found)}


def developers(**group: Any) -> dict[str, Any]:
    found = {**POLICY["wireguard_groups"][0], **group}
    return {"wireguard_groups": [found, *POLICY["wireguard_groups"][1:]]}


def rule(**content: Any) -> dict[str, Any]:
    return developers(rules=[content])


GATE = {"name": "gate", "endpoint": "192.0.2.11", "addresses": ["10.80.0.1", "fd42:80::1"]}


def test_what_is_left_out_is_as_the_role_has_it() -> None:
    defaults = yaml.safe_load(DEFAULTS.read_text())
    given = {name: value for name, value in defaults.items() if name in model.VARIABLES}
    needed = {name: POLICY[name] for name in POLICY if name != "wireguard_inside_rules"}
    # The one default that is a template of another variable.
    given.pop("wireguard_interface")
    assert policy(**{**given, **needed}) == policy(wireguard_inside_rules=[])
    assert {name for name in defaults if name in model.VARIABLES} == set(model.VARIABLES)


def test_rules_of_other_environments_do_not_count() -> None:
    assert len(policy().groups[0].rules) == 3
    assert len(policy(wireguard_environment="stage").groups[0].rules) == 4


def test_ports() -> None:
    found = policy().groups[0].rules[0].ports
    assert found == (Ports("tcp", 443, 443), Ports("tcp", 8000, 8100), Ports("icmp", None, None))


def test_an_address_is_read_as_the_network_of_one() -> None:
    assert policy().groups[1].rules[0].to.networks == ("192.0.2.7/32",)


def test_a_hub_that_shares_a_key_is_like_the_one_that_it_shares_with() -> None:
    found = policy(**hubs(GATE, {"name": "standby", "shared_key_with": "gate"}))
    assert [hub.key_of for hub in found.hubs] == ["gate", "gate"]
    assert found.hubs[1].addresses == found.hubs[0].addresses
    assert [hub.name for hub in found.primaries] == ["gate"]


def test_the_interface_is_named_after_the_environment() -> None:
    assert policy().interface == "wg-dev"


def test_text_of_the_command_line_is_read_as_what_it_means() -> None:
    found = policy(wireguard_accept_older_peers="true", wireguard_mtu="1380")
    assert (found.accept_older, found.mtu) == (True, 1380)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"wireguard_environment": "Dev"}, 'wireguard_environment is "Dev": must be 1 to 15 lower case'),
        ({"wireguard_environment": None}, "wireguard_environment is null: must be 1 to 15"),
        ({"wireguard_interface": "wireguard-of-dev"}, "must be 1 to 13 lower case letters"),
        (
            {"wireguard_environment": "abcdefghijkl"},
            'wireguard_interface is "wg-abcdefghijkl": must be 1 to 13',
        ),
        ({"wireguard_quarantine": "30"}, 'wireguard_quarantine is "30": must be a time span such as 30d'),
        ({"wireguard_quarantine": "99999999w"}, "at most 36500d"),
        ({"wireguard_mtu": 500}, "wireguard_mtu is 500: must be a whole number from 1280 to 9000"),
        ({"wireguard_mtu": True}, "wireguard_mtu is true: must be a whole number"),
        ({"wireguard_nat": "perhaps"}, 'wireguard_nat is "perhaps": must be true or false'),
        ({"wireguard_tunnel": "all"}, "must be one of: split, full"),
        ({"wireguard_dns_servers": ["dns"]}, 'wireguard_dns_servers is "dns": must be an address'),
        ({"wireguard_dns_search": ["a b"]}, 'wireguard_dns_search is "a b": must be a domain'),
        (
            {"wireguard_routes": "10.0.0.0/8"},
            "must be a list, and each of it must be an address, or a network",
        ),
        ({"wireguard_routes": ["10.0.0.1/8"]}, 'wireguard_routes is "10.0.0.1/8": must be an address, or'),
        ({"wireguard_pools": []}, "wireguard_pools is []: must have at least one entry"),
        ({"wireguard_pools": "people"}, 'wireguard_pools is "people": must be a list of mappings'),
        ({"wireguard_pools": ["people"]}, 'wireguard_pools[0] is "people": must be a mapping'),
        (pools({"name": "people", "networks": ["10.9.0.0/24"]}), 'name is "people": must not be used twice'),
        (
            pools({"name": "more", "networks": []}),
            "wireguard_pools[more].networks is []: must be one network",
        ),
        (
            pools({"name": "more", "networks": ["10.9.0.1/24"]}),
            'networks is "10.9.0.1/24": must be a network',
        ),
        (pools({"name": "more", "networks": ["10.9.0.0/24", "10.8.0.0/24"]}), "must be one network of IPv4"),
        (pools({"name": "more", "networks": ["10.9.0.0/31"]}), "10.9.0.0/31 has no address to give out"),
        (
            pools({"name": "more", "networks": ["10.9.0.0/24"], "reserved": ["10.8.0.0/24"]}),
            "10.8.0.0/24 is not in the pool's networks",
        ),
        (pools({"name": "more", "network": "10.9.0.0/24"}), "wireguard_pools[more].network is"),
        (
            pools({"name": "more", "networks": ["10.80.0.128/25"]}),
            '[more].networks is "10.80.0.128/25": must not overlap 10.80.0.0/24 of the pool people',
        ),
        (hubs(), "wireguard_hubs is []: must have at least one entry"),
        (
            hubs({**GATE, "addresses": ["10.80.0.1/24"]}),
            '[gate].addresses is "10.80.0.1/24": must be an address',
        ),
        (hubs({**GATE, "addresses": ["10.80.0.1"]}), "must have one of IPv6, as the pools do"),
        (
            hubs({**GATE, "addresses": ["10.70.0.1", "fd42:80::1"]}),
            '"10.70.0.1": must be an address in one of',
        ),
        (
            hubs({**GATE, "addresses": ["10.80.0.0", "fd42:80::1"]}),
            "is the address of the network 10.80.0.0/24",
        ),
        (hubs({**GATE, "addresses": ["10.80.0.255", "fd42:80::1"]}), "its broadcast address"),
        (hubs({**GATE, "endpoint": "vpn_1"}), 'endpoint is "vpn_1": must be the host name or address'),
        (hubs({**GATE, "port": 51821}), "port is 51821: must not be the rotation_port"),
        (hubs({**GATE, "port": 0}), "port is 0: must be a whole number from 1 to 65535"),
        (hubs(GATE, {**GATE, "name": "gate2"}), 'is "10.80.0.1": must not be the address of gate too'),
        (hubs(GATE, {"name": "b", "shared_key_with": "c"}), 'shared_key_with is "c": must be another hub'),
        (
            hubs(GATE, {"name": "b", "shared_key_with": "gate", "port": 1}),
            "wireguard_hubs[b].port is 1: must be as that of gate, or left out",
        ),
        (
            developers(pool="nowhere"),
            'wireguard_groups[developers].pool is "nowhere": must be a pool: machines',
        ),
        (
            developers(rules=[]),
            "wireguard_groups[developers].rules is []: must have at least one rule for dev",
        ),
        (rule(to=["192.0.2.0/24"], environments=["prod"]), "must have at least one rule for dev"),
        (rule(to=[]), "wireguard_groups[developers].rules[0].to is []: must name at least one destination"),
        (rule(to=["somewhere"]), 'rules[0].to is "somewhere": must be a network, an address, group:NAME'),
        (rule(to=["group:nobody"]), 'to is "group:nobody": must be a group: developers, services, sites'),
        (rule(to=["peer:nobody"]), 'to is "peer:nobody": must be a peer of the peers\' file'),
        (rule(to=["10.80.1.0/25"]), "is in the pool machines; peers are named as group:NAME or peer:NAME"),
        (rule(to=["hub"], ports=[]), "ports is []: must name at least one; without the key everything"),
        (rule(to=["hub"], ports=["443"]), 'ports is "443": must be tcp/443, udp/53, tcp/8000-8100 or icmp'),
        (rule(to=["hub"], ports=["tcp/90-80"]), 'ports is "tcp/90-80": must be'),
        (rule(to=["hub"], ports=["tcp/70000"]), 'ports is "tcp/70000": must be'),
        (rule(to=["hub"], port="tcp/443"), 'rules[0].port is "tcp/443": is not known here'),
        ({"wireguard_inside_rules": [{"from": [], "to": ["peer:ci"]}]}, "from is []: must name at least one"),
        (
            {"wireguard_inside_rules": [{"from": ["192.0.2.0/24"], "to": ["hub"]}]},
            'wireguard_inside_rules[0].to is "hub": must be a network, an address, group:NAME or peer:NAME',
        ),
    ],
)
def test_is_refused(changes: dict[str, Any], says: str) -> None:
    assert says in refused(changes)


def test_everything_is_told_at_once() -> None:
    lines = refused({"wireguard_mtu": 1, "wireguard_tunnel": "all", "wireguard_pools": []}).splitlines()
    assert len(lines) == 3
