"""Upgrades: jumps that are refused, a way that holds, and nodes one after the other."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from attack import Target
from conftest import STATE, Played, commands, told

UPGRADE = "playbooks/gitlab.yml"


def migrations(host: Target) -> dict[str, str]:
    found = json.loads(host.output(f"cat {STATE}/migrations.json"))
    assert isinstance(found, dict)
    return found


def release(host: Target) -> str:
    return host.output("dpkg-query -W -f '${Version}' gitlab-ce")


def test_a_jump_over_a_stop_is_refused_and_named(first: Target, play: Callable[..., Played]) -> None:
    told(first)
    done = play(UPGRADE, "--tags", "gitlab_server", "--limit", "debian12", gitlab_server_version="18.8.1")
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert "version is 18.8.1: must not jump over a required stop" in said
    assert "from 18.2.5 upgrade to 18.5.z, then 18.8.1" in said
    assert (release(first), told(first)) == ("18.2.5-ce.0", [])


def test_migrations_that_are_not_done_are_waited_for(first: Target, play: Callable[..., Played]) -> None:
    first.output(f'echo \'{{"migrations": "active | BackfillTwo,ci_builds,id,[]"}}\' > {STATE}/faults.json')
    try:
        done = play(
            UPGRADE,
            "--tags",
            "gitlab_server",
            "--check",
            "--limit",
            "debian12",
            gitlab_server_version="18.5.3",
        )
        assert done.returncode != 0
        said = " ".join(done.stdout.split())
        assert "must wait for the background migrations of 18.2.5" in said
        assert "BackfillTwo,ci_builds,id,[] (active)" in said
        assert release(first) == "18.2.5-ce.0"
    finally:
        first.output(f"rm {STATE}/faults.json")


@pytest.fixture(scope="module")
def upgraded(first: Target, second: Target, play: Callable[..., Played]) -> dict[str, list[str]]:
    """Both nodes at the next stop; what each was told on the way."""
    for host in (first, second):
        commands(host)
    done = play(UPGRADE, "--tags", "gitlab_server", gitlab_server_version="18.5.3")
    assert done.returncode == 0, done.stdout
    entries = {host.name: commands(host) for host in (first, second)}
    assert [entry["skip_post"] for entry in entries["debian12"] if "reconfigure" in entry["command"]] == [
        "true"
    ]
    return {name: [" ".join(entry["command"]) for entry in found] for name, found in entries.items()}


def test_the_data_is_dumped_first_and_doors_stay_open(upgraded: dict[str, list[str]]) -> None:
    assert upgraded["debian12"] == [
        "gitlab-rake gitlab:background_migrations:status",
        "gitlab-backup create BACKUP=groundwork STRATEGY=copy CRON=1 GZIP_RSYNCABLE=yes",
        "gitlab-ctl reconfigure",
        "gitlab-ctl hup puma",
        "gitlab-ctl restart sidekiq",
        "gitlab-rake db:migrate",
    ]
    assert upgraded["debian13"] == [
        "gitlab-rake gitlab:background_migrations:status",
        "gitlab-ctl reconfigure",
        "gitlab-ctl hup puma",
        "gitlab-ctl restart sidekiq",
    ]


def test_both_nodes_are_there_and_on_hold(
    upgraded: dict[str, list[str]], first: Target, second: Target
) -> None:
    for host in (first, second):
        assert release(host) == "18.5.3-ce.0"
        assert host.output("apt-mark showhold").split() == ["gitlab-ce"]
        assert host.output("groundwork-gitlab health") == "ready"
    assert migrations(first) == {"pre": "18.5.3-ce.0", "post": "18.5.3-ce.0"}


def test_again_nothing_happens(
    upgraded: dict[str, list[str]], first: Target, play: Callable[..., Played]
) -> None:
    told(first)
    done = play(UPGRADE, "--tags", "gitlab_server", "--limit", "debian12", gitlab_server_version="18.5.3")
    assert done.returncode == 0, done.stdout
    assert "changed=1" not in done.stdout
    assert told(first) == []


def test_there_is_no_way_back(upgraded: dict[str, list[str]], play: Callable[..., Played]) -> None:
    done = play(
        UPGRADE, "--tags", "gitlab_server", "--check", "--limit", "debian12", gitlab_server_version="18.2.5"
    )
    assert done.returncode != 0
    assert "must not be older than 18.5.3, which is installed" in " ".join(done.stdout.split())
