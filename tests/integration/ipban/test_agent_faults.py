"""Everything around the agent fails: who is banned stays out, and afterwards the agent converges."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.topology import Topology
from tests.integration.support import RealHost

from .agent_host import AgentHost, neighbour
from .stores import Store
from .test_agent_sync import ban, unban, wait_for_generation

BANNED, LATER, FREE = neighbour(2), neighbour(3), neighbour(4)


@pytest.fixture(scope="module", params=[("debian12", "ipset"), ("debian13", "nft")], ids="-".join)
def machine(request: pytest.FixtureRequest, topology: Topology) -> Iterator[AgentHost]:
    name, backend = request.param
    (spec,) = (spec for spec in topology.hosts if spec.name == name)
    made = AgentHost(RealHost(spec, topology), backend)
    made.prepare()
    yield made
    made.leave()
    made.host.run("systemctl is-active --quiet nftables && systemctl restart nftables")


@pytest.fixture
def agent(machine: AgentHost, store: Store) -> Iterator[AgentHost]:
    """An agent that has synchronised once, and does not run."""
    store.clear()
    store.call("SELECT ipban.allow(%s::text[], 'ours')", [FREE])
    ban(store, BANNED, neighbour(2, 6), "198.51.100.0/24", "198.18.7.4/31")
    machine.clear()
    machine.configure(store.conninfo("reader", connect_timeout="2"), poll_seconds=1)
    machine.output("sync")
    yield machine
    machine.stop()


def holds(agent: AgentHost) -> bool:
    """Real packets: of a banned address none, of an allowed one each, though a ban covers it."""
    return [agent.answers(2), agent.answers(2, 6), agent.answers(4)] == [False, False, True]


# Dies by SIGKILL at a named step of a full load: before it or after it.
KILLED = """
import os, signal
from ipban import cli, statefile
from ipban.backends import ipset, nft

def die(*_arguments, **_names):
    os.kill(os.getpid(), signal.SIGKILL)

step = sys.argv[1]
load = ipset._IpsetLoad if BACKEND == "ipset" else nft._NftLoad

def after(owner, name):
    original = getattr(owner, name)
    def dies(*arguments, **names):
        original(*arguments, **names)
        die()
    setattr(owner, name, dies)

if step == "begun":
    after(load, "__init__")
elif step == "half":
    after(load, "add")
elif step == "filled":
    load.commit = die
elif step == "swapped":
    after(load, "commit")
elif step == "between":
    # Within the commit: the new networks are filled, nothing is swapped.
    if BACKEND == "ipset":
        ipset.messages.swap = die
    else:
        nft.ruleset.rules = die
elif step == "saving":
    statefile.os.fsync = die
elif step == "saved":
    statefile.Path.rename = die
cli.main(["--settings", "/etc/groundwork/ipban/test.json", "sync", "--full"])
print("not killed")
"""


@pytest.mark.parametrize("step", ["begun", "half", "filled", "between", "swapped", "saving", "saved"])
def test_killed_at_every_step_of_a_full_load(agent: AgentHost, store: Store, step: str) -> None:
    ban(store, LATER)
    head = f"import sys\nsys.path.insert(0, '/opt/ipban-test')\nBACKEND = {agent.backend!r}\n"
    done = agent.host.run(f"python3 -B - {step}; exit $?", stdin=head + KILLED)
    assert done.returncode == 137, f"{done.returncode}: {done.stdout}{done.stderr}"
    assert holds(agent)
    agent.output("restore")
    assert holds(agent)
    agent.output("sync")
    assert holds(agent)
    assert not agent.answers(3)
    left = "ipset list -n" if agent.backend == "ipset" else "nft -t list sets inet"
    names = agent.host.output(left)
    assert "_new" not in names
    assert names.count("hosts4_") <= 1


@pytest.mark.parametrize("database", ["there", "away"])
@pytest.mark.parametrize("what", ["set", "rules", "all", "ruleset"])
def test_deleted_by_hand(agent: AgentHost, store: Store, what: str, database: str) -> None:
    from .test_agent_sets import DAMAGE

    if database == "away":
        agent.configure("host=192.0.2.250 dbname=ipban connect_timeout=1", poll_seconds=1)
    agent.start()
    agent.wait_for("a service", lambda: bool(agent.status()))
    assert holds(agent)
    agent.host.output(DAMAGE[what][agent.backend])
    agent.wait_for("the repair", lambda: holds(agent), 15)
    agent.wait_for("a word of it", lambda: agent.status()["repairs"] >= 1, 40)
    if database == "there":
        ban(store, LATER)
        wait_for_generation(agent, store)
        assert not agent.answers(3)


def test_the_database_stops_and_comes_back(agent: AgentHost, store: Store) -> None:
    agent.start()
    wait_for_generation(agent, store)
    store.sql("SELECT 1")
    store.host.output("systemctl stop postgresql")
    try:
        agent.wait_for("a word of it", lambda: agent.status()["store_up"] is False, 40)
        assert holds(agent)
        assert agent.run("status").returncode == 1
        agent.stop("KILL")
        agent.start()
        assert holds(agent)
    finally:
        store.host.output("systemctl start postgresql; until pg_isready -q; do sleep 0.1; done")
    ban(store, LATER)
    unban(store, BANNED)
    agent.wait_for("the ban", lambda: agent.drops(LATER), 70)
    assert agent.answers(2)
    assert not agent.answers(3)


def test_the_database_is_restored_from_an_older_backup(agent: AgentHost, store: Store) -> None:
    agent.start()
    wait_for_generation(agent, store)
    store.host.output("runuser -u postgres -- pg_dump -Fc -f /tmp/ipban.dump ipban")
    ban(store, LATER)
    wait_for_generation(agent, store)
    assert not agent.answers(3)
    store.close()
    store.sql("DROP DATABASE ipban WITH (FORCE)", database="postgres")
    store.host.output("runuser -u postgres -- pg_restore -C -d postgres /tmp/ipban.dump; rm /tmp/ipban.dump")
    agent.wait_for("the older state", lambda: not agent.drops(LATER), 70)
    assert holds(agent)
    assert agent.answers(3)
    ban(store, LATER)
    agent.wait_for("news of it", lambda: agent.drops(LATER), 70)


def test_connections_cut_by_the_server(agent: AgentHost, store: Store) -> None:
    agent.start()
    wait_for_generation(agent, store)
    for _ in range(3):
        store.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ipban'")
        assert holds(agent)
    ban(store, LATER)
    agent.wait_for("the ban", lambda: agent.drops(LATER), 30)


# Cuts the agent's own connection when the first chunk has been read.
CUT = """
from ipban import cli, full_read

fetched = full_read.PostgresRead._of
def cut(self, name):
    for chunk in fetched(self, name):
        yield chunk
        self._connection.pgconn.finish()
full_read.PostgresRead._of = cut
print(json.dumps(cli.main(["--settings", "/etc/groundwork/ipban/test.json", "sync", "--full"])))
"""


def test_a_connection_that_is_cut_in_mid_load(agent: AgentHost, store: Store) -> None:
    unban(store, BANNED)
    assert agent.python(CUT) == 1
    assert holds(agent), "nothing was swapped"
    agent.output("sync")
    assert agent.answers(2)


def test_a_full_disk(agent: AgentHost, store: Store) -> None:
    agent.host.output(
        "cp -a /var/lib/groundwork/ipban /run/ipban-saved;"
        "mount -t tmpfs -o size=64k tmpfs /var/lib/groundwork/ipban;"
        "cp -a /run/ipban-saved/. /var/lib/groundwork/ipban/; rm -rf /run/ipban-saved"
    )
    agent.start()
    wait_for_generation(agent, store)
    ban(store, *(f"10.1.{n // 256}.{n % 256}" for n in range(9000)))
    # Another size than usual is not the subject here.
    ban(store, *(f"10.2.{n // 256}.{n % 256}" for n in range(9000)), LATER)
    wait_for_generation(agent, store)
    agent.wait_for("a word of it", lambda: "No space left" in agent.status()["state_error"], 40)
    assert holds(agent)
    assert not agent.answers(3)
    assert agent.run("sync", "--full").returncode == 0
    assert holds(agent)
    agent.stop()
    # A boot: what is on the full disk is older, and whole.
    agent.output("remove")
    agent.output("restore")
    assert holds(agent)
    agent.host.output("umount /var/lib/groundwork/ipban")


def test_a_boot_without_the_database(agent: AgentHost, store: Store) -> None:
    agent.output("remove")
    assert agent.answers(2)
    agent.configure("host=192.0.2.250 dbname=ipban connect_timeout=1")
    assert "Restored" in agent.output("restore")
    assert holds(agent)
    assert "already" in agent.output("restore")


@pytest.mark.parametrize(
    "damage", ["truncate -s -1", "truncate -s 50", "dd if=/dev/zero bs=1 seek=200 count=8 conv=notrunc of="]
)
def test_a_boot_with_a_damaged_file(agent: AgentHost, store: Store, damage: str) -> None:
    ban(store, LATER)
    agent.output("sync")
    agent.output("remove")
    target = "/var/lib/groundwork/ipban/sets"
    agent.host.output(f"{damage}{'' if damage.endswith('=') else ' '}{target}")
    done = agent.run("restore")
    assert done.returncode == 0
    assert f"{target} is damaged" in done.stderr or "no state file" in done.stderr
    assert holds(agent), "the previous file takes its place"


def test_a_boot_with_nothing_that_can_be_used(agent: AgentHost) -> None:
    agent.output("remove")
    agent.host.output("for f in sets sets.previous; do echo rubbish > /var/lib/groundwork/ipban/$f; done")
    assert agent.run("restore").returncode == 1
    agent.host.output("rm /var/lib/groundwork/ipban/*")
    assert agent.run("restore").returncode == 0


def test_a_second_agent_is_refused(agent: AgentHost, store: Store) -> None:
    agent.start()
    wait_for_generation(agent, store)
    done = agent.run("run")
    assert done.returncode == 1
    assert "another process" in done.stderr


def test_stopping_leaves_everything_in_force(agent: AgentHost, store: Store) -> None:
    agent.start()
    wait_for_generation(agent, store)
    agent.stop()
    assert "event=stopped" in agent.log()
    assert holds(agent)
    done = agent.run("status")
    assert done.returncode == 1
    assert "NOT RUNNING" in done.stdout
