"""An agent with everything around it, of fakes."""

from __future__ import annotations

from pathlib import Path

from ipban.engine import Engine
from ipban.kernel import Kernel
from ipban.settings import Settings, check
from ipban.statefile import StateFile
from ipban_fakes import Clock, FakeDatabase, FakeGuards, FakeKernel, Logged

HOST, OTHER, NETWORK, HOST6 = "192.0.2.7", "198.51.100.9", "203.0.113.0/24", "2001:db8::7"


class World:
    """An agent with everything around it."""

    def __init__(self, directory: Path, **settings: object) -> None:
        self.directory = directory
        self.settings: Settings = check(settings)
        self.database = FakeDatabase()
        self.kernel = FakeKernel()
        self.guards = FakeGuards()
        self.clock = Clock()
        self.log = Logged()
        self.engine = self.new_engine()

    def new_engine(self) -> Engine:
        """What a fresh process begins with."""
        self.state = StateFile(self.directory, self.settings.lists)
        return Engine(
            self.settings,
            self.database,
            Kernel(self.kernel, self.guards),
            self.state,
            self.log,
            self.clock,
            self.clock,
        )

    def begin(self) -> None:
        self.database.change(ban=[HOST, NETWORK, HOST6])
        self.engine.start()
        self.database.connect()
        self.engine.sync()


def all_dropped(world: World) -> bool:
    return all(world.kernel.drops(address) for address in (HOST, "203.0.113.77", HOST6))
