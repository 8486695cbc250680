"""Metrics with the peers' names, and rules for alerts that Prometheus takes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import World
from .world import INTERFACE, SERVER, Hub, Peer

DIRECTORY = "/var/lib/prometheus/node-exporter"
ALERTS = (
    Path(__file__).parents[3]
    / "roles/wireguard/templates/tree/usr/local/share/groundwork/wireguard/alerts.yml"
)


def metrics(hub: Hub) -> dict[str, float]:
    """As the timer's service writes them."""
    hub.host.output(f"mkdir -p {DIRECTORY} && systemctl start groundwork-wireguard-metrics.service")
    text = hub.host.output(f"cat {DIRECTORY}/groundwork_wireguard.prom")
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name.removeprefix("groundwork_wireguard_"): float(value) for name, value in pairs}


def test_peers_are_told_by_name(world: World, hub: Hub) -> None:
    anna = world.known["anna"]
    anna.gets_to("tcp", SERVER[4], 443)
    before = metrics(hub)
    assert anna.reaches("tcp", SERVER[4], 443)
    anna.probe(("tcp", SERVER[4], 9000))
    after = metrics(hub)
    now = float(hub.host.output("date +%s"))
    labels = 'peer="anna",owner="somebody",group="developers",kind="person"'
    assert now - after[f"peer_latest_handshake_seconds{{{labels}}}"] < 300
    for name in (
        'peer_received_bytes_total{peer="anna"}',
        'peer_sent_bytes_total{peer="anna"}',
        'rule_allowed_connections_total{group="developers",rule="developers 1"}',
        'denied_packets_total{group="developers"}',
    ):
        assert after[name] > before[name], name
    assert after["up"] == after["firewall_loaded"] == 1
    assert after["drift"] == 0
    assert after["revision"] == hub.settings["revision"]
    backend = hub.show()["backend"]
    info = f'interface="{INTERFACE}",hub="hub12",environment="test",backend="{backend}",slot="active"'
    assert after[f"interface_info{{{info}}}"] == 1
    assert now - after['peer_latest_handshake_seconds{peer="hub13",owner="",group="",kind="hub"}'] < 300


def test_counters_outlive_a_change_of_the_rules(world: World, hub: Hub) -> None:
    name = 'rule_allowed_connections_total{group="developers",rule="developers 1"}'
    before = metrics(hub)[name]
    assert before > 0
    hub.expel("rob")
    hub.change()
    assert metrics(hub)[name] >= before


def test_drift_and_a_missing_table_are_told(hub: Hub) -> None:
    hub.host.output(f"ip link set dev {INTERFACE} mtu 1300; nft delete table inet groundwork_wireguard")
    found = metrics(hub)
    assert (found["drift"], found["firewall_loaded"]) == (2, 0)
    hub.apply()
    assert metrics(hub)["drift"] == 0


def test_a_peer_that_wanders_is_counted(world: World, hub: Hub, new_peer: Callable[..., Peer]) -> None:
    """From IPv4 to IPv6, as a phone from one network to another."""
    phone = new_peer("phone", 90)
    hub.admit(phone)
    hub.change()
    phone.connect(hub)
    assert phone.gets_to("tcp", SERVER[4], 443)
    name = 'peer_endpoint_changes_total{peer="phone"}'
    assert metrics(hub)[name] == 0
    key = hub.show()["public_key"]
    phone.inside(f"wg set wg90 peer {key} endpoint '[fd42:102::12]:51820'")
    assert phone.gets_to("tcp", SERVER[4], 443)
    assert metrics(hub)[name] == 1
    assert metrics(hub)[name] == 1


def test_a_hub_that_can_not_be_looked_at_says_so(hub: Hub) -> None:
    hub.host.output(f"mv /etc/groundwork/wireguard/{INTERFACE}.json /root/settings")
    try:
        (found,) = metrics(hub).items()
    finally:
        hub.host.output(f"mv /root/settings /etc/groundwork/wireguard/{INTERFACE}.json")
    assert found[0].startswith('up{error="/etc/groundwork/wireguard must hold')
    assert found[1] == 0


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not here")
def test_prometheus_takes_the_rules_and_the_metrics(hub: Hub) -> None:
    metrics(hub)
    text = hub.host.output(f"cat {DIRECTORY}/groundwork_wireguard.prom")
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    checked = subprocess.run(
        ["promtool", "check", "rules", ALERTS], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
