"""The accounts module on real hosts: create, change, and send away those who are still logged in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import Played, RealHost

PLAY = Path(__file__).parent / "play.yml"
Converge = Callable[..., dict[str, Any]]

HASH = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"
OTHER_HASH = (
    "$6$othersal$tjUUJQjDTjJsAyKpIPCsGmQ7GPzgbcMSIXeY9lQBGaZqw5Z2HjxUTUpHgQw4VTxtFTqQGk5t9K8hB0cQNZ7Hy/"
)
ALICE = {
    "name": "alice",
    "uid": 2001,
    "groups": ["operators", "sudo"],
    "comment": "Alice Example",
    "shell": "/bin/bash",
    "password": HASH,
    "expires": "2099-12-31",
}


@pytest.fixture
def converge(host: RealHost, run_playbook: Callable[..., Played]) -> Converge:
    def run(*options: str, **arguments: Any) -> dict[str, Any]:
        extra = json.dumps({"arguments": arguments})
        played = run_playbook(PLAY, "--limit", host.name, "--extra-vars", extra, *options)
        for secret in (HASH, OTHER_HASH):
            printed = played.output.replace(json.dumps(arguments), "")
            assert secret not in printed
        results = played.results(host.name)
        assert results, played.output
        return results[-1][1]

    return run


@pytest.fixture
def clean(host: RealHost) -> Iterator[None]:
    command = (
        "pkill -KILL -u alice; pkill -KILL -u bob; sleep 0.2; userdel -rf alice; userdel -rf bob;"
        "userdel -f service; groupdel operators; rm -rf /home/alice /home/bob; passwd -l root"
    )
    host.run(command)
    yield
    host.run(command)


def plan(result: dict[str, Any]) -> list[str]:
    assert not result.get("failed"), result["msg"]
    return [f"{change['kind']} {change['key']}" for change in result["plan"]]


def log_in(host: RealHost, name: str) -> None:
    """A session with a process that survives the end of its terminal."""
    host.output(f"systemd-run --quiet --collect --property=Type=exec --uid={name} sleep 600; pgrep -u {name}")


@pytest.mark.usefixtures("clean")
def test_groups_and_users(host: RealHost, converge: Converge) -> None:
    arguments: dict[str, Any] = {
        "groups": [{"name": "operators", "gid": 3001}],
        "users": [ALICE, {"name": "service", "system": True, "shell": "/usr/sbin/nologin"}],
        "root_locked": True,
    }
    expected = ["create group operators", "create user alice", "create user service"]
    assert plan(converge("--check", "--diff", **arguments)) == expected
    assert host.run("id alice").returncode != 0

    assert plan(converge("--diff", **arguments)) == expected
    assert host.output("id -Gn alice").split() == ["alice", "sudo", "operators"]
    assert host.output("stat -c '%U %a' /home/alice").strip() == "alice 700"
    assert host.output("getent shadow alice").split(":")[1] == HASH
    assert host.run("test -d /home/service").returncode != 0

    again = converge(**arguments)
    assert plan(again) == []
    assert again["stats"]["calls"] == 0


@pytest.mark.usefixtures("clean")
def test_a_user_without_a_password_outlives_the_age_of_passwords(host: RealHost, converge: Converge) -> None:
    host.output("cp -a /etc/login.defs /run/login.defs")
    host.output("sed -i 's/^PASS_MAX_DAYS.*/PASS_MAX_DAYS 30/' /etc/login.defs")
    try:
        converge(groups=[{"name": "operators"}], users=[ALICE, {"name": "bob"}])
    finally:
        host.output("cp -a /run/login.defs /etc/login.defs && rm /run/login.defs")
    days = [host.output(f"getent shadow {name}").split(":")[4] for name in ("alice", "bob")]
    assert days == ["30", "99999"]


@pytest.mark.usefixtures("clean")
def test_changes(host: RealHost, converge: Converge) -> None:
    converge(groups=[{"name": "operators"}], users=[ALICE])
    changed = {
        **ALICE,
        "groups": ["operators"],
        "shell": "/bin/sh",
        "password": OTHER_HASH,
        "password_locked": True,
        "expires": "none",
        "home": "/home/bob",
    }
    assert plan(converge("--diff", users=[changed])) == ["update user alice"]
    assert plan(converge(users=[changed])) == []
    fields = host.output("getent shadow alice").strip().split(":")
    assert (fields[1], fields[7]) == (f"!{OTHER_HASH}", "")
    assert host.output("id -Gn alice").split() == ["alice", "operators"]
    assert host.run("test -d /home/bob && ! test -d /home/alice").returncode == 0

    host.output("rm -rf /home/bob")
    unlocked = {**changed, "password_locked": False}
    assert plan(converge(users=[unlocked])) == ["update user alice"]
    assert host.output("getent shadow alice").split(":")[1] == OTHER_HASH
    assert host.output("stat -c '%U %a' /home/bob").strip() == "alice 700"


@pytest.mark.usefixtures("clean")
def test_an_expired_user_loses_what_runs(host: RealHost, converge: Converge) -> None:
    converge(groups=[{"name": "operators"}], users=[ALICE])
    log_in(host, "alice")
    expired = {**ALICE, "expires": "2020-01-01"}
    assert plan(converge(users=[expired])) == ["update user alice", "end_sessions user alice"]
    assert host.run("pgrep -u alice").returncode != 0
    assert plan(converge(users=[expired])) == []


@pytest.mark.usefixtures("clean")
def test_offboarding(host: RealHost, converge: Converge) -> None:
    converge(groups=[{"name": "operators"}], users=[ALICE])
    log_in(host, "alice")
    host.output("mkdir -p /var/spool/cron/crontabs; echo '* * * * * true' > /var/spool/cron/crontabs/alice")
    gone = {
        "users": [{"name": "alice", "state": "absent"}, {"name": "ghost", "state": "absent"}],
        "groups": [{"name": "operators", "state": "absent"}, {"name": "alice", "state": "absent"}],
    }
    expected = [
        "lock user alice",
        "end_sessions user alice",
        "delete_jobs user alice",
        "delete user alice",
        "delete group operators",
        "delete group alice",
    ]
    assert plan(converge("--check", **gone)) == expected
    assert host.run("pgrep -u alice").returncode == 0
    assert plan(converge(**gone)) == expected
    assert host.run("id alice; getent group operators alice").stdout == ""
    assert host.run("pgrep -u 2001").returncode != 0
    assert host.run("test -e /var/spool/cron/crontabs/alice").returncode != 0
    assert host.output("stat -c '%U %a' /home/alice").strip() == "root 700"
    assert plan(converge(**gone)) == []


@pytest.mark.usefixtures("clean")
def test_offboarding_with_the_home(host: RealHost, converge: Converge) -> None:
    converge(users=[{"name": "bob"}])
    assert plan(converge(users=[{"name": "bob", "state": "absent", "remove_home": True}])) == [
        "lock user bob",
        "delete user bob",
    ]
    assert host.run("test -e /home/bob").returncode != 0


@pytest.mark.usefixtures("clean")
def test_refusals_come_before_any_change(host: RealHost, converge: Converge) -> None:
    for users, message in (
        ([{"name": "root", "state": "absent"}], "users[root] can't be removed: it is root, uid 0"),
        ([{"name": "bob", "groups": ["nosuch"]}], "users[bob].groups has 'nosuch': no such group"),
        ([{"name": "bob", "password": "in clear"}], "users[bob].password must be a crypt hash"),
    ):
        result = converge(users=[ALICE, *users], groups=[{"name": "operators"}])
        assert result["failed"]
        assert message in result["msg"]
        assert "in clear" not in result["msg"]
    assert host.run("id alice").returncode != 0


@pytest.mark.usefixtures("clean")
def test_a_connection_can_not_remove_its_own_user(host: RealHost, converge: Converge) -> None:
    converge(users=[{"name": "bob"}])
    host.output("install -d -m 700 -o bob /home/bob/.ssh")
    host.output("install -m 600 -o bob /root/.ssh/authorized_keys /home/bob/.ssh/authorized_keys")
    host.output("echo 'bob ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/bob")
    try:
        as_bob = ("--user", "bob", "--become", "--extra-vars", "ansible_user=bob")
        result = converge(*as_bob, users=[{"name": "bob", "state": "absent"}])
        assert result["failed"]
        assert "users[bob] can't be removed: this connection to the host is the user's own" in result["msg"]
        assert plan(converge(*as_bob, users=[{"name": "bob", "comment": "Bob"}])) == ["update user bob"]
    finally:
        host.output("rm /etc/sudoers.d/bob")
