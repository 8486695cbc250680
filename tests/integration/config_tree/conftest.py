"""A role that a test writes as it goes, laid on the host by playbooks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import ROOT, Played, RealHost

STATE = "/var/lib/groundwork"
CLEAN = f"""
rm -rf /etc/demo /srv/demo /demo-top /run/demo* {STATE}/config_tree/demo.json {STATE}/config_tree/backup/demo
for left in /etc/ssh/sshd_config.d/*-demo.conf /etc/systemd/system/demo.service; do
  test -e $left || continue
  systemctl stop demo.service
  rm -f $left
  systemctl daemon-reload
  systemctl reload ssh.service
done
"""


@dataclass
class TreeRole:
    """The role ``demo``: its tree and spec, and runs of one config_tree task with the given arguments."""

    folder: Path
    host: RealHost
    play: Callable[..., Played]

    @property
    def tree(self) -> Path:
        return self.folder / "roles/demo/templates/tree"

    def ship(self, path: str, content: str | bytes) -> Path:
        """Put a file into the tree."""
        file = self.tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def withdraw(self, path: str) -> None:
        (self.tree / path).unlink()

    def spec(self, **document: Any) -> None:
        (self.folder / "roles/demo/templates/tree.yml").write_text(json.dumps(document))

    def prepare(self, **arguments: Any) -> Path:
        """The playbook of one run."""
        self.tree.mkdir(parents=True, exist_ok=True)
        task = {"name": "Lay the tree down", "groundwork.platform.config_tree": arguments}
        tasks = self.folder / "roles/demo/tasks/main.yml"
        tasks.parent.mkdir(parents=True, exist_ok=True)
        tasks.write_text(json.dumps([task]))
        playbook = self.folder / "play.yml"
        playbook.write_text(
            json.dumps([{"hosts": "all", "gather_facts": False, "roles": [{"role": "demo"}]}])
        )
        return playbook

    def run(self, *options: str, **arguments: Any) -> dict[str, Any]:
        """The task's result; ``printed`` holds everything that the run printed."""
        played = self.play(self.prepare(**arguments), "--limit", self.host.name, *options)
        results = played.results(self.host.name)
        assert results, played.output
        return {**results[-1][1], "printed": played.output}

    def start(self, **arguments: Any) -> subprocess.Popen[bytes]:
        """A run that is not waited for."""
        line = ["ansible-playbook", *self.host.inventory_args, "--limit", self.host.name]
        return subprocess.Popen(
            [*line, str(self.prepare(**arguments))],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End the controller as a power cut would: its workers too, which are in sessions of their own."""
        for pid in [process.pid, *_descendants(process.pid)]:
            os.kill(pid, signal.SIGKILL)
        process.wait()

    def eventually(self, command: str, seconds: int = 40) -> bool:
        """Whether a command succeeds on the host within some seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.host.run(command).returncode == 0:
                return True
            time.sleep(0.5)
        return False


def _descendants(pid: int) -> list[int]:
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*children, *(pid for child in children for pid in _descendants(child))]


@pytest.fixture
def role(tmp_path: Path, host: RealHost, run_playbook: Callable[..., Played]) -> Iterator[TreeRole]:
    demo = TreeRole(tmp_path, host, run_playbook)
    host.output(CLEAN)
    yield demo
    host.output(CLEAN)
