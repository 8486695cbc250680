"""The agent and a real database: what is banned there is dropped here, and what is opened passes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab.topology import Topology
from tests.integration.support import RealHost

from .agent_host import AgentHost, neighbour
from .stores import Store

SOURCE = "agent-test"
BAN = "SELECT ipban.ban(%s::text[], 'a test', source => %s, list => %s)"
UNBAN = "SELECT ipban.unban(%s::text[], source => %s)"


def ban(store: Store, *networks: str, on: str = "all", source: str = SOURCE) -> None:
    store.call(BAN, list(networks), source, on)


def unban(store: Store, *networks: str, source: str | None = SOURCE) -> None:
    store.call(UNBAN, list(networks), source)


@pytest.fixture(scope="module", params=[("debian12", "ipset"), ("debian13", "nft")], ids="-".join)
def machine(request: pytest.FixtureRequest, topology: Topology) -> Iterator[AgentHost]:
    name, backend = request.param
    (spec,) = (spec for spec in topology.hosts if spec.name == name)
    made = AgentHost(RealHost(spec, topology), backend)
    made.prepare()
    yield made
    made.leave()


@pytest.fixture
def agent(machine: AgentHost, store: Store) -> Iterator[AgentHost]:
    """A running agent that has synchronised with an empty store."""
    store.clear()
    machine.clear()
    machine.configure(store.conninfo("reader"), lists=["all", "ssh"])
    machine.start()
    wait_for_generation(machine, store)
    yield machine
    machine.stop()


def generation(store: Store) -> int:
    return int(store.call("SELECT generation FROM ipban.head()"))


def wait_for_generation(agent: AgentHost, store: Store) -> None:
    target = generation(store)
    agent.wait_for(f"generation {target}", lambda: agent.status().get("generation") == target)


def test_a_ban_drops_packets_at_once_and_its_end_lets_them_through(agent: AgentHost, store: Store) -> None:
    assert agent.answers(2)
    assert agent.answers(2, 6)
    ban(store, neighbour(2), neighbour(2, 6))
    agent.wait_for("dropped", lambda: agent.drops(neighbour(2)), 5)
    assert [agent.answers(2), agent.answers(2, 6), agent.answers(3)] == [False, False, True]
    unban(store, neighbour(2), neighbour(2, 6))
    agent.wait_for("open again", lambda: not agent.drops(neighbour(2)), 5)
    assert agent.answers(2)
    assert agent.answers(2, 6)
    wait_for_generation(agent, store)
    syncs = agent.status()["syncs"]
    assert syncs["delta/ok"] >= 2
    assert syncs["full/ok"] == 1


ECHO = """
import socket, sys
server = socket.create_server((sys.argv[1], 8098))
connection, _ = server.accept()
while True:
    data = connection.recv(100)
    if not data:
        break
    connection.sendall(data)
"""
TALK = """
import pathlib, socket, sys, time
talk = socket.create_connection((sys.argv[1], 8098), 5, (sys.argv[2], 0))
talk.settimeout(1)
said = 0
while True:
    try:
        talk.sendall(b"x")
        if talk.recv(100):
            said += 1
            pathlib.Path("/run/ipban-said").write_text(str(said))
    except TimeoutError:
        pass
    time.sleep(0.05)
"""


def test_an_established_connection_is_cut(agent: AgentHost, store: Store) -> None:
    host, source, target = agent.host, neighbour(2), neighbour(1)
    host.run("cat > /opt/ipban-test/echo.py", stdin=ECHO)
    host.run("cat > /opt/ipban-test/talk.py", stdin=TALK)
    # Where the host has a firewall, it knows nothing of this port.
    host.run("nft insert rule inet groundwork input iifname to-neighbour accept")
    host.output(
        "rm -f /run/ipban-said;"
        f"(setsid timeout 60 python3 /opt/ipban-test/echo.py {target} </dev/null >/dev/null 2>&1 &);"
        "sleep 0.5;"
        "(setsid timeout 60 ip netns exec neighbour python3 /opt/ipban-test/talk.py"
        f" {target} {source} </dev/null >/dev/null 2>&1 &)"
    )

    def said() -> int:
        return int(host.run("cat /run/ipban-said").stdout or 0)

    agent.wait_for("a talk", lambda: said() > 3)
    ban(store, source)
    agent.wait_for("dropped", lambda: agent.drops(source), 5)
    time.sleep(0.3)
    before = said()
    time.sleep(1)
    assert said() == before
    unban(store, source)
    agent.wait_for("talks on", lambda: said() > before, 30)


def test_only_lists_of_this_host(agent: AgentHost, store: Store) -> None:
    ban(store, "192.0.2.1", on="ssh")
    ban(store, "192.0.2.2", on="web")
    ban(store, "192.0.2.3")
    wait_for_generation(agent, store)
    assert [agent.drops(f"192.0.2.{last}") for last in (1, 2, 3)] == [True, False, True]


def test_two_sources_have_to_open(agent: AgentHost, store: Store) -> None:
    ban(store, "192.0.2.1", source="one")
    ban(store, "192.0.2.1", source="two")
    unban(store, "192.0.2.1", source="one")
    wait_for_generation(agent, store)
    assert agent.drops("192.0.2.1")
    unban(store, "192.0.2.1", source="two")
    wait_for_generation(agent, store)
    assert not agent.drops("192.0.2.1")


def test_overlapping_networks_and_hosts(agent: AgentHost, store: Store) -> None:
    ban(store, "198.51.100.0/24", "198.51.100.64/26", "198.51.100.7", "2001:db8:5::/48", "2001:db8:5::7")
    wait_for_generation(agent, store)
    unban(store, "198.51.100.0/24", "198.51.100.7", "2001:db8:5::7")
    wait_for_generation(agent, store)
    assert agent.drops("198.51.100.65")
    assert not agent.drops("198.51.100.7")
    assert agent.drops("2001:db8:5::7")
    unban(store, "198.51.100.64/26", "2001:db8:5::/48")
    wait_for_generation(agent, store)
    assert not agent.drops("198.51.100.65")
    assert not agent.drops("2001:db8:5::7")


def test_the_allow_list_has_precedence(agent: AgentHost, store: Store) -> None:
    ban(store, "198.18.7.0/24")
    wait_for_generation(agent, store)
    assert not agent.answers(2)
    store.call("SELECT ipban.allow(%s::text[], 'ours')", [f"{neighbour(2)}/32"])
    wait_for_generation(agent, store)
    assert [agent.answers(2), agent.answers(3)] == [True, False]
    store.call("SELECT ipban.disallow(%s::text[])", [f"{neighbour(2)}/32"])
    wait_for_generation(agent, store)
    assert not agent.answers(2)


def test_an_expired_ban_opens(agent: AgentHost, store: Store) -> None:
    store.call(
        "SELECT ipban.ban(%s::text[], 'a test', expires_at => now() + interval '1 second')", [neighbour(2)]
    )
    wait_for_generation(agent, store)
    assert not agent.answers(2)
    time.sleep(1.1)
    store.call("SELECT ipban.expire()")
    wait_for_generation(agent, store)
    assert agent.answers(2)


# The clock that a person reads jumps; the one that only counts goes on, as in the kernel.
TURNED = (
    "LD_PRELOAD=$(echo /usr/lib/*/faketime/libfaketime.so.1) FAKETIME_TIMESTAMP_FILE=/run/faketime"
    " FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1"
)


def test_a_clock_that_jumps_delays_and_opens_nothing(agent: AgentHost, store: Store) -> None:
    agent.stop()
    agent.host.output("echo +0 > /run/faketime")
    agent.start(TURNED)
    ban(store, neighbour(2))
    wait_for_generation(agent, store)
    real = time.time()
    for days, other in ((400, neighbour(3)), (-400, neighbour(4)), (0, neighbour(5))):
        agent.host.output(f"echo {days:+d}d > /run/faketime")
        ban(store, other)
        agent.wait_for(f"the ban after {days} days", lambda other=other: agent.drops(other), 10)
        assert not agent.answers(2), "what was banned before stays so"
        wait_for_generation(agent, store)
        told = agent.status()["last_sync"]
        assert abs(told - real - days * 86400) < 3600, "the agent has seen the jump"
    unban(store, *map(neighbour, (2, 3, 4, 5)))
    agent.wait_for("open again", lambda: agent.answers(2), 10)


def test_own_addresses_and_the_database_are_never_dropped(agent: AgentHost, store: Store) -> None:
    own = [neighbour(1), neighbour(1, 6), agent.host.address, store.host.address]
    ban(store, *own, "192.0.2.1")
    wait_for_generation(agent, store)
    assert not any(agent.drops(address) for address in own)
    assert agent.drops("192.0.2.1")
    status = agent.status()
    assert status["withheld"] == len(set(own))
    assert agent.run("sync", "--full").returncode == 0
    assert agent.status()["withheld"] == len(set(own))


def test_the_session_of_the_operator_is_never_cut(agent: AgentHost, store: Store) -> None:
    peer = agent.host.output("echo $SSH_CONNECTION").split()[0]
    agent.wait_for("protected", lambda: not agent.drops(peer), 10)
    ban(store, peer)
    wait_for_generation(agent, store)
    assert not agent.drops(peer)
    assert "allow4" in agent.run("test", peer).stdout


def test_a_gap_leads_to_a_full_load(agent: AgentHost, store: Store) -> None:
    ban(store, "192.0.2.1")
    wait_for_generation(agent, store)
    agent.host.output("kill -STOP $(cat /run/ipban-test.pid)")
    ban(store, "192.0.2.2")
    store.sql("UPDATE ipban.generation SET horizon = generation")
    agent.host.output("kill -CONT $(cat /run/ipban-test.pid)")
    ban(store, "192.0.2.3")
    store.sql("UPDATE ipban.generation SET horizon = generation")
    wait_for_generation(agent, store)
    assert agent.drops("192.0.2.2")


def test_bulk_and_what_the_kernel_counts(agent: AgentHost, store: Store) -> None:
    many = [f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(0, 60000 * 7, 7)]
    ban(store, *many, "192.0.2.0/25", "2001:db8:9::1")
    agent.wait_for("all of them", lambda: agent.drops(many[-1]), 30)
    wait_for_generation(agent, store)
    assert agent.status()["database"]["hosts4"] == 60000
    counted = agent.python(
        """
from ipban.build import open_backend
from ipban.backends import Policy
backend = open_backend(BACKEND, Policy())
backend.attach()
print(json.dumps(backend.counts()))
"""
    )
    assert counted["hosts4"] in (None, 60000)
    assert counted["hosts6"] in (None, 1)
    store.call("SELECT ipban.withdraw(%s)", SOURCE)
    agent.wait_for("a refusal", lambda: bool(agent.status()["breaker_open"]), 20)
    assert agent.drops(many[0]), "so much at once needs consent"
    assert agent.run("sync", "--accept").returncode == 0
    assert not agent.drops(many[0])
    assert agent.status()["breaker_open"] == ""


def test_why_and_test_and_status(agent: AgentHost, store: Store) -> None:
    store.call(
        "SELECT ipban.ban(%s::text[], 'tried passwords', source => 'sshd', actor => 'alice',"
        " expires_at => now() + interval '1 hour')",
        ["192.0.2.77"],
    )
    wait_for_generation(agent, store)
    why = agent.output("why", "192.0.2.77")
    for part in ("192.0.2.77/32 banned", "tried passwords", "sshd", "alice", "until 20"):
        assert part in why
    assert agent.run("why", "192.0.2.78").returncode == 1
    assert "is dropped: it is in hosts4" in agent.output("test", "192.0.2.77")
    assert agent.run("test", "192.0.2.78").returncode == 1
    bad = agent.run("test", "192.0.2.777")
    assert bad.returncode == 2
    assert "is no address" in bad.stderr
    shown = agent.output("status")
    assert "database    answers" in shown
    assert f"generation  {generation(store)}" in shown


def test_a_pause_and_its_end(agent: AgentHost, store: Store) -> None:
    ban(store, neighbour(2))
    wait_for_generation(agent, store)
    assert not agent.answers(2)
    agent.output("pause", "1h")
    assert agent.answers(2)
    ban(store, neighbour(3))
    wait_for_generation(agent, store)
    assert agent.answers(3)
    agent.output("resume")
    assert [agent.answers(2), agent.answers(3)] == [False, False]
    agent.output("pause", "1")
    agent.wait_for("the end of the pause", lambda: agent.status()["paused"] is False, 10)
    assert not agent.answers(2)


def test_metrics_by_textfile_and_by_listener(machine: AgentHost, store: Store) -> None:
    store.clear()
    machine.clear()
    machine.host.output("mkdir -p /run/ipban-textfiles")
    extra: dict[str, Any] = {"textfile_directory": "/run/ipban-textfiles", "listen": "127.0.0.1:9877"}
    machine.configure(store.conninfo("reader"), **extra)
    machine.start()
    wait_for_generation(machine, store)
    fetch = "python3 -c 'import urllib.request as r; print(r.urlopen(\"http://127.0.0.1:9877/metrics\").read().decode())'"
    machine.wait_for(
        "a textfile", lambda: "store_up 1" in machine.host.run("cat /run/ipban-textfiles/*.prom").stdout
    )
    assert f"groundwork_ipban_generation {generation(store)}" in machine.host.output(fetch)
    machine.stop()


def test_two_backends_do_not_stand_side_by_side(agent: AgentHost, store: Store) -> None:
    """A host that changes its backend keeps dropping throughout, and the old rules go."""
    ban(store, neighbour(2))
    wait_for_generation(agent, store)
    agent.stop()
    other = AgentHost(agent.host, "nft" if agent.backend == "ipset" else "ipset")
    other.configure(store.conninfo("reader"))
    assert not agent.answers(2)
    other.start()
    other.wait_for("the other backend", lambda: other.drops(neighbour(2)))
    look, old = {
        "ipset": ("ipset -t list -n; iptables -t raw -S", "roundwork"),
        "nft": ("nft -t list tables", "groundwork_ipban"),
    }[agent.backend]
    other.wait_for("the old ones to go", lambda: old not in agent.host.output(look).lower())
    assert not agent.answers(2)
    other.clear()
