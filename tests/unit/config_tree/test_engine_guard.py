"""Guarded runs on a host below a folder: what is armed, what is kept, what an earlier rollback means."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree import engine, guard
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.activation import Item
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.engine import RunError
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.guard import Guard

from .conftest import MANIFEST, a_file


def test_a_guard_is_armed_before_files_are_replaced(run, files, root, systemctl):
    files.write(a_file("/etc/a", b"old"))
    result = run(
        a_file("/etc/a", b"new"), items=[Item(command=("apply",))], guard=Guard(42, (("undo", "it"),))
    )
    assert result["guard"] == "armed"
    unit = "groundwork-rollback-demo.timer"
    assert systemctl.calls == [
        "systemctl daemon-reload",
        f"systemctl start {unit}",
        "apply",
        f"systemctl restart {unit}",
    ]
    assert "OnActiveSec=42s" in (root / "etc/systemd/system" / unit).read_text()
    assert (root / "etc/systemd/system/timers.target.wants" / unit).is_symlink()
    rollback = root / "var/lib/groundwork/rollback/demo"
    assert (rollback / "files/0").read_text() == "old"
    assert "attempt undo it" in (rollback / "rollback.sh").read_text()
    assert (rollback / "armed").read_text() == "changed: /etc/a\n"


def test_without_a_change_nothing_is_armed(run, systemctl):
    run(a_file("/etc/a"))
    assert run(a_file("/etc/a"), guard=Guard(10))["guard"] == "unset"
    assert systemctl.calls == []


def test_a_guard_that_can_not_be_armed_changes_nothing(run, listing, systemctl):
    systemctl.broken.add("systemctl start groundwork-rollback-demo.timer")
    with pytest.raises(RunError, match="systemctl start"):
        run(a_file("/etc/a"), guard=Guard(10))
    assert listing() == []


def test_a_failing_activation_disarms_the_guard(run, listing, systemctl):
    systemctl.broken.add("apply")
    with pytest.raises(RunError, match="previous files are back"):
        run(a_file("/etc/a"), items=[Item(command=("apply",))], guard=Guard(10))
    assert listing() == []


def test_the_rollback_keeps_the_backups_that_the_change_gives_up(run, files, root, systemctl):
    files.write(a_file("/etc/a", b"original", 0o600))
    files.write(a_file("/etc/equal", b"equal"))
    run(a_file("/etc/a", b"ours"), a_file("/etc/equal", b"equal"))
    manifest = (root / MANIFEST[1:]).read_text()
    run(absent=True, guard=Guard(10))
    rollback = root / "var/lib/groundwork/rollback/demo"
    assert (rollback / "armed").read_text() == "changed: /etc/a\n"
    kept = sorted(file.read_text() for file in (rollback / "files").iterdir())
    assert kept == sorted(["ours", "original", "equal", manifest])


def test_an_unconfirmed_change_of_an_earlier_run_is_put_back_first(run, files, systemctl, monkeypatch):
    files.write(a_file("/etc/a", b"good"))
    run(a_file("/etc/a", b"first"), guard=Guard(10))
    assert "is armed" in (run(a_file("/etc/a", b"x"), check_mode=True) and run.warnings.pop())

    def fire(sentry):
        files.write(a_file("/etc/a", b"good"))
        files.remove(MANIFEST)
        Path(files.real(f"{sentry.directory}/armed")).rename(files.real(f"{sentry.directory}/fired"))

    monkeypatch.setattr(guard.Sentry, "fire", fire)
    run(a_file("/etc/a", b"second"), guard=Guard(10))
    assert run.warnings == ["demo: an earlier change was not confirmed: changed: /etc/a"]
    kept = files.read("/var/lib/groundwork/rollback/demo/files/0")
    assert kept.content == b"good"


def test_a_rollback_that_has_fired_is_reported_once(run, files, systemctl, root):
    files.make_parents("/var/lib/groundwork/rollback/demo/fired", 0o700)
    files.write(a_file("/var/lib/groundwork/rollback/demo/fired", b"changed: /etc/a\nput back at noon\n"))
    run(a_file("/etc/b"))
    run(a_file("/etc/b"))
    assert run.warnings == ["demo: an earlier change was not confirmed: changed: /etc/a; put back at noon"]
    assert not (root / "var/lib/groundwork/rollback/demo").exists()


def test_a_rollback_during_the_activation_is_not_undone_twice(run, files, systemctl, monkeypatch):
    def restarted(sentry):
        Path(files.real(f"{sentry.directory}/armed")).rename(files.real(f"{sentry.directory}/fired"))
        raise engine.TreeError("guard.seconds is too short for it")

    monkeypatch.setattr(guard.Sentry, "restart_clock", restarted)
    with pytest.raises(RunError, match="too short for it\nThe guard has put the previous files back"):
        run(a_file("/etc/a"), guard=Guard(10))
