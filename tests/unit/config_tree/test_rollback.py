"""The rollback script, run for real: it puts back, it can be run again, it loses and wins races."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.commands import SEARCH_PATH
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.files import Files
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.rollback import (
    Rollback,
    script,
    service,
    timer,
)

from .conftest import a_directory, a_file, a_link


@pytest.fixture
def host(tmp_path):
    """A folder with the kept files of a guard that is armed, and a systemctl that only records."""

    class Host:
        files = Files("/", durable=False)
        root = tmp_path
        directory = tmp_path / "rollback"
        log = tmp_path / "systemctl.log"

        def arm(self, before, **rollback):
            plan = Rollback({str(tmp_path / path): entry for path, entry in before.items()}, **rollback)
            (self.directory / "files").mkdir(parents=True)
            for number, entry in plan.kept().items():
                self.files.write(
                    type(entry)(**{**entry.__dict__, "path": f"{self.directory}/files/{number}"})
                )
            (self.directory / "armed").write_text("changed: things\n")
            text = script(
                plan,
                "demo",
                str(self.directory),
                "unit-demo",
                str(tmp_path / "units"),
                str(tmp_path / "confirmed/demo"),
            )
            self.script.write_text(text.replace(SEARCH_PATH, f"{tmp_path}/bin:{SEARCH_PATH}"))

        @property
        def script(self) -> Path:
            return tmp_path / "rollback.sh"

        def verb(self, *words):
            return subprocess.run(["sh", self.script, *words], capture_output=True, text=True, check=False)

        def path(self, name):
            return str(tmp_path / name)

    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/systemctl").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/systemctl.log\n')
    (tmp_path / "bin/systemctl").chmod(0o755)
    return Host()


def test_everything_is_put_back(host):
    old = {
        "file": a_file(host.path("file"), b"\0old\n", 0o640),
        "link": a_link(host.path("link"), "old target"),
        "dir": a_directory(host.path("dir"), 0o2750),
        "was a file": a_file(host.path("was a file"), b"x"),
        "was a dir": a_directory(host.path("was a dir")),
        "it's $(gone)": a_file(host.path("it's $(gone)"), b"back\n"),
        "new": None,
        "newdir": None,
    }
    made = frozenset({host.path("made"), host.path("made/deep")})
    host.arm(old, records={host.path("manifest"): None}, parents=made)
    for entry in (
        a_file(host.path("file"), b"new"),
        a_link(host.path("link"), "new target"),
        a_directory(host.path("dir"), 0o700),
        a_directory(host.path("was a file")),
        a_file(host.path("was a dir"), b"y"),
        a_file(host.path("new"), b"new"),
        a_directory(host.path("newdir")),
        a_directory(host.path("made")),
        a_directory(host.path("made/deep")),
        a_file(host.path("manifest"), b"{}"),
    ):
        host.files.write(entry)
    done = host.verb()
    assert (done.returncode, done.stderr) == (0, "")
    assert {name: host.files.read(host.path(name)) for name in old} == old
    assert host.files.read(host.path("made")) is None
    assert host.files.read(host.path("manifest")) is None
    assert "put back at 2" in (host.directory / "fired").read_text()


def test_the_manifest_and_the_backups_come_back(host):
    manifest = a_file(host.path("manifest"), b"{old}", 0o600)
    backup = a_file(host.path("backup/deep/a"), b"original", 0o600)
    host.arm({"new": None}, records={entry.path: entry for entry in (backup, manifest)})
    host.files.write(a_file(host.path("manifest"), b"{new}"))
    host.verb()
    assert host.files.read(manifest.path) == manifest
    assert host.files.read(backup.path) == backup


def test_commands_run_after_the_files_are_back_and_a_failing_one_stops_nothing(host):
    out = host.path("out")
    commands = [["false"], ["cp", host.path("file"), out], ["sh", "-c", f"echo done >>{out}"]]
    host.arm({"file": a_file(host.path("file"), b"old\n")}, commands=commands)
    done = host.verb("fire")
    assert done.returncode == 1
    assert "failed: false" in done.stdout
    assert (host.root / "out").read_text() == "old\ndone\n"
    assert (host.directory / "fired").exists()


def test_a_directory_that_is_in_use_by_then_stays(host):
    host.arm({"newdir": None})
    host.files.write(a_directory(host.path("newdir")))
    host.files.write(a_file(host.path("newdir/data")))
    assert host.verb().returncode == 0
    assert host.files.read(host.path("newdir/data")) is not None


def test_it_can_be_run_again_after_an_interruption(host):
    host.arm({"file": a_file(host.path("file"), b"old")})
    (host.directory / "armed").rename(host.directory / "firing")
    assert host.verb("disarm").stdout == "firing\n"
    assert host.verb("collect").stdout == "firing\n"
    assert host.verb().returncode == 0
    assert (host.root / "file").read_text() == "old"
    assert (host.directory / "fired").exists()


def test_a_disarmed_guard_puts_nothing_back(host):
    host.arm({"new": None})
    host.files.write(a_file(host.path("new")))
    assert host.verb("collect").stdout == "armed\n"
    assert host.verb("disarm").stdout == "disarmed\n"
    assert not host.directory.exists()
    assert (host.root / "confirmed/demo").exists(), "for whoever did not get the answer"
    assert host.verb("disarm").stdout == ""
    assert "nothing is armed" in host.verb().stdout
    assert host.files.read(host.path("new")) is not None
    assert "stop unit-demo.timer" in host.log.read_text()


def test_a_fired_guard_can_not_be_disarmed_and_is_collected_once(host):
    host.arm({"new": None})
    host.verb()
    assert host.verb("disarm").stdout == "fired\n"
    assert not (host.root / "confirmed").exists()
    collected = host.verb("collect").stdout.splitlines()
    assert collected[:2] == ["fired", "changed: things"]
    assert collected[2].startswith("put back at ")
    assert not host.directory.exists()
    assert host.verb("collect").stdout == ""


def test_units_are_removed_when_it_is_over(host):
    wants = host.root / "units/timers.target.wants"
    wants.mkdir(parents=True)
    for name in ("unit-demo.timer", "unit-demo.service"):
        (host.root / "units" / name).write_text("x")
    (wants / "unit-demo.timer").symlink_to("../unit-demo.timer")
    host.arm({"new": None})
    host.verb()
    assert [str(p.relative_to(host.root / "units")) for p in (host.root / "units").rglob("*")] == [
        "timers.target.wants"
    ]
    assert host.log.read_text().splitlines() == ["stop unit-demo.timer", "daemon-reload"]


def test_other_verbs_are_refused(host):
    host.arm({"new": None})
    assert host.verb("clean_units").returncode == 64
    assert not host.log.exists()


def test_the_script_is_clean_shell(host):
    host.arm({"file": a_file(host.path("file"))}, commands=[["nft", "delete table", "x"]])
    assert subprocess.run(["sh", "-n", host.script], check=False).returncode == 0


def test_units():
    assert "ExecStart=/bin/sh /d/rollback.sh fire" in service("demo", "/d")
    assert "OnActiveSec=7s" in timer("demo", 7)
