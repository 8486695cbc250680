"""Which changes come out, in which order, by which commands; and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.accounts.model import (
    Group,
    Host,
    RequestError,
    User,
    parse_request,
)
from ansible_collections.groundwork.platform.plugins.module_utils.accounts.plan import (
    CloseHome,
    DeleteGroup,
    DeleteJobs,
    EndSessions,
    Run,
    Step,
    missing_groups,
    plan_steps,
)

OLD = "$6$saltsalt$0123456789abcdef"
NEW = "$y$j9T$saltsalt$fedcba9876543210"
TODAY = 20000
YESTERDAY, TOMORROW = "2024-10-03", "2024-10-05"


def host(**differences: Any) -> Host:
    users = [
        User("root", 0, 0, "root", "/root", "/bin/bash", "*"),
        User("alice", 1000, 1000, "Alice", "/home/alice", "/bin/bash", OLD),
        User("bob", 1001, 1001, "Bob", "/home/bob", "/bin/sh", f"!{OLD}", TODAY),
    ]
    groups = [
        Group("root", 0),
        Group("sudo", 27, frozenset({"alice"})),
        Group("adm", 4, frozenset({"alice"})),
        Group("alice", 1000),
        Group("bob", 1001),
    ]
    fields: dict[str, Any] = {
        "users": {user.name: user for user in users},
        "groups": {group.name: group for group in groups},
        "homes": frozenset({"/root", "/home/alice", "/home/bob"}),
        "connected": frozenset({0}),
        "today": TODAY,
    }
    return Host(**{**fields, **differences})


def steps(target: Host | None = None, **options: Any) -> list[Step]:
    return plan_steps(parse_request(options), target or host())


def user(name: str = "alice", target: Host | None = None, **properties: Any) -> list[Step]:
    return steps(target, users=[{"name": name, **properties}])


def shown(planned: list[Step]) -> list[str]:
    return [f"{step.change.kind} {step.change.key}" for step in planned]


def commands(planned: list[Step]) -> list[str]:
    return [" ".join(action.argv) for step in planned for action in step.actions if isinstance(action, Run)]


def test_what_is_as_asked_is_left_alone() -> None:
    same = {
        "uid": 1000,
        "group": "alice",
        "groups": ["adm", "sudo"],
        "comment": "Alice",
        "home": "/home/alice",
        "shell": "/bin/bash",
        "password": OLD,
        "password_locked": False,
        "expires": "none",
    }
    assert not user(**same)
    assert not steps(
        groups=[{"name": "sudo", "gid": 27}, {"name": "ghost", "state": "absent"}], root_locked=True
    )
    assert not user("ghost", state="absent")


def test_what_is_not_given_is_left_alone() -> None:
    assert not user("alice")
    assert not user("bob")


def test_a_new_user_in_new_groups() -> None:
    planned = steps(
        groups=[{"name": "ops", "gid": 3000}, {"name": "svc", "system": True}],
        users=[
            {
                "name": "carol",
                "uid": 2000,
                "groups": ["ops", "sudo", "carol"],
                "comment": "Carol",
                "shell": "/bin/bash",
                "password": NEW,
                "expires": TOMORROW,
            },
            {"name": "svc", "system": True, "home": "/var/lib/svc"},
        ],
    )
    assert shown(planned) == ["create group ops", "create group svc", "create user carol", "create user svc"]
    assert commands(planned) == [
        "groupadd -g 3000 ops",
        "groupadd -r svc",
        "useradd -u 2000 -U -G ops,sudo -c Carol -s /bin/bash -m -K HOME_MODE=0700 carol",
        "chpasswd -e",
        "chage -E 20001 carol",
        "useradd -r -g svc -d /var/lib/svc -M -K PASS_MAX_DAYS=99999 svc",
    ]
    assert planned[2].actions[1] == Run(("chpasswd", "-e"), f"carol:{NEW}\n")
    assert NEW not in repr(planned)


@pytest.mark.parametrize(
    ("properties", "ages"), [({}, False), ({"password": "!"}, False), ({"password": NEW}, True)]
)
def test_only_a_password_that_there_is_grows_old(properties: dict[str, Any], ages: bool) -> None:
    assert ("PASS_MAX_DAYS=99999" not in commands(user("carol", **properties))[0]) == ages


def test_differing_properties_are_one_usermod() -> None:
    wanted = {"comment": "Alice Example", "shell": "/bin/sh", "groups": ["sudo"]}
    planned = user(**wanted)
    assert commands(planned) == ["usermod -c Alice Example -s /bin/sh -G sudo alice"]
    assert planned[0].change.before == {"comment": "Alice", "shell": "/bin/bash", "groups": ["adm", "sudo"]}
    assert planned[0].change.after == wanted


def test_groups_can_be_added_without_leaving_others() -> None:
    assert not user(groups=["sudo"], groups_exclusive=False)
    assert commands(user(groups=["sudo", "bob"], groups_exclusive=False)) == ["usermod -a -G bob alice"]


def test_no_groups_end_all_memberships() -> None:
    assert commands(user(groups=[])) == ["usermod -G  alice"]


def test_a_former_primary_group_becomes_a_supplementary_one_at_once() -> None:
    assert commands(user(group="adm", groups=["alice"])) == ["usermod -g adm -G alice alice"]


def test_home() -> None:
    assert commands(user(home="/srv/alice")) == ["usermod -d /srv/alice -m alice"]
    there = host(homes=frozenset({"/home/alice", "/srv/alice"}))
    assert commands(user(target=there, home="/srv/alice")) == ["usermod -d /srv/alice alice"]
    assert commands(user(target=host(homes=frozenset()))) == ["mkhomedir_helper alice 0077"]
    assert not user(target=host(homes=frozenset()), create_home=False)


@pytest.mark.parametrize(
    ("name", "properties", "expected"),
    [
        ("alice", {"password_locked": True}, ["usermod -L alice"]),
        ("alice", {"password": "!"}, ["usermod -L alice"]),
        ("bob", {"password_locked": False}, ["usermod -U bob"]),
        ("bob", {"password": OLD}, []),
        ("bob", {"password": "!"}, []),
    ],
)
def test_the_lock_of_a_password(name: str, properties: dict[str, Any], expected: list[str]) -> None:
    assert commands(user(name, **properties)) == expected


@pytest.mark.parametrize(
    ("name", "properties", "line"),
    [
        ("alice", {"password": NEW}, f"alice:{NEW}\n"),
        ("alice", {"password": NEW, "password_locked": True}, f"alice:!{NEW}\n"),
        ("bob", {"password": NEW}, f"bob:!{NEW}\n"),
        ("bob", {"password": NEW, "password_locked": False}, f"bob:{NEW}\n"),
    ],
)
def test_a_new_password_goes_to_standard_input(name: str, properties: dict[str, Any], line: str) -> None:
    (step,) = user(name, **properties)
    assert step.actions == (Run(("chpasswd", "-e"), line),)
    assert step.change.public()["after"] == {"password": "(secret, new)"}
    assert OLD not in repr(step)
    assert NEW not in repr(step)


def test_a_first_password_is_not_locked_by_the_mark_for_none() -> None:
    fresh = host(users={"dora": User("dora", 1002, 1002, "", "/home/bob", "/bin/sh", "!")})
    (step,) = user("dora", fresh, password=NEW)
    assert step.actions == (Run(("chpasswd", "-e"), f"dora:{NEW}\n"),)


def test_nothing_to_unlock() -> None:
    with pytest.raises(RequestError, match="there is no password to unlock"):
        steps(root_locked=False)
    with pytest.raises(RequestError, match="a new user needs a password for that"):
        user("carol", password_locked=False)


def test_expiry() -> None:
    assert commands(user(expires=TOMORROW)) == ["chage -E 20001 alice"]
    assert commands(user("bob", expires="none")) == ["chage -E -1 bob"]


def test_an_expired_user_has_its_sessions_ended_while_there_are_any() -> None:
    busy = host(busy=frozenset({1000}))
    assert shown(user(target=busy, expires=YESTERDAY)) == ["update user alice", "end_sessions user alice"]
    assert shown(user(target=busy, expires=TOMORROW)) == ["update user alice"]
    assert shown(user("bob", host(busy=frozenset({1001})), expires="2024-10-04")) == ["end_sessions user bob"]
    assert not user("bob", expires="2024-10-04")


def test_offboarding_closes_the_door_before_it_clears_the_room() -> None:
    planned = steps(
        host(busy=frozenset({1000}), jobs=frozenset({"alice"})),
        groups=[{"name": "alice", "state": "absent"}, {"name": "ops"}],
        users=[{"name": "carol"}, {"name": "alice", "state": "absent"}],
    )
    assert shown(planned) == [
        "lock user alice",
        "end_sessions user alice",
        "delete_jobs user alice",
        "delete user alice",
        "create group ops",
        "create user carol",
        "delete group alice",
    ]
    assert planned[0].actions == (Run(("usermod", "-L", "alice")), Run(("chage", "-E", "1", "alice")))
    assert planned[1].actions == (EndSessions("alice", 1000),)
    assert planned[2].actions == (DeleteJobs("alice", 1000),)
    assert planned[3].actions == (
        EndSessions("alice", 1000),
        CloseHome("/home/alice", 1000),
        Run(("userdel", "alice")),
    )
    assert planned[6].actions == (DeleteGroup("alice"),)


def test_a_home_is_removed_only_when_asked() -> None:
    (step,) = user("bob", state="absent", remove_home=True)
    assert step.actions == (EndSessions("bob", 1001), Run(("userdel", "-r", "bob")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"users": [{"name": "root", "state": "absent"}]},
            r"users\[root\] can't be removed: it is root, uid 0",
        ),
        ({"users": [{"name": "root", "expires": YESTERDAY}]}, r"users\[root\] can't expire"),
        (
            {"users": [{"name": "toor", "state": "absent"}]},
            r"users\[toor\] can't be removed: it is root, uid 0",
        ),
        ({"users": [{"name": "me", "state": "absent"}]}, "this connection to the host is the user's own"),
        ({"users": [{"name": "me", "expires": YESTERDAY}]}, r"users\[me\] can't expire: this connection"),
        ({"users": [{"name": "twin", "state": "absent"}]}, "it shares its uid 1000 with alice"),
        ({"groups": [{"name": "root", "state": "absent"}]}, "it is root's, gid 0"),
        ({"groups": [{"name": "alice", "state": "absent"}]}, "it is the primary group of alice"),
        ({"groups": [{"name": "new", "state": "absent"}], "users": [{"name": "new"}]}, "of the new user new"),
        ({"users": [{"name": "carol", "uid": 1001}]}, r"users\[carol\].uid is 1001: the user bob has it"),
        ({"groups": [{"name": "ops", "gid": 27}]}, r"groups\[ops\].gid is 27: the group sudo has it"),
    ],
)
def test_refusals(options: dict[str, Any], message: str) -> None:
    base = host()
    users = {
        **base.users,
        "toor": User("toor", 0, 0, "", "/root", "/bin/sh"),
        "me": User("me", 1500, 1500, "", "/home/me", "/bin/sh"),
        "twin": User("twin", 1000, 1500, "", "/home/twin", "/bin/sh"),
    }
    with pytest.raises(RequestError, match=message):
        steps(host(users=users, connected=frozenset({0, 1500})), **options)


def test_a_uid_is_free_once_its_user_leaves() -> None:
    planned = steps(users=[{"name": "carol", "uid": 1000}, {"name": "alice", "state": "absent"}])
    assert shown(planned)[-2:] == ["delete user alice", "create user carol"]


def test_groups_that_nobody_makes_are_named() -> None:
    request = parse_request(
        {
            "groups": [{"name": "ops"}, {"name": "adm", "state": "absent"}],
            "users": [
                {"name": "carol", "group": "nosuch", "groups": ["ops", "docker", "adm"]},
                {"name": "dave", "groups": ["carol"]},
                {"name": "erin", "groups": ["dave", "erin"]},
            ],
        }
    )
    assert missing_groups(request, host()) == [
        "users[carol].group is 'nosuch': no such group on the host or in groups",
        "users[carol].groups has 'docker': no such group on the host or in groups",
        "users[carol].groups has 'adm': no such group on the host or in groups",
        "users[dave].groups has 'carol': no such group on the host or in groups",
    ]
