"""What integration tests hold in their hands: a real host, and a way to run playbooks against it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import hosts
from lab.topology import Host, Topology

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = Path(__file__).parent / "inventory"


@dataclass(frozen=True)
class Played:
    """A finished playbook: exit code, what it printed, and its statistics per host."""

    returncode: int
    output: str
    stats: dict[str, dict[str, int]]
    plays: list[dict[str, Any]]

    def results(self, host: str) -> list[tuple[str, dict[str, Any]]]:
        """Task names and results of one host, in order; skipped tasks included."""
        return [
            (task["task"]["name"], task["hosts"][host])
            for play in self.plays
            for task in play["tasks"]
            if host in task["hosts"]
        ]

    def executed(self, host: str) -> list[str]:
        """Names of the tasks that really ran on ``host``, facts included."""
        return [name for name, result in self.results(host) if not result.get("skipped")]


@dataclass(frozen=True)
class RealHost:
    """One host of the test network, booted and reachable over SSH as root."""

    spec: Host
    topology: Topology

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def address(self) -> str:
        return self.spec.address

    @property
    def inventory_args(self) -> list[str]:
        return ["--inventory", str(self.topology.inventory)]

    def run(self, command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a shell command on the host as root; never raises."""
        line = [*hosts.ssh_command(self.spec), *SHARED_CONNECTION, command]
        return subprocess.run(line, input=stdin, capture_output=True, text=True, check=False, timeout=120)

    def output(self, command: str) -> str:
        """What a command prints; fails the test when the command fails."""
        done = self.run(command)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout


SHARED_CONNECTION = (
    "-o",
    "ControlMaster=auto",
    "-o",
    "ControlPersist=30",
    "-o",
    f"ControlPath={os.environ.get('ANSIBLE_SSH_CONTROL_PATH_DIR', '/tmp')}/test-%C",  # noqa: S108  # because OpenSSH keeps it 0600
)


def play(playbook: Path, *arguments: str, inventory: Path = INVENTORY, **environment: str) -> Played:
    """Run a playbook with machine-readable output."""
    command: Sequence[str] = ("ansible-playbook", "--inventory", str(inventory), *arguments, str(playbook))
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json", **environment},
    )
    start = done.stdout.find("{\n")
    document = json.loads(done.stdout[start:]) if start >= 0 else {"stats": {}, "plays": []}
    return Played(done.returncode, done.stdout + done.stderr, document["stats"], document["plays"])
