"""Peers, rules and drift: what changes is changed, and nobody else notices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from .conftest import World
from .world import INTERFACE, SERVER, SETTINGS, Hub, Peer, until

NewPeer = Callable[..., Peer]


def test_a_running_transfer_lives_on_while_peers_come_and_go(
    world: World, hub: Hub, new_peer: NewPeer
) -> None:
    with world.known["anna"].streaming() as stream:
        for number in range(3):
            guest = new_peer(f"guest-{number}", 60 + number)
            hub.admit(guest)
            added = hub.change()
            assert f"{INTERFACE} peer {guest.name}" in [change["key"] for change in added["plan"]]
            guest.connect(hub)
            assert guest.gets_to("tcp", SERVER[4], 443)
        hub.expel("guest-0", "guest-1")
        removed = hub.change()
        assert sorted(change["kind"] for change in removed["plan"]) == ["delete", "delete", "update"]
    assert stream.tcp["error"] is None
    assert stream.udp["lost"] <= 2


def test_who_is_removed_is_cut_at_once_with_his_connections(
    world: World, hub: Hub, new_peer: NewPeer
) -> None:
    leaver = new_peer("leaver", 70)
    hub.admit(leaver)
    hub.change()
    leaver.connect(hub)
    for version in (4, 6):
        assert leaver.gets_to("tcp", SERVER[version], 443)
        assert hub.tracked(leaver.addresses[version])
    hub.expel("leaver")
    result = hub.change()
    assert result["stats"]["purged_connections"] >= 2
    for version in (4, 6):
        assert not hub.tracked(leaver.addresses[version])
        assert not leaver.reaches("tcp", SERVER[version], 443)
    # What others have stays.
    assert world.known["anna"].reaches("tcp", SERVER[4], 443)


def test_an_open_connection_ends_with_the_rule_that_let_it_in(world: World, hub: Hub) -> None:
    """And one that the rules still allow goes on."""
    anna = world.known["anna"]
    with anna.streaming(tcp=8000) as kept:
        anna.hold(SERVER[4], 443)

        def open_connections() -> int:
            listed = hub.host.output(
                f"conntrack -L -s {anna.addresses[4]} -p tcp --dport 443 2>/dev/null || true"
            )
            return listed.count("ESTABLISHED")

        assert until(open_connections)
        rule = next(group for group in hub.settings["groups"] if group["name"] == "developers")["rules"][0]
        rule["ports"] = [one for one in rule["ports"] if one["first"] != 443]
        assert hub.change()["stats"]["purged_connections"] >= 1
        assert not open_connections()
        assert not anna.reaches("tcp", SERVER[4], 443)
    assert kept.tcp["error"] is None
    assert kept.udp["lost"] <= 2


def test_who_expires_is_cut_by_the_hub_alone(world: World, hub: Hub, new_peer: NewPeer) -> None:
    """The timer that the role lays down, on the second; nobody runs Ansible, and no command either."""
    guest = new_peer("visitor", 71)
    hub.admit(guest)
    hub.change()
    guest.connect(hub)
    assert guest.gets_to("tcp", SERVER[4], 8000)
    now = int(hub.host.output("date +%s"))
    expires = now + 8
    hub.peer("visitor")["expires_at"] = expires
    hub.change()
    when = hub.host.output(f"date -u -d @{expires} '+%Y-%m-%d %H:%M:%S UTC'").strip()
    timer = "/etc/systemd/system/groundwork-wireguard-expire.timer"
    hub.host.output(
        f"cp {timer} /root/timer && sed -i 's/^OnCalendar=.*/OnCalendar={when}/' {timer} && "
        "systemctl daemon-reload && systemctl restart groundwork-wireguard-expire.timer"
    )
    try:
        assert guest.reaches("tcp", SERVER[4], 8000)
        gone = until(
            lambda: guest.public_key not in hub.host.output(f"wg show {INTERFACE} peers") and time.time(),
            30,
            0.05,
        )
        assert gone - expires < 1.5
        assert until(lambda: not hub.tracked(guest.addresses[4]), 5)
        assert not guest.reaches("tcp", SERVER[4], 8000)
        assert [one["expired"] for one in hub.show()["peers"] if one["name"] == "visitor"] == [True]
    finally:
        hub.host.output(
            f"cp /root/timer {timer} && systemctl daemon-reload && "
            "systemctl restart groundwork-wireguard-expire.timer"
        )


ROUTED = {
    4: ("10.202.0.0/20", "10.202.32.0/24", "198.51.100.0/24"),
    6: ("fd42:202::/64", "fd42:202:32::/64"),
}
DRIFT: dict[str, tuple[str, list[str]]] = {
    "a peer was removed": ("wg set {i} peer {peer} remove", ["{i} peer anna"]),
    "a peer was added": (
        "wg set {i} peer bmV2ZXJuZXZlcm5ldmVybmV2ZXJuZXZlcm5ldmVyMDA= allowed-ips 10.202.9.9/32",
        ["{i} peer bmV2ZXJuZXZlcm5ldmVybmV2ZXJuZXZlcm5ldmVyMDA="],
    ),
    "a peer got another address": ("wg set {i} peer {peer} allowed-ips 10.202.9.9/32", ["{i} peer anna"]),
    "a peer lost its preshared key": ("wg set {i} peer {peer} preshared-key /dev/null", ["{i} peer anna"]),
    "an address was taken": (
        "ip address delete 10.202.0.1/20 dev {i}",
        ["{i} address 10.202.0.1/20", *(f"route {network} dev {{i}}" for network in ROUTED[4])],
    ),
    "an address came": ("ip address add 10.202.15.1/32 dev {i}", ["{i} address 10.202.15.1/32"]),
    "the MTU": ("ip link set dev {i} mtu 1300", ["{i} mtu"]),
    "a route went": ("ip -6 route delete fd42:202::/64 dev {i}", ["route fd42:202::/64 dev {i}"]),
    "a route came": ("ip route add 203.0.113.0/24 dev {i}", ["route 203.0.113.0/24 dev {i}"]),
    "the port": ("wg set {i} listen-port 51900", ["{i} port"]),
    "another private key": ("wg genkey | wg set {i} private-key /dev/stdin", ["{i} private key"]),
    "a rule was added": (
        "nft insert rule inet groundwork_wireguard from_peers accept",
        ["firewall"],
    ),
    "a member was removed": (
        "nft delete element inet groundwork_wireguard members_ipv4 {{ 10.202.1.11 }}",
        ["firewall"],
    ),
    "the table was flushed": ("nft flush table inet groundwork_wireguard", ["firewall"]),
    "forwarding": ("sysctl -qw net.ipv4.ip_forward=0", ["sysctl net.ipv4.ip_forward"]),
    "strict source checks": (
        "sysctl -qw net.ipv4.conf.{i}.rp_filter=1",
        ["sysctl net.ipv4.conf.{i}.rp_filter"],
    ),
    "the interface is down": (
        "ip link set dev {i} down",
        [
            "{i} link",
            "{i} address fd42:202::1/64",
            *(f"route {network} dev {{i}}" for network in (*ROUTED[4], *ROUTED[6])),
        ],
    ),
    "the interface is gone": ("ip link delete dev {i}", ["interface {i}"]),
}


@pytest.fixture(scope="module")
def nobody_else_repairs(world: World) -> Iterator[None]:
    timer = "groundwork-wireguard-expire.timer"
    world.hub12.host.output(f"systemctl stop {timer}")
    yield
    world.hub12.host.output(f"systemctl start {timer}")


@pytest.mark.usefixtures("nobody_else_repairs")
@pytest.mark.parametrize("what", DRIFT)
def test_drift_is_told_and_repaired(world: World, hub: Hub, what: str) -> None:
    command, keys = DRIFT[what]
    hub.host.output(command.format(i=INTERFACE, peer=world.known["anna"].public_key))
    told = hub.apply("--check")
    found = hub.apply()
    assert told["plan"] == found["plan"]
    assert sorted(change["key"] for change in found["plan"]) == sorted(
        key.format(i=INTERFACE) for key in keys
    )
    assert hub.apply()["plan"] == []
    assert (
        hub.private_key() == hub.host.output(f"cat /etc/groundwork/wireguard/keys/{INTERFACE}.a.key").strip()
    )


def test_a_tunnel_that_dies_comes_back_with_all_it_had(world: World, hub: Hub) -> None:
    """systemd starts the process again, and it asks for its configuration. Peers find their way."""
    if hub.show()["backend"] == "wireguard-go":
        hub.host.output(f"systemctl kill --signal=KILL groundwork-wireguard-go@{INTERFACE}.service")
    assert world.known["anna"].gets_to("tcp", SERVER[4], 443)
    assert hub.apply()["plan"] == []


def test_what_is_as_it_should_be_is_left_alone(hub: Hub) -> None:
    hub.apply()
    marker = "/root/before-the-no-op"
    hub.host.output(f"touch {marker}; sleep 0.1")
    calls = hub.apply()
    assert calls["plan"] == []
    written = hub.host.output(
        "find /etc /var/lib/groundwork-wireguard /run/groundwork-wireguard /usr/local "
        f"-newer {marker} -type f"
    )
    assert written == ""


def test_settings_that_are_older_are_refused(hub: Hub) -> None:
    hub.change()
    known = hub.settings["revision"]
    before = hub.live()
    hub.settings["revision"] = known - 2
    hub.expel("anna")
    hub.write(newer=False)
    for verb in ("apply", "check-settings"):
        refused = hub.host.run(f"groundwork-wireguard {verb}")
        assert refused.returncode == 1
        for part in (
            f"revision is {known - 2}",
            f"older than {known}",
            "git pull",
            "wireguard_accept_older_peers=true",
        ):
            assert part in refused.stderr
    assert hub.live() == before
    hub.settings["accept_older"] = True
    hub.write(newer=False)
    hub.settings["revision"] = known
    assert hub.apply()["changed"]


def test_settings_that_are_wrong_change_nothing(hub: Hub) -> None:
    before = hub.live()
    hub.host.output(f'sed -i \'s/"mtu": 1420/"mtu": 90/\' {SETTINGS}')
    refused = hub.host.run("groundwork-wireguard apply")
    assert (refused.returncode, "mtu is 90: must be from 1280 to 9000" in refused.stderr) == (1, True)
    assert hub.live() == before


def test_addresses_move_between_peers_in_one_step(world: World, hub: Hub, new_peer: NewPeer) -> None:
    one, other = new_peer("one", 72), new_peer("other", 73)
    hub.admit(one, other)
    hub.change()
    a, b = hub.peer("one"), hub.peer("other")
    a["addresses"], b["addresses"] = b["addresses"], a["addresses"]
    hub.change()
    assert hub.apply()["plan"] == []
    # The kernel gives an address to one peer only: both must have the other's by now.
    live = dict(line.split("\t") for line in hub.host.output(f"wg show {INTERFACE} allowed-ips").splitlines())
    assert one.addresses[4] in live[other.public_key]
    assert other.addresses[6] in live[one.public_key]
