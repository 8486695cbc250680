"""Trees and hosts for the tests of config_tree; owners are those of whoever runs the tests."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree import activation, guard
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.activation import UnitStatus
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.commands import Outcome
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.engine import Request, Run
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.entries import (
    DIRECTORY,
    FILE,
    LINK,
    Entry,
    Tree,
)
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.files import Files

ME = pwd.getpwuid(os.geteuid()).pw_name
MANIFEST = "/var/lib/groundwork/config_tree/demo.json"
MY_GROUP = grp.getgrgid(os.getegid()).gr_name


def a_file(path: str, content: bytes = b"content\n", mode: int = 0o644, secret: bool = False) -> Entry:
    return Entry(path, FILE, ME, MY_GROUP, mode, content, secret=secret)


def a_link(path: str, target: str) -> Entry:
    return Entry(path, LINK, ME, MY_GROUP, target=target)


def a_directory(path: str, mode: int = 0o755) -> Entry:
    return Entry(path, DIRECTORY, ME, MY_GROUP, mode)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a host that has nothing but /etc."""
    (tmp_path / "etc").mkdir()
    return tmp_path


@pytest.fixture
def files(root: Path) -> Files:
    return Files(str(root), durable=False)


@pytest.fixture
def listing(root: Path) -> Callable[[], list[str]]:
    """Every path on the host but directories, relative to its root."""

    def paths() -> list[str]:
        return sorted(
            "/" + str(p.relative_to(root)) for p in root.rglob("*") if p.is_symlink() or not p.is_dir()
        )

    return paths


@pytest.fixture
def run(files):
    warnings = []

    def execute(*entries, **request):
        request.setdefault("show_diff", True)
        execute.warnings = warnings
        return Run(Request("demo", Tree(entries), **request), warnings.append, files).execute()

    return execute


@pytest.fixture
def systemctl(monkeypatch):
    """Stands for systemd: every unit runs; calls are recorded; those in ``broken`` fail."""

    systemd = SimpleNamespace(calls=[], broken=set(), status=UnitStatus("loaded", "active", "enabled"))

    def answer(command, *_seconds):
        text = " ".join(command)
        systemd.calls.append(text)
        return Outcome(
            tuple(command), 1 if text in systemd.broken else 0, "refused" if text in systemd.broken else ""
        )

    monkeypatch.setattr(activation.commands, "run", answer)
    monkeypatch.setattr(activation, "systemd_runs", lambda: True)
    monkeypatch.setattr(guard, "systemd_runs", lambda: True)
    monkeypatch.setattr(activation, "read_units", lambda units: dict.fromkeys(units, systemd.status))
    return systemd
