"""A new key for the hub, under traffic."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from .conftest import World
from .world import INTERFACE, SERVER, Hub, until

KEYS = "/etc/groundwork/wireguard/keys"


def rotate(hub: Hub, step: str) -> dict[str, object]:
    found = json.loads(hub.host.output(f"groundwork-wireguard rotate {step} --json"))
    assert isinstance(found, dict)
    return found


@pytest.fixture
def settled(hub: Hub) -> Iterator[Hub]:
    yield hub
    rotate(hub, "abort")


def test_a_rotation_loses_no_connection(world: World, settled: Hub) -> None:
    """Anna moves to the new key while a transfer runs, the others stay until the end. Both keys serve."""
    hub, anna, rob = settled, world.known["anna"], world.known["rob"]
    anna.listen()
    for peer in (anna, rob, world.known["ci"]):
        peer.gets_to("tcp", SERVER[4], 8000)
    old = hub.show()
    with anna.streaming() as moving, rob.streaming(udp=8000) as staying:
        begun = rotate(hub, "begin")
        assert begun["changed"] is True
        assert begun["public_key"] == old["public_key"]
        assert begun["next_public_key"] not in (None, old["public_key"])
        next_key, next_port = str(begun["next_public_key"]), int(str(begun["next_port"]))
        assert next_port != old["port"]
        assert rotate(hub, "begin")["changed"] is False
        anna.replace_hub(hub, next_key, next_port)
        assert until(lambda: _slot(hub, "anna") == "b")
        # What is inside finds her: at once where she has sent from, elsewhere when the timer has looked.
        assert hub.apply()["plan"] == []
        for address in anna.addresses.values():
            assert hub.host.run(f"timeout 5 bash -c ': > /dev/tcp/{address}/22'").returncode == 0
        # A peer may go back as well.
        anna.replace_hub(hub, str(old["public_key"]), int(str(old["port"])))
        assert anna.gets_to("tcp", SERVER[4], 443)
        anna.replace_hub(hub, next_key, next_port)
        assert anna.gets_to("tcp", SERVER[4], 443)
    assert moving.tcp["error"] is None
    assert staying.tcp["error"] is None
    assert moving.udp["outage"] <= 2
    rob.replace_hub(hub, next_key, next_port)
    assert until(lambda: _slot(hub, "rob") == "b")
    with anna.streaming() as stream:
        finished = rotate(hub, "finish")
        assert finished["changed"] is True
        assert (finished["public_key"], finished["port"]) == (next_key, next_port)
        assert finished["next_public_key"] is None
        # Services and the other hub have not moved.
        waiting = finished["waiting"]
        assert isinstance(waiting, list)
        assert "ci" in waiting
        assert not {"anna", "rob"} & set(waiting)
    assert stream.tcp["error"] is None
    assert stream.udp["outage"] <= 2
    assert hub.apply()["plan"] == []
    assert hub.host.run(f"ip link show {INTERFACE}").returncode != 0
    assert hub.host.run(f"test -e {KEYS}/{INTERFACE}.a.key").returncode != 0
    assert "8218" not in hub.host.output("ip rule; ip -6 rule; ip route show table all")
    assert rotate(hub, "finish")["changed"] is False


def test_and_back_to_the_first_slot(world: World, settled: Hub) -> None:
    """The next rotation uses the slot that is free by now. All move, so that other tests find them."""
    hub = settled
    assert hub.show()["active"] == "b"
    begun = rotate(hub, "begin")
    for name in ("anna", "rob", "ci", "office"):
        world.known[name].replace_hub(hub, str(begun["next_public_key"]), int(str(begun["next_port"])))
    with world.known["anna"].streaming() as stream:
        assert until(lambda: all(_slot(hub, name) == "a" for name in ("anna", "rob", "ci", "office")))
        finished = rotate(hub, "finish")
    assert stream.tcp["error"] is None
    assert (finished["active"], finished["port"]) == ("a", 51820)
    assert hub.apply()["plan"] == []
    tell_the_other_hub(world)


def test_a_rotation_can_be_taken_back(world: World, settled: Hub) -> None:
    old = settled.show()
    with world.known["anna"].streaming() as stream:
        rotate(settled, "begin")
        aborted = rotate(settled, "abort")
    assert stream.tcp["error"] is None
    assert stream.udp["lost"] <= 2
    assert (aborted["public_key"], aborted["next_public_key"]) == (old["public_key"], None)
    assert settled.host.run(f"ip link show {INTERFACE}-b").returncode != 0


def _slot(hub: Hub, name: str) -> object:
    return next(one["slot"] for one in hub.show()["peers"] if one["name"] == name)


def tell_the_other_hub(world: World) -> None:
    """As a converge of all hubs would, which tests of the role do later."""
    told = world.hub12.show()
    world.hub13.settings["hubs"][0]["public_key"] = told["public_key"]
    world.hub13.base["hubs"][0]["public_key"] = told["public_key"]
    world.hub13.change()
