"""Reading and writing: attributes, atomicity, and ways that are not safe."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.entries import Entry, TreeError
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.files import Files

from .conftest import a_directory, a_file, a_link


@pytest.mark.parametrize(
    "entry",
    [
        a_file("/etc/a", b"\0\xff binary"),
        a_file("/etc/a", b"", 0o600),
        a_file("/etc/a", mode=0o4755),
        a_link("/etc/a", "nowhere"),
        a_directory("/etc/a", 0o1770),
    ],
)
def test_what_is_written_is_read_back(files, entry):
    files.write(entry)
    assert files.read("/etc/a") == entry
    files.write(entry)
    assert files.read("/etc/a") == entry


def test_nothing_is_none(files):
    assert files.read("/etc/a") is None
    assert files.read("/etc/a/b") is None


def test_a_path_below_a_file_is_nothing(files):
    files.write(a_file("/etc/a"))
    assert files.read("/etc/a/b") is None


def test_special_files_are_refused(files, root):
    os.mkfifo(root / "etc/pipe")
    with pytest.raises(TreeError, match="/etc/pipe is neither a file nor a directory nor a symbolic link"):
        files.read("/etc/pipe")


def test_every_type_can_replace_every_other(files):
    kinds = [a_file("/etc/a"), a_link("/etc/a", "b"), a_directory("/etc/a")]
    for first in kinds:
        for second in kinds:
            files.write(first)
            files.write(second)
            assert files.read("/etc/a") == second
            files.remove("/etc/a")


def test_a_full_directory_is_never_replaced(files):
    files.write(a_directory("/etc/a"))
    files.write(a_file("/etc/a/b"))
    with pytest.raises(OSError):
        files.write(a_file("/etc/a"))
    assert files.read("/etc/a/b") == a_file("/etc/a/b")


def test_a_link_is_replaced_and_not_followed(files, root):
    (root / "elsewhere").write_text("untouched")
    (root / "etc/a").symlink_to(root / "elsewhere")
    files.write(a_file("/etc/a", b"new"))
    assert (root / "elsewhere").read_text() == "untouched"
    assert not (root / "etc/a").is_symlink()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(files, root, monkeypatch):
    files.write(a_file("/etc/a", b"old"))

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fchmod", full)
    with pytest.raises(OSError, match="No space left"):
        files.write(a_file("/etc/a", b"new"))
    assert (root / "etc/a").read_text() == "old"
    assert [path.name for path in (root / "etc").iterdir()] == ["a"]


def test_a_file_is_private_until_its_mode_is_set(files, monkeypatch):
    seen = []
    original = os.fchown

    def spy(descriptor, uid, gid):
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        original(descriptor, uid, gid)

    monkeypatch.setattr(os, "fchown", spy)
    files.write(a_file("/etc/a", b"secret", 0o600))
    assert seen == [0o600]


def test_an_unknown_owner_is_refused_or_tolerated(root):
    entry = Entry("/etc/a", "file", "no-such-user", "root", 0o644)
    with pytest.raises(TreeError, match="the host has no user no-such-user of /etc/a"):
        Files(str(root)).write(entry)
    Files(str(root), tolerant=True).write(Entry("/etc/a", "file", "no-such-user", "no-such-group", 0o644))
    assert (root / "etc/a").exists()


def test_parents_are_made_with_their_mode(files, root):
    assert files.missing_parents("/srv/a/b") == ["/srv", "/srv/a"]
    files.make_parents("/srv/a/b", 0o711)
    assert stat.S_IMODE((root / "srv/a").stat().st_mode) == 0o711
    assert files.missing_parents("/srv/a/b") == []


def test_removing_is_idempotent_and_spares_full_directories(files):
    files.write(a_file("/etc/a"))
    files.remove("/etc/a")
    files.remove("/etc/a")
    files.write(a_directory("/etc/d"))
    files.write(a_file("/etc/d/x"))
    assert files.remove_empty("/etc/d") is False
    files.remove("/etc/d/x")
    assert files.remove_empty("/etc/d") is True
    assert files.remove_empty("/etc/d") is True


def test_a_removed_link_takes_nothing_with_it(files, root):
    (root / "dir").mkdir()
    (root / "etc/l").symlink_to(root / "dir")
    files.remove("/etc/l")
    assert (root / "dir").is_dir()


def test_leftovers_of_an_interrupted_write_are_swept(files, root):
    (root / "etc/.groundwork-0123").write_text("part")
    (root / "etc/other").write_text("kept")
    files.sweep("/etc")
    files.sweep("/missing")
    assert [path.name for path in (root / "etc").iterdir()] == ["other"]


@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_a_way_that_everyone_can_write_is_refused(files, root, mode):
    (root / "etc/open").mkdir()
    (root / "etc/open").chmod(mode)
    with pytest.raises(TreeError, match="/etc/open/a: /etc/open can be written by"):
        files.check_way(a_file("/etc/open/a"))


def test_a_sticky_directory_is_safe_enough(files, root):
    (root / "shared").mkdir()
    (root / "shared").chmod(0o1777)
    files.check_way(a_file("/shared/a"))


def test_a_way_that_does_not_exist_yet_is_safe(files):
    files.check_way(a_file("/new/deep/a"))


def test_a_file_on_the_way_is_refused(files):
    files.write(a_file("/etc/a"))
    with pytest.raises(TreeError, match="/etc/a is not a directory"):
        files.check_way(a_file("/etc/a/b"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_way_through_somebody_elses_directory_is_for_his_files_only(files, root):
    (root / "home").mkdir()
    os.chown(root / "home", 1234, 1234)
    with pytest.raises(TreeError, match="/home can be written by 1234:1234"):
        files.check_way(a_file("/home/a"))
    files.check_way(Entry("/home/a", "file", "1234", "1234", 0o644))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_link_of_somebody_else_on_the_way_is_refused(files, root):
    (root / "real").mkdir()
    (root / "etc/l").symlink_to("../real")
    files.check_way(a_file("/etc/l/a"))
    os.lchown(root / "etc/l", 1234, 1234)
    with pytest.raises(TreeError, match="/etc/l is a symbolic link owned by uid 1234"):
        files.check_way(a_file("/etc/l/a"))
