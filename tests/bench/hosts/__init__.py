"""Hosts: a no-op of the whole floor, for one host and for three, and where its time goes."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from lab import hosts
from lab.progress import step
from lab.topology import read
from tests.bench.budgets import budget
from tests.bench.report import Figure
from tests.bench.timing import paired

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[2]
INVENTORY = FOLDER / "inventory"
FLOOR = ROOT / "playbooks" / "hosts.yml"
ONE = "one"
ROUNDS = 3
# The executed tasks of the best-known peer's no-op (dev-sec os and ssh hardening).
PEER_TASKS = 182
PROFILE = {"ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.profile_tasks"}
LARGEST = 5


def measure() -> Sequence[Figure]:
    """Converge three hosts, then time no-ops: one host's in turn with as many pings as the peer has tasks."""
    topology = read(INVENTORY)
    hosts.create(topology)
    try:
        with step("converging"):
            play(FLOOR)
        return figures()
    finally:
        # GROUNDWORK_KEEP=1 leaves them for a look.
        if not os.environ.get("GROUNDWORK_KEEP"):
            hosts.destroy(topology)


def figures() -> Sequence[Figure]:
    """All figures of hosts that are converged."""
    with TemporaryDirectory() as folder, step("timing no-ops"):
        pings = Path(folder) / "pings.yml"
        pings.write_text(yaml.safe_dump([ping_play()]))
        one = paired(
            lambda: play(FLOOR, "--limit", f"{ONE},localhost"), lambda: play(pings, "--limit", ONE), ROUNDS
        )
    begun = time.monotonic()
    profiled = play(FLOOR, **PROFILE)
    three = time.monotonic() - begun
    tasks = executed(profiled, ONE) + executed(profiled, "localhost")
    return (
        Figure("tasks of a no-op on a host", tasks, "tasks", budget("hosts_floor_no_op_tasks")),
        Figure("changes of a no-op", changed(profiled), "tasks", 0),
        Figure("no-op, one host", one.ours, "s"),
        Figure("no-op, three hosts in parallel", three, "s"),
        Figure(f"{PEER_TASKS} pings, one host", one.peer, "s"),
        Figure("times faster than the pings", one.ratio, "x", budget("hosts_no_op_speedup"), "higher"),
        *(Figure(f"of three hosts' time: {name}", seconds, "s") for name, seconds in largest(profiled)),
    )


def ping_play() -> dict[str, object]:
    """A play of tasks that do nothing at all on the host, and so cost what every task costs at least."""
    return {
        "hosts": "servers",
        "become": True,
        "tasks": [{"name": f"Task {number}", "ansible.builtin.ping": {}} for number in range(PEER_TASKS)],
    }


def play(playbook: Path, *arguments: str, **environment: str) -> str:
    """What a play prints; a benchmark of something that fails would measure nothing."""
    done = subprocess.run(
        ["ansible-playbook", "--inventory", str(INVENTORY), str(playbook), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", **environment},
    )
    if done.returncode != 0:
        said = f"{done.stdout[-4000:]}{done.stderr[-2000:]}"
        raise RuntimeError(f"{playbook.name}: exit code {done.returncode}\n{said}")
    return done.stdout


def executed(output: str, host: str) -> int:
    """How many tasks a host executed, by the recap."""
    return int(_recap(output, host, "ok"))


def changed(output: str) -> int:
    """How many tasks changed something, on all hosts."""
    return sum(int(count) for count in re.findall(r"changed=(\d+)", output))


def largest(output: str) -> list[tuple[str, float]]:
    """The tasks that took longest, as the profile lists them."""
    found = re.findall(r"^(\S.*?) -+ ([\d.]+)s$", output, re.M)
    return [(name, float(seconds)) for name, seconds in found[:LARGEST]]


def _recap(output: str, host: str, key: str) -> str:
    found = re.search(rf"^{re.escape(host)}\s+:.*\b{key}=(\d+)", output, re.M)
    if not found:
        raise RuntimeError(f"no recap of {host}")
    return found[1]
