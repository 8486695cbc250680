"""The engine through all faults: banned stays banned, allowed stays allowed, and in the end it converges."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ipban.backends import BackendError
from ipban.model import FullLoadNeeded, StoreError
from ipban.settings import check
from ipban_fakes import Killed
from ipban_world import HOST, HOST6, NETWORK, OTHER, World, all_dropped


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.begin()
    return made


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., World]:
    return lambda **settings: World(tmp_path, **settings)


def test_first_start_is_a_full_load(world: World) -> None:
    assert world.kernel.loads == 1
    assert all_dropped(world)
    assert not world.kernel.drops(OTHER)
    assert world.engine.status.generation == 1


def test_a_delta_changes_in_place(world: World) -> None:
    world.database.change(ban=[OTHER], unban=[HOST])
    world.engine.sync()
    assert world.kernel.loads == 1
    assert world.kernel.drops(OTHER)
    assert not world.kernel.drops(HOST)
    assert world.engine.status.generation == 2


def test_nothing_new_costs_one_question(world: World) -> None:
    world.database.calls.clear()
    world.engine.sync()
    assert world.database.calls == ["changes"]


def test_a_host_under_a_banned_network_stays_banned_when_it_is_opened(world: World) -> None:
    world.database.change(ban=["203.0.113.5"])
    world.engine.sync()
    world.database.change(unban=["203.0.113.5"])
    world.engine.sync()
    assert world.kernel.drops("203.0.113.5")
    world.database.change(unban=[NETWORK])
    world.engine.sync()
    assert not world.kernel.drops("203.0.113.5")


def test_a_network_inside_another_is_opened_only_with_both(world: World) -> None:
    world.database.change(ban=["203.0.113.64/26"])
    world.engine.sync()
    world.database.change(unban=[NETWORK])
    world.engine.sync()
    assert world.kernel.drops("203.0.113.65")
    assert not world.kernel.drops("203.0.113.1")


@pytest.mark.parametrize(
    "cause", [FullLoadNeeded("gap"), BackendError("refused"), "horizon", "stamp", "full set"]
)
def test_what_a_delta_can_not_do_a_full_load_does(world: World, cause: object) -> None:
    world.database.change(ban=[OTHER])
    if isinstance(cause, FullLoadNeeded):
        world.database.fail["changes"] = cause
    elif isinstance(cause, BackendError):
        world.kernel.fail["apply"] = cause
    elif cause == "horizon":
        world.database.horizon = 2
    elif cause == "stamp":
        world.database.history[1] = ("other", set())
    else:
        world.kernel.room = 1
    world.engine.sync()
    assert world.kernel.loads == 2
    assert world.kernel.drops(OTHER)
    assert all_dropped(world)


def test_a_database_restored_from_an_older_backup_is_followed(world: World) -> None:
    world.database.change(ban=[OTHER])
    world.engine.sync()
    world.database.restore_older(1, {HOST, NETWORK, HOST6})
    world.engine.sync()
    assert world.engine.status.generation == 1
    assert not world.kernel.drops(OTHER)
    assert all_dropped(world)


def test_an_older_backup_that_has_grown_past_the_agent_is_noticed_by_its_stamp(world: World) -> None:
    world.database.change(ban=[OTHER])
    world.engine.sync()
    world.database.restore_older(1, {HOST, NETWORK, HOST6})
    for number in range(3):
        world.database.change(ban=[f"192.0.2.{100 + number}"])
    world.engine.sync()
    assert not world.kernel.drops(OTHER)
    assert world.kernel.drops("192.0.2.102")


@pytest.mark.parametrize("step", ["full", "chunk"])
def test_a_connection_cut_in_mid_load_changes_nothing(world: World, step: str) -> None:
    world.database.change(ban=[OTHER])
    world.engine.full_needed = "test"
    world.database.fail[step] = StoreError("cut")
    with pytest.raises(StoreError):
        world.engine.sync()
    assert all_dropped(world)
    assert world.engine.full_needed
    world.engine.sync()
    assert world.kernel.drops(OTHER)


def test_a_restart_without_the_database_tells_what_packets_meet(world: World) -> None:
    world.engine.save()
    world.database.up = False
    engine = world.new_engine()
    engine.start()
    assert engine.status.generation == world.database.position.generation
    assert engine.status.database["hosts4"] == 1
    with pytest.raises(StoreError):
        engine.sync()
    assert all_dropped(world)


def test_a_short_read_is_an_error_and_never_a_shorter_list(world: World) -> None:
    world.engine.full_needed = "test"
    world.database.short = 1
    with pytest.raises(StoreError, match="short: 0 entries came, the database has 3"):
        world.engine.sync()
    assert all_dropped(world)


@pytest.mark.parametrize("step", ["begin", "add", "commit"])
def test_a_kernel_that_refuses_a_step_of_a_load_keeps_what_it_has(world: World, step: str) -> None:
    world.database.change(ban=[OTHER])
    world.engine.full_needed = "test"
    world.kernel.fail[step] = BackendError("no memory")
    with pytest.raises(BackendError):
        world.engine.sync()
    assert all_dropped(world)
    world.engine.sync()
    assert world.kernel.drops(OTHER)


@pytest.mark.parametrize("step", ["begin", "add", "commit", "apply", "replace"])
def test_an_agent_that_is_killed_leaves_the_old_sets_and_its_successor_converges(
    world: World, step: str
) -> None:
    world.database.change(ban=[OTHER, "192.0.2.128/25"])
    if step in ("begin", "add", "commit"):
        world.engine.full_needed = "test"
    world.kernel.fail[step] = Killed()
    with pytest.raises(Killed):
        world.engine.sync()
    assert all_dropped(world)
    engine = world.new_engine()
    engine.start()
    assert all_dropped(world)
    engine.sync()
    assert world.kernel.drops(OTHER)
    assert world.kernel.drops("192.0.2.200")
    assert all_dropped(world)


def test_sets_deleted_by_hand_come_back(world: World) -> None:
    world.kernel.remove()
    world.engine.check_kernel(thorough=False)
    assert all_dropped(world)
    assert world.engine.status.repairs == 1


def test_sets_deleted_by_hand_come_back_without_the_database(world: World) -> None:
    world.database.change(ban=[OTHER])
    world.engine.sync()
    world.database.up = False
    world.kernel.remove()
    world.engine.check_kernel(thorough=False)
    assert all_dropped(world)
    assert world.kernel.drops(OTHER), "a delta that was not written yet counts too"
    world.database.up = True
    world.database.connect()
    world.engine.sync()
    assert all_dropped(world)


def test_sets_that_were_emptied_while_no_agent_ran_are_filled_from_the_file(world: World) -> None:
    for found in world.kernel.sets.values():
        found.clear()
    world.database.up = False
    world.new_engine().start()
    assert all_dropped(world)


def test_sets_that_an_earlier_agent_has_left_are_adopted(world: World) -> None:
    world.database.up = False
    loads = world.kernel.loads
    world.new_engine().start()
    assert world.kernel.loads == loads
    assert set(world.kernel.watched) == {"hosts4", "hosts6", "networks4"}


def test_an_element_removed_by_hand_is_found_by_counting(world: World) -> None:
    world.engine.check_counts()
    assert not world.engine.full_needed
    world.kernel.sets["hosts4"].clear()
    world.engine.check_counts()
    assert world.engine.full_needed
    world.engine.sync()
    assert all_dropped(world)


def test_a_kernel_that_can_not_count_is_believed(world: World) -> None:
    world.kernel.counts_known = False
    world.engine.check_counts()
    assert not world.engine.full_needed


def test_a_reboot_without_the_database_restores_what_was_saved(world: World) -> None:
    world.database.change(ban=[OTHER])
    world.engine.sync()
    world.engine.save()
    world.kernel.remove()
    world.database.up = False
    engine = world.new_engine()
    engine.start()
    assert all_dropped(world)
    assert world.kernel.drops(OTHER)


def test_a_restored_agent_goes_on_by_delta(world: World) -> None:
    world.engine.save()
    world.kernel.remove()
    world.database.change(ban=[OTHER])
    engine = world.new_engine()
    engine.start()
    world.database.calls.clear()
    engine.sync()
    assert world.database.calls == ["changes"]
    assert world.kernel.drops(OTHER)


def test_other_lists_in_the_settings_need_a_full_load(world: World) -> None:
    world.kernel.remove()
    world.settings = check({"lists": ["all", "ssh"]})
    engine = world.new_engine()
    engine.start()
    assert all_dropped(world)
    assert engine.full_needed


def test_the_allow_list_goes_before_every_ban(world: World) -> None:
    world.database.allow = ("203.0.113.64/26", HOST)
    world.database.change(ban=[OTHER])
    world.engine.sync()
    assert not world.kernel.drops("203.0.113.65")
    assert not world.kernel.drops(HOST)
    assert world.kernel.drops("203.0.113.1")
    world.database.allow = ()
    world.database.change(unban=[OTHER])
    world.engine.sync()
    assert all_dropped(world)


def test_a_protected_host_is_kept_out_and_comes_back_when_it_is_no_longer(world: World) -> None:
    world.guards.addresses = {bytes((198, 51, 100, 9))}
    world.engine.refresh_guards()
    world.database.change(ban=[OTHER])
    world.engine.sync()
    assert not world.kernel.drops(OTHER)
    assert not world.kernel.sets["hosts4"] & {bytes((198, 51, 100, 9))}
    assert world.engine.status.guard_hits == 1
    assert world.engine.status.withheld == 1
    world.guards.addresses = set()
    world.engine.refresh_guards()
    assert world.kernel.drops(OTHER)


def test_a_protected_host_is_kept_out_of_a_full_load(make: Callable[..., World]) -> None:
    world = make()
    world.guards.addresses = {bytes((192, 0, 2, 7))}
    world.begin()
    assert not world.kernel.drops(HOST)
    assert world.engine.status.withheld == 1
    world.engine.check_counts()
    assert not world.engine.full_needed
