"""The lab's command line. Users come here through ``./run lab``, molecule through create and destroy."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from lab import hosts, images, paths
from lab.kubernetes import command as kubernetes
from lab.parts import Row, all_parts
from lab.process import CommandError
from lab.progress import say
from lab.topology import Topology, TopologyError, read

DEFAULT_INVENTORY = paths.REPOSITORY / "inventories" / "lab"


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        if options.verb == "kubernetes":
            kubernetes.run(options)
            return 0
        topology = read(options.inventory)
        if options.verb == "up":
            up(topology, options.parts)
        elif options.verb == "down":
            down(topology, options.images)
        elif options.verb == "status":
            print_table(status(topology))
        elif options.verb == "create":
            say(f"made: {', '.join(hosts.create(topology)) or 'none, all hosts are up'}")
        elif options.verb == "destroy":
            hosts.destroy(topology)
        elif options.verb == "ssh":
            return _ssh(topology, options.host, options.command)
    except (CommandError, TopologyError, ValueError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


def up(topology: Topology, only: list[str]) -> None:
    """Bring up all parts, or those named, and print what stands."""
    unknown = set(only) - {part.name for part in all_parts()}
    if unknown:
        names = ", ".join(part.name for part in all_parts())
        raise TopologyError(f"part {', '.join(sorted(unknown))}: must be among {names}")
    for part in all_parts():
        if not only or part.name in only:
            say(f"part {part.name}")
            part.up(topology)
    print_table(status(topology))


def down(topology: Topology, with_images: bool) -> None:
    for part in reversed(all_parts()):
        part.down(topology)
    if with_images:
        images.remove_all()
    say("the lab is gone")


def status(topology: Topology) -> list[Row]:
    return [row for part in all_parts() for row in part.status(topology)]


def print_table(rows: list[Row]) -> None:
    """The table that ``./run lab`` ends with, on stdout."""
    if not rows:
        print("The lab is down. Bring it up: ./run lab")
        return
    cells = [("HOST", "ADDRESS", "WHAT RUNS THERE", "HOW TO REACH IT")]
    cells += [(row.name, row.address, row.runs, row.reach) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def _ssh(topology: Topology, name: str, command: list[str]) -> int:
    by_name = {host.name: host for host in topology.hosts}
    if name not in by_name:
        raise TopologyError(f"host {name}: must be one of {', '.join(by_name)}")
    return subprocess.run([*hosts.ssh_command(by_name[name]), *command], check=False).returncode


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)

    def verb(name: str, summary: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=summary, description=summary)
        added.add_argument("--inventory", type=Path, default=DEFAULT_INVENTORY)
        return added

    names = [part.name for part in all_parts()]
    verb("up", "bring the lab up and converge it").add_argument(
        "parts", nargs="*", metavar="PART", help=f"only these parts: {', '.join(names)}"
    )
    verb("down", "remove all of it").add_argument("--images", action="store_true", help="the host images too")
    verb("status", "what stands, and how to reach it")
    verb("create", "make the hosts of an inventory, and nothing else")
    verb("destroy", "remove the hosts of an inventory")
    summary = "Kubernetes: the inventory's cluster, and control planes for tests"
    kubernetes.add(verbs.add_parser("kubernetes", help=summary, description=summary), DEFAULT_INVENTORY)
    ssh = verb("ssh", "open a session on a host")
    ssh.add_argument("host")
    ssh.add_argument("command", nargs=argparse.REMAINDER)
    return parser


if __name__ == "__main__":
    sys.exit(main())
