"""Ban list: full loads against a raw netlink load and `psql | ipset restore`, changes, memory, the store."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab import hosts
from lab.process import run
from lab.progress import step
from lab.topology import Host, read
from tests.bench.budgets import budget
from tests.bench.ipban import plot
from tests.bench.report import Figure

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[2]
INVENTORY = FOLDER / "inventory"
PICTURE = ROOT / "docs" / "assets" / "ipban.svg"
SIZES = ("10000", "100000", "1000000")
LARGEST = SIZES[-1]
MINUTES = 30


def measure() -> Sequence[Figure]:
    """Converge a host that has the database and the agent, and measure there."""
    topology = read(INVENTORY)
    (host,) = topology.hosts
    hosts.create(topology)
    try:
        with step("converging"):
            run("ansible-playbook", "--inventory", str(INVENTORY), str(ROOT / "playbooks" / "ipban.yml"))
        with step("measuring loads of 10,000, 100,000 and 1,000,000 on two backends"):
            found = on(host)
    finally:
        # GROUNDWORK_KEEP=1 leaves it for a look.
        if not os.environ.get("GROUNDWORK_KEEP"):
            hosts.destroy(topology)
    PICTURE.write_text(plot.draw(series(found)))
    print(f"drawn: {PICTURE.relative_to(ROOT)}\n")
    return figures(found)


def on(host: Host) -> dict[str, Any]:
    """What the program on the host found."""
    # Its own agent would answer to the bans as well.
    prepare = (
        # A container of the lab lets a service have no more tasks than a small fleet has connections.
        "systemctl set-property --runtime 'system-postgresql.slice' TasksMax=infinity\n"
        "systemctl set-property --runtime postgresql@17-main.service TasksMax=infinity\n"
        "apt-get -qq install -y --no-install-recommends ipset iptables >/dev/null\n"
        "systemctl stop groundwork-ipban.service"
    )
    for command, given in (
        (prepare, None),
        ("cat > /root/bench.py", (FOLDER / "on_host.py").read_text()),
        ("python3 /root/bench.py", None),
    ):
        done = subprocess.run(
            [*hosts.ssh_command(host), command],
            input=given or "",
            capture_output=True,
            text=True,
            check=False,
            timeout=MINUTES * 60,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr[-4000:]}")
    return dict(json.loads(done.stdout))


def figures(found: Mapping[str, Any]) -> Sequence[Figure]:
    return [
        figure
        for backend in ("nft", "ipset")
        for figure in (*load_figures(backend, found[backend]), *change_figures(backend, found[backend]))
    ] + [
        Figure(
            "ipset, 1M: times faster than psql | ipset restore",
            ratio(found["ipset"][LARGEST], "peer", "resident"),
            "x",
            budget("ipban_peer_speedup"),
            "higher",
        ),
        Figure(
            "store: single bans",
            found["single_bans_per_second"],
            "bans/s",
            budget("ipban_single_bans_per_second"),
            "higher",
        ),
        Figure("store: 1M bans by one call", found["bulk_bench1m"], "s", budget("ipban_bulk_seconds")),
        Figure(
            f"fleet of {found['fleet']['agents']}: half of them have a ban after",
            found["fleet"]["median"],
            "s",
        ),
        Figure(f"fleet of {found['fleet']['agents']}: the last has it after", found["fleet"]["last"], "s"),
    ]


def load_figures(backend: str, loads: Mapping[str, Any]) -> list[Figure]:
    largest = loads[LARGEST]
    return [
        *(
            Figure(
                f"{backend}, {int(size):,}: full load, resident",
                statistics.median(loads[size]["resident"]),
                "s",
            )
            for size in SIZES
        ),
        Figure(f"{backend}, 1M: raw netlink load", statistics.median(largest["floor"]), "s"),
        Figure(
            f"{backend}, 1M: resident load over the raw one",
            ratio(largest, "resident", "floor"),
            "x",
            budget("ipban_resident_over_floor"),
        ),
        Figure(
            f"{backend}, 1M: one-shot load over the raw one",
            ratio(largest, "one_shot", "floor"),
            "x",
            budget("ipban_one_shot_over_floor"),
        ),
    ]


def change_figures(backend: str, loads: Mapping[str, Any]) -> list[Figure]:
    took = sorted(loads["deltas"]["milliseconds"])
    return [
        Figure(
            f"{backend}, 1M: 100 bans, commit to kernel, p95",
            took[int(len(took) * 0.95)],
            "ms",
            budget("ipban_changes_p95_milliseconds"),
        ),
        Figure(f"{backend}, 1M: 100 bans, commit to kernel, worst", took[-1], "ms", 100),
        Figure(
            f"{backend}, 1M: agent's memory", loads["deltas"]["rss"], "MB", budget("ipban_agent_megabytes")
        ),
        Figure(
            f"{backend}, 1M: agent's memory, at most while it loads",
            max(loads["deltas"]["rss_peak"], *loads[LARGEST]["one_shot_peak"]),
            "MB",
            budget("ipban_agent_megabytes"),
        ),
    ]


def ratio(rows: Mapping[str, Sequence[float]], over: str, under: str) -> float:
    """The median of the ratios, pair by pair: each pair was measured within the same seconds."""
    return statistics.median(a / b for a, b in zip(rows[over], rows[under]))


def series(found: Mapping[str, Any]) -> dict[str, list[tuple[int, float]]]:
    """What the picture shows: seconds by entries."""
    lines = {
        "psql | ipset restore": ("ipset", "peer"),
        "ipset, one-shot": ("ipset", "one_shot"),
        "ipset, resident": ("ipset", "resident"),
        "ipset, raw netlink": ("ipset", "floor"),
        "nft, resident": ("nft", "resident"),
        "nft, raw netlink": ("nft", "floor"),
    }
    return {
        label: [(int(size), statistics.median(found[backend][size][key])) for size in SIZES]
        for label, (backend, key) in lines.items()
    }
