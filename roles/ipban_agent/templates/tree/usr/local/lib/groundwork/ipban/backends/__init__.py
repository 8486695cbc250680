"""What keeps the sets and rules in the kernel: one protocol, two implementations.

Six sets: hosts and networks that are banned, and what is allowed before them, each for IPv4 and IPv6.
A set's content is given as packed bytes (see :mod:`ipban.packed`): sorted, distinct, networks aggregated.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ipban.model import AgentError
from ipban.netlink import SUBSYSTEM_IPSET, NetlinkError, Request, Socket, attribute, header

HOSTS = ("hosts4", "hosts6")
NETWORKS = ("networks4", "networks6")
ALLOWED = ("allow4", "allow6")
# In the order in which packets meet them.
SETS = (*ALLOWED, *HOSTS, *NETWORKS)


def family_of(name: str) -> int:
    return int(name[-1])


class BackendError(AgentError):
    """The kernel does not do what it has to; the message says what and why."""


class SetFull(BackendError):  # noqa: N818  # because it is an answer, not a fault
    """A set has no room for a delta; a full load makes a larger one."""


@dataclass(frozen=True)
class Policy:
    """What the rules do with packets of banned addresses."""

    reject: bool = False
    counters: bool = True
    log_sample: int = 0  # packets a minute
    families: tuple[int, ...] = (4, 6)


@dataclass
class Delta:
    """Hosts that come and go: packed addresses by set name."""

    added: dict[str, list[bytes]] = field(default_factory=dict)
    removed: dict[str, list[bytes]] = field(default_factory=dict)


@dataclass(frozen=True)
class Counter:
    packets: int = 0
    bytes: int = 0


class Load(Protocol):
    """A full load under way. What the packets meet stays the old until ``commit`` returns."""

    def add(self, name: str, chunk: bytes) -> None:
        """Add hosts or networks to the set ``name``."""

    def commit(self) -> None:
        """Let the packets meet the new sets, all of them at once as far as the kernel can."""

    def abort(self) -> None:
        """Throw the new sets away."""


class Backend(Protocol):
    name: str

    def attach(self) -> bool:
        """Learn what there is and change nothing; whether all sets and rules are there."""

    def ensure(self) -> bool:
        """Make what is missing. False when something was: then the content has to be loaded anew."""

    def intact(self, *, thorough: bool) -> bool:
        """Whether all is still as this program has left it; costs microseconds, however large the sets are.

        Only ``thorough`` costs milliseconds: it starts iptables, whose older kind changes rules unseen.
        """

    def watch(self, samples: Mapping[str, bytes]) -> None:
        """Look for these addresses, one of each set, in :meth:`intact`; a load brings its own."""

    def begin(self, sizes: Mapping[str, int]) -> Load:
        """Start a full load of sets that will have about ``sizes`` entries."""

    def apply(self, delta: Delta) -> None:
        """Add, then remove hosts in place. Raises :exc:`SetFull`. What is there already is no error."""

    def replace(self, contents: Mapping[str, bytes]) -> None:
        """Put other networks or allowed networks in place of the present ones, with no gap."""

    def counts(self) -> dict[str, int | None]:
        """Entries in the kernel; None where only a dump of the whole set could tell."""

    def expected_count(self, name: str, packed: bytes) -> int:
        """What ``counts`` will say of a set of networks with this content."""

    def counters(self) -> dict[int, Counter]:
        """What was dropped, by family."""

    def contains(self, address: bytes) -> tuple[str, ...]:
        """The sets that match an address, in the order in which packets meet them."""

    def set_paused(self, paused: bool) -> None:
        """Let all packets through, or no longer; the sets stay."""

    def paused(self) -> bool:
        """What the rules in the kernel do now."""

    def remove(self) -> None:
        """Take everything out of the kernel."""


class Samples:
    """One known entry of each set of hosts: if it has gone, somebody has emptied the set."""

    def __init__(self) -> None:
        self._of: dict[str, bytes] = {}

    def replace(self, samples: Mapping[str, bytes]) -> None:
        self._of = dict(samples)

    def update(self, delta: Delta) -> None:
        for name, gone in delta.removed.items():
            if self._of.get(name) in gone:
                del self._of[name]
        for name, come in delta.added.items():
            if come:
                self._of.setdefault(name, come[-1])

    def items(self) -> Sequence[tuple[str, bytes]]:
        return tuple(self._of.items())


def choose(wanted: str) -> str:
    """The name of the backend for a setting: with ``auto``, ipset where iptables and the kernel know it.

    It needs less memory, its deltas are cheaper, and it does not slow down older versions of nft, which read
    all elements of all sets to list tables.
    """
    if wanted != "auto":
        return wanted
    if not (shutil.which("iptables-restore") and shutil.which("ip6tables-restore")):
        return "nft"
    try:
        knows = Socket()
        try:
            knows.ask(Request(SUBSYSTEM_IPSET << 8 | 1, 0, header(2) + attribute(1, b"\7"), "ask for ipset"))
        finally:
            knows.close()
    except (NetlinkError, OSError):
        return "nft"
    return "ipset"


def run(command: Sequence[str], *, stdin: str | None = None) -> str:
    """The output of a command; raises :exc:`BackendError` with what it said."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BackendError(f"{command[0]}: {error}") from error
    if done.returncode:
        raise BackendError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()[:400]}")
    return done.stdout
