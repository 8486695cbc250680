"""What ``./run lab`` is made of. A floor that wants something in the lab adds a part to ``PARTS``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lab.topology import Topology


@dataclass(frozen=True)
class Row:
    """One line of the closing table."""

    name: str
    address: str
    runs: str
    reach: str


class Part(Protocol):
    """Brought up in the order of ``PARTS``, taken down in reverse; every verb may be repeated."""

    name: str

    def up(self, topology: Topology) -> bool:
        """Bring it up; whether anything had to be done."""

    def down(self, topology: Topology) -> None:
        """Remove all of it."""

    def status(self, topology: Topology) -> list[Row]:
        """What stands, read from the thing itself and not from a record of it."""


def all_parts() -> tuple[Part, ...]:
    """The parts in the order in which they come up."""
    from lab.parts.gitlab import Gitlab
    from lab.parts.hosts import Hosts
    from lab.parts.kubernetes import Kubernetes, Programs
    from lab.parts.platform import Addons, Platform
    from lab.parts.vpn import Vpn

    return (Programs(), Hosts(), Gitlab(), Platform(), Vpn(), Kubernetes(), Addons())
