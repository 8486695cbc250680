"""What the engine refuses: unusual changes, lists beyond their limits; and what it does on a full disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ipban.backends import BackendError
from ipban.breaker import BreakerOpen
from ipban.engine import LimitError
from ipban.model import AgentError, FullLoadNeeded, StoreError
from ipban_world import HOST, NETWORK, OTHER, World, all_dropped


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.begin()
    return made


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., World]:
    return lambda **settings: World(tmp_path, **settings)


BREAKER = {"growth_factor": 2.0, "growth_minimum": 5, "shrink_factor": 0.5, "shrink_minimum": 1}


def test_unusual_growth_waits_for_consent(make: Callable[..., World]) -> None:
    world = make(breaker=BREAKER)
    world.begin()
    world.database.change(ban=[f"192.0.2.{number}" for number in range(100, 120)])
    with pytest.raises(BreakerOpen, match="from 3 to 23 entries"):
        world.engine.sync()
    assert not world.kernel.drops("192.0.2.100")
    assert all_dropped(world)
    assert world.engine.status.breaker_open
    world.engine.accept = True
    world.engine.sync()
    assert world.kernel.drops("192.0.2.100")
    assert not world.engine.status.breaker_open
    assert not world.engine.accept


def test_unusual_shrinking_waits_for_consent_in_a_full_load_too(make: Callable[..., World]) -> None:
    world = make(breaker=BREAKER)
    world.begin()
    world.database.change(unban=[HOST, NETWORK])
    world.engine.full_needed = "test"
    with pytest.raises(BreakerOpen, match="shrink from 3 to 1"):
        world.engine.sync()
    assert all_dropped(world)
    world.database.calls.clear()
    with pytest.raises(BreakerOpen):
        world.engine.sync()
    assert world.database.calls == ["head"], "what was refused is not read again"
    world.database.change(ban=[HOST, NETWORK])
    world.engine.sync()
    assert all_dropped(world)


def test_the_breaker_knows_the_usual_size_after_a_restart(make: Callable[..., World]) -> None:
    world = make(breaker=BREAKER)
    world.begin()
    world.database.change(unban=[HOST, NETWORK])
    engine = world.new_engine()
    engine.start()
    with pytest.raises(BreakerOpen):
        engine.sync()
    assert all_dropped(world)


def test_the_limit_of_hosts(make: Callable[..., World]) -> None:
    world = make(host_limit=3)
    world.begin()
    world.database.change(ban=[OTHER, "192.0.2.8", "192.0.2.9"])
    with pytest.raises(LimitError, match="4 hosts or more are banned, host_limit is 3"):
        world.engine.sync()
    assert all_dropped(world)


def test_the_limit_of_networks(make: Callable[..., World]) -> None:
    world = make(network_limit=1)
    world.begin()
    world.database.change(ban=["192.0.2.0/26"])
    with pytest.raises(LimitError, match="2 networks4 or more are banned, network_limit is 1"):
        world.engine.sync()
    assert all_dropped(world)


def test_a_full_disk_is_reported_and_the_kernel_is_right(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("ipban.statefile.os.fsync", full)
        world.database.change(ban=[OTHER])
        world.engine.sync()
        world.engine.save()
        assert world.kernel.drops(OTHER)
        assert "No space left" in world.engine.status.state_error
        world.engine.full_needed = "test"
        world.engine.sync()
        assert world.engine.status.state_error
    # What is on disk is older than the kernel, and still good.
    world.kernel.remove()
    world.database.up = False
    engine = world.new_engine()
    engine.start()
    assert all_dropped(world)


def test_every_failure_is_an_error_of_the_agent() -> None:
    for kind in (StoreError, BackendError, BreakerOpen, LimitError, FullLoadNeeded):
        assert issubclass(kind, AgentError)
