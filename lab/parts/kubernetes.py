"""The lab's Kubernetes, on the host of the inventory that has ``lab_kubernetes``."""

from __future__ import annotations

import os

from lab import hosts, paths
from lab.kubernetes import build, node
from lab.parts import Row
from lab.progress import say
from lab.topology import Topology


class Programs:
    """Begins the build of the components, which goes on while the hosts are made and converged."""

    name = "kubernetes-programs"

    def up(self, topology: Topology) -> bool:
        if topology.cluster is None or _others():
            return False
        build.start()
        return not build.built()

    def down(self, topology: Topology) -> None:
        """What was built stays in the cache: it is the same for the next lab."""

    def status(self, topology: Topology) -> list[Row]:
        return []


class Kubernetes:
    """The cluster itself. ``KUBECONFIG`` in the environment puts another one in its place."""

    name = "kubernetes"

    def up(self, topology: Topology) -> bool:
        if topology.cluster is None:
            return False
        if _others():
            say(f"KUBECONFIG is {_others()}: that cluster is used, none is made")
            return False
        return node.up(topology.cluster)

    def down(self, topology: Topology) -> None:
        # It goes with its host.
        if topology.cluster is not None:
            node.forget(topology.cluster)

    def status(self, topology: Topology) -> list[Row]:
        if topology.cluster is None or topology.cluster.host.container not in hosts.states():
            return []
        host = topology.cluster.host
        kubeconfig = paths.kubeconfig(host.network.name)
        state = node.describe(topology.cluster)
        return [Row("kubernetes", host.address, state, f"export KUBECONFIG={kubeconfig}")]


def _others() -> str:
    return os.environ.get("KUBECONFIG", "")
