"""The role: twice, limited, in check mode, with a lock-out, over a reboot, and away again. Comes last."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import yaml

from tests.integration.support import Played

from .conftest import World
from .world import INTERFACE, SERVER, SETTINGS, Hub, Peer, converge, until

LEFT = (
    "find /etc /usr/local /var/lib /run -path '*wireguard*' "
    "-not -path '/var/lib/dpkg/*' -not -path '/etc/apparmor.d/*' -not -path '/etc/wireguard' "
    "-not -path '/run/systemd/*' -not -path '/run/groundwork-rollback/*' "
    "-not -path '/var/lib/systemd/*' | sort"
)


def edit(world: World, change: Any = None) -> None:
    """Changes the peers' file, as a newer one than the hubs have."""
    document = yaml.safe_load(world.peers_file.read_text())
    if change:
        change(document)
    newest = max(hub.settings["revision"] for hub in (world.hub12, world.hub13))
    document["wireguard_revision"] = max(newest, document["wireguard_revision"]) + 1
    world.peers_file.write_text(yaml.safe_dump(document))


def learn(world: World) -> None:
    for hub in (world.hub12, world.hub13):
        hub.learn()


@pytest.fixture(scope="module")
def converged(world: World) -> Played:
    """Hubs with the keys that tests before have rotated; the file learns them, as playbooks would tell it."""

    def tell(document: dict[str, Any]) -> None:
        for hub in (world.hub12, world.hub13):
            told = hub.show()
            document["wireguard_hub_keys"][told["hub"]] = {
                "public_key": told["public_key"],
                "port": told["port"],
            }

    edit(world, tell)
    played = converge(world.peers_file)
    assert played.returncode == 0, played.output
    learn(world)
    return played


def executed(played: Played, host: str) -> list[str]:
    return [name.split(" : ")[1] for name in played.executed(host) if "wireguard : " in name]


def test_a_second_run_changes_nothing_in_three_round_trips(world: World, converged: Played) -> None:
    before = world.peers_file.read_text()
    played = converge(world.peers_file)
    assert played.returncode == 0, played.output
    for name in ("hub12", "hub13"):
        assert [task for task, result in played.results(name) if result.get("changed")] == []
        tasks = [
            task for task in executed(played, name) if not task.startswith(("Validating", "validate", "plan"))
        ]
        assert [task.split(" | ")[0] for task in tasks] == ["install", "configure", "service"]
    assert world.peers_file.read_text() == before


def test_a_run_for_one_hub_forgets_nobody(world: World, converged: Played) -> None:
    """A peer that is new, on one hub: first told by a dry run, then there, without another being touched."""
    guest = Peer(world.peers, "limited", 97)
    others = world.hub12.live()

    def add(document: dict[str, Any]) -> None:
        entry = {
            key: value
            for key, value in guest.entry().items()
            if key in ("name", "owner", "kind", "group", "public_key")
        }
        document["wireguard_peers"].append(
            {**entry, "added_at": "2026-01-01T00:00:00Z", "added_by": "x", "reason": "x"}
        )

    edit(world, add)
    dry = converge(world.peers_file, "--limit", "hub12", "--check", "--diff")
    assert dry.returncode == 0, dry.output
    assert guest.public_key in dry.output
    assert guest.public_key not in "".join(world.hub12.live())
    assert "addresses" not in next(
        one
        for one in yaml.safe_load(world.peers_file.read_text())["wireguard_peers"]
        if one["name"] == "limited"
    )
    played = converge(world.peers_file, "--limit", "hub12")
    assert played.returncode == 0, played.output
    assert sorted(set(world.hub12.live()) - set(others))[0].startswith(guest.public_key)
    assert set(others) <= set(world.hub12.live())
    assert guest.public_key not in "".join(world.hub13.live())
    for hub in (world.hub12, world.hub13):
        for secret in hub.secrets():
            assert secret not in dry.output + played.output
    assert converge(world.peers_file).returncode == 0
    assert guest.public_key in "".join(world.hub13.live())
    learn(world)


def test_a_stale_checkout_is_refused_before_anything_changes(world: World, converged: Played) -> None:
    kept = world.peers_file.read_text()
    before = world.hub12.host.output(f"sha256sum {SETTINGS}")
    document = yaml.safe_load(kept)
    document["wireguard_revision"] -= 2
    document["wireguard_peers"] = [one for one in document["wireguard_peers"] if one["name"] != "rob"]
    world.peers_file.write_text(yaml.safe_dump(document))
    try:
        refused = converge(world.peers_file)
    finally:
        world.peers_file.write_text(kept)
    assert refused.returncode != 0
    assert "must not be older than" in refused.output
    assert world.hub12.host.output(f"sha256sum {SETTINGS}") == before
    assert world.hub12.apply()["plan"] == []


def test_settings_that_lock_out_are_taken_back(world: World, converged: Played) -> None:
    """Nobody can log in any more once the new settings are there: the hub goes back by itself."""
    hub = world.hub12
    revision = hub.settings["revision"]
    hub.host.output(
        f"systemd-run --quiet --collect --unit=lock-out --path-property=PathChanged={SETTINGS} "
        "nft insert rule inet groundwork input tcp dport 22 ct state new drop"
    )
    kept = world.peers_file.read_text()
    edit(world)
    try:
        played = converge(
            world.peers_file, "--limit", "hub12", wireguard_mtu=1400, wireguard_rollback_seconds=15
        )
        assert played.returncode != 0
        back = until(lambda: _settings(hub), 60)
        assert (back["mtu"], back["revision"]) == (1420, revision)
    finally:
        hub.host.run("systemctl stop lock-out.path lock-out.service")
        world.peers_file.write_text(kept)
    assert until(lambda: hub.apply()["plan"] == [], 30)
    assert world.known["anna"].gets_to("tcp", SERVER[4], 443)


def _settings(hub: Hub) -> dict[str, Any]:
    """What the hub has, once it can be asked and has gone back."""
    try:
        done = hub.host.run(f"cat {SETTINGS}; ip -br link show {INTERFACE} mtu 1420 2>/dev/null")
        found = json.loads(done.stdout[: done.stdout.rindex("}") + 1])
    except (ValueError, subprocess.TimeoutExpired):
        return {}
    assert isinstance(found, dict)
    return found if found["mtu"] == 1420 else {}


def test_it_comes_back_after_a_reboot(world: World, converged: Played) -> None:
    hub = world.hub12
    before = (hub.live(), hub.host.output("stat -c %Y /proc/1"))
    hub.host.run("systemctl reboot")

    def back() -> bool:
        try:
            booted = hub.host.run("stat -c %Y /proc/1 && systemctl is-system-running --wait")
        except subprocess.TimeoutExpired:
            return False
        return booted.stdout.splitlines()[:1] not in ([], before[1].splitlines())

    assert until(back, 90, 0.5)
    assert until(lambda: hub.host.run(f"ip link show {INTERFACE}").returncode == 0)
    assert hub.live() == before[0]
    assert hub.apply()["plan"] == []
    hub.host.output("ip route replace 192.0.2.0/24 via 10.102.0.22")
    assert world.known["anna"].gets_to("tcp", SERVER[4], 443)


def test_it_leaves_nothing(world: World, converged: Played) -> None:
    """But the keys, without which all peers would need new configurations."""
    hub = world.hub12
    kept = hub.host.output("cat /etc/groundwork/wireguard/keys/*.key")
    forwarding = "sysctl -n net.ipv6.conf.all.forwarding"
    removed = converge(world.peers_file, "--limit", "hub12", wireguard_state="absent")
    assert removed.returncode == 0, removed.output
    assert set(hub.host.output(LEFT).splitlines()) == {
        "/etc/groundwork/wireguard",
        "/etc/groundwork/wireguard/keys",
        f"/etc/groundwork/wireguard/keys/{INTERFACE}.a.key",
        f"/etc/groundwork/wireguard/keys/{INTERFACE}.preshared.json",
    }
    assert hub.host.output("cat /etc/groundwork/wireguard/keys/*.key") == kept
    seen = hub.host.output(
        "ip -br link; ip rule; nft list ruleset; systemctl list-units --all 'groundwork-wireguard*'"
    )
    assert INTERFACE not in seen
    assert "groundwork_wireguard" not in seen
    assert "groundwork-wireguard" not in seen
    assert hub.host.output(forwarding).strip() == "0"
    # With the keys that stayed, the peers find the hub as it was.
    assert converge(world.peers_file, "--limit", "hub12").returncode == 0
    hub.host.output("ip route replace 192.0.2.0/24 via 10.102.0.22")
    assert world.known["anna"].gets_to("tcp", SERVER[4], 443)


def test_two_hubs_are_one_to_the_peers(world: World) -> None:
    """The second takes the key of the first: active and standby of one name. Then both go with their keys."""
    gate = {"name": "hub12", "endpoint": "10.102.0.12", "addresses": ["10.202.0.1", "fd42:202::1"]}
    standby = {"name": "hub13", "endpoint": "10.102.0.12", "shared_key_with": "hub12"}

    def forget(document: dict[str, Any]) -> None:
        document["wireguard_hub_keys"] = {}
        for peer in document["wireguard_peers"]:
            if "hub" in peer:
                peer["hub"] = "hub12"

    edit(world, forget)
    played = converge(world.peers_file, wireguard_hubs=[gate, standby])
    assert played.returncode == 0, played.output
    one, other = world.hub12, world.hub13
    assert one.show()["public_key"] == other.show()["public_key"]
    assert one.live() == other.live()
    for secret in one.secrets():
        assert secret not in played.output
    again = converge(world.peers_file, wireguard_hubs=[gate, standby])
    assert [task for task, result in again.results("hub13") if result.get("changed")] == []
    for name in ("hub12", "hub13"):
        assert (
            len([task for task in executed(again, name) if not task.startswith(("Valid", "valid", "plan"))])
            == 3
        )
    gone = converge(world.peers_file, wireguard_state="absent", wireguard_remove_keys=True)
    assert gone.returncode == 0, gone.output
    for hub in (one, other):
        assert hub.host.output(LEFT) == ""
