"""Real sets, rules and packets, without a database: both backends hold the same promises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.topology import Topology
from tests.integration.support import RealHost

from .agent_host import AgentHost, neighbour

BEGIN = """
import socket, time
from ipaddress import ip_address, ip_network
from ipban.build import open_backend
from ipban.backends import Delta, Policy, SetFull
from ipban.packed import pack_network

def host(text):
    return ip_address(text).packed

def network(text):
    return pack_network(ip_network(text))

def load(backend, **sets):
    begun = backend.begin({name: len(found) for name, found in sets.items()})
    for name, found in sets.items():
        one = host if name.startswith("hosts") else network
        begun.add(name, b"".join(sorted(one(text) for text in found)))
    begun.commit()

def found(backend, *addresses):
    return [list(backend.contains(host(address))) for address in addresses]

backend = open_backend(BACKEND, POLICY if "POLICY" in globals() else Policy())
"""


@pytest.fixture(
    scope="module",
    params=[("debian12", "ipset"), ("debian13", "nft"), ("debian12", "nft"), ("debian13", "ipset")],
    ids="-".join,
)
def machine(request: pytest.FixtureRequest, topology: Topology) -> Iterator[AgentHost]:
    name, backend = request.param
    (spec,) = (spec for spec in topology.hosts if spec.name == name)
    made = AgentHost(RealHost(spec, topology), backend)
    made.prepare()
    made.configure("host=nowhere dbname=ipban")
    yield made
    made.leave()
    # One test flushes all rules of the host.
    made.host.run("systemctl is-active --quiet nftables && systemctl restart nftables")


@pytest.fixture
def agent(machine: AgentHost) -> AgentHost:
    machine.clear()
    return machine


def test_banned_packets_are_dropped_and_others_are_not(agent: AgentHost) -> None:
    agent.python(
        BEGIN
        + f"""
backend.ensure()
load(
    backend,
    hosts4=["{neighbour(2)}"],
    hosts6=["{neighbour(2, 6)}"],
    networks4=["{neighbour(4)}/31"],
    networks6=["{neighbour(4, 6)}/127"],
)
print("{{}}")
"""
    )
    for family in (4, 6):
        assert [agent.answers(last, family) for last in (2, 3, 4, 5)] == [False, True, False, False]
    counted = agent.python(BEGIN + "print(json.dumps({f: c.packets for f, c in backend.counters().items()}))")
    assert counted == {"4": 3, "6": 3}


def test_what_is_allowed_passes_before_any_ban(agent: AgentHost) -> None:
    agent.python(
        BEGIN
        + f"""
backend.ensure()
allowed = ["{neighbour(2)}/32", "{neighbour(4)}/31"]
load(backend, hosts4=["{neighbour(2)}"], networks4=["198.18.0.0/15"], allow4=allowed)
print("{{}}")
"""
    )
    assert [agent.answers(last) for last in (2, 3, 4, 5)] == [True, False, True, True]


def test_deltas_are_tolerant_and_exact(agent: AgentHost) -> None:
    result = agent.python(
        BEGIN
        + """
backend.ensure()
load(backend, hosts4=["192.0.2.1", "192.0.2.2"])
steps = []
deltas = [
    (["192.0.2.3"], []),
    (["192.0.2.3", "192.0.2.1"], ["192.0.2.2"]),
    ([], ["192.0.2.2", "192.0.2.99"]),
    (["192.0.2.2"], ["192.0.2.3"]),
]
for added, removed in deltas:
    come, gone = ([host(one) for one in some] for some in (added, removed))
    backend.apply(Delta({"hosts4": come}, {"hosts4": gone}))
    steps.append([bool(one) for one in found(backend, "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.99")])
backend.apply(Delta({"hosts6": [host("2001:db8::1")]}))
print(json.dumps([steps, found(backend, "2001:db8::1"), backend.intact(thorough=True)]))
"""
    )
    assert result == [
        [
            [True, True, True, False],
            [True, False, True, False],
            [True, False, True, False],
            [True, True, False, False],
        ],
        [["hosts6"]],
        True,
    ]


def test_networks_overlap_touch_and_are_split(agent: AgentHost) -> None:
    result = agent.python(
        BEGIN
        + """
backend.ensure()
probes = ("10.0.0.1", "10.0.1.1", "10.0.2.1", "10.0.3.255", "10.0.4.0", "255.255.255.255", "254.255.255.255")
steps = []
several = [
    ["10.0.0.0/24", "10.0.1.0/24", "10.0.0.0/22", "10.0.2.0/23"],
    ["10.0.0.0/24", "10.0.2.0/24", "255.0.0.0/8"],
    ["10.0.1.0/24"],
    [],
]
for networks in several:
    packed = b"".join(sorted(network(one) for one in networks))
    backend.replace({"networks4": packed})
    steps.append([bool(one) for one in found(backend, *probes)])
    counted = backend.counts()["networks4"]
    assert counted is None or counted == backend.expected_count("networks4", packed), (networks, counted)
    assert backend.intact(thorough=True)
print(json.dumps(steps))
"""
    )
    assert result == [
        [True, True, True, True, False, False, False],
        [True, False, True, False, False, True, False],
        [False, True, False, False, False, False, False],
        [False] * 7,
    ]


def test_ipv6_networks(agent: AgentHost) -> None:
    result = agent.python(
        BEGIN
        + """
backend.ensure()
load(backend, networks6=["2001:db8::/33", "2001:db8:8000::/33", "2001:db9::/48", "fe00::/19"])
probes = ("2001:db8:ffff::1", "2001:db9:0:ffff::", "2001:db9:1::", "fe00:1fff::1", "fe00:2000::1")
print(json.dumps(found(backend, *probes)))
"""
    )
    assert [bool(one) for one in result] == [True, True, False, True, False]


def test_a_full_set_says_so_and_a_load_makes_room(agent: AgentHost) -> None:
    result = agent.python(
        BEGIN
        + """
backend.ensure()
load(backend, hosts4=["192.0.2.1"])
many = [(10 << 24 | number).to_bytes(4, "big") for number in range(70000)]
try:
    backend.apply(Delta({"hosts4": many}))
    full = False
except SetFull:
    full = True
still = found(backend, "192.0.2.1")
begun = backend.begin({"hosts4": 70000})
begun.add("hosts4", b"".join(many))
begun.commit()
counted = backend.counts()["hosts4"] in (None, 70000)
print(json.dumps([full, still, counted, found(backend, "10.0.0.0", "10.1.17.111", "192.0.2.1")]))
"""
    )
    assert result == [True, [["hosts4"]], True, [["hosts4"], ["hosts4"], []]]


def test_a_load_that_is_given_up_leaves_nothing_behind(agent: AgentHost) -> None:
    result = agent.python(
        BEGIN
        + """
backend.ensure()
load(backend, hosts4=["192.0.2.1"])
begun = backend.begin({"hosts4": 10})
begun.add("hosts4", host("192.0.2.2"))
begun.abort()
again = backend.begin({"hosts4": 10})
again.add("hosts4", host("192.0.2.3"))
# Killed here: the next process begins anew.
other = open_backend(BACKEND, Policy())
whole = other.ensure()
kept = found(other, "192.0.2.1", "192.0.2.2", "192.0.2.3")
load(other, hosts4=["192.0.2.4"])
print(json.dumps([whole, kept, found(other, "192.0.2.1", "192.0.2.4")]))
"""
    )
    assert result == [True, [["hosts4"], [], []], [[], ["hosts4"]]]


def test_a_pause_lets_everything_through_and_keeps_the_sets(agent: AgentHost) -> None:
    agent.python(BEGIN + f'backend.ensure(); load(backend, hosts4=["{neighbour(2)}"]); print("{{}}")')
    assert not agent.answers(2)
    agent.python(BEGIN + 'backend.ensure(); backend.set_paused(True); print("{}")')
    assert agent.answers(2)
    assert agent.python(
        BEGIN + "backend.ensure(); print(json.dumps([backend.paused(), backend.intact(thorough=True)]))"
    ) == [True, True]
    agent.python(BEGIN + 'backend.ensure(); backend.set_paused(False); print("{}")')
    assert not agent.answers(2)


def test_a_rejected_connection_is_refused_at_once(agent: AgentHost) -> None:
    agent.host.output("(setsid timeout 60 python3 -m http.server 8099 </dev/null >/dev/null 2>&1 &)")
    for family in (4, 6):
        assert agent.answers(2, family), "the neighbour's address at the link is known before the ban"
    agent.python(
        "from ipban.backends import Policy\nPOLICY = Policy(reject=True)\n"
        + BEGIN
        + f"""
backend.ensure()
load(backend, hosts4=["{neighbour(2)}"], hosts6=["{neighbour(2, 6)}"])
print("{{}}")
"""
    )
    for family in (4, 6):
        source, target = neighbour(2, family), neighbour(1, family)
        code = f"import socket; socket.create_connection(('{target}', 8099), 2, ('{source}', 0))"
        done = agent.host.run(f'ip netns exec neighbour python3 -c "{code}"')
        assert "ConnectionRefusedError" in done.stderr, done.stderr
        assert not agent.answers(2, family)
        assert agent.answers(3, family)


def test_rules_of_others_stay(agent: AgentHost) -> None:
    agent.host.output("nft add table inet other; iptables -t raw -A PREROUTING -s 203.0.113.1 -j ACCEPT")
    before = agent.host.output("iptables -t raw -S; nft list table inet other")
    agent.python(
        BEGIN + 'backend.ensure(); load(backend, hosts4=["192.0.2.1"]); backend.remove(); print("{}")'
    )
    assert agent.host.output("iptables -t raw -S; nft list table inet other") == before
    agent.host.output("nft delete table inet other; iptables -t raw -D PREROUTING -s 203.0.113.1 -j ACCEPT")
    # The firewall of the host, which may be there, is called groundwork.
    assert "groundwork_" not in agent.host.output("nft -t list ruleset; ipset -t list")


NFT = "inet groundwork_ipban"
NFT_SET = f"$(nft -t list table {NFT} | awk '/set hosts4/{{print $2}}')"
DAMAGE = {
    "set": {"ipset": "ipset flush groundwork_ban4", "nft": f"nft flush set {NFT} {NFT_SET}"},
    "rules": {"ipset": "iptables -t raw -F", "nft": f"nft flush chain {NFT} prerouting"},
    "verdict": {
        "ipset": "iptables -t raw -F GROUNDWORK-IPBAN-BANNED",
        "nft": f"nft flush chain {NFT} banned4",
    },
    "all": {
        "ipset": "iptables -t raw -F; iptables -t raw -X; ipset destroy groundwork_ban4",
        "nft": f"nft delete table {NFT}",
    },
    "ruleset": {"ipset": "nft flush ruleset", "nft": "nft flush ruleset"},
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_by_hand_is_seen(agent: AgentHost, damage: dict[str, str]) -> None:
    done = agent.python(
        BEGIN
        + """
import subprocess
backend.ensure()
load(backend, hosts4=["192.0.2.1"], networks4=["198.51.100.0/24"])
before = backend.intact(thorough=False)
subprocess.run(sys.argv[1], shell=True, check=True)
after = backend.intact(thorough=False)
whole = backend.ensure()
if not (whole and backend.intact(thorough=True)):
    load(backend, hosts4=["192.0.2.1"], networks4=["198.51.100.0/24"])
print(json.dumps([before, after, backend.intact(thorough=True), found(backend, "192.0.2.1", "198.51.100.7")]))
""",
        damage[agent.backend],
    )
    assert done == [True, False, True, [["hosts4"], ["networks4"]]]


LEAKS = """
import socket, sys, time
target, banned, free = sys.argv[1:4]
senders = []
for source in (banned, free):
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind((source, 0))
    senders.append(sender)
until = time.monotonic() + 120
while time.monotonic() < until:
    for sender in senders:
        sender.sendto(b"probe", (target, 9999))
    time.sleep(0.0005)
"""


def test_no_packet_leaks_over_a_thousand_swaps(agent: AgentHost) -> None:
    agent.host.run("cat > /opt/ipban-test/leaks.py", stdin=LEAKS)
    result = agent.python(
        BEGIN
        + f"""
import subprocess, threading
backend.ensure()
others = [f"10.0.{{n // 256}}.{{n % 256}}" for n in range(500)]
load(backend, hosts4=["{neighbour(2)}", *others])
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("{neighbour(1)}", 9999))
receiver.settimeout(0.5)
seen = {{"{neighbour(2)}": 0, "{neighbour(3)}": 0}}
stop = threading.Event()
def count():
    while not stop.is_set():
        try:
            seen[receiver.recvfrom(64)[1][0]] += 1
        except TimeoutError:
            pass
counter = threading.Thread(target=count)
counter.start()
inside = ["ip", "netns", "exec", "neighbour", "python3", "/opt/ipban-test/leaks.py"]
sender = subprocess.Popen([*inside, "{neighbour(1)}", "{neighbour(2)}", "{neighbour(3)}"])
dropped = backend.counters()[4].packets
while not seen["{neighbour(3)}"]:
    time.sleep(0.01)
packed = b"".join(sorted(host(one) for one in ("{neighbour(2)}", *others)))
for swap in range(1000):
    begun = backend.begin({{"hosts4": len(others) + 1}})
    begun.add("hosts4", packed)
    begun.commit()
    if swap % 10 == 0:
        backend.replace({{"networks4": network(f"203.0.113.{{swap % 256}}/32")}})
sender.kill()
stop.set()
counter.join()
print(json.dumps([seen["{neighbour(2)}"], seen["{neighbour(3)}"], backend.counters()[4].packets - dropped]))
"""
    )
    leaked, passed, dropped = result
    assert leaked == 0
    assert passed > 100
    assert dropped > 100
