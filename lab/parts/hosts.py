"""The hosts themselves: systemd containers on their own network."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from lab import hosts
from lab.parts import Row
from lab.process import run
from lab.topology import Host, Topology

# The manifests that the roles left on the host itself, then the distribution's version.
ROLES = """\
ls /var/lib/groundwork/config_tree/*.json 2>/dev/null | xargs -rn1 basename -s .json
cat /etc/debian_version
"""


class Hosts:
    name = "hosts"

    def up(self, topology: Topology) -> bool:
        return bool(hosts.create(topology))

    def down(self, topology: Topology) -> None:
        hosts.destroy(topology)

    def status(self, topology: Topology) -> list[Row]:
        actual = hosts.states()
        present = [host for host in topology.hosts if host.container in actual]
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda host: self._row(host, actual[host.container].running), present))

    def _row(self, host: Host, running: bool) -> Row:
        reach = f"./run shell {host.name}"
        if not running:
            return Row(host.name, host.address, "stopped", "./run lab up")
        answer = run(*hosts.ssh_command(host), ROLES, check=False, timeout=20)
        if answer.returncode != 0:
            return Row(host.name, host.address, f"no SSH: {answer.stderr.strip()[-80:]}", reach)
        *roles, version = answer.stdout.split()
        return Row(host.name, host.address, f"Debian {version}: {_summary(roles) or 'not converged'}", reach)


def _summary(roles: list[str]) -> str:
    """The hosts floor as one, since every host has it, and the others by their names."""
    floor = sum(role.startswith("host_") for role in roles)
    named = [f"hosts floor ({floor} roles)"] if floor else []
    return ", ".join([*named, *(role for role in roles if not role.startswith("host_"))])
