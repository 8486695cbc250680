"""A colleague who comes in by the VPN, with the script and the playbook that everybody gets."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from lab import hosts, paths
from lab.parts import Row
from lab.parts.platform import play
from lab.process import run
from lab.progress import step
from lab.topology import Host, Topology

COLLEAGUE = "colleague"
SCRIPT = paths.REPOSITORY / "roles" / "wireguard" / "files" / "groundwork-vpn"
# What a person's own machine has to have.
INSTALL = """\
command -v wg-quick >/dev/null && command -v wireguard-go >/dev/null && exit
apt-get -qq update || true
export DEBIAN_FRONTEND=noninteractive
apt-get -qq install -y --no-install-recommends wireguard-tools wireguard-go >/dev/null
"""
CONNECTED = "groundwork-vpn status"
CONFIGURATION = "/root/lab-gate.conf"


class Vpn:
    name = "vpn"

    def up(self, topology: Topology) -> bool:
        host = _colleague(topology)
        if host is None or _on(host, CONNECTED, check=False).returncode == 0:
            return False
        with step(f"letting {COLLEAGUE} into the VPN"):
            _on(host, INSTALL)
            _on(host, "cat >/usr/local/bin/groundwork-vpn", SCRIPT.read_text())
            _on(host, "chmod +x /usr/local/bin/groundwork-vpn")
            key = _on(host, "groundwork-vpn key").stdout.strip()
            add(topology, key)
            configuration = handover() / COLLEAGUE / Path(CONFIGURATION).name
            _on(host, f"umask 077; cat >{CONFIGURATION}", configuration.read_text())
            _on(host, f"groundwork-vpn install {CONFIGURATION}; rm {CONFIGURATION}; groundwork-vpn up")
        return True

    def down(self, topology: Topology) -> None:
        # The hub's key is gone with the hub: what was made for it is of no use any more.
        peers_file().unlink(missing_ok=True)
        shutil.rmtree(handover(), ignore_errors=True)

    def status(self, topology: Topology) -> list[Row]:
        host = _colleague(topology)
        if host is None or not hosts.states().get(host.container):
            return []
        told = _on(host, CONNECTED, check=False)
        runs = " ".join(told.stdout.split()) if told.stdout else "VPN: not yet"
        return [Row("(vpn)", host.address, runs, f"./run shell {COLLEAGUE} groundwork-vpn status")]


def peers_file() -> Path:
    """As in inventories/lab: who is in the lab's VPN is no business of the repository's."""
    return paths.cache() / "lab_wireguard_peers.yml"


def handover() -> Path:
    return paths.cache() / "lab-vpn"


def add(topology: Topology, public_key: str) -> None:
    """What whoever runs the VPN does."""
    given = {"add": COLLEAGUE, "owner": "Colleague", "group": "developers", "public_key": public_key}
    extra = [word for name, value in given.items() for word in ("--extra-vars", f"{name}={value}")]
    play(topology, "vpn_peer.yml", *extra)


def _colleague(topology: Topology) -> Host | None:
    return next((host for host in topology.hosts if host.name == COLLEAGUE), None)


def _on(host: Host, command: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    return run(*hosts.ssh_command(host), command, stdin=stdin, check=check)
