"""config_tree: a no-op of thirty files against a loop of thirty ansible.builtin.template items."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab import hosts
from lab.topology import read
from tests.bench.budgets import budget
from tests.bench.report import Figure
from tests.bench.timing import paired

FOLDER = Path(__file__).parent
INVENTORY = FOLDER.parents[1] / "integration" / "inventory"
HOST = "debian12"


def measure() -> Sequence[Figure]:
    """Lay the files down once, then time both sides' no-op in turn, over the same pipelined connection."""
    topology = read(INVENTORY)
    hosts.create(topology)
    try:
        play("config_tree.yml")
        times = paired(lambda: play("config_tree.yml"), lambda: play("template_loop.yml"))
    finally:
        hosts.destroy(topology)
    return (
        Figure("config_tree, no-op of 30 files", times.ours, "s"),
        Figure("template loop, no-op of 30 files", times.peer, "s"),
        Figure("times faster", times.ratio, "x", budget("config_tree_no_op_speedup"), "higher"),
    )


def play(name: str) -> None:
    """Play one side; a benchmark of something that fails would measure nothing."""
    subprocess.run(
        ["ansible-playbook", "--inventory", str(INVENTORY), "--limit", HOST, str(FOLDER / name)],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=FOLDER.parents[2],
    )
