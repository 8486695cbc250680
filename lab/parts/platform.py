"""The platform on the hosts: the very playbook that production runs."""

from __future__ import annotations

import subprocess

from lab import paths
from lab.parts import Row
from lab.process import CommandError
from lab.topology import Topology


class Platform:
    name = "platform"

    def up(self, topology: Topology) -> bool:
        # Ansible's own output is the progress: it is not captured.
        playbook = paths.REPOSITORY / "playbooks" / "site.yml"
        done = subprocess.run(
            ["ansible-playbook", "--inventory", str(topology.inventory), str(playbook)], check=False
        )
        if done.returncode != 0:
            raise CommandError(f"playbooks/site.yml failed on {topology.inventory.name}: the error is above")
        return True

    def down(self, topology: Topology) -> None:
        """Nothing outlives the hosts."""

    def status(self, topology: Topology) -> list[Row]:
        return []
