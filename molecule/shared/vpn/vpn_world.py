"""What tests of the VPN hold in their hands: people, hubs, playbooks, and streams that are watched."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "molecule" / "hosts" / "tests"))

from attack import Target as Target  # noqa: E402  # because the other folder has to be on the path
from attack import find  # noqa: E402  # because the other folder has to be on the path
from vpn_matrix import Place, Question, allowed, questions  # noqa: E402  # because of the same

from lab.process import podman, run  # noqa: E402  # because of the same

POLICY = (
    *("wireguard_environment", "wireguard_interface", "wireguard_groups", "wireguard_hubs"),
    *("wireguard_peers_file", "wireguard_handover_directory", "molecule_places", "lab_network"),
)


def wait_for(holds: Callable[[], bool], seconds: float = 15) -> bool:
    """Whether it holds within this time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.2)
    return holds()


@dataclass(frozen=True)
class World:
    """One scenario: its inventories, on the pool of hosts that all share."""

    inventories: tuple[str, ...]

    @cached_property
    def outsider(self) -> Target:
        return self.host("outsider")

    @cached_property
    def policy(self) -> dict[str, Any]:
        """The inventory's variables, rendered by Ansible."""
        shown = self.ansible("ansible", "wireguard_hubs", "-m", "ansible.builtin.debug", "-a", _MESSAGE)
        assert shown.returncode == 0, shown.stdout + shown.stderr
        document = json.loads(shown.stdout[shown.stdout.index("{\n") :])
        first = next(iter(document["plays"][0]["tasks"][0]["hosts"].values()))
        return dict(zip(POLICY, first["msg"]))

    @property
    def environment(self) -> str:
        return str(self.policy["wireguard_environment"])

    @property
    def interface(self) -> str:
        return str(self.policy["wireguard_interface"] or f"wg-{self.environment}")

    def host(self, name: str) -> Target:
        return find(self.inventories[0], name)

    def register(self) -> dict[str, Any]:
        """The peers' file."""
        return dict(yaml.safe_load(Path(self.policy["wireguard_peers_file"]).read_text()))

    def peers(self) -> dict[str, dict[str, Any]]:
        return {peer["name"]: peer for peer in self.register()["wireguard_peers"]}

    # --- playbooks

    def ansible(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A program of Ansible's with this scenario's inventories; never raises."""
        json_callback = program == "ansible"
        inventories = [word for inventory in self.inventories for word in ("--inventory", inventory)]
        return subprocess.run(
            [program, *inventories, *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env={
                **os.environ,
                "ANSIBLE_NOCOLOR": "1",
                **(
                    {"ANSIBLE_LOAD_CALLBACK_PLUGINS": "1", "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
                    if json_callback
                    else {}
                ),
            },
        )

    def play(self, playbook: str, **variables: str) -> str:
        """What a playbook prints; fails the test when it fails."""
        done = self.tries(playbook, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def tries(self, playbook: str, **variables: str) -> subprocess.CompletedProcess[str]:
        extra = [
            word for name, value in variables.items() for word in ("--extra-vars", json.dumps({name: value}))
        ]
        return self.ansible("ansible-playbook", f"playbooks/{playbook}", *extra)

    # --- people

    def ask(self, **asked: Sequence[Question]) -> dict[str, list[bool]]:
        """What answers whom: several people at once."""
        with ThreadPoolExecutor() as pool:
            return dict(zip(asked, pool.map(lambda name: self.probe(name, asked[name]), asked)))

    def probe_in(self, host: Target, namespace: str, asked: Sequence[Question]) -> list[bool]:
        """Which of these answer what is in a namespace of a host."""
        told = host.output(f"ip netns exec {namespace} python3 /srv/vpn/probe.py", json.dumps(asked))
        return list(json.loads(told))

    def run(self, name: str, *command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command of somebody's, on their own machine."""
        return self.outsider.ssh(command=shlex.join(["/srv/vpn/as", name, *command]), stdin=stdin)

    def vpn(self, name: str, *words: str) -> str:
        """What the onboarding script says, on both streams; fails the test when it fails."""
        done = self.run(name, "groundwork-vpn", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def probe(self, name: str, asked: Sequence[Question]) -> list[bool]:
        """Which of these answer somebody."""
        done = self.run(name, "python3", "/srv/vpn/probe.py", stdin=json.dumps(asked))
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    def hand_out(self) -> None:
        """Have the playbook write everybody's configurations, as they are now."""
        self.play("vpn_peer.yml", list="all", handover="true")

    def handed(self, name: str) -> dict[str, str]:
        """Somebody's configurations by file name, as the playbook last wrote them."""
        folder = Path(self.policy["wireguard_handover_directory"]) / name
        return {path.name: path.read_text() for path in folder.glob("*.conf")}

    def install(self, name: str, files: dict[str, str]) -> str:
        """Hand configurations over, and have the script take them."""
        for file, text in files.items():
            done = self.run(name, "sh", "-c", 'umask 077 && cat >"$HOME/$1"', "sh", file, stdin=text)
            assert done.returncode == 0, done.stderr
        home = f"/srv/vpn/homes/{name}"
        return self.vpn(name, "install", *(f"{home}/{file}" for file in files))

    def onboard(self, *names: str) -> None:
        """All of them, at once: what the playbook has written, installed and up."""

        def come(name: str) -> None:
            self.install(name, self.handed(name))
            self.vpn(name, "up")

        with ThreadPoolExecutor() as pool:
            list(pool.map(come, names))

    def lead(self, hub: Target) -> None:
        """Tell a hub the way to the places, which routers would know."""
        way, way6 = self.outsider.address, self.outsider.address6
        ways = [
            f"ip route replace {place} via {way6 if ':' in place else way}"
            for place in self.policy["molecule_places"]
        ]
        hub.output("; ".join(ways))

    @contextmanager
    def without(self, hub: Target) -> Iterator[None]:
        """A hub is gone, from one moment to the next, and comes back as after a power cut."""
        container = f"{self.policy['lab_network']['name']}-{hub.name}"
        podman("stop", "--time", "0", container)
        try:
            yield
        finally:
            podman("start", container)
            # It has another hardware address now, which the neighbours would find out within half a minute.
            for address in (hub.address, hub.address6):
                run("ip", "neighbour", "flush", "to", address)
                self.outsider.output(f"ip neighbour flush to {address}")

    # --- what must answer, and what must not

    def places(self, **behind: Sequence[str]) -> list[Place]:
        """Everything there is to reach: behind the hubs, the hubs, and the peers with what is behind them."""
        found = [Place("inside", tuple(self.policy["molecule_places"]))]
        found += [Place("hub", tuple(hub["addresses"]), hub["name"]) for hub in self.policy["wireguard_hubs"]]
        found += [
            Place("peer", (*peer["addresses"], *behind.get(name, ())), name, peer["group"])
            for name, peer in self.peers().items()
        ]
        return found

    def differences(
        self, name: str, places: Sequence[Place], probe: Callable[[list[Question]], list[bool]] | None = None
    ) -> tuple[int, list[str]]:
        """How many of all questions were answered to somebody, and what was not as the rules say.

        probe: asks from elsewhere than a machine of world.sh's people.
        """
        groups, group = self.policy["wireguard_groups"], self.peers()[name]["group"]
        asked = questions(groups, [place for place in places if place.name != name])
        ask = probe or (lambda questions: self.probe(name, questions))
        answered = ask([question for _, question in asked])
        wrong = [
            f"{'answers' if answer else 'does not answer'}: {place.kind} {place.name} {question}"
            for (place, question), answer in zip(asked, answered)
            if answer is not allowed(groups, self.environment, group, place, question)
        ]
        return sum(answered), wrong

    # --- streams

    @contextmanager
    def stream(self, name: str, address: str, port: int) -> Iterator[Stream]:
        """Somebody talks by TCP and UDP to what echoes, all the time."""
        unit, diary = f"vpn-stream-{name}", f"/srv/vpn/homes/{name}/stream"
        command = ["/srv/vpn/as", name, "python3", "/srv/vpn/stream.py", address, str(port), diary]
        self.outsider.output(
            f"rm -f {diary}; systemd-run --quiet --collect --unit={unit} {shlex.join(command)}"
        )
        stream = Stream(self.outsider, diary)
        assert wait_for(lambda: {"tcp", "udp"} <= {kind for kind, _ in stream.lines()}), (
            f"{name} hears nothing"
        )
        try:
            yield stream
        finally:
            self.outsider.ssh(command=f"systemctl stop {unit}")


_MESSAGE = "msg={{ [" + ", ".join(f"{name} | default('')" for name in POLICY) + "] }}"


@dataclass(frozen=True)
class Stream:
    """What somebody heard, and when, in seconds since 1970: all hosts of the tests have one clock."""

    host: Target
    diary: str

    def lines(self) -> list[tuple[str, float]]:
        done = self.host.ssh(command=f"cat {self.diary}")
        return [(line.split()[0], float(line.split()[1])) for line in done.stdout.splitlines() if " " in line]

    def heard(self, kind: str) -> list[float]:
        return [at for what, at in self.lines() if what == kind]

    def last(self) -> float:
        """When the last answer came, by whichever way."""
        return max(self.heard("tcp") + self.heard("udp"))

    def gap(self, kind: str) -> float:
        """The longest silence between two answers."""
        heard = self.heard(kind)
        return max(later - earlier for earlier, later in zip(heard, heard[1:]))

    def lives(self) -> bool:
        """Whether the one connection that was opened is still there, and hears something."""
        before = len(self.heard("tcp"))
        return not self.heard("end") and wait_for(lambda: len(self.heard("tcp")) > before, 5)
