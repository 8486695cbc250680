"""Taking away: what is not selected any more, and all of it."""

from __future__ import annotations

import threading

from tests.integration.addons.catalogs import custom, definition
from tests.integration.addons.world import SYSTEM, World


def with_kinds(world: World, keep: bool = True) -> None:
    held = custom("Colour", "held")
    held["metadata"]["finalizers"] = ["tests.example.com/hold"]
    world.catalog.addon(
        "kinds",
        crds={"from": "files", "files": ["crds/colour.yml"], "keep": keep},
        files={"crds/colour.yml": definition("Colour"), "resources/held.yml": held},
    )
    world.catalog.addon("house", needs=["kinds"])


def let_go(world: World) -> threading.Timer:
    """A controller that does its part once the object is being deleted."""

    def work() -> None:
        found = world.get("colours.tests.example.com", "held")
        if found is not None and found["metadata"].get("deletionTimestamp"):
            patch = '--patch={"metadata":{"finalizers":null}}'
            world.kubectl("patch", "colours", "held", "--namespace=addons", "--type=merge", patch)
        elif found is not None:
            let_go(world)

    timer = threading.Timer(0.3, work)
    timer.start()
    return timer


def test_what_is_not_selected_any_more_stays_without_prune(world: World) -> None:
    world.catalog.addon("one")
    world.catalog.addon("two")
    world.run("one", "two")
    result = world.run("one")
    assert not result["changed"]
    assert result["unselected"] == ["two"]
    assert world.colour("two") == "red"


def test_prune_removes_it_as_the_plan_says(world: World) -> None:
    world.catalog.addon("one")
    world.catalog.addon("two")
    world.run("one", "two")
    told = world.run("one", prune=True, check=True, diff=True)
    assert [(change["kind"], change["key"]) for change in told["plan"]] == [("delete", "two")]
    assert [shown["after_header"] for shown in told["diff"]] == ["ConfigMap addons/two (delete)"]
    assert world.colour("two") == "red"
    assert world.run("one", prune=True)["addons"]["two"]["state"] == "removed"
    assert world.colour("two") is None
    assert (world.colour("one"), world.record("two")) == ("red", None)
    assert not world.run("one", prune=True)["changed"]


def test_what_conflicts_goes_before_what_replaces_it(world: World) -> None:
    world.catalog.addon("old")
    world.catalog.addon("new", conflicts=["old"])
    world.run("old")
    world.run("new", prune=True)
    removed = next(i for i, line in enumerate(world.lines) if line.startswith("old: removed"))
    assert world.lines.index("new: applying 1.0.0") > removed


def test_all_goes_in_reverse_and_definitions_stay(world: World) -> None:
    with_kinds(world)
    world.run("house", "kinds")
    timer = let_go(world)
    result = world.run(state="absent")
    timer.join()
    assert not result.get("failed"), result
    removed = [line.partition(":")[0] for line in world.lines if ": removed in" in line]
    assert removed == ["house", "kinds"]
    assert any("tests.example.com/hold" in line for line in world.lines)
    assert world.get("colours.tests.example.com", "held") is None
    assert world.get("customresourcedefinition", "colours.tests.example.com") is not None
    assert world.get("configmap", "groundwork-addons", SYSTEM) is None
    assert not world.run(state="absent")["changed"]


def test_definitions_go_where_that_is_asked_for(world: World) -> None:
    with_kinds(world)
    world.run("kinds")
    timer = let_go(world)
    result = world.run(state="absent", remove_crds=True)
    timer.join()
    assert not result.get("failed"), result
    assert world.get("customresourcedefinition", "colours.tests.example.com") is None
