"""Who reaches what: everything that the rules allow, and nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attack import Target
from vpn_matrix import Question
from vpn_world import World, wait_for

# How many answers there are at least, of so many rules.
ANSWERS = {"anna": 50, "bob": 10, "ci": 2}


def test_a_colleague_is_on_with_what_the_playbook_gave(world: World, handover: Path) -> None:
    there = {path.name for path in handover.iterdir()}
    assert there >= {"dev-debian12.conf", "instructions.md", "groundwork-vpn"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (handover, *handover.iterdir()))
    assert "PrivateKey = PRIVATE_KEY" in (handover / "dev-debian12.conf").read_text()
    status = world.vpn("anna", "status")
    assert "up by " in status
    assert "the hub answered" in status


def test_the_private_key_has_not_left_annas_machine(world: World, hub: Target) -> None:
    private = world.run("anna", "sh", "-c", "cat $HOME/.config/groundwork-vpn/key").stdout.strip()
    assert len(private) == 44
    files = [path for path in Path(world.policy["wireguard_peers_file"]).parent.rglob("*") if path.is_file()]
    assert not [path for path in files if private in path.read_text(errors="replace")]
    found = hub.ssh(command=f"grep -rlF {private} /etc /var/lib /var/log /run /root /tmp 2>/dev/null")
    assert found.stdout == ""


@pytest.fixture(scope="module")
def matrix(world: World, hub_answers: None) -> dict[str, tuple[int, list[str]]]:
    """Of each of them, how many questions were answered, and what was not as the rules say."""
    places = world.places()
    with ThreadPoolExecutor() as pool:
        return dict(zip(ANSWERS, pool.map(lambda name: world.differences(name, places), ANSWERS)))


@pytest.mark.parametrize("name", ANSWERS)
def test_each_allowed_destination_and_port_answers_and_no_other(
    matrix: dict[str, tuple[int, list[str]]], name: str
) -> None:
    answered, wrong = matrix[name]
    assert wrong == []
    assert answered >= ANSWERS[name]


def test_peers_are_apart_unless_a_rule_says_otherwise(world: World) -> None:
    """The matrix has this too; here it is in words."""
    mallory, eve = (world.peers()[name]["addresses"] for name in ("mallory", "eve"))
    found = world.ask(
        anna=[(protocol, address, 443) for address in mallory for protocol in ("tcp", "udp", "icmp")],
        bob=[("udp", address, port) for address in eve for port in (5000, 5002)],
    )
    assert found == {"anna": [False] * 6, "bob": [True, False] * 2}


def test_from_behind_the_hub_only_what_inside_rules_open(world: World, hub: Target) -> None:
    ci, anna = world.peers()["ci"]["addresses"], world.peers()["anna"]["addresses"]
    inside = {"198.51.100.1": True, "198.51.100.15": False, "2001:db8:51::1": True, "2001:db8:52::1": False}
    # The way to the peers leads through the hub, as routers would have it.
    world.outsider.output(f"ip route replace 10.80.0.0/16 via {hub.address}")
    world.outsider.output(f"ip -6 route replace fd42:80::/32 via {hub.address6}")
    asked: list[Question] = []
    for source in inside:
        six = ":" in source
        asked += [("tcp", ci[six], 9100, source), ("tcp", ci[six], 9101, source)]
        asked += [("tcp", anna[six], 9100, source), ("icmp", ci[six], 0, source)]
    told = world.probe_in(world.outsider, "places", asked)
    assert told == [answer for opened in inside.values() for answer in (opened, False, False, False)]


def test_addresses_of_others_are_not_taken(world: World) -> None:
    """Anna, who is root on her machine, gives herself mallory's addresses."""
    stolen, stolen6 = world.peers()["mallory"]["addresses"]
    mine, mine6 = world.peers()["anna"]["addresses"]
    asked: list[Question] = [
        *(("tcp", "198.51.100.1", 443, source) for source in (mine, stolen)),
        *(("tcp", "2001:db8:51::1", 443, source) for source in (mine6, stolen6)),
    ]
    change = "for address; do ip address $0 $address dev dev-debian12; done"
    world.run("anna", "sh", "-ec", change, "add", stolen, stolen6)
    try:
        assert world.probe("anna", asked) == [True, False] * 2
    finally:
        world.run("anna", "sh", "-ec", change, "delete", stolen, stolen6)


def test_a_host_behind_the_hub_opens_only_through_it(world: World, protected: Target) -> None:
    doors = [("tcp", address, 22) for address in (protected.address, protected.address6)]
    # Bob's group has no rule for it, and from the street nobody has.
    assert world.ask(anna=doors, bob=doors) == {"anna": [True, True], "bob": [False, False]}
    assert world.outsider.probe(protected, 22) == ["silent", "silent"]


def test_a_reload_of_the_firewall_cuts_nobody_and_opens_nothing(world: World, hub: Target) -> None:
    with world.stream("anna", "198.51.100.16", 4000) as stream:
        hub.output("systemctl reload nftables")
        assert world.probe("anna", [("tcp", "198.51.100.1", 22)]) == [False]
        assert stream.lives()
        assert stream.gap("tcp") < 2


def test_without_its_table_nothing_passes_and_apply_brings_it_back(world: World, hub: Target) -> None:
    door = [("tcp", "198.51.100.1", 443), ("tcp", "2001:db8:51::1", 443)]
    hub.output("nft delete table inet groundwork_wireguard")
    assert world.probe("anna", door) == [False, False]
    hub.output("groundwork-wireguard apply")
    assert wait_for(lambda: world.probe("anna", door) == [True, True])
