"""A scan from other machines finds nothing that no drop-in declares."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from attack import Target, find
from testinfra.host import Host

# Knocks at every TCP port, thousands at a time, and prints those that open within half a second.
SCAN = """
import resource, select, socket, sys, time

_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
for first in range(1, 65536, 3000):
    knocking = {}
    poll = select.poll()
    for port in range(first, min(first + 3000, 65536)):
        door = socket.socket()
        door.setblocking(False)
        door.connect_ex((sys.argv[1], port))
        knocking[door.fileno()] = (port, door)
        poll.register(door, select.POLLOUT)
    time.sleep(0.5)
    for number, _ in poll.poll(0):
        port, door = knocking[number]
        if door.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            print(port)
    for _, door in knocking.values():
        door.close()
"""


def declared(host: Host) -> set[int]:
    """The ports that drop-ins open: they alone add rules to this chain."""
    listed = json.loads(host.check_output("nft --json list chain inet groundwork input_services"))
    ports: set[int] = set()
    for entry in listed["nftables"]:
        for statement in entry.get("rule", {}).get("expr", []):
            match = statement.get("match", {})
            if match.get("left", {}).get("payload", {}).get("field") == "dport":
                ports |= _ports(match["right"])
    return ports


def _ports(right: object) -> set[int]:
    if isinstance(right, int):
        return {right}
    if isinstance(right, dict) and "range" in right:
        low, high = right["range"]
        return set(range(low, high + 1))
    if isinstance(right, dict) and "set" in right:
        return {port for element in right["set"] for port in _ports(element)}
    return set()


@pytest.fixture(scope="module")
def outsider(request: pytest.FixtureRequest) -> Target:
    return find(request.config.option.ansible_inventory, "outsider")


def test_a_stranger_finds_only_what_drop_ins_open(host: Host, target: Target, outsider: Target) -> None:
    outsider.output("cat > /run/scan.py", stdin=SCAN)
    answering = outsider.output(f"python3 /run/scan.py {target.address}").split()
    assert {int(port) for port in answering} <= declared(host)


def test_the_management_network_finds_only_what_drop_ins_open(host: Host, target: Target) -> None:
    done = subprocess.run(
        [sys.executable, "-", target.address], input=SCAN, capture_output=True, text=True, check=True
    )
    answering = {int(port) for port in done.stdout.split()}
    assert 22 in answering
    assert answering <= declared(host)


def test_what_listens_to_the_network_is_declared(host: Host) -> None:
    listening = host.check_output("ss --no-header --numeric --listening --tcp --udp")
    local = (line.split()[4].rsplit(":", 1) for line in listening.splitlines())
    loopback = ("127.", "[::1]", "[::ffff:127.")
    open_to_all = {int(port) for address, port in local if not address.startswith(loopback)}
    assert 22 in open_to_all
    assert open_to_all <= declared(host) | {68, 546}
