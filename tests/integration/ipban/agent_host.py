"""A host with the agent's program on it, and a neighbour in a network namespace that sends it packets."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import hosts
from tests.integration.support import RealHost

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = ROOT / "roles/ipban_agent/templates/tree/usr/local/lib/groundwork"
PACKAGES = "python3-psycopg ipset iptables nftables iputils-ping libfaketime"
# The neighbour has all of these; the host is .1 of each.
NEIGHBOUR4, NEIGHBOUR6 = "198.18.7", "2001:db8:7::"
SETTINGS: dict[str, Any] = {
    "poll_seconds": 5,
    "guard": {"networks": [], "own_addresses": True, "gateway": True, "store": True, "ssh_peers": True},
}

PREPARE = f"""
set -eu
export DEBIAN_FRONTEND=noninteractive
if ! dpkg-query -W {PACKAGES} >/dev/null 2>&1; then
  apt-get -qq update >/dev/null
  apt-get -qq install -y --no-install-recommends {PACKAGES} >/dev/null
fi
rm -rf /opt/ipban-test
mkdir -p /opt/ipban-test /etc/groundwork/ipban /var/lib/groundwork/ipban
tar -C /opt/ipban-test -xf -
cat >/usr/local/sbin/ipban-test <<'END'
#!/usr/bin/python3 -IB
import sys
sys.path.insert(0, "/opt/ipban-test")
from ipban.__main__ import main
sys.exit(main())
END
chmod 0755 /usr/local/sbin/ipban-test
ip netns add neighbour 2>/dev/null || exit 0
ip link add to-neighbour type veth peer name to-host netns neighbour
ip address add {NEIGHBOUR4}.1/24 dev to-neighbour
ip -6 address add {NEIGHBOUR6}1/64 dev to-neighbour nodad
ip link set to-neighbour up
for last in 2 3 4 5; do
  ip -n neighbour address add {NEIGHBOUR4}.$last/24 dev to-host
  ip -n neighbour -6 address add {NEIGHBOUR6}$last/64 dev to-host nodad
done
ip -n neighbour link set lo up
ip -n neighbour link set to-host up
for target in {NEIGHBOUR4}.1 {NEIGHBOUR6}1; do
  for attempt in $(seq 30); do
    ip netns exec neighbour ping -q -c 1 -W 0.2 $target >/dev/null && break
  done
done
"""  # noqa: S608  # because it is a script for the shell

CLEAR = """
ipban-test --settings /etc/groundwork/ipban/test.json remove >/dev/null
mountpoint -q /var/lib/groundwork/ipban && umount /var/lib/groundwork/ipban
rm -rf /var/lib/groundwork/ipban/* /run/groundwork-ipban/*
"""

LEAVE = """
rm -rf /etc/groundwork/ipban /opt/ipban-test /usr/local/sbin/ipban-test
rm -f /var/lib/prometheus/node-exporter/groundwork_ipban.prom
"""


def neighbour(last: int, family: int = 4) -> str:
    return f"{NEIGHBOUR4}.{last}" if family == 4 else f"{NEIGHBOUR6}{last}"


@dataclass
class AgentHost:
    """The program on one host, with one backend. ``ipban`` runs its commands."""

    host: RealHost
    backend: str

    def prepare(self) -> None:
        packed = subprocess.run(
            ["tar", "-C", str(PROGRAM), "--exclude", "__pycache__", "-cf", "-", "ipban"],
            check=True,
            capture_output=True,
        ).stdout
        command = [*hosts.ssh_command(self.host.spec), PREPARE]
        done = subprocess.run(command, input=packed, capture_output=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr.decode()

    def clear(self) -> None:
        """No service, nothing in the kernel, nothing saved."""
        self.stop()
        self.host.run(CLEAR)

    def leave(self) -> None:
        """Nothing of the test on the host: those of the store look for what is not theirs."""
        self.clear()
        self.host.run(LEAVE)

    def configure(self, conninfo: str, **changes: Any) -> None:
        settings = {**SETTINGS, "store": {"conninfo": conninfo}, "backend": self.backend, **changes}
        # The password of the test's login has no place in the settings.
        words = dict(word.split("=", 1) for word in shlex.split(conninfo))
        password = words.pop("password", "")
        words["passfile"] = "/etc/groundwork/ipban/test.pgpass"
        settings["store"] = {"conninfo": " ".join(f"{key}={value}" for key, value in words.items())}
        self.host.output("umask 077; cat > /etc/groundwork/ipban/test.pgpass <<< '*:*:*:*:" + password + "'")
        written = self.host.run("cat > /etc/groundwork/ipban/test.json", stdin=json.dumps(settings))
        assert written.returncode == 0
        self.output("check-settings")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = shlex.join(("ipban-test", "--settings", "/etc/groundwork/ipban/test.json", *arguments))
        return self.host.run(command)

    def output(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, environment: str = "") -> None:
        """Run the service, with ``NAME=value`` words before it."""
        self.host.output(
            "mkdir -p /run/groundwork-ipban; rm -f /run/groundwork-ipban/status.json;"
            f" ({environment} setsid ipban-test --settings /etc/groundwork/ipban/test.json run"
            " </dev/null >/var/log/ipban-test.log 2>&1 & echo $! >/run/ipban-test.pid)"
        )

    def stop(self, signal: str = "TERM") -> None:
        self.host.run(
            f"pid=$(cat /run/ipban-test.pid 2>/dev/null) && kill -{signal} $pid 2>/dev/null &&"
            " for attempt in $(seq 100); do kill -0 $pid 2>/dev/null || break; sleep 0.05; done;"
            " rm -f /run/ipban-test.pid"
        )

    def status(self) -> dict[str, Any]:
        done = self.run("status", "--json")
        return dict(json.loads(done.stdout)) if done.stdout.startswith("{") else {}

    def log(self) -> str:
        return self.host.run("tail -n 40 /var/log/ipban-test.log").stdout

    def wait_for(self, what: str, holds: Any, seconds: float = 20.0) -> None:
        """Ask again and again until ``holds()``."""
        until = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < until, f"{what}: not within {seconds} s\n{self.log()}"
            time.sleep(0.1)

    def python(self, program: str, *arguments: str) -> Any:
        """Run a Python program with the package at hand; what it prints as JSON on its last line."""
        head = f"import sys, json\nsys.path.insert(0, '/opt/ipban-test')\nBACKEND = {self.backend!r}\n"
        done = self.host.run(f"python3 -B - {shlex.join(arguments)}", stdin=head + program)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout.strip().splitlines()[-1])

    def answers(self, last: int, family: int = 4) -> bool:
        """Whether the host answers a ping of the neighbour's address that ends with ``last``."""
        target, source = neighbour(1, family), neighbour(last, family)
        done = self.host.run(f"ip netns exec neighbour ping -{family} -n -q -c 1 -W 0.4 -I {source} {target}")
        return done.returncode == 0

    def drops(self, address: str) -> bool:
        """What the kernel's sets say of an address."""
        done = self.run("test", address)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode == 0
