"""The manifest and the backups."""

from __future__ import annotations

import fcntl
import os
import stat

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree import (
    manifest as manifest_module,
)
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.entries import TreeError
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.manifest import (
    Manifest,
    Owned,
    Store,
)

from .conftest import a_directory, a_file, a_link


@pytest.fixture
def store(files):
    return Store(files, "demo")


def owned(store, *entries):
    return {entry.path: Owned(entry.type, store.back_up(entry)) for entry in entries}


def test_without_a_file_nothing_is_owned(store):
    assert store.read() == Manifest()


def test_what_is_written_is_read_back(store):
    backups = owned(store, a_file("/etc/a", mode=0o640), a_link("/etc/l", "x"), a_directory("/etc/d", 0o2700))
    written = Manifest({**backups, "/etc/n": Owned("file")}, frozenset({"/etc/p"}), frozenset({"/etc/a"}))
    store.write(written)
    assert store.read() == written


def test_the_manifest_is_private(store, root):
    store.write(Manifest({"/etc/a": Owned("file")}))
    path = root / "var/lib/groundwork/config_tree/demo.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"version": 2}', '{"version": 1, "entries": {"/a": {}}}']
)
def test_a_damaged_manifest_is_named(store, root, text):
    store.write(Manifest({"/etc/a": Owned("file")}))
    (root / "var/lib/groundwork/config_tree/demo.json").write_text(text)
    with pytest.raises(
        TreeError, match=r"the manifest /var/lib/groundwork/config_tree/demo\.json is damaged"
    ):
        store.read()


def test_a_manifest_that_owns_nothing_leaves_no_trace(store, listing):
    store.write(Manifest(owned(store, a_file("/etc/a", b"original"))))
    assert "/var/lib/groundwork/config_tree/backup/demo/etc/a" in listing()
    store.write(Manifest())
    store.write(Manifest())
    assert listing() == []


def test_backups_are_private_whatever_the_original_was(store, root):
    store.back_up(a_file("/etc/a", b"original", 0o644))
    kept = root / "var/lib/groundwork/config_tree/backup/demo/etc/a"
    assert (kept.read_text(), stat.S_IMODE(kept.stat().st_mode)) == ("original", 0o600)


def test_a_backup_comes_back_complete(store):
    for entry in (a_file("/etc/a", b"original", 0o640), a_link("/etc/l", "x"), a_directory("/etc/d")):
        assert store.backed_up(store.back_up(entry)) == entry


def test_a_missing_backup_is_named(store):
    kept = store.back_up(a_file("/etc/a"))
    store.forget_backup("/etc/a")
    with pytest.raises(TreeError, match="backup/demo/etc/a is missing"):
        store.backed_up(kept)


def test_a_forgotten_backup_takes_its_empty_directories_along(store, root):
    store.back_up(a_file("/etc/deep/er/a"))
    store.back_up(a_file("/etc/b"))
    store.forget_backup("/etc/deep/er/a")
    backup = root / "var/lib/groundwork/config_tree/backup/demo"
    assert sorted(str(p.relative_to(backup)) for p in backup.rglob("*")) == ["etc", "etc/b"]


def test_paths_of_other_trees_are_known(store, files):
    Store(files, "other").write(Manifest({"/etc/o": Owned("file")}))
    store.write(Manifest({"/etc/a": Owned("file")}))
    assert store.owners() == {"/etc/o": "other"}
    assert Store(files, "third").owners() == {"/etc/o": "other", "/etc/a": "demo"}


def test_without_a_state_directory_nobody_owns_anything(store):
    assert store.owners() == {}


def test_the_lock_keeps_others_out(store, root, monkeypatch):
    monkeypatch.setattr(manifest_module, "_LOCK_SECONDS", 0)
    state = root / "var/lib/groundwork/config_tree"
    with store.lock(create=True):
        descriptor = os.open(state, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(TreeError, match="another run has been working"), store.lock(create=False):
            pass
        os.close(descriptor)
    with store.lock(create=False):
        pass


def test_a_lock_for_a_removal_makes_nothing(store, listing, root):
    with store.lock(create=False):
        assert not (root / "var").exists()
