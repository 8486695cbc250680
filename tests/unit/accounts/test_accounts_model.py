"""What the module takes, and what it refuses before it looks at the host."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.accounts.model import (
    NEVER,
    RequestError,
    User,
    UserSpec,
    parse_expiry,
    parse_request,
    show_expiry,
)

HASH = "$6$saltsalt$0123456789abcdef"


@pytest.mark.parametrize(("text", "days"), [("none", NEVER), ("1970-01-02", 1), ("2030-01-01", 21915)])
def test_expiry(text: str, days: int) -> None:
    assert parse_expiry(text) == days
    assert show_expiry(days) == text


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ({"name": "Alice"}, "users has 'Alice': a name is lower case"),
        ({"name": "alice", "uid": -1}, r"users\[alice\].uid is -1: must be from 0"),
        ({"name": "alice", "uid": 4294967295}, "must be from 0 to 4294967293"),
        ({"name": "alice", "expires": "tomorrow"}, r"users\[alice\].expires is 'tomorrow': must be a day"),
        ({"name": "alice", "expires": "2030-02-30"}, "must be a day as YYYY-MM-DD"),
        ({"name": "alice", "expires": "1970-01-01"}, "must be a day as YYYY-MM-DD"),
        ({"name": "alice", "comment": "a:b"}, "may hold no colon"),
        ({"name": "alice", "home": "home/alice"}, "must be an absolute path"),
        ({"name": "alice", "shell": "bash"}, "must be an absolute path"),
        ({"name": "alice", "groups": ["-G"]}, r"users\[alice\].groups has '-G'"),
        ({"name": "alice", "password": "!", "password_locked": False}, "they contradict"),
    ],
)
def test_bad_users(user: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        parse_request({"users": [user]})


@pytest.mark.parametrize("password", ["in clear", "", "$6$short", f"{HASH}:0:0", "x:y"])
def test_a_password_in_clear_is_refused_without_being_shown(password: str) -> None:
    with pytest.raises(RequestError, match="must be a crypt hash") as refusal:
        parse_request({"users": [{"name": "alice", "password": password}]})
    assert not password or password not in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"users": [{"name": "alice"}, {"name": "alice"}]}, "users has the name 'alice' more than once"),
        ({"users": [{"name": "a", "uid": 5}, {"name": "b", "uid": 5}]}, "users has the uid 5 more than once"),
        (
            {"groups": [{"name": "a", "gid": 5}, {"name": "b", "gid": 5}]},
            "groups has the gid 5 more than once",
        ),
        (
            {"users": [{"name": "root", "password_locked": True}], "root_locked": True},
            "only one of them can decide",
        ),
    ],
)
def test_contradictions(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        parse_request(options)


@pytest.mark.parametrize(
    ("given", "hash_", "locked"),
    [
        ({"password": HASH}, HASH, None),
        ({"password": f"!{HASH}"}, HASH, True),
        ({"password": "!"}, None, True),
    ],
)
def test_an_exclamation_mark_is_a_lock(given: dict[str, Any], hash_: str | None, locked: bool | None) -> None:
    (user,) = parse_request({"users": [{"name": "alice", **given}]}).users
    assert (user.password, user.password_locked) == (hash_, locked)


def test_system_users_get_no_home_unless_asked() -> None:
    users = parse_request(
        {
            "users": [
                {"name": "a", "system": True},
                {"name": "b"},
                {"name": "c", "system": True, "create_home": True},
            ]
        }
    ).users
    assert [user.create_home for user in users] == [False, True, True]


def test_root_locked_is_an_entry_of_users() -> None:
    assert parse_request({"root_locked": True}).users == (
        UserSpec("root", create_home=False, password_locked=True),
    )
    (root,) = parse_request({"users": [{"name": "root", "shell": "/bin/sh"}], "root_locked": False}).users
    assert (root.shell, root.password_locked) == ("/bin/sh", False)


def test_hashes_stay_out_of_representations() -> None:
    assert HASH not in repr(UserSpec("alice", password=HASH))
    assert HASH not in repr(User("alice", 1, 1, "", "/", "/bin/sh", HASH))
