"""What attack tests hold in their hands: hosts over fresh connections, probes, playbooks with other input."""

from __future__ import annotations

import functools
import json
import os
import shlex
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]

# Tells whether a TCP connection comes about; runs here and on any host that has Python.
PROBE = """
import socket, sys
for address, port in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        socket.create_connection((address, int(port)), timeout=1).close()
        print("open")
    except ConnectionRefusedError:
        print("refused")
    except OSError:
        print("silent")
"""

_CONNECTION = "{{ [ansible_host, lab_address6, ansible_ssh_private_key_file, ansible_ssh_common_args] }}"


@dataclass(frozen=True)
class Target:
    """One host of the inventory, as Ansible would reach it but without any shared connection."""

    name: str
    address: str
    address6: str
    key: str
    arguments: tuple[str, ...]
    inventory: str

    def ssh(
        self,
        *options: str,
        command: str = "true",
        user: str = "root",
        key: str | None = None,
        stdin: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """One command over a fresh connection; never raises."""
        line = [
            *("ssh", "-F", "none", *self.arguments),
            *("-o", "BatchMode=yes", "-o", "ControlPath=none", "-o", "ConnectTimeout=5"),
            *("-o", "IdentitiesOnly=yes", "-i", key or self.key, *options),
            f"{user}@{self.address}",
            command,
        ]
        # Never the terminal's own: ssh would leave it in a state that Ansible refuses to start in.
        return subprocess.run(
            line, input=stdin or "", capture_output=True, text=True, check=False, timeout=120
        )

    def output(self, command: str, stdin: str | None = None) -> str:
        """What a command prints; fails the test when the command fails."""
        done = self.ssh(command=command, stdin=stdin)
        if done.returncode != 0:
            raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout.strip()

    def probe(self, target: Target, *ports: int) -> list[str]:
        """``open``, ``refused`` or ``silent`` for each port of ``target``, first by IPv4, then by IPv6."""
        pairs = [(address, str(port)) for address in (target.address, target.address6) for port in ports]
        arguments = [word for pair in pairs for word in pair]
        return self.output(shlex.join(["python3", "-", *arguments]), stdin=PROBE).split()

    def play(
        self, roles: Sequence[str], variables: Path, *arguments: str
    ) -> subprocess.CompletedProcess[str]:
        """Apply roles to this host with other input than the inventory's."""
        playbook = variables.with_name(f"{variables.stem}-playbook.yml")
        names = [f"groundwork.platform.{role}" for role in roles]
        playbook.write_text(yaml.safe_dump([{"hosts": self.name, "become": True, "roles": names}]))
        return subprocess.run(
            [
                *("ansible-playbook", "--inventory", self.inventory, "--extra-vars", f"@{variables}"),
                *arguments,
                str(playbook),
            ],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def wait_until_reachable(self, seconds: int) -> bool:
        """Whether a fresh connection comes about in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.ssh("-o", "ConnectTimeout=1").returncode == 0:
                return True
            time.sleep(0.5)
        return False


def probe_from_here(target: Target, *ports: int) -> list[str]:
    """The same as :meth:`Target.probe`, from the machine that runs the tests."""
    return [_state(address, port) for address in (target.address, target.address6) for port in ports]


def find(inventory: str, name_or_address: str) -> Target:
    """A host of an inventory, with its connection variables rendered by Ansible."""
    return next(t for t in _connections(inventory) if name_or_address in (t.name, t.address))


@functools.lru_cache
def _connections(inventory: str) -> tuple[Target, ...]:
    listed = subprocess.run(
        [
            *("ansible", "all", "--inventory", inventory),
            *("--module-name", "ansible.builtin.debug", "--args", f"msg={_CONNECTION}"),
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "1",
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        },
    )
    results = json.loads(listed.stdout[listed.stdout.index("{\n") :])["plays"][0]["tasks"][0]["hosts"]
    found = []
    for name, result in results.items():
        address, address6, key, arguments = result["msg"]
        options = tuple(shlex.split(arguments))
        found.append(Target(name, address, address6, str(Path(key).expanduser()), options, inventory))
    return tuple(found)


def _state(address: str, port: int) -> str:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "silent"
    return "open"
