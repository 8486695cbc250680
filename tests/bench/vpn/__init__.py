"""VPN: 1,000 peers converged, unchanged and changed, against a loop of templates; the tunnel's throughput."""

from __future__ import annotations

import base64
import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import yaml

from lab import hosts, paths
from lab.process import run
from lab.progress import step
from lab.topology import Host, read
from tests.bench.budgets import budget
from tests.bench.hosts import changed, executed
from tests.bench.report import Figure
from tests.bench.timing import paired

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[2]
INVENTORY = FOLDER / "inventory"
VPN = ROOT / "playbooks" / "vpn.yml"
SCRIPT = ROOT / "roles/wireguard/files/groundwork-vpn"
PEERS = 1000
# A thousand of the loop's files would take five minutes a round: it is given a tenth, and compared as it is.
LOOP_PEERS = 100
ROUNDS = 2
TRANSFER_SECONDS = 3
HUB = "10.84.0.1"


INSTALL = (
    "apt-get -qq update || true; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y"
    " --no-install-recommends iperf3 wireguard-tools wireguard-go nftables >/dev/null"
)


def measure() -> Sequence[Figure]:
    """Converge a hub with all peers, change one, and move data through the tunnel of another."""
    topology = read(INVENTORY)
    named = {host.name: host for host in topology.hosts}
    folder = paths.cache() / "bench-vpn"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    hosts.create(topology)
    try:
        with step("installing what is measured with"):
            for host in topology.hosts:
                on(host, INSTALL)
        return figures(named["hub"], named["client"], folder)
    finally:
        # GROUNDWORK_KEEP=1 leaves them for a look.
        if not os.environ.get("GROUNDWORK_KEEP"):
            hosts.destroy(topology)


def figures(hub: Host, client: Host, folder: Path) -> Sequence[Figure]:
    """All figures, of hosts that have nothing of ours yet."""
    on(
        client,
        "cat >/usr/local/bin/groundwork-vpn; chmod +x /usr/local/bin/groundwork-vpn",
        SCRIPT.read_text(),
    )
    peers = Peers(folder)
    peers.write(PEERS - 1, on(client, "groundwork-vpn key 2>/dev/null"))
    loop = Loop(folder, hub)
    with step(f"converging {PEERS:,} peers, and the loop's {LOOP_PEERS}"):
        first = seconds(lambda: play(VPN))
        loop.play(0)
    with step("timing plays that change nothing"):
        same = paired(lambda: play(VPN), lambda: loop.play(0), ROUNDS)
    unchanged = play(VPN)
    with step("timing plays that add a peer"):
        outputs: list[str] = []
        numbers = iter(range(1, 2 * ROUNDS + 3))

        def add() -> None:
            peers.add(next(numbers))
            outputs.append(play(VPN))

        more = paired(add, lambda: loop.play(next(numbers)), ROUNDS)
    return (
        Figure(f"{PEERS:,} peers on a bare host", first, "s"),
        Figure("tasks of a no-op on the hub", executed(unchanged, "hub"), "tasks", budget("vpn_no_op_tasks")),
        Figure("changes of a no-op", changed(unchanged), "tasks", 0),
        Figure(f"no-op, {PEERS:,} peers", same.ours, "s"),
        Figure(f"no-op, loop of {LOOP_PEERS}", same.peer, "s"),
        Figure("no-op: times faster", same.ratio, "x", budget("vpn_no_op_speedup"), "higher"),
        Figure(f"one more than {PEERS:,} peers", more.ours, "s"),
        Figure(f"one more than {LOOP_PEERS} by the loop, and a restart", more.peer, "s"),
        Figure("one more: times faster", more.ratio, "x", budget("vpn_add_speedup"), "higher"),
        Figure(
            "one more: tasks beyond a no-op's",
            executed(outputs[-1], "hub") - executed(unchanged, "hub"),
            "tasks",
            budget("vpn_add_more_tasks"),
        ),
        Figure("one more: time on the hub", added_on(hub), "s", budget("vpn_add_hub_seconds")),
        *throughput(hub, client, folder),
    )


def added_on(hub: Host) -> float:
    """Seconds that the hub's program takes to bring one of all peers into the kernel; the median."""
    script = """
    for round in 1 2 3; do
      interface=$(wg show interfaces | tr ' ' '\\n' | head -n 1)
      wg set "$interface" peer "$(wg show "$interface" peers | tail -n 1)" remove
      begun=$(date +%s.%N)
      groundwork-wireguard apply >/dev/null
      echo "$begun $(date +%s.%N)"
    done"""
    rounds = [line.split() for line in on(hub, script).splitlines()]
    return statistics.median(float(ended) - float(begun) for begun, ended in rounds)


def throughput(hub: Host, client: Host, folder: Path) -> Sequence[Figure]:
    """Bits in a second from the client to the hub, beside the tunnel and through it, in turn."""
    with step("moving data through the tunnel"):
        play(FOLDER / "configuration.yml", "--extra-vars", f"bench_file={folder}/client.conf")
        text = (folder / "client.conf").read_text()
        on(client, "umask 077; cat >/root/bench.conf; groundwork-vpn install /root/bench.conf", text)
        on(client, "groundwork-vpn up")
        on(hub, "systemd-run --quiet --collect --unit=bench-iperf iperf3 --server")
        pairs = [(moved(client, HUB), moved(client, hub.address)) for _ in range(ROUNDS + 1)][1:]
        backend = on(client, "groundwork-vpn status").split("up by ")[1].split(",")[0]
    return (
        Figure(f"tunnel by {backend}", statistics.median(tunnel for tunnel, _ in pairs), "Gbit/s"),
        Figure("bare link", statistics.median(bare for _, bare in pairs), "Gbit/s"),
        Figure(
            "tunnel over bare link",
            statistics.median(tunnel / bare for tunnel, bare in pairs),
            "x",
            budget("vpn_throughput_share"),
            "higher",
        ),
    )


def moved(client: Host, address: str) -> float:
    """Gbit/s to an address."""
    told = on(client, f"iperf3 --client {address} --time {TRANSFER_SECONDS} --json")
    return float(json.loads(told)["end"]["sum_received"]["bits_per_second"]) / 1e9


class Peers:
    """The peers' file as it grows, with keys that are the same in every run."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "peers.yml"

    def write(self, count: int, client_key: str) -> None:
        """So many, and the one that data is moved by."""
        entries = [entry(number) for number in range(count)]
        entries.append({**entry(count), "name": "client", "public_key": client_key})
        self._path.write_text(yaml.safe_dump({"wireguard_revision": 1, "wireguard_peers": entries}))

    def add(self, number: int) -> None:
        """One more, as by hand; the play gives it its addresses."""
        content = yaml.safe_load(self._path.read_text())
        content["wireguard_peers"].append(entry(PEERS + number))
        self._path.write_text(yaml.safe_dump(content))


class Loop:
    """What other roles do, with a tenth of the peers."""

    def __init__(self, folder: Path, hub: Host) -> None:
        self._variables = folder / "loop.json"
        private = on(hub, "wg genkey")
        self._keys = {
            "bench_hub_private_key": private,
            "bench_hub_public_key": on(hub, "wg pubkey", private),
        }

    def play(self, more: int) -> None:
        """Play it with so many peers more than at first."""
        peers = [
            {
                "name": f"peer-{number}",
                "public_key": key(number),
                "address": f"10.85.{number // 250}.{number % 250}",
            }
            for number in range(LOOP_PEERS + more)
        ]
        self._variables.touch(mode=0o600)
        self._variables.write_text(json.dumps({**self._keys, "bench_peers": peers}))
        play(FOLDER / "loop.yml", "--extra-vars", f"@{self._variables}")


def entry(number: int) -> dict[str, Any]:
    return {
        "name": f"peer-{number}",
        "owner": f"person {number % 300}",
        "kind": "person",
        "group": "developers",
        "public_key": key(number),
    }


def key(number: int) -> str:
    """Any 32 bytes are a public key."""
    return base64.b64encode(Random(number).randbytes(32)).decode()


def play(playbook: Path, *arguments: str) -> str:
    """What a play prints; a benchmark of something that fails would measure nothing."""
    return run("ansible-playbook", "--inventory", str(INVENTORY), str(playbook), *arguments).stdout


def on(host: Host, command: str, stdin: str = "") -> str:
    """What a command on a host prints."""
    done = subprocess.run(
        [*hosts.ssh_command(host), command],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr[-4000:]}")
    return done.stdout.strip()


def seconds(action: Callable[[], object]) -> float:
    begun = time.monotonic()
    action()
    return time.monotonic() - begun
