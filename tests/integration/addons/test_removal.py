"""Taking away: what is not selected any more, and all of it."""

from __future__ import annotations

import threading
from typing import Any

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


def test_what_another_addon_has_taken_over_is_left_to_it(world: World) -> None:
    world.catalog.addon("one")
    world.catalog.addon("two")
    moved = {"ConfigMap/addons/moved": {"apiVersion": "v1", "data": {"colour": "red"}}}
    world.run("one", "two", resources={"one": moved})
    assert not world.run("one", "two", resources={"two": moved}).get("failed")
    assert world.colour("moved") == "red"
    assert "ConfigMap/addons/moved" not in str(world.record("one"))
    # Somebody has taken it for their own.
    world.kubectl("label", "configmap", "moved", "--namespace=addons", "groundwork.platform/addon-")
    told = world.run("one", prune=True, check=True, diff=True)
    assert "ConfigMap addons/moved (delete)" not in {shown["after_header"] for shown in told["diff"]}
    world.run("one", prune=True)
    assert any(
        "ConfigMap addons/moved is of nobody of ours by now, and stays" in line for line in world.lines
    )
    assert world.colour("moved") == "red"


def test_what_a_run_that_failed_has_made_goes_too(world: World) -> None:
    """Of objects that are applied one after the other the last is refused; then nobody wants the addon."""
    made: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"colour": "red"}}
    made["metadata"] = {"name": "made", "namespace": "addons"}
    refused = {**made, "metadata": {"name": "refused", "namespace": "addons"}, "data": {"not valid": "x"}}
    world.catalog.addon(
        "one",
        crds={"from": "files", "files": ["crds/colour.yml"]},
        files={
            "crds/colour.yml": definition("Colour"),
            "resources/all.yml": [made, custom("Colour", "red"), refused],
        },
    )
    result = world.run("one")
    assert "one: failed: ConfigMap addons/refused:" in result["msg"]
    assert world.colour("made") == "red"
    gone = world.run(prune=True)
    assert not gone.get("failed"), gone
    assert (world.colour("made"), world.record("one")) == (None, None)
    assert world.get("colours.tests.example.com", "red") is None


def test_volumes_and_namespaces_stay(world: World) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "addons"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "beside"}}
    world.catalog.addon("one", files={"resources/data.yml": [space, claim]})
    world.run("one")
    told = world.run(state="absent", check=True, diff=True)
    assert [shown["after_header"] for shown in told["diff"]] == ["ConfigMap addons/one (delete)"]
    world.run(state="absent")
    assert world.colour("one") is None
    assert world.get("persistentvolumeclaim", "data") is not None
    found = world.get("namespace", "beside")
    assert found is not None and "deletionTimestamp" not in found["metadata"]
    world.kubectl("delete", "persistentvolumeclaim", "data", "--namespace=addons", "--wait=false")
    world.kubectl("delete", "namespace", "beside", "--wait=false")


def test_definitions_go_where_that_is_asked_for(world: World) -> None:
    with_kinds(world)
    world.run("kinds")
    timer = let_go(world)
    result = world.run(state="absent", remove_crds=True)
    timer.join()
    assert not result.get("failed"), result
    assert world.get("customresourcedefinition", "colours.tests.example.com") is None
