"""Which paths change, what happens to those that are no longer shipped, what is never touched."""

from __future__ import annotations

import os

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.entries import (
    Entry,
    Tree,
    TreeError,
)
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.manifest import (
    Manifest,
    Owned,
    Store,
)
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.planning import (
    owned_after,
    owned_during,
    plan_files,
)

from .conftest import a_directory, a_file, a_link


@pytest.fixture
def store(files):
    return Store(files, "demo")


@pytest.fixture
def planned(files, store):
    def plan(*entries, owned=None):
        return plan_files(Tree(entries), Manifest(owned or {}), files, store)

    return plan


def kinds(plan):
    return [(change.kind, change.key) for change in plan.changes]


def test_new_changed_and_equal(planned, files):
    files.write(a_file("/etc/changed", b"old"))
    files.write(a_file("/etc/equal"))
    owned = {"/etc/changed": Owned("file"), "/etc/equal": Owned("file")}
    plan = planned(a_file("/etc/changed", b"new"), a_file("/etc/equal"), a_file("/etc/new"), owned=owned)
    assert kinds(plan) == [("update", "/etc/changed"), ("create", "/etc/new")]
    assert plan.paths() == ["/etc/changed", "/etc/new"]


@pytest.mark.parametrize(
    "desired",
    [a_file("/etc/a", mode=0o600), a_link("/etc/a", "b"), Entry("/etc/a", "file", "4321", "4321", 0o644)],
)
def test_mode_type_and_owner_alone_are_changes(planned, files, desired):
    files.write(a_file("/etc/a"))
    assert kinds(planned(desired, owned={"/etc/a": Owned("file")})) == [("update", "/etc/a")]


def test_numbers_and_names_of_one_owner_are_equal(planned, files):
    files.write(a_file("/etc/a"))
    desired = Entry("/etc/a", "file", str(os.geteuid()), str(os.getegid()), 0o644, b"content\n")
    assert kinds(planned(desired, owned={"/etc/a": Owned("file")})) == []


def test_an_equal_file_that_nobody_owned_is_adopted_and_no_path_changes(planned, files):
    files.write(a_file("/etc/a"))
    plan = planned(a_file("/etc/a"))
    assert (kinds(plan), plan.paths()) == ([("adopt", "/etc/a")], [])


def test_what_is_no_longer_shipped_is_deleted_backwards(planned, files):
    files.write(a_directory("/etc/d"))
    files.write(a_file("/etc/d/x"))
    owned = {"/etc/d": Owned("directory"), "/etc/d/x": Owned("file")}
    assert kinds(planned(owned=owned)) == [("delete", "/etc/d/x"), ("delete", "/etc/d")]


def test_a_directory_with_other_content_is_only_released(planned, files):
    files.write(a_directory("/etc/d"))
    files.write(a_file("/etc/d/other"))
    plan = planned(owned={"/etc/d": Owned("directory")})
    assert (kinds(plan), plan.paths()) == ([("release", "/etc/d")], [])


def test_a_directory_that_was_there_before_is_released_as_it_is(planned, files, store):
    kept = store.back_up(a_directory("/etc/d", 0o755))
    files.write(a_directory("/etc/d", 0o750))
    plan = planned(owned={"/etc/d": Owned("directory", kept)})
    assert (kinds(plan), plan.paths()) == ([("release", "/etc/d")], [])


def test_what_is_gone_already_is_released(planned):
    assert kinds(planned(owned={"/etc/a": Owned("file")})) == [("release", "/etc/a")]


def test_a_backup_is_put_back(planned, files, store):
    original = a_file("/etc/a", b"original", 0o600)
    kept = store.back_up(original)
    files.write(a_file("/etc/a", b"ours"))
    plan = planned(owned={"/etc/a": Owned("file", kept)})
    assert kinds(plan) == [("restore", "/etc/a")]
    assert plan.after["/etc/a"] == original


def test_a_backup_that_equals_what_is_there_is_released(planned, files, store):
    files.write(a_file("/etc/a"))
    assert kinds(planned(owned={"/etc/a": Owned("file", store.back_up(a_file("/etc/a")))})) == [
        ("release", "/etc/a")
    ]


def test_unowned_files_are_not_in_the_plan(planned, files):
    files.write(a_file("/etc/other"))
    assert "/etc/other" not in planned(a_file("/etc/a")).before


def test_a_directory_in_the_place_of_a_file_is_refused(planned, files):
    files.write(a_directory("/etc/a"))
    with pytest.raises(TreeError, match="/etc/a is to be a file, but is a directory on the host"):
        planned(a_file("/etc/a"))


def test_another_trees_path_is_refused(planned, files):
    Store(files, "other").write(Manifest({"/etc/a": Owned("file")}))
    with pytest.raises(TreeError, match="/etc/a already belongs to the tree other"):
        planned(a_file("/etc/a"))


def test_a_secrets_digest_is_never_in_the_plan(planned, files):
    files.write(a_file("/etc/key", b"old"))
    change = planned(
        a_file("/etc/key", b"new", 0o600, secret=True), owned={"/etc/key": Owned("file")}
    ).changes[0]
    assert change.before["sha256"] == change.after["sha256"] == "(secret)"
    assert (change.before["mode"], change.after["mode"]) == ("0644", "0600")


def test_what_will_exist(planned, files):
    files.write(a_file("/etc/there"))
    files.write(a_file("/etc/leaving"))
    plan = planned(a_file("/srv/a/new"), owned={"/etc/leaving": Owned("file")})
    exist = {
        path: plan.will_exist(files, path)
        for path in ("/etc/there", "/etc/leaving", "/srv/a", "/srv/a/new", "/no")
    }
    assert exist == {
        "/etc/there": True,
        "/etc/leaving": False,
        "/srv/a": True,
        "/srv/a/new": True,
        "/no": False,
    }


def test_the_manifest_covers_old_and_new_until_all_is_done(files, store):
    files.write(a_file("/etc/old"))
    files.write(a_file("/etc/replaced", b"original"))
    before = Manifest({"/etc/old": Owned("file")}, pending=frozenset({"/etc/earlier"}))
    tree = Tree((a_file("/etc/replaced", b"ours"), a_file("/srv/a/new")))
    plan = plan_files(tree, before, files, store)
    during = owned_during(plan, before, store, tree)
    assert set(during.entries) == {"/etc/old", "/etc/replaced", "/srv/a/new"}
    assert during.pending == {"/etc/earlier", "/etc/old", "/etc/replaced", "/srv/a/new"}
    assert during.parents == {"/srv", "/srv/a"}
    assert store.backed_up(during.entries["/etc/replaced"].backup).content == b"original"
    after = owned_after(during, tree)
    assert set(after.entries) == {"/etc/replaced", "/srv/a/new"}
    assert (after.pending, after.parents) == (frozenset(), {"/srv", "/srv/a"})


def test_a_parent_that_nothing_needs_is_given_up(files, store):
    before = Manifest({"/srv/a/x": Owned("file")}, frozenset({"/srv", "/srv/a"}))
    tree = Tree((a_file("/srv/y"),))
    during = owned_during(plan_files(tree, before, files, store), before, store, tree)
    assert owned_after(during, tree).parents == {"/srv"}


def test_a_backup_is_taken_once(files, store):
    files.write(a_file("/etc/a", b"original"))
    tree = Tree((a_file("/etc/a", b"ours"),))
    first = owned_during(plan_files(tree, Manifest(), files, store), Manifest(), store, tree)
    files.write(a_file("/etc/a", b"drifted"))
    second = owned_during(plan_files(tree, first, files, store), first, store, tree)
    assert store.backed_up(second.entries["/etc/a"].backup).content == b"original"
