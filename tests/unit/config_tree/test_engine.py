"""Whole runs on a host below a folder: what is done, in which order, and what a failure leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree import activation, engine
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.activation import (
    Item,
    UnitStatus,
)
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.commands import Outcome
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.engine import RunError
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.entries import Entry
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.guard import Guard
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.manifest import (
    Manifest,
    Owned,
    Store,
)
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.validation import RefusedError

from .conftest import MANIFEST, a_directory, a_file


def test_a_first_run_writes_and_a_second_does_nothing(run, listing, root):
    result = run(a_file("/etc/a"), a_file("/srv/b", mode=0o600), a_directory("/var/d"))
    assert result["changed"] is True
    assert result["paths"] == ["/etc/a", "/srv/b", "/var/d"]
    assert listing() == ["/etc/a", "/srv/b", MANIFEST]
    stamps = {path: Path(f"{root}{path}").stat().st_mtime_ns for path in listing()}
    again = run(a_file("/etc/a"), a_file("/srv/b", mode=0o600), a_directory("/var/d"))
    assert (again["changed"], again["plan"], again["diff"], again["stats"]["calls"]) == (False, [], [], 0)
    assert {path: Path(f"{root}{path}").stat().st_mtime_ns for path in listing()} == stamps


def test_check_mode_tells_all_and_writes_nothing(run, listing, root):
    result = run(a_file("/etc/a"), a_file("/srv/b"), check_mode=True)
    assert (result["changed"], result["paths"], len(result["diff"])) == (True, ["/etc/a", "/srv/b"], 2)
    assert listing() == []
    assert [path.name for path in root.iterdir()] == ["etc"]


def test_check_mode_tolerates_owners_that_another_task_makes(run):
    entry = Entry("/etc/a", "file", "no-such-user", "no-such-group", 0o644)
    assert run(entry, check_mode=True)["plan"][0]["after"]["owner"] == "no-such-user"
    with pytest.raises(RunError, match="no group no-such-group of /etc/a, no user no-such-user of /etc/a"):
        run(entry)


def test_an_unknown_owner_is_refused_before_anything_is_written(run, listing):
    with pytest.raises(RunError):
        run(a_file("/etc/a"), Entry("/etc/b", "file", "no-such-user", "root", 0o644))
    assert listing() == []


def test_a_diff_is_made_only_when_it_is_asked_for(run):
    assert run(a_file("/etc/a"), show_diff=False)["diff"] == []


def test_an_unmanaged_file_is_backed_up_once_and_comes_back(run, files, listing):
    original = a_file("/etc/a", b"original", 0o600)
    files.write(original)
    run(a_file("/etc/a", b"ours 1"))
    run(a_file("/etc/a", b"ours 2"))
    run()
    assert files.read("/etc/a") == original
    assert listing() == ["/etc/a"]


def test_adopting_an_equal_file_is_a_change_once(run, files):
    files.write(a_file("/etc/a"))
    result = run(a_file("/etc/a"))
    assert (result["changed"], result["paths"], result["activated"]) == (True, [], [])
    assert run(a_file("/etc/a"))["changed"] is False
    assert run()["changed"] is True
    assert files.read("/etc/a") == a_file("/etc/a")


def test_files_that_are_no_longer_shipped_go_with_the_directories_made_for_them(run, files, listing, root):
    run(a_file("/etc/a"), a_file("/srv/deep/er/b"), a_file("/etc/c"))
    files.write(a_file("/etc/unowned"))
    result = run(a_file("/etc/a"))
    assert [(c["kind"], c["key"]) for c in result["plan"]] == [
        ("delete", "/srv/deep/er/b"),
        ("delete", "/etc/c"),
    ]
    assert listing() == ["/etc/a", "/etc/unowned", MANIFEST]
    assert not (root / "srv").exists()


def test_a_directory_that_was_there_before_stays(run, root):
    (root / "srv").mkdir()
    run(a_file("/srv/a"))
    run()
    assert (root / "srv").is_dir()


def test_absent_removes_everything_and_leaves_no_trace(run, listing):
    run(a_file("/etc/a"), a_directory("/etc/d"))
    assert run(absent=True)["changed"] is True
    assert listing() == []
    assert run(absent=True)["changed"] is False


def test_commands_and_reloads_follow_the_paths(run, systemctl):
    items = [
        Item(unit="a.service", enabled=True, state="started", on_change="reload", paths=("etc/a",)),
        Item(command=("other",), paths=("etc/b",)),
    ]
    result = run(a_file("/etc/a"), items=items)
    assert result["activated"] == ["reload a.service"]
    assert systemctl.calls == ["systemctl reload -- a.service"]
    assert run(a_file("/etc/a"), items=items)["activated"] == []


def test_an_effect_that_somebody_took_away_is_brought_back(run, systemctl):
    items = [Item(unit="a.service", on_change="reload", holds=("look", "x"))]
    run(a_file("/etc/a"), items=items)
    assert run(a_file("/etc/a"), items=items)["changed"] is False
    systemctl.broken.add("look x")
    systemctl.calls.clear()
    planned = run(a_file("/etc/a"), items=items, check_mode=True)
    assert (planned["changed"], systemctl.calls) == (True, ["look x"])
    done = run(a_file("/etc/a"), items=items, guard=Guard(10))
    assert done["activated"] == planned["activated"] == ["reload a.service because look x failed"]
    assert (done["plan"][0]["before"], done["paths"], done["guard"]) == ({"failed": "look x"}, [], "unset")
    assert systemctl.calls == ["look x", "look x", "systemctl reload -- a.service"]


def test_a_program_that_is_missing_yet_holds_nothing(run, monkeypatch):
    monkeypatch.setattr(activation, "systemd_runs", lambda: True)
    running = UnitStatus("loaded", "active", "enabled")
    monkeypatch.setattr(activation, "read_units", lambda units: dict.fromkeys(units, running))
    items = [Item(unit="a.service", on_change="reload", paths=("etc/b",), holds=("/not/there/yet",))]
    result = run(a_file("/etc/a"), items=items, check_mode=True)
    assert result["activated"] == ["reload a.service because /not/there/yet failed"]


def test_an_interrupted_run_is_made_up_for(run, root, systemctl):
    run(a_file("/etc/a"))
    manifest = root / MANIFEST[1:]
    document = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**document, "pending": ["/etc/a"]}))
    (root / "etc/.groundwork-left").write_text("part of a file")
    items = [Item(unit="a.service", on_change="reload", paths=("etc/a",))]
    result = run(a_file("/etc/a"), items=items)
    assert (result["changed"], result["paths"], result["activated"]) == (True, [], ["reload a.service"])
    assert json.loads(manifest.read_text())["pending"] == []
    assert not (root / "etc/.groundwork-left").exists()
    assert run(a_file("/etc/a"), items=items)["changed"] is False


def test_the_manifest_says_what_is_pending_before_files_are_replaced(run, files, root, monkeypatch):
    class KilledError(BaseException):
        pass

    def killed(entry):
        if entry.path == "/etc/a":
            raise KilledError
        write(entry)

    write = files.write
    monkeypatch.setattr(files, "write", killed)
    with pytest.raises(KilledError):
        run(a_file("/etc/a"))
    assert json.loads((root / MANIFEST[1:]).read_text())["pending"] == ["/etc/a"]
    monkeypatch.undo()
    assert run(a_file("/etc/a"))["paths"] == ["/etc/a"]


def test_a_refusal_changes_nothing_and_tells_everything(run, files, listing, monkeypatch):
    files.write(a_file("/etc/a", b"old"))

    def refuse(*_arguments):
        raise RefusedError(Outcome(("check", "-x"), 3, "line 1: hunter22 is wrong"))

    monkeypatch.setattr(engine, "validate", refuse)
    with pytest.raises(RunError) as caught:
        run(a_file("/etc/a", b"hunter22", secret=True), a_file("/etc/b"))
    result = caught.value.result
    assert (result["rc"], result["command"], result["changed"]) == (3, ["check", "-x"], False)
    assert result["paths"] == ["/etc/a", "/etc/b"]
    assert "hunter22" not in str(result)
    assert "line 1: (secret) is wrong" in result["msg"]
    assert listing() == ["/etc/a"]


def test_a_failing_activation_puts_everything_back(run, files, listing, systemctl):
    files.write(a_file("/etc/replaced", b"original", 0o600))
    run(a_file("/etc/a", b"old"), a_file("/etc/leaving"))
    before = {path: files.read(path) for path in listing()}
    systemctl.broken.add("systemctl restart -- b.service")
    systemctl.calls.clear()
    items = [Item(unit="a.service", on_change="reload"), Item(unit="b.service", on_change="restart")]
    with pytest.raises(RunError) as caught:
        run(a_file("/etc/a", b"new"), a_file("/srv/new"), a_file("/etc/replaced", b"ours"), items=items)
    assert {path: files.read(path) for path in listing()} == before
    assert systemctl.calls == [
        "systemctl reload -- a.service",
        "systemctl restart -- b.service",
        "systemctl reload -- a.service",
        "systemctl restart -- b.service",
    ]
    message = caught.value.result["msg"]
    assert "restart b.service: systemctl restart -- b.service failed with code 1: refused" in message
    assert "The previous files are back, but activating them failed" in message


def test_a_failing_activation_of_a_first_run_leaves_a_bare_host(run, listing, systemctl, root):
    systemctl.broken.add("check")
    items = [Item(unit="a.service", on_change="reload"), Item(command=("check",))]
    systemctl.status = UnitStatus("loaded", "inactive", "disabled")
    items.insert(0, Item(unit="n.service", enabled=True, state="started"))
    with pytest.raises(RunError):
        run(a_file("/srv/a/b"), items=items)
    assert listing() == []
    assert not (root / "srv").exists()
    assert systemctl.calls == [
        "systemctl enable -- n.service",
        "systemctl start -- n.service",
        "check",
        "systemctl stop -- n.service",
        "systemctl disable -- n.service",
        "check",
    ]


def test_a_write_that_fails_puts_back_what_was_written(run, files, listing, monkeypatch):
    def full(entry):
        if entry.path == "/etc/z":
            raise OSError(28, "No space left on device")
        write(entry)

    write = files.write
    monkeypatch.setattr(files, "write", full)
    with pytest.raises(
        RunError, match=r"create /etc/z: .*No space left(.|\n)*previous files are back and active"
    ):
        run(a_file("/etc/a"), a_file("/etc/z"))
    assert listing() == []


def test_units_without_systemd_are_an_error_but_not_in_check_mode(run, listing, monkeypatch):
    monkeypatch.setattr(activation, "systemd_runs", lambda: False)
    items = [Item(unit="a.service", enabled=True, state="started")]
    assert run(a_file("/etc/a"), items=items, check_mode=True)["activated"] == [
        "enable a.service",
        "start a.service",
    ]
    with pytest.raises(
        RunError, match=r"activate names a\.service, but the host was not booted with systemd"
    ):
        run(a_file("/etc/a"), items=items)
    with pytest.raises(RunError, match="guard needs a host that was booted with systemd"):
        run(a_file("/etc/a"), guard=Guard(10))
    assert listing() == []
    assert run(a_file("/etc/a"), guard=Guard(10), check_mode=True)["guard"] == "unset"


@pytest.mark.parametrize("step", ["write", "forget_backup"])
@pytest.mark.parametrize(
    "error", [OSError("the disk is full"), KeyboardInterrupt()], ids=["failed", "killed"]
)
def test_a_run_that_ends_early_gives_up_no_backup(run, files, monkeypatch, step, error):
    def failing(_store, given):
        if given in ("/etc/a", Manifest({"/etc/b": Owned("file")})):
            raise error
        original(_store, given)

    files.write(a_file("/etc/a", b"original"))
    run(a_file("/etc/a", b"ours"), a_file("/etc/b"))
    original = getattr(Store, step)
    monkeypatch.setattr(Store, step, failing)
    with pytest.raises((RunError, KeyboardInterrupt)):
        run(a_file("/etc/b"))
    monkeypatch.undo()
    run(a_file("/etc/b"))
    assert files.read("/etc/a").content == b"original"
