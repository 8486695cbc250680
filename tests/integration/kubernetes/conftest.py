"""A real cluster on a host of these tests' own, for the whole session."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import pytest

from lab import hosts, paths
from lab.kubernetes import node
from lab.topology import Topology, read
from tests.integration.support import RealHost

from .clusters import INVENTORY, Cluster


@pytest.fixture(scope="package")
def topology() -> Iterator[Topology]:
    """A host of its own, in place of those that have the hosts floor."""
    described = read(INVENTORY)
    hosts.create(described)
    yield described
    if not os.environ.get("GROUNDWORK_KEEP"):
        assert described.cluster is not None
        hosts.destroy(described)
        node.forget(described.cluster)


@pytest.fixture(scope="package")
def node_host(topology: Topology) -> RealHost:
    """The host that the real node is."""
    return RealHost(topology.hosts[0], topology)


@pytest.fixture(scope="package")
def whole_cluster(topology: Topology) -> Cluster:
    assert topology.cluster is not None
    node.up(topology.cluster)
    return Cluster(paths.kubeconfig(topology.cluster.host.network.name))


@pytest.fixture(scope="module")
def cluster(whole_cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The same, with a namespace for the module that asks for it."""
    module = request.module.__name__.rpartition(".")[2].replace("_", "-")
    # That of an earlier run may still be about to go.
    name = f"{module}-{secrets.token_hex(3)}"
    whole_cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    whole_cluster.kubectl("wait", "--for=create", "serviceaccount/default", f"--namespace={name}")
    yield Cluster(whole_cluster.kubeconfig, name)
    whole_cluster.kubectl("delete", "namespace", name, "--wait=false")
