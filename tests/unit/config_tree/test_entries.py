"""Entries, and the form in which a tree travels."""

from __future__ import annotations

import base64
import zlib

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.entries import (
    Accounts,
    Entry,
    Tree,
    TreeError,
    pack,
    unpack,
)

TREE = Tree(
    (
        Entry("/etc/a", "file", "root", "adm", 0o640, b"text \xc3\xa9\n"),
        Entry("/etc/b", "file", "root", "root", 0o600, bytes(range(256)), secret=True),
        Entry("/etc/empty", "file", "root", "root", 0o644),
        Entry("/etc/l", "link", "root", "root", None, target="a\nb"),
        Entry("/var/d", "directory", "1000", "1000", 0o2750),
    ),
    0o711,
)


def test_a_tree_arrives_as_it_was_sent():
    assert unpack(pack(TREE)) == TREE


def test_an_empty_tree_arrives_too():
    assert unpack(pack(Tree())) == Tree()


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        "%%%",
        "bm90IHpsaWI=",
        pack(TREE)[:-20],
        base64.b64encode(zlib.compress(b'{"entries": 1}\n')).decode(),
    ],
)
def test_a_damaged_tree_is_refused(damaged):
    with pytest.raises(TreeError, match="did not arrive whole"):
        unpack(damaged)


def test_content_never_shows_in_an_entry():
    assert "hunter2" not in repr(Entry("/a", "file", content=b"hunter2"))


def test_fingerprints_tell_content_mode_owner_and_target():
    entry = TREE.entries[0]
    assert set(entry.fingerprint()) == {"type", "owner", "group", "mode", "sha256"}
    assert TREE.entries[3].fingerprint() == {
        "type": "link",
        "owner": "root",
        "group": "root",
        "target": "a\nb",
    }
    assert TREE.entries[4].attributes()["mode"] == "2750"


def test_accounts_by_name_and_number():
    accounts = Accounts()
    assert (accounts.uid("root"), accounts.gid("root"), accounts.uid("1234")) == (0, 0, 1234)
    assert (accounts.uid("no-such-user"), accounts.gid("no-such-group")) == (None, None)
    assert (accounts.user(0), accounts.user(4123456789), accounts.group(4123456789)) == (
        "root",
        "4123456789",
        "4123456789",
    )


def test_names_are_those_that_the_host_shows():
    assert Accounts().canonical(Entry("/a", "file", "0", "0")).owner == "root"
    assert Accounts().canonical(Entry("/a", "file", "no-such-user", "0")).owner == "no-such-user"


def test_unknown_accounts_are_named_with_their_path():
    entries = [Entry("/a", "file", "no-such-user", "root"), Entry("/b", "file", "root", "no-such-group")]
    assert Accounts().unknown(entries) == ["group no-such-group of /b", "user no-such-user of /a"]
