"""Units and commands: what is due, in which order, and what makes up for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree import activation
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.activation import (
    Item,
    UnitStatus,
)
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.commands import Outcome
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.entries import TreeError

RUNNING = UnitStatus("loaded", "active", "enabled")
STOPPED = UnitStatus("loaded", "inactive", "disabled")
UNKNOWN = UnitStatus("not-found", "inactive", "")


def plan(items, changed=(), status=None, missing=(), known=lambda _command: True, failing=None):
    asked = []

    def read(units):
        asked.append(list(units))
        return {unit: (status or {}).get(unit, RUNNING) for unit in units}

    def succeeds(command):
        asked.append(command)
        return command != failing

    changes = activation.plan_activation(
        items, changed, read, lambda path: path not in missing, known, succeeds
    )
    return [activation.sentence(change) for change in changes], asked


def test_a_quiet_run_asks_nothing_of_units_that_only_react():
    assert plan([Item(unit="a.service", on_change="reload"), Item(command=("x",))]) == ([], [])


def test_all_units_are_asked_about_in_one_call():
    items = [
        Item(unit="a.service", enabled=True),
        Item(unit="b.service", state="started"),
        Item(unit="a.service", state="started"),
    ]
    assert plan(items) == ([], [["a.service", "b.service"]])


def test_what_is_ensured_is_brought_about():
    items = [
        Item(unit="a.service", enabled=True, state="started"),
        Item(unit="b.service", enabled=False, state="stopped"),
    ]
    assert plan(items, status={"a.service": STOPPED})[0] == [
        "enable a.service",
        "start a.service",
        "disable b.service",
        "stop b.service",
    ]


@pytest.mark.parametrize("file", ["enabled", "static", "indirect", "generated", "alias"])
def test_units_that_can_not_be_enabled_further_are_left(file):
    assert (
        plan(
            [Item(unit="a.service", enabled=True)], status={"a.service": UnitStatus("loaded", "active", file)}
        )[0]
        == []
    )


def test_a_change_reloads_a_running_unit_only():
    item = Item(unit="a.service", on_change="reload")
    assert plan([item], ["/etc/a"])[0] == ["reload a.service"]
    assert plan([item], ["/etc/a"], {"a.service": STOPPED})[0] == []


def test_a_unit_that_is_started_is_not_reloaded_as_well():
    item = Item(unit="a.service", state="started", on_change="restart")
    assert plan([item], ["/etc/a"], {"a.service": STOPPED})[0] == ["start a.service"]
    assert plan([item], ["/etc/a"])[0] == ["restart a.service"]


def test_a_unit_that_is_to_stop_is_not_reloaded():
    item = Item(unit="a.service", state="stopped", on_change="reload")
    assert plan([item], ["/etc/a"])[0] == ["stop a.service"]


def test_items_keep_their_order_and_their_paths():
    items = [
        Item(command=("sysctl", "--system"), paths=("etc/sysctl.d/",)),
        Item(unit="a.service", on_change="reload", paths=("etc/a/",)),
        Item(command=("other",), paths=("etc/other",)),
    ]
    assert plan(items, ["/etc/a/x", "/etc/sysctl.d/y"])[0] == ["sysctl --system", "reload a.service"]


def test_the_same_thing_is_done_once():
    items = [
        Item(unit="a.service", on_change="reload", paths=("etc/a",)),
        Item(unit="a.service", on_change="reload"),
    ]
    assert plan(items, ["/etc/a"])[0] == ["reload a.service"]


def test_what_requires_a_missing_path_is_left_out():
    items = [Item(unit="a.service", enabled=True, requires="/gone"), Item(command=("x",), requires="/gone")]
    assert plan(items, ["/etc/a"], {"a.service": UNKNOWN}, missing=["/gone"]) == ([], [])


def test_unknown_programs_can_be_left_out():
    assert plan([Item(command=("x",))], ["/etc/a"], known=lambda _command: False)[0] == []


HELD = Item(unit="a.service", on_change="reload", paths=("etc/a",), holds=("look", "x"))


def test_an_effect_that_is_in_place_is_looked_at_on_every_run():
    assert plan([HELD]) == ([], [["a.service"], ("look", "x")])
    assert plan([HELD], ["/etc/other"]) == ([], [["a.service"], ("look", "x")])


def test_an_effect_that_is_gone_is_brought_back_and_the_reason_told():
    assert plan([HELD], failing=("look", "x"))[0] == ["reload a.service because look x failed"]


def test_an_effect_is_not_looked_at_where_that_decides_nothing():
    away = replace(HELD, state="stopped")
    started = replace(HELD, state="started")
    assert plan([HELD], ["/etc/a"]) == (["reload a.service"], [["a.service"]])
    assert plan([HELD], status={"a.service": STOPPED}) == ([], [["a.service"]])
    assert plan([away]) == (["stop a.service"], [["a.service"]])
    assert plan([started], status={"a.service": STOPPED}) == (["start a.service"], [["a.service"]])
    assert plan([replace(HELD, requires="/gone")], missing=["/gone"]) == ([], [])


def test_units_that_come_with_the_tree_are_loaded_first():
    items = [Item(unit="new.service", enabled=True, state="started")]
    done = plan(items, ["/etc/systemd/system/new.service"], {"new.service": UNKNOWN})[0]
    assert done == ["daemon-reload systemd", "enable new.service", "start new.service"]


def test_commands_of_changes():
    items = [Item(command=("a b", "c")), Item(unit="-x.service", on_change="reload")]
    changes = activation.plan_activation(
        items, ["/etc/systemd/system/x"], lambda units: dict.fromkeys(units, RUNNING), bool
    )
    assert [activation.argv(change) for change in changes] == [
        ("systemctl", "daemon-reload"),
        ("a b", "c"),
        ("systemctl", "reload", "--", "-x.service"),
    ]


def test_undoing_takes_opposites_backwards_and_repeats_the_rest():
    items = [
        Item(unit="a.service", enabled=True, state="started"),
        Item(command=("x",)),
        Item(unit="b.service", on_change="reload"),
    ]
    status = {"a.service": STOPPED, "b.service": RUNNING}
    changes = activation.plan_activation(
        items, ["/etc/systemd/system/a.service"], lambda units: {u: status[u] for u in units}, bool
    )
    assert [activation.sentence(change) for change in activation.undoing(changes)] == [
        "daemon-reload systemd",
        "stop a.service",
        "disable a.service",
        "x",
        "reload b.service",
    ]


def test_systemctls_answer_is_read_in_order(monkeypatch):
    blocks = (
        "LoadState=loaded\nActiveState=active\nUnitFileState=enabled",
        "LoadState=not-found\nActiveState=inactive",
    )
    answer = "\n\n".join(blocks)
    monkeypatch.setattr(activation.commands, "run", lambda command: Outcome(tuple(command), 0, answer))
    assert activation.read_units(["a.service", "b.service"]) == {"a.service": RUNNING, "b.service": UNKNOWN}


def test_a_systemd_that_does_not_answer_is_an_error(monkeypatch):
    monkeypatch.setattr(activation.commands, "run", lambda command: Outcome(tuple(command), 1, "no bus"))
    with pytest.raises(TreeError, match="no bus"):
        activation.read_units(["a.service"])
    with pytest.raises(TreeError, match=r"systemctl reload -- a\.service failed with code 1: no bus"):
        activation.apply(activation.Change("reload", "a.service"))
