"""What a peer gets handed: it fits the hub, leads where it has to, and has no secret in it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard import client
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.register import Register
from wireguard_world import PEERS, POLICY, key, peer, peers, policy


def found(name: str, there: Register | None = None, **changes: Any) -> list[client.Configuration]:
    register = there or peers()
    who = register.peer(name)
    assert who is not None
    return list(client.configurations(policy(**changes), register, who))


def value(text: str, name: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} = ")]
    return line.partition(" = ")[2]


def routes(name: str, there: Register | None = None, **changes: Any) -> list[str]:
    return value(found(name, there, **changes)[0].text, "AllowedIPs").split(", ")


DNS = {"wireguard_dns_servers": ["10.80.0.1", "192.0.2.53"], "wireguard_dns_search": ["dev.example.com"]}


def test_a_configuration_for_each_hub() -> None:
    first, second = found("anna", **DNS)
    assert (first.hub, first.file, second.file) == ("gate", "dev-gate.conf", "dev-gate2.conf")
    assert first.text == (
        "# anna (anna): the VPN into dev through gate\n"
        "[Interface]\n"
        "# PrivateKey = PRIVATE_KEY\n"
        f"# PublicKey = {key('anna')}\n"
        "Address = 10.80.0.17/32, fd42:80::11/128\n"
        "DNS = 10.80.0.1, 192.0.2.53, dev.example.com\n"
        "MTU = 1420\n"
        "\n"
        "[Peer]\n"
        f"PublicKey = {key('hub gate')}\n"
        "PresharedKey = PRESHARED_KEY\n"
        "Endpoint = 192.0.2.11:51820\n"
        "AllowedIPs = 10.80.0.0/23, 192.0.2.0/24, 198.51.100.0/24,"
        " 2001:db8:d::/48, 2001:db8:51::/48, fd42:80::/64, fd42:80:1::/64\n"
        "PersistentKeepalive = 25\n"
    )
    assert value(second.text, "Endpoint") == "[2001:db8::12]:51820"


def test_who_lives_on_one_hub_gets_that_one() -> None:
    assert [one.hub for one in found("ci")] == ["gate"]


def test_hubs_of_one_key_are_one_tunnel() -> None:
    hubs = [POLICY["wireguard_hubs"][0], {"name": "standby", "shared_key_with": "gate"}]
    assert [one.hub for one in found("anna", wireguard_hubs=hubs)] == ["gate"]


def test_a_hub_without_a_key_has_nothing_to_connect_to() -> None:
    assert found("anna", peers(wireguard_hub_keys={})) == []


def test_while_the_hubs_key_changes_the_next_one_is_handed_out() -> None:
    keys = copy.deepcopy(PEERS["wireguard_hub_keys"])
    keys["gate"].update(next_public_key=key("next"), next_port=51821)
    first = found("anna", peers(wireguard_hub_keys=keys))[0].text
    assert value(first, "PublicKey") == key("next")
    assert value(first, "Endpoint") == "192.0.2.11:51821"


def test_what_is_switched_off_is_not_there() -> None:
    text = found("anna", wireguard_preshared_keys=False, wireguard_keepalive=0)[0].text
    assert not [word for word in ("PresharedKey", "PersistentKeepalive", "DNS") if word in text]


def test_a_proposed_peer_has_no_key_to_name() -> None:
    who = peers().peer("anna")
    assert who is not None
    proposed = type(who)(**{**vars(who), "public_key": ""})
    assert "# PublicKey" not in client.configurations(policy(), peers(), proposed)[0].text


def test_a_full_tunnel_leaves_nothing_outside() -> None:
    assert routes("anna", wireguard_tunnel="full") == ["0.0.0.0/0", "::/0"]
    bob = peer("bob", tunnel="full", addresses=["10.80.0.20", "fd42:80::14"])
    assert routes("bob", peers(bob)) == ["0.0.0.0/0", "::/0"]


def test_a_split_tunnel_takes_what_the_policy_adds_and_name_servers() -> None:
    more = routes("anna", wireguard_routes=["10.7.0.0/16"], wireguard_dns_servers=["10.6.0.53"])
    assert {"10.7.0.0/16", "10.6.0.53/32"} <= set(more)


def test_answers_to_what_is_behind_the_hub_find_their_way() -> None:
    assert "192.0.2.0/24" in routes("office"), "the inside rule leads to it"


def test_a_site_never_sends_its_own_networks_into_the_tunnel() -> None:
    assert not {"198.51.100.0/24", "2001:db8:51::/48"} & set(routes("office"))
    wide = routes("office", wireguard_routes=["198.51.0.0/16"])
    assert "198.51.0.0/18" in wide
    assert "198.51.100.0/24" not in wide


def test_sites_reach_each_other() -> None:
    plant = peer(
        "plant",
        kind="site",
        group="sites",
        hub="gate",
        networks=["203.0.113.0/25"],
        addresses=["10.80.1.9", "fd42:80:1::9"],
    )
    assert "203.0.113.0/25" in routes("office", peers(plant))
    assert "198.51.100.0/24" in routes("plant", peers(plant))


@pytest.mark.parametrize(
    ("environment", "hubs", "files"),
    [
        ("dev", ["gate.dev.example.com", "b.dev.example.com"], ["dev-gate.conf", "dev-b.conf"]),
        ("dev", ["gate.a.example.com", "gate.b.example.com"], ["dev-1.conf", "dev-2.conf"]),
        ("production-east", ["gate.example.com"], ["production-e-1.conf"]),
    ],
)
def test_files_are_named_as_interfaces_can_be(environment: str, hubs: list[str], files: list[str]) -> None:
    described = [{**POLICY["wireguard_hubs"][number], "name": name} for number, name in enumerate(hubs)]
    keys = {name: {"public_key": key(name), "port": 51820} for name in hubs}
    there = peers(wireguard_hub_keys=keys, wireguard_peers=PEERS["wireguard_peers"][:1])
    changes = {
        "wireguard_hubs": described,
        "wireguard_environment": environment,
        "wireguard_interface": "wg0",
        "wireguard_inside_rules": [],
    }
    groups = copy.deepcopy(POLICY["wireguard_groups"])
    groups[0]["rules"][1]["to"] = ["group:services"]
    names = [one.file for one in found("anna", there, **changes, wireguard_groups=groups)]
    assert names == files
    assert all(len(name.removesuffix(".conf")) <= 15 for name in names)


def test_the_page_says_what_to_do() -> None:
    there = peers(peer("bob", addresses=["10.80.0.20", "fd42:80::14"], expires_at="2027-03-01T00:00:00Z"))
    bob = there.peer("bob")
    assert bob is not None
    page = client.instructions(policy(), bob, client.configurations(policy(), there, bob))
    assert "# bob: the VPN into dev" in page
    assert "until 2027-03-01T00:00:00Z" in page
    assert "./groundwork-vpn install dev-gate.conf dev-gate2.conf" in page
    assert "keep its line `PrivateKey`" in page
    bundled = client.instructions(policy(), bob, client.configurations(policy(), there, bob), "bundle.age")
    assert "age --decrypt --identity YOUR_KEY_FILE bundle.age | tar -x" in bundled
    assert "scan the QR code in `dev-gate.png`" in bundled
