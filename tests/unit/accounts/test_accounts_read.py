"""What is made of the host's files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.groundwork.platform.plugins.module_utils.accounts.model import (
    Group,
    User,
    parse_request,
)
from ansible_collections.groundwork.platform.plugins.module_utils.accounts.read import (
    connected_uids,
    job_files,
    parse_groups,
    parse_users,
    process_ids,
    read_host,
)

ACCOUNTS = """\
root:x:0:0:root:/root:/bin/bash
alice:x:1000:1000:Alice,,,:/home/alice:/bin/bash
+::::::
broken:line
"""
SHADOW = """\
root:*:19000:0:99999:7:::
alice:!$6$salt$hash:19000:0:99999:7::20000:
"""
GROUP = """\
root:x:0:
sudo:x:27:alice,bob
+:::
"""


def test_users() -> None:
    users = parse_users(ACCOUNTS, SHADOW)
    assert list(users) == ["root", "alice"]
    assert users["alice"] == User(
        "alice", 1000, 1000, "Alice,,,", "/home/alice", "/bin/bash", "!$6$salt$hash", 20000
    )
    assert (users["alice"].locked, users["alice"].hash) == (True, "$6$salt$hash")
    assert (users["root"].locked, users["root"].hash, users["root"].expires) == (True, "", None)


def test_groups() -> None:
    assert parse_groups(GROUP) == {
        "root": Group("root", 0),
        "sudo": Group("sudo", 27, frozenset({"alice", "bob"})),
    }


def test_host(tmp_path: Path) -> None:
    for path, text in (("passwd", ACCOUNTS), ("shadow", SHADOW), ("group", GROUP)):
        (tmp_path / "etc").mkdir(exist_ok=True)
        (tmp_path / "etc" / path).write_text(text)
    (tmp_path / "home/alice").mkdir(parents=True)
    crontab = tmp_path / "var/spool/cron/crontabs/alice"
    crontab.parent.mkdir(parents=True)
    crontab.touch()
    leaving = parse_request(
        {"users": [{"name": "alice", "state": "absent"}, {"name": "ghost", "state": "absent"}]}
    )
    host = read_host(leaving, {}, str(tmp_path))
    assert host.homes == {"/home/alice"}
    moving = parse_request({"users": [{"name": "alice", "home": "/srv/alice"}]})
    assert read_host(moving, {}, str(tmp_path)).homes == {"/home/alice"}
    assert host.jobs == {"alice"}
    assert os.getuid() in host.connected
    assert list(job_files("alice", 1000, str(tmp_path))) == [str(crontab)]


def test_processes_are_found_by_uid() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert process.pid in list(process_ids(os.getuid()))
        process.communicate(b"\n")
    assert list(process_ids(4000000001)) == []


def test_the_caller_of_sudo_is_connected() -> None:
    assert {os.getuid(), 1234} <= connected_uids({"SUDO_UID": "1234"})
