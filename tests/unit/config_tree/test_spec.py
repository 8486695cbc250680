"""The spec beside a tree: what it means, and what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.entries import TreeError
from ansible_collections.groundwork.platform.plugins.module_utils.config_tree.spec import (
    Shipped,
    Source,
    directory_mode,
    parse,
    parse_mode,
    resolve,
)


def render(value: Any, variables: Mapping[str, Any]) -> Any:
    """Stands for the template engine: ``$item`` is the item, ``$item.name`` one of its keys, ``$!`` fails."""
    if not isinstance(value, str):
        return value
    if value == "$!":
        raise ValueError("'nothing' is undefined")
    if value == "$item":
        return variables["item"]
    for key, text in variables.get("item", {}).items() if isinstance(variables.get("item"), dict) else ():
        value = value.replace(f"$item.{key}", str(text))
    return value


def sources(document: Any, *shipped: Shipped | str) -> list[Source]:
    things = [Shipped(thing, "file") if isinstance(thing, str) else thing for thing in shipped]
    return resolve(parse(document, "tree.yml"), things, "tree.yml", render)


def one(document: Any, *shipped: Shipped | str) -> Source:
    found = sources(document, *shipped)
    assert len(found) == 1
    return found[0]


def test_without_a_spec_files_are_roots_and_readable():
    assert one(None, "etc/motd") == Source("/etc/motd", "file", "root", "root", 0o644, file="etc/motd")


def test_templates_lose_their_suffix():
    source = one({}, "etc/motd.j2")
    assert (source.path, source.file) == ("/etc/motd", "etc/motd.j2")


def test_defaults_are_taken_and_a_rule_wins_over_them():
    document = {"defaults": {"owner": "app", "mode": "0640"}, "paths": {"etc/a": {"group": "adm"}}}
    source = one(document, "etc/a")
    assert (source.owner, source.group, source.mode) == ("app", "adm", 0o640)


def test_the_most_specific_rule_wins_for_each_key():
    document = {
        "paths": {
            "etc/": {"mode": "0600", "owner": "outer", "group": "outer"},
            "etc/app/": {"mode": "0640", "owner": "inner"},
            "etc/app/key": {"mode": "0400"},
        }
    }
    source = one(document, "etc/app/key")
    assert (source.owner, source.group, source.mode) == ("inner", "outer", 0o400)


def test_a_numeric_owner_is_one():
    assert one({"defaults": {"owner": 1000}}, "etc/a").owner == "1000"


def test_secret_files_are_private_by_default():
    source = one({"defaults": {"mode": "0644"}, "paths": {"etc/key": {"secret": True}}}, "etc/key.j2")
    assert (source.secret, source.mode) == (True, 0o600)


def test_a_secret_may_be_shared_with_a_group_but_not_with_everyone():
    assert one({"paths": {"etc/key": {"secret": True, "mode": "0640"}}}, "etc/key").mode == 0o640
    with pytest.raises(TreeError, match="etc/key: mode is 0644: a secret must not be open to everyone"):
        sources({"paths": {"etc/key": {"secret": True, "mode": "0644"}}}, "etc/key")


def test_everything_below_can_be_secret():
    document = {"paths": {"etc/keys/": {"secret": True}}}
    assert [source.mode for source in sources(document, "etc/keys/a", "etc/keys/b")] == [0o600, 0o600]


@pytest.mark.parametrize("value", [False, "false", "False", "no"])
def test_when_leaves_a_path_out(value):
    assert sources({"paths": {"etc/a": {"when": value}}}, "etc/a") == []


def test_when_of_a_directory_and_of_a_file_must_both_hold():
    for below, own, count in ((True, True, 1), (True, False, 0), (False, True, 0)):
        document = {"paths": {"etc/": {"when": below}, "etc/a": {"when": own}}}
        assert len(sources(document, "etc/a")) == count


def test_when_must_be_a_boolean():
    with pytest.raises(TreeError, match="etc/a: when is maybe: must be true or false"):
        sources({"paths": {"etc/a": {"when": "maybe"}}}, "etc/a")


def test_links_of_the_tree_stay_links():
    source = one({}, Shipped("etc/a", "link", "b"))
    assert (source.type, source.target, source.mode, source.file) == ("link", "b", None, None)


def test_links_and_directories_of_the_spec():
    document = {
        "defaults": {"directory_mode": "0711"},
        "paths": {
            "etc/localtime": {"type": "link", "target": "/usr/share/zoneinfo/UTC"},
            "var/lib/app/": {"type": "directory", "owner": "app", "mode": "0750"},
            "var/lib/other": {"type": "directory"},
        },
    }
    link, app, other = sources(document)
    assert (link.path, link.target) == ("/etc/localtime", "/usr/share/zoneinfo/UTC")
    assert (app.path, app.owner, app.mode) == ("/var/lib/app", "app", 0o750)
    assert (other.path, other.mode) == ("/var/lib/other", 0o711)


def test_a_mode_for_everything_below_is_not_for_directories():
    document = {"paths": {"var/": {"mode": "0640"}, "var/lib/": {"type": "directory"}}}
    directory, file = sources(document, "var/log")
    assert (directory.mode, file.mode) == (0o755, 0o640)


def test_a_rule_for_everything_below_can_give_the_directory_itself_a_mode():
    rule = {"mode": "0440", "directory_mode": "0750", "owner": "app", "group": "adm"}
    directory, file = sources({"paths": {"etc/app/": rule}}, "etc/app/sub/a")
    assert directory == Source("/etc/app", "directory", "app", "adm", 0o750)
    assert (file.path, file.owner, file.mode) == ("/etc/app/sub/a", "app", 0o440)


def test_the_mode_of_a_directory_is_not_for_the_directories_in_it():
    document = {
        "paths": {
            "etc/": {"directory_mode": "0711"},
            "etc/app/": {"type": "directory"},
            "etc/b/": {"directory_mode": "0700"},
        }
    }
    found = {source.path: source.mode for source in sources(document, "etc/b/a")}
    assert found == {"/etc": 0o711, "/etc/app": 0o755, "/etc/b": 0o700, "/etc/b/a": 0o644}


def test_a_directory_of_secrets_may_be_open_and_is_none_itself():
    document = {"paths": {"etc/keys/": {"secret": True, "directory_mode": "0755"}}}
    directory, key = sources(document, "etc/keys/a")
    assert (directory.mode, directory.secret, key.mode, key.secret) == (0o755, False, 0o600, True)


def test_when_leaves_the_directory_of_a_rule_out_too():
    assert sources({"paths": {"etc/app/": {"directory_mode": "0750", "when": False}}}, "etc/app/a") == []


def test_each_gives_one_file_per_item():
    document = {
        "paths": {
            "etc/sudoers.d/account": {
                "each": [{"name": "ann"}, {"name": "bob"}],
                "path": "etc/sudoers.d/$item.name",
            }
        }
    }
    ann, bob = sources(document, "etc/sudoers.d/account.j2")
    assert (ann.path, bob.path) == ("/etc/sudoers.d/ann", "/etc/sudoers.d/bob")
    assert ann.file == bob.file == "etc/sudoers.d/account.j2"
    assert ann.variables == {"item": {"name": "ann"}, "index": 0}


def test_each_of_nothing_gives_nothing_and_is_no_error():
    assert sources({"paths": {"etc/a": {"each": [], "path": "etc/$item.name"}}}, "etc/a.j2") == []


def test_each_works_for_links_too():
    document = {
        "paths": {
            "etc/alias": {"type": "link", "each": [{"n": "x"}], "path": "etc/$item.n", "target": "to-$item.n"}
        }
    }
    assert (one(document).path, one(document).target) == ("/etc/x", "to-x")


def test_when_can_depend_on_the_item():
    document = {
        "paths": {
            "etc/a": {
                "each": [{"n": "x", "on": True}, {"n": "y", "on": False}],
                "path": "etc/$item.n",
                "when": "$item.on",
            }
        }
    }
    assert [source.path for source in sources(document, "etc/a")] == ["/etc/x"]


def test_paths_come_sorted():
    assert [source.path for source in sources({}, "etc/b", "etc/a", "boot/z")] == [
        "/boot/z",
        "/etc/a",
        "/etc/b",
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "tree.yml: must be a mapping, not list"),
        ({"path": {}}, "tree.yml: unknown key path "),
        ({"defaults": {"user": "x"}}, "tree.yml: defaults: unknown key user "),
        ({"paths": []}, None),
        ({"paths": ["etc"]}, "tree.yml: paths: must be a mapping, not list"),
        ({"paths": {"etc/a": {"onwer": "x"}}}, "tree.yml: paths: etc/a: unknown key onwer "),
        ({"paths": {"etc/": {"each": []}}}, r"etc/ \(everything below\): unknown key each "),
        ({"paths": {"etc/a": {"directory_mode": "0750"}}}, "etc/a: unknown key directory_mode "),
        (
            {"paths": {"etc/a/": {"type": "directory", "directory_mode": "0750"}}},
            "etc/a/: unknown key directory_mode ",
        ),
        ({"paths": {"etc/a": {"type": "pipe"}}}, "etc/a: type is pipe: must be file, link or directory"),
        ({"paths": {"etc/a": {"type": "link"}}}, "etc/a: target belongs to type link"),
        ({"paths": {"etc/a": {"target": "x"}}}, "etc/a: target belongs to type link"),
        ({"paths": {"etc/a": {"each": []}}}, "etc/a: each needs path"),
        ({"paths": {"/etc/a": {}}}, "must be a path relative to the host's root"),
        ({"paths": {"etc/../a": {}}}, "must be a path relative to the host's root"),
    ],
)
def test_a_spec_of_the_wrong_shape_is_refused(document, message):
    if message is None:
        parse(document, "tree.yml")
        return
    with pytest.raises(TreeError, match=message):
        parse(document, "tree.yml")


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"paths": {"etc/b": {}}}, "tree.yml: paths: etc/b: nothing in the tree has this path"),
        (
            {"paths": {"etc/x/": {"mode": "0600"}}},
            "tree.yml: paths: etc/x/: nothing in the tree has this path",
        ),
        ({"paths": {"etc/a": {"mode": 420}}}, 'mode is 420: must be a quoted octal string such as "0644"'),
        ({"paths": {"etc/a": {"mode": "0698"}}}, "mode is 0698"),
        (
            {"paths": {"etc/": {"directory_mode": 750}}},
            "paths: etc/: directory_mode is 750: must be a quoted",
        ),
        (
            {"paths": {"etc/": {"directory_mode": "$!"}}},
            "paths: etc/: directory_mode: 'nothing' is undefined",
        ),
        (
            {"paths": {"etc/x/": {"directory_mode": "0750"}}},
            "tree.yml: paths: etc/x/: nothing in the tree has this path",
        ),
        (
            {"paths": {"etc/": {"directory_mode": "0750"}, "etc": {"type": "directory"}}},
            "/etc is given twice: by directory and directory",
        ),
        ({"paths": {"etc/a": {"owner": ""}}}, "owner is : must be a name or a number"),
        ({"paths": {"etc/a": {"owner": "$!"}}}, "etc/a: owner: 'nothing' is undefined"),
        ({"paths": {"etc/a": {"each": "text", "path": "x"}}}, "each is str: must be a list"),
        ({"paths": {"etc/a": {"each": [1], "path": "/x"}}}, "item 0: path is '/x'"),
        ({"paths": {"etc/a": {"each": [1], "path": "../x"}}}, "item 0: path is '../x'"),
        (
            {"paths": {"etc/a": {"each": [1, 2], "path": "etc/b"}}},
            "/etc/b is given twice: by etc/a and etc/a",
        ),
        ({"paths": {"etc/a": {"type": "directory"}}}, "/etc/a is given twice: by etc/a and directory"),
    ],
)
def test_values_that_can_not_be_are_refused(document, message):
    with pytest.raises(TreeError, match=message):
        sources(document, "etc/a")


def test_a_template_and_a_plain_file_of_one_name_are_refused():
    with pytest.raises(TreeError, match=r"/etc/a is given twice: by etc/a and etc/a\.j2"):
        sources({}, "etc/a", "etc/a.j2")


def test_the_mode_of_parent_directories():
    assert directory_mode(parse({}, "t"), "t", render) == 0o755
    assert directory_mode(parse({"defaults": {"directory_mode": "0700"}}, "t"), "t", render) == 0o700


@pytest.mark.parametrize(
    ("text", "mode"), [("0644", 0o644), ("644", 0o644), ("4755", 0o4755), ("1777", 0o1777)]
)
def test_modes(text, mode):
    assert parse_mode(text, "x") == mode
