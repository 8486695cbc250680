"""``python -m lab kubernetes``: the cluster of an inventory, and control planes of this machine for tests."""

from __future__ import annotations

import argparse
from pathlib import Path

from lab import paths
from lab import topology as topologies
from lab.kubernetes import build, local, node

NAME = "local"
CAPACITY = 2


def add(verb: argparse.ArgumentParser, inventory: Path) -> None:
    """Add what this verb understands."""
    actions = verb.add_subparsers(dest="action", required=True)
    for name, summary in (
        ("up", "bring up the cluster on the inventory's hosts that have lab_kubernetes"),
        ("down", "remove that cluster, and leave its hosts"),
        ("status", "what stands in it"),
    ):
        action = actions.add_parser(name, help=summary, description=summary)
        action.add_argument("--inventory", type=Path, default=inventory)
    actions.add_parser("build", help="build the programs into the cache, and print where they are")
    plane = actions.add_parser("control-plane", help="a control plane on 127.0.0.1, without a real node")
    plane.add_argument("state", choices=("up", "down", "status"), nargs="?", default="up")
    plane.add_argument("--name", default=NAME)
    plane.add_argument("--nodes", type=int, default=CAPACITY, help="nodes that kwok plays in it")


def run(options: argparse.Namespace) -> None:
    """Do what was asked. What a program may want to read goes to stdout, the rest to stderr."""
    if options.action == "build":
        print(build.build())
    elif options.action == "control-plane":
        _control_plane(options)
    else:
        _cluster(options)


def _control_plane(options: argparse.Namespace) -> None:
    if options.state == "up":
        print(local.up(options.name, options.nodes))
    elif options.state == "down":
        local.down(options.name)
    else:
        for name in local.names():
            print(f"{name}: {'running' if local.running(name) else 'stopped'}")


def _cluster(options: argparse.Namespace) -> None:
    topology = topologies.read(options.inventory)
    if topology.cluster is None:
        raise topologies.TopologyError(f"inventory {options.inventory} has no host with lab_kubernetes")
    if options.action == "up":
        node.up(topology.cluster)
        print(paths.kubeconfig(topology.cluster.host.network.name))
    elif options.action == "down":
        node.down(topology.cluster)
    else:
        print(node.describe(topology.cluster))
