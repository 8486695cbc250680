"""The same access through either hub, to what lives on the other one too, and without one of them."""

from __future__ import annotations

import pytest
from vpn_world import World, wait_for

# On what the two services live.
SERVICES = {"store": "debian12", "ci": "debian13"}


def services(world: World) -> list[tuple[str, str, int]]:
    return [("tcp", address, 5432) for name in SERVICES for address in world.peers()[name]["addresses"]]


def test_people_have_a_tunnel_to_each_hub_and_services_to_theirs(world: World) -> None:
    assert {line.split()[0] for line in world.vpn("anna", "status").splitlines()} == {
        "dev-debian12",
        "dev-debian13",
    }
    for name, hub in SERVICES.items():
        assert world.vpn(name, "status").split()[0] == f"dev-{hub}"


@pytest.mark.parametrize("hub", ["debian12", "debian13"])
def test_each_allowed_destination_and_port_answers_and_no_other(world: World, hub: str) -> None:
    said = world.vpn("anna", "up", f"dev-{hub}")
    assert f"dev-{hub} is up" in said
    # A hub's own ports have nobody who listens: no rule leads there either.
    answered, wrong = world.differences("anna", world.places())
    assert wrong == []
    assert answered > 5


@pytest.mark.parametrize("name", SERVICES)
def test_services_reach_each_other_across_hubs_as_rules_say(world: World, name: str) -> None:
    _, wrong = world.differences(name, world.places())
    assert wrong == []


def test_a_limit_to_one_hub_forgets_nobody(world: World) -> None:
    done = world.ansible("ansible-playbook", "playbooks/vpn.yml", "--limit", "debian12,localhost")
    assert done.returncode == 0, done.stdout
    assert "changed=0" in done.stdout
    assert world.probe("anna", services(world)) == [True] * 4


def test_when_a_hub_is_gone_people_go_to_the_other(world: World) -> None:
    """Break-glass: what is left is one command away, and services of the other hub go on."""
    world.vpn("anna", "up", "dev-debian12")
    with world.without(world.host("debian12")):
        assert world.probe("anna", [("icmp", "198.51.100.1", 0)]) == [False]
        world.vpn("anna", "down")
        said = world.vpn("anna", "up")
        assert "dev-debian12 is down again" in said
        assert "dev-debian13 is up, and the hub answers" in said
        doors = [("icmp", "198.51.100.1", 0), ("tcp", "2001:db8:51::1", 443)]
        assert world.probe("anna", doors) == [True, True]
        answers = dict(zip(services(world), world.probe("anna", services(world))))
        alive = world.peers()["ci"]["addresses"]
        assert {question[1] for question, answer in answers.items() if answer} == set(alive)
    # The hub and the mesh come back without anybody's doing. A peer that has something to say notices within
    # 15 seconds that the hub has forgotten its session; one that is silent, within two minutes.
    hub = [("icmp", "10.82.0.1", 0)]
    assert wait_for(lambda: world.ask(store=hub, anna=services(world))["anna"] == [True] * 4, 60)
