"""config_tree on real hosts: what is laid down, what is shown, what comes back."""

from __future__ import annotations

import pytest

from .conftest import STATE, TreeRole

# Of these nothing differs by distribution, and molecule lays every role's tree down on both.
pytestmark = pytest.mark.parametrize("host", ["debian12"], indirect=True)


def test_a_first_check_shows_everything_and_changes_nothing(role: TreeRole):
    role.ship("etc/demo/a.conf.j2", "# {{ ansible_managed }}\non {{ inventory_hostname }}\n")
    role.spec(paths={"srv/demo/data/": {"type": "directory", "owner": "not-there-yet"}})
    activate = [{"unit": "not-there-yet.service", "enabled": True, "state": "started"}]
    validate = [
        {"command": ["/not/there/yet"]},
        {"command": ["grep", "-q", "Ansible managed", "/etc/demo/a.conf"]},
    ]
    result = role.run("--check", "--diff", activate=activate, validate=validate, guard={"seconds": 5})
    assert (result["changed"], result["guard"]) == (True, "unset")
    assert result["paths"] == ["/etc/demo/a.conf", "/srv/demo/data"]
    assert f"on {role.host.name}\n" in result["diff"][0]["after"]
    assert result["activated"] == ["enable not-there-yet.service", "start not-there-yet.service"]
    assert role.host.run("ls -d /etc/demo /srv/demo").stdout == ""
    assert role.host.run(f"ls {STATE}/config_tree/demo.json").returncode != 0


def test_a_tree_of_everything_is_laid_down_and_a_second_run_is_empty(role: TreeRole):
    role.ship("etc/demo/text.j2", "{% for n in [1, 2] %}\nline {{ n }}\n{% endfor %}\n")
    role.ship("etc/demo/binary", bytes(range(256)))
    role.ship("etc/demo/account.j2", "{{ item.name }}\n")
    role.ship("etc/demo/not-wanted", "x")
    (role.tree / "etc/demo/link").symlink_to("text")
    (role.tree / "srv/demo/empty-ones-are-not-shipped").mkdir(parents=True)
    role.spec(
        defaults={"mode": "0640"},
        paths={
            "etc/demo/account": {
                "each": [{"name": "ann"}, {"name": "bob"}],
                "path": "etc/demo/user-{{ item.name }}",
            },
            "etc/demo/not-wanted": {"when": "{{ 1 > 2 }}"},
            "etc/demo/zone": {"type": "link", "target": "/usr/share/zoneinfo/UTC"},
            "srv/demo/data/": {"type": "directory", "owner": "daemon", "group": "adm", "mode": "2750"},
        },
    )
    first = role.run()
    assert first["changed"] is True
    listing = role.host.output("cd / && find etc/demo srv/demo -printf '%p %y %m %u:%g %l\n' | sort")
    assert listing.splitlines() == [
        "etc/demo d 755 root:root ",
        "etc/demo/binary f 640 root:root ",
        "etc/demo/link l 777 root:root text",
        "etc/demo/text f 640 root:root ",
        "etc/demo/user-ann f 640 root:root ",
        "etc/demo/user-bob f 640 root:root ",
        "etc/demo/zone l 777 root:root /usr/share/zoneinfo/UTC",
        "srv/demo d 755 root:root ",
        "srv/demo/data d 2750 daemon:adm ",
    ]
    assert role.host.output("cat /etc/demo/text /etc/demo/user-*") == "line 1\nline 2\nann\nbob\n"
    assert role.host.output("od -An -v -tu1 /etc/demo/binary").split() == [str(n) for n in range(256)]
    second = role.run()
    assert (second["changed"], second["plan"], second["stats"]["calls"]) == (False, [], 0)


def test_a_directory_that_was_there_before_gets_a_mode_and_keeps_it(role: TreeRole):
    role.host.output("mkdir -m 0755 -p /etc/demo")
    role.ship("etc/demo/a", "x")
    role.spec(paths={"etc/demo/": {"mode": "0440", "directory_mode": "0750"}})
    assert role.run()["paths"] == ["/etc/demo", "/etc/demo/a"]
    assert role.host.output("stat -c '%a %U' /etc/demo /etc/demo/a") == "750 root\n440 root\n"
    assert role.run()["changed"] is False
    assert role.run(state="absent")["paths"] == ["/etc/demo/a"]
    assert role.host.output("stat -c %a /etc/demo") == "750\n"


def test_drift_is_shown_and_put_right(role: TreeRole):
    role.ship("etc/demo/a", "one\ntwo\n")
    role.run()
    role.host.output("echo three >> /etc/demo/a; chown daemon /etc/demo/a; chmod 0666 /etc/demo/a")
    result = role.run("--diff")
    attributes, text = result["diff"]
    assert (attributes["before"], attributes["after"]) == ("file daemon:root 0666\n", "file root:root 0644\n")
    assert (text["before"], text["after"]) == ("one\ntwo\nthree\n", "one\ntwo\n")
    assert role.host.output("stat -c '%U %a' /etc/demo/a") == "root 644\n"


def test_ownership_alone_is_a_change(role: TreeRole):
    role.ship("etc/demo/a", "x")
    role.run()
    role.host.output("chgrp daemon /etc/demo/a")
    assert role.run()["paths"] == ["/etc/demo/a"]


def test_files_come_and_go_and_others_are_left_alone(role: TreeRole):
    role.host.output(
        "mkdir -p /etc/demo && echo original > /etc/demo/replaced && chmod 0600 /etc/demo/replaced"
    )
    role.host.output("echo mine > /etc/demo/unowned")
    role.ship("etc/demo/replaced", "ours 1")
    role.ship("etc/demo/leaving", "x")
    role.ship("srv/demo/deep/leaving", "x")
    role.run()
    role.ship("etc/demo/replaced", "ours 2")
    role.run()
    for path in ("etc/demo/leaving", "srv/demo/deep/leaving"):
        role.withdraw(path)
    assert sorted(role.run()["paths"]) == ["/etc/demo/leaving", "/srv/demo/deep/leaving"]
    assert role.host.run("ls -d /srv/demo").returncode != 0
    role.withdraw("etc/demo/replaced")
    role.ship("etc/demo/other", "x")
    role.run()
    assert role.host.output("stat -c %a /etc/demo/replaced; cat /etc/demo/replaced") == "600\noriginal\n"
    assert role.run(state="absent")["paths"] == ["/etc/demo/other"]
    assert role.host.output("cd /etc/demo && ls") == "replaced\nunowned\n"
    assert role.host.run(f"ls {STATE}/config_tree/demo.json {STATE}/config_tree/backup/demo").stdout == ""
    assert role.run(state="absent")["changed"] is False


def test_absent_reloads_what_it_is_told(role: TreeRole):
    role.ship("etc/demo/a", "x")
    role.run()
    result = role.run(
        state="absent", activate=[{"command": ["touch", "/run/demo-gone"], "paths": ["etc/demo/"]}]
    )
    assert result["activated"] == ["touch /run/demo-gone"]
    role.host.output("ls /run/demo-gone")


def test_a_secret_is_nowhere_to_be_seen(role: TreeRole):
    word = "correct-horse-battery"
    role.ship("etc/demo/key.j2", f"token = {{{{ '{word}' }}}}\n")
    role.spec(paths={"etc/demo/key": {"secret": True}})
    refusing = [{"command": ["grep", "-v", "x", "/etc/demo/key", "/no-such-file"]}]
    results = [
        role.run("--diff", "-vvv", validate=refusing),
        role.run("--diff", "-vvv", "--check"),
        role.run("--diff", "-vvv"),
    ]
    assert [bool(result.get("failed")) for result in results] == [True, False, False]
    for result in results:
        assert word not in result["printed"]
    assert "(secret)" in results[0]["msg"]
    assert "(secret)" in results[2]["diff"][0]["after"]
    assert "_payload" not in results[2]["invocation"]["module_args"]
    assert (
        role.host.output("stat -c '%a %U' /etc/demo/key; cat /etc/demo/key") == f"600 root\ntoken = {word}\n"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one\n{% if %}\n", "templates/tree/etc/demo/a.j2:2: "),
        ("one\ntwo {{ not_defined }}\n", "templates/tree/etc/demo/a.j2:2: 'not_defined' is undefined"),
    ],
)
def test_a_broken_template_names_file_and_line(role: TreeRole, text: str, message: str):
    role.ship("etc/demo/a.j2", text)
    role.ship("etc/demo/b", "fine")
    result = role.run()
    assert result["failed"] is True
    assert message in result["msg"]
    assert role.host.run("ls /etc/demo").returncode != 0


def test_a_spec_that_matches_nothing_is_refused(role: TreeRole):
    role.ship("etc/demo/a", "x")
    role.spec(paths={"etc/demo/b": {"mode": "0600"}})
    assert "tree.yml: paths: etc/demo/b: nothing in the tree has this path" in role.run()["msg"]


def test_a_missing_owner_is_refused_before_anything_is_written(role: TreeRole):
    role.ship("etc/demo/a", "x")
    role.spec(paths={"etc/demo/a": {"owner": "nobody-there"}})
    assert "the host has no user nobody-there of /etc/demo/a" in role.run()["msg"]
    assert role.host.run("ls /etc/demo").returncode != 0
