"""Who gets which address: the lowest that nobody had, in both families alike, and never one that rests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.groundwork.platform.plugins.module_utils.wireguard import addresses
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.reading import Violations
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.register import Register
from wireguard_world import DAY, NOW, PEERS, POLICY, peer, peers, policy


def pool(*networks: str, **content: Any) -> dict[str, Any]:
    return {
        "wireguard_pools": [
            {"name": "people", "networks": list(networks), **content},
            POLICY["wireguard_pools"][1],
        ]
    }


def given(
    there: Register, changes: dict[str, Any] | None = None, now: int = NOW
) -> dict[str, tuple[str, ...]]:
    found = Violations()
    after, _new = addresses.allocate(policy(**(changes or {})), there, now, "carol", found)
    assert found.lines == []
    return {peer.name: peer.addresses for peer in after.peers}


def test_the_lowest_free_one_at_the_same_place_of_both_families() -> None:
    found = given(peers(peer("bob"), peer("dan")))
    # 1 to 15 are reserved, 17 is anna's, and 18 rests.
    assert found["bob"] == ("10.80.0.16", "fd42:80::10")
    assert found["dan"] == ("10.80.0.19", "fd42:80::13")
    assert found["anna"] == ("10.80.0.17", "fd42:80::11"), "addresses stay with their peer"


def test_who_got_them_and_when_is_written_down() -> None:
    after, new = addresses.allocate(policy(), peers(peer("bob")), NOW, "carol", Violations())
    bob = after.peer("bob")
    assert new == ("bob",)
    assert bob is not None
    assert (bob.added_by, bob.added_at) == ("carol", NOW)


def test_nothing_to_give_changes_nothing() -> None:
    there = peers()
    assert addresses.allocate(policy(), there, NOW, "carol", Violations()) == (there, ())


def test_each_group_has_its_pool() -> None:
    assert given(peers(peer("bot", kind="service", group="services", hub="gate")))["bot"] == (
        "10.80.1.3",
        "fd42:80:1::3",
    )


def test_a_place_has_to_be_free_in_both_families() -> None:
    crossed = peer("eve", addresses=["10.80.0.16", "fd42:80::14"])
    found = given(peers(crossed, peer("bob"), peer("dan")))
    assert found["bob"] == ("10.80.0.19", "fd42:80::13")
    assert found["dan"] == ("10.80.0.21", "fd42:80::15")


def test_pools_of_one_family() -> None:
    there = replace(peers(peer("bob")), peers=peers(peer("bob")).peers[1:])
    assert given(there, pool("10.80.0.0/24"))["bob"] == ("10.80.0.3",)
    assert given(there, pool("fd42:80::/64"))["bob"] == ("fd42:80::3",)


def test_reserved_ranges_without_an_end_are_jumped_over() -> None:
    found = given(
        peers(peer("bob")),
        pool("10.80.0.0/24", "fd42:80::/64", reserved=["fd42:80::/122", "10.80.0.64", "10.80.0.65/32"]),
    )
    assert found["bob"] == ("10.80.0.66", "fd42:80::42")


def test_addresses_that_nobody_had_go_first_even_after_quarantine() -> None:
    later = NOW + 60 * DAY
    found = given(peers(peer("bob"), peer("dan"), peer("eve")), now=later)
    assert [found[name][0] for name in ("bob", "dan", "eve")] == ["10.80.0.16", "10.80.0.19", "10.80.0.20"]


def small(*more: dict[str, Any]) -> Register:
    """Three addresses: the two hubs', and one that old had a day ago."""
    old = {**PEERS["wireguard_released"][0], "addresses": ["10.80.0.3"]}
    return peers(*more, wireguard_peers=[], wireguard_released=[old])


SMALL = pool("10.80.0.0/29", reserved=["10.80.0.4/31", "10.80.0.6"])


def test_an_address_is_given_out_again_after_its_quarantine() -> None:
    assert given(small(peer("bob")), SMALL, NOW + 30 * DAY)["bob"] == ("10.80.0.3",)


def test_a_pool_without_room_says_what_has_become_of_it() -> None:
    found = Violations()
    _after, new = addresses.allocate(policy(**SMALL), small(peer("bob")), NOW, "carol", found)
    assert new == ()
    assert found.lines == [
        'wireguard_pools[people] is ["10.80.0.0/29"]: has no free address for bob: of 6 in each network 2 are'
        " taken, 3 reserved, and 1 of left peers rest in quarantine, the first of all until"
        " 2027-03-01T12:00:00Z; give the group another pool, or make its networks wider"
    ]


def test_a_pool_can_be_used_up_to_its_last_address() -> None:
    found = given(
        peers(*(peer(f"p{number}") for number in range(251)), wireguard_peers=[], wireguard_released=[]),
        pool("10.80.0.0/24", reserved=[]),
    )
    assert len({one for (one,) in found.values()}) == 251
    assert found["p99"] == ("10.80.0.253",)
    assert max(int(one.split(".")[3]) for (one,) in found.values()) == 253
