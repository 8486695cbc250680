"""Two hubs, peers with real tunnels, and a server behind the hubs."""

from __future__ import annotations

import copy
import json
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.support import Played, RealHost, play

FOLDER = Path(__file__).parent
INVENTORY = FOLDER / "inventory"
PLAYBOOK = FOLDER / "hubs.yml"
INTERFACE = "wg-test"
SETTINGS = f"/etc/groundwork/wireguard/{INTERFACE}.json"
# Behind the hubs: one that rules name, and one that they do not.
SERVER = {4: "192.0.2.10", 6: "2001:db8:2::10"}
UNNAMED = {4: "192.0.2.200", 6: "2001:db8:3::200"}
LISTENING = ("tcp/443", "tcp/444", "tcp/8000", "tcp/8080", "tcp/9000", "udp/53", "udp/54")

Probe = tuple[str, str, "int | None"]
Run = Callable[[str, "str | None"], "subprocess.CompletedProcess[str]"]


def until(condition: Callable[[], Any], seconds: float = 20, every: float = 0.1) -> Any:
    """The first true value of a condition; the test fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(every)
    return found


@dataclass
class Hub:
    """A hub whose settings tests change by hand, as a converge would."""

    host: RealHost
    base: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def learn(self) -> None:
        """Takes what the role laid down for the state to come back to."""
        self.base = json.loads(self.host.output(f"cat {SETTINGS}"))
        self.settings = copy.deepcopy(self.base)

    def write(self, newer: bool = True) -> None:
        """Lays the settings down; ``newer``: with the next revision."""
        if newer:
            self.settings["revision"] += 1
        done = self.host.run(f"cat > {SETTINGS}", stdin=json.dumps(self.settings))
        assert done.returncode == 0, done.stderr

    def apply(self, *options: str) -> dict[str, Any]:
        found = json.loads(self.host.output(f"groundwork-wireguard apply --json {shlex.join(options)}"))
        assert isinstance(found, dict)
        return found

    def change(self, newer: bool = True) -> dict[str, Any]:
        self.write(newer)
        return self.apply()

    def reset(self) -> None:
        """No peers but those that the role knows, whatever a test left."""
        revision = self.settings["revision"]
        self.settings = copy.deepcopy(self.base)
        self.settings["revision"] = revision
        self.change()

    def show(self) -> dict[str, Any]:
        found = json.loads(self.host.output("groundwork-wireguard show --json"))
        assert isinstance(found, dict)
        return found

    def peer(self, name: str) -> dict[str, Any]:
        return next(one for one in self.settings["peers"] if one["name"] == name)

    def admit(self, *peers: Peer) -> None:
        self.settings["peers"] += [peer.entry() for peer in peers]

    def expel(self, *names: str) -> None:
        self.settings["peers"] = [one for one in self.settings["peers"] if one["name"] not in names]

    def private_key(self, interface: str = INTERFACE) -> str:
        return self.host.output(f"wg show {interface} private-key").strip()

    def secrets(self) -> list[str]:
        """All that must be seen nowhere: private keys, and the secret of preshared keys."""
        found = self.host.output("cat /etc/groundwork/wireguard/keys/*.key").split()
        text = self.host.output(f"cat /etc/groundwork/wireguard/keys/{INTERFACE}.preshared.json")
        return [*found, json.loads(text)["secret"], *self._preshared().values()]

    def _preshared(self) -> dict[str, str]:
        names = [one["name"] for one in self.settings["peers"]]
        if not names:
            return {}
        found = json.loads(self.host.output(f"groundwork-wireguard preshared {shlex.join(names)}"))
        assert isinstance(found, dict)
        return found

    def preshared(self, name: str) -> str:
        return self._preshared()[name]

    def live(self, interface: str = INTERFACE) -> list[str]:
        """Keys, ports and addresses of the interface and its peers."""
        lines = self.host.output(f"wg show {interface} dump").splitlines()
        return sorted("\t".join(line.split("\t")[:2] + line.split("\t")[3:4]) for line in lines)

    def tracked(self, address: str) -> int:
        """Tracked connections that an address is part of."""
        family = "ipv6" if ":" in address else "ipv4"
        listed = self.host.output(f"conntrack -L -f {family} 2>/dev/null || true")
        return sum(f"={address} " in line for line in listed.splitlines())


@dataclass
class Peer:
    """A peer in a namespace of the machine for peers."""

    host: RealHost
    name: str
    number: int
    group: str = "developers"
    kind: str = "person"
    networks: Sequence[str] = ()
    private_key: str = ""
    public_key: str = ""

    def __post_init__(self) -> None:
        if not self.private_key:
            self.private_key = self.host.output("wg genkey").strip()
        self.public_key = self.host.run("wg pubkey", stdin=self.private_key).stdout.strip()

    @property
    def namespace(self) -> str:
        return f"peer{self.number}"

    @property
    def addresses(self) -> dict[int, str]:
        if self.group in ("services", "sites"):
            return {4: f"10.202.32.{self.number}", 6: f"fd42:202:32::{self.number:x}"}
        return {4: f"10.202.1.{self.number}", 6: f"fd42:202::1:{self.number:x}"}

    def entry(self) -> dict[str, Any]:
        """What the hub's settings have of it."""
        return {
            "name": self.name,
            "owner": "somebody",
            "kind": self.kind,
            "group": self.group,
            "public_key": self.public_key,
            "addresses": list(self.addresses.values()),
            "networks": list(self.networks),
            "expires_at": None,
            "keepalive": 0,
            "endpoint": None,
        }

    def section(self, hub: Hub, public_key: str | None = None, port: int | None = None) -> str:
        told = hub.show()
        return (
            f"[Peer]\nPublicKey = {public_key or told['public_key']}\n"
            f"PresharedKey = {hub.preshared(self.name)}\n"
            f"Endpoint = {hub.host.address}:{port or told['port']}\nPersistentKeepalive = 1\n"
            "AllowedIPs = 0.0.0.0/0, ::/0\n"
        )

    def connect(self, hub: Hub) -> None:
        """Brings the tunnel up."""
        configuration = f"[Interface]\nPrivateKey = {self.private_key}\n{self.section(hub)}"
        words = ["up", self.namespace, f"wg{self.number}", "1420", *self.addresses.values()]
        done = self.host.run(f"sh /root/peer.sh {shlex.join(words)}", stdin=configuration)
        assert done.returncode == 0, done.stderr

    def replace_hub(self, hub: Hub, public_key: str, port: int) -> None:
        """The hub's next key in place of the old one, as a client does it."""
        old = self.inside(f"wg show wg{self.number} peers").split()
        removals = "".join(f" peer {one} remove" for one in old)
        script = f"wg set wg{self.number}{removals}; wg addconf wg{self.number} /dev/stdin"
        done = self.run(f"sh -c {shlex.quote(script)}", stdin=self.section(hub, public_key, port))
        assert done.returncode == 0, done.stderr

    def disconnect(self) -> None:
        self.host.run(f"sh /root/peer.sh down {self.namespace}")

    def run(self, command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return self.host.run(f"ip netns exec {self.namespace} {command}", stdin)

    def inside(self, command: str) -> str:
        done = self.run(command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def listen(self) -> None:
        """Answers on ports 22 and 2222."""
        self._start("echo", "tcp/22", "tcp/2222")
        until(lambda: ":2222" in self.inside("ss -tln"))

    def hold(self, address: str, port: int) -> None:
        """Opens a connection and keeps it."""
        self._start("hold", address, str(port))

    def _start(self, program: str, *words: str) -> None:
        unit = f"{program}-{self.namespace}"
        command = f"ip netns exec {self.namespace} python3 /root/{program}.py {shlex.join(words)}"
        self.host.output(
            f"systemctl -q is-active {unit} || systemd-run --quiet --collect --unit={unit} {command}"
        )

    def probe(self, *asked: Probe) -> list[bool]:
        """Whether each of them answers."""
        return probe(self.run, *asked)

    def reaches(self, protocol: str, address: str, port: int | None = None) -> bool:
        return self.probe((protocol, address, port))[0]

    def gets_to(self, protocol: str, address: str, port: int | None = None) -> bool:
        """The same, once a session is there: WireGuard may have to find out that the old one is gone."""
        until(lambda: self.reaches(protocol, address, port), 60)
        return True

    @contextmanager
    def streaming(self, address: str = SERVER[4], tcp: int = 8000, udp: int = 53) -> Iterator[Stream]:
        """A transfer and datagrams while the context is open; its result is known afterwards."""
        stop = f"/tmp/stop-{self.namespace}-{time.monotonic_ns()}"  # noqa: S108  # because it is on the peers' host
        words = ["python3", "/root/stream.py", address, str(tcp), str(udp), stop]
        line = f"ip netns exec {self.namespace} {shlex.join(words)} > {stop}.out 2>&1 & echo $!"
        self.host.output(line)
        stream = Stream()
        time.sleep(1)
        try:
            yield stream
            time.sleep(1)
        finally:
            self.host.output(f"touch {stop}")
        said = until(lambda: self.host.output(f"cat {stop}.out").strip(), 70)
        stream.said = json.loads(said)


@dataclass
class Stream:
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def tcp(self) -> dict[str, Any]:
        found = self.said["tcp"]
        assert isinstance(found, dict)
        return found

    @property
    def udp(self) -> dict[str, Any]:
        found = self.said["udp"]
        assert isinstance(found, dict)
        return found


def converge(peers_file: Path, *arguments: str, tags: str = "wireguard", **variables: Any) -> Played:
    """The playbook for the hubs, with the role; their firewall is there since the first time."""
    extra = ["--tags", tags, *(["--extra-vars", json.dumps(variables)] if variables else [])]
    return play(PLAYBOOK, *arguments, *extra, inventory=INVENTORY, GROUNDWORK_TEST_PEERS=str(peers_file))


def probe(run: Run, *asked: Probe) -> list[bool]:
    """Whether each of them answers, where ``run`` runs a command."""
    done = run("python3 /root/probe.py", json.dumps(asked))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, list)
    return found
