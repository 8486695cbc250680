"""The platform on the hosts and in the cluster: the very playbooks that production runs."""

from __future__ import annotations

import json
import subprocess

from lab import paths
from lab.kubernetes import client
from lab.parts import Row
from lab.process import CommandError
from lab.topology import Topology


def play(topology: Topology, name: str, *options: str) -> None:
    """Run one of the collection's playbooks. Ansible's own output is the progress: it is not captured."""
    playbook = str(paths.REPOSITORY / "playbooks" / name)
    command = ["ansible-playbook", "--inventory", str(topology.inventory), *options, playbook]
    if subprocess.run(command, check=False).returncode != 0:
        raise CommandError(f"playbooks/{name} failed on {topology.inventory.name}: the error is above")


class Platform:
    name = "platform"

    def up(self, topology: Topology) -> bool:
        # The lab's cluster stands on one of the hosts, and comes after them.
        play(topology, "site.yml", "--limit", "all,localhost,!clusters")
        return True

    def down(self, topology: Topology) -> None:
        """Nothing outlives the hosts."""

    def status(self, topology: Topology) -> list[Row]:
        return []


class Addons:
    """What the catalog installs into the cluster."""

    name = "addons"

    def up(self, topology: Topology) -> bool:
        if topology.cluster is None:
            return False
        play(topology, "kubernetes.yml")
        return True

    def down(self, topology: Topology) -> None:
        """Nothing outlives the cluster."""

    def status(self, topology: Topology) -> list[Row]:
        if topology.cluster is None:
            return []
        host = topology.cluster.host
        kubeconfig = paths.kubeconfig(host.network.name)
        if not kubeconfig.exists() or not client.is_ready(kubeconfig):
            return []
        get = ("get", "configmap", "groundwork-addons", "--namespace=groundwork-system")
        told = client.kubectl(kubeconfig, *get, "--ignore-not-found", "--output=json")
        entries = (
            {} if not told else {name: json.loads(text) for name, text in json.loads(told)["data"].items()}
        )
        runs = ", ".join(
            f"{name} {entry['version']} {entry['state']}" for name, entry in sorted(entries.items())
        )
        return [
            Row(
                "(addons)",
                host.address,
                runs or "none",
                "ansible-playbook playbooks/kubernetes.yml --check --diff",
            )
        ]
