"""The firewall, looked at from three sides: from the host, from a management network, and from outside."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from attack import Target, find, probe_from_here
from testinfra.host import Host

# What molecule's inventory opens, and a port that nothing opens.
OPEN_TO_ALL, OPEN_TO_NEIGHBOURS, OPEN_TO_MANAGEMENT, OPEN_SLOWLY, CLOSED = 8081, 8082, 8083, 8084, 8089

LISTENER = """
import selectors, socket, sys
ready = selectors.DefaultSelector()
for port in map(int, sys.argv[1:]):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
    ready.register(listener, selectors.EVENT_READ)
while True:
    for key, _ in ready.select():
        key.fileobj.accept()[0].close()
"""

# Echo requests by hand: the hosts have no ping. Prints how many of them were answered.
ECHO = """
import os, socket, struct, sys
address, size, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
six = ":" in address
family, protocol, request = (socket.AF_INET6, 58, 128) if six else (socket.AF_INET, 1, 8)
body = struct.pack("!HH", os.getpid() & 0xFFFF, 1) + b"x" * size
words = struct.unpack(f"!{(len(body) + 4) // 2}H", struct.pack("!BBH", request, 0, 0) + body)
total = sum(words)
total = (total & 0xFFFF) + (total >> 16)
total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
sock = socket.socket(family, socket.SOCK_RAW, protocol)
sock.settimeout(1)
sock.connect((address, 0))
for _ in range(count):
    sock.send(struct.pack("!BBH", request, 0, 0 if six else total) + body)
answered = 0
try:
    while answered < count:
        answer = sock.recv(65535)[0 if six else 20:]
        answered += answer[0] == (129 if six else 0)
except TimeoutError:
    pass
print(answered)
"""

# A container engine in small: a bridge, a container behind it, and a table that masquerades and publishes.
ENGINE_UP = """
set -e
ip link add br-engine type bridge
ip address add 172.30.0.1/24 dev br-engine
ip link set br-engine up
ip netns add contained
ip link add engine0 type veth peer name eth0 netns contained
ip link set engine0 master br-engine up
ip -n contained link set lo up
ip -n contained link set eth0 up
ip -n contained address add 172.30.0.2/24 dev eth0
ip -n contained route add default via 172.30.0.1
sysctl -q net.ipv4.ip_forward=1
nft -f - <<'RULES'
table ip engine {
  chain publish { type nat hook prerouting priority dstnat; tcp dport 8090 dnat to 172.30.0.2:80; }
  chain outward {
    type nat hook postrouting priority srcnat;
    ip saddr 172.30.0.0/24 oifname != "br-engine" masquerade;
  }
}
RULES
"""
ENGINE_DOWN = """
nft delete table ip engine
sysctl -q net.ipv4.ip_forward=0
ip netns delete contained
ip link delete br-engine
"""


@pytest.fixture(scope="module")
def outsider(request: pytest.FixtureRequest) -> Target:
    return find(request.config.option.ansible_inventory, "outsider")


def serve(target: Target, unit: str, *ports: int, namespace: str = "") -> None:
    prefix = f"ip netns exec {namespace} " if namespace else ""
    arguments = " ".join(map(str, ports))
    target.output(f"cat > /run/{unit}.py", stdin=LISTENER)
    target.output(f"systemd-run --quiet --unit={unit} {prefix}/usr/bin/python3 /run/{unit}.py {arguments}")
    probe = f"{prefix}python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {ports[0]}), 1)'"
    for _ in range(50):
        if target.ssh(command=probe).returncode == 0:
            return
        time.sleep(0.1)
    pytest.fail(f"{unit} does not listen on {target.name}")


def stop_serving(target: Target, unit: str) -> None:
    target.output(f"systemctl stop {unit}; rm -f /run/{unit}.py")


@pytest.fixture(scope="module")
def listening(target: Target) -> Iterator[Target]:
    serve(target, "probed", OPEN_TO_ALL, OPEN_TO_NEIGHBOURS, OPEN_TO_MANAGEMENT, OPEN_SLOWLY, CLOSED)
    yield target
    stop_serving(target, "probed")


@pytest.fixture
def foreign_table(target: Target) -> Iterator[str]:
    """A table such as a container engine keeps."""
    target.output(
        "nft 'add table inet foreign; add set inet foreign kept { type ipv4_addr; };"
        " add element inet foreign kept { 192.0.2.99 }'"
    )
    yield target.output("nft list table inet foreign")
    target.output("nft delete table inet foreign")


def test_in_and_forward_are_denied_by_default(host: Host) -> None:
    for chain, policy in (("input", "drop"), ("forward", "drop"), ("output", "accept")):
        listed = host.check_output(f"nft list chain inet groundwork {chain}")
        assert f"hook {chain} priority filter; policy {policy};" in listed


def test_it_is_loaded_at_boot_before_the_network(host: Host) -> None:
    assert host.service("nftables").is_enabled
    assert "network-pre.target" in host.check_output("systemctl show --property=Before nftables.service")


def test_no_command_of_the_unit_flushes_the_tables_of_others(host: Host) -> None:
    shown = host.check_output(
        "systemctl show --property=ExecStart --property=ExecReload --property=ExecStop nftables"
    )
    assert "flush" not in shown
    assert shown.count("path=") == 3


def test_closed_ports_are_closed_from_outside(listening: Target, outsider: Target) -> None:
    assert outsider.probe(listening, 22, OPEN_TO_MANAGEMENT, CLOSED) == ["silent"] * 6


def test_open_ports_are_open_from_outside(listening: Target, outsider: Target) -> None:
    assert outsider.probe(listening, OPEN_TO_ALL, OPEN_TO_NEIGHBOURS) == ["open"] * 4


def test_management_networks_reach_what_is_for_them(listening: Target) -> None:
    assert probe_from_here(listening, 22, OPEN_TO_MANAGEMENT, CLOSED) == ["open", "open", "silent"] * 2


def test_a_rate_holds_for_each_source(listening: Target, outsider: Target) -> None:
    listening.output("systemctl reload nftables")
    states = outsider.probe(listening, *[OPEN_SLOWLY] * 5)
    assert states[:3] == states[5:8] == ["open"] * 3
    assert states[4] == states[9] == "silent"
    # Another IPv4 address has a budget of its own; IPv6 addresses of one /64 are one source.
    assert probe_from_here(listening, OPEN_SLOWLY) == ["open", "silent"]


@pytest.mark.parametrize("size", [56, 4000])
def test_pings_are_answered_even_in_fragments(target: Target, outsider: Target, size: int) -> None:
    for address in (target.address, target.address6):
        assert outsider.output(f"python3 - {address} {size} 1", stdin=ECHO) == "1"


def test_floods_of_pings_are_limited(target: Target, outsider: Target) -> None:
    for address in (target.address, target.address6):
        assert 10 <= int(outsider.output(f"python3 - {address} 56 200", stdin=ECHO)) < 100


def test_neighbour_discovery_works_from_scratch(listening: Target, outsider: Target) -> None:
    outsider.output("ip -6 neighbour flush all")
    listening.output("ip -6 neighbour flush all")
    assert outsider.probe(listening, OPEN_TO_ALL) == ["open", "open"]


@pytest.mark.parametrize("verb", ["reload", "restart", "stop"])
def test_tables_of_others_are_left_alone(target: Target, foreign_table: str, verb: str) -> None:
    target.output(f"systemctl {verb} nftables")
    try:
        assert target.output("nft list table inet foreign") == foreign_table
        ours = "table inet groundwork" in target.output("nft list tables")
        assert ours == (verb != "stop")
    finally:
        target.output("systemctl start nftables")
    assert "table inet groundwork" in target.output("nft list tables")


def test_containers_get_out_and_are_not_reached_behind_the_firewalls_back(
    target: Target, outsider: Target
) -> None:
    serve(outsider, "elsewhere", 8091)
    try:
        target.output(ENGINE_UP)
        try:
            serve(target, "published", 80, namespace="contained")
            connect = f'import socket; socket.create_connection(("{outsider.address}", 8091), 3)'
            reach = f"ip netns exec contained python3 -c '{connect}'"
            assert target.ssh(command=reach).returncode == 0
            assert outsider.probe(target, 8090)[0] == "silent"
            assert probe_from_here(target, 8090)[0] == "open"
        finally:
            stop_serving(target, "published")
            target.output(ENGINE_DOWN)
    finally:
        stop_serving(outsider, "elsewhere")


def test_what_is_routed_is_dropped(target: Target, outsider: Target) -> None:
    target.output(ENGINE_UP)
    try:
        serve(target, "published", 80, namespace="contained")
        outsider.output(f"ip route add 172.30.0.0/24 via {target.address}")
        probe = "python3 -c 'import socket; socket.create_connection((\"172.30.0.2\", 80), 2)'"
        assert "timed out" in outsider.ssh(command=probe).stderr
    finally:
        outsider.ssh(command="ip route delete 172.30.0.0/24")
        stop_serving(target, "published")
        target.output(ENGINE_DOWN)


def test_rules_that_were_flushed_by_hand_come_back(target: Target, tmp_path: Path) -> None:
    rules = target.output("nft --stateless list chain inet groundwork input")
    variables = tmp_path / "unchanged.yml"
    variables.write_text("{}\n")
    target.output("nft delete table inet groundwork")
    played = target.play(["host_firewall"], variables)
    assert played.returncode == 0, played.stdout
    assert target.output("nft --stateless list chain inet groundwork input") == rules


def test_a_broken_drop_in_is_refused_before_anything_changes(target: Target, tmp_path: Path) -> None:
    before = target.output("sha256sum /etc/nftables.conf")
    variables = tmp_path / "changed.yml"
    variables.write_text("host_firewall_echo_burst: 21\n")
    target.output("echo 'add rule inet groundwork nowhere accept' > /etc/nftables.d/99-broken.nft")
    try:
        played = target.play(["host_firewall"], variables)
    finally:
        target.output("rm /etc/nftables.d/99-broken.nft")
    assert played.returncode != 0
    assert "99-broken.nft" in played.stdout
    assert target.output("sha256sum /etc/nftables.conf") == before


def test_rules_that_lock_out_are_rolled_back(target: Target, tmp_path: Path) -> None:
    before = target.output("sha256sum /etc/nftables.conf; nft list set inet groundwork management_ipv4")
    variables = tmp_path / "lockout.yml"
    variables.write_text(
        yaml.safe_dump(
            {"host_firewall_management_networks": ["192.0.2.0/24"], "host_firewall_rollback_seconds": 15}
        )
    )
    played = target.play(["host_firewall"], variables)
    assert played.returncode != 0
    assert "put back at" in played.stdout, played.stdout
    assert target.wait_until_reachable(30)
    after = target.output("sha256sum /etc/nftables.conf; nft list set inet groundwork management_ipv4")
    assert after == before


def test_it_survives_a_reboot(target: Target, outsider: Target) -> None:
    booted = target.output("stat -c %Y /proc/1")
    target.ssh(command="systemctl reboot")
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        done = target.ssh("-o", "ConnectTimeout=2", command="stat -c %Y /proc/1")
        if done.returncode == 0 and done.stdout.strip() != booted:
            break
        time.sleep(0.5)
    else:
        pytest.fail(f"{target.name} did not come back")
    # Outside connections are for later tests too: the host is booted when systemd says so.
    target.ssh(command="systemctl is-system-running --wait")
    assert re.search("policy drop", target.output("nft list chain inet groundwork input"))
    assert outsider.probe(target, 22, CLOSED) == ["silent"] * 4
