"""What one host backs up comes back on the other; last, because that one leaves the live GitLab for it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from attack import Target
from conftest import STATE, Played, commands, told

DRILL = "playbooks/gitlab_restore_drill.yml"
# That of molecule/inventory.
REPOSITORY = "/srv/backups"
BACKUP = "molecule/gitlab/backup.yml"


@pytest.fixture(scope="module", autouse=True)
def backed_up(first: Target, second: Target, play: Callable[..., Played]) -> None:
    """The first host has data and a backup of it, and the second the same repository, as of a server."""
    assert play(BACKUP, parts="drill").returncode == 0
    first.output(f'echo \'["projects", "issues"]\' > {STATE}/data; groundwork-backup backup gitlab_server')
    archive = first.ssh(command=f"tar -C {REPOSITORY} -c . | base64").stdout
    second.output(f"mkdir -p {REPOSITORY} && base64 -d | tar -C {REPOSITORY} -x", archive)


def drill(play: Callable[..., Played], *arguments: str, **variables: object) -> Played:
    return play(DRILL, *arguments, parts="drill", gitlab_server_version="18.5.3", **variables)


def test_the_job_has_the_dump_the_settings_and_the_keys(first: Target) -> None:
    assert [line for line in told(first) if "backup" in line]
    kept = first.output("groundwork-backup restic ls latest")
    for path in ("gitlab.rb", "gitlab-secrets.json", "ssl/gitlab.example.com.key"):
        assert f"/etc/gitlab/{path}" in kept
    assert "/var/opt/gitlab/backups/groundwork_gitlab_backup.tar" in kept


def test_a_drill_on_live_ground_is_refused(second: Target, play: Callable[..., Played]) -> None:
    commands(second)
    for variables, says in (
        ({"gitlab_server_settings": {}}, "must have sidekiq with enable false"),
        (
            {"gitlab_server_external_url": "https://gitlab.example.com", "gitlab_server_tls": "proxy"},
            "must be another URL",
        ),
    ):
        done = drill(play, "--tags", "always", **variables)
        assert done.returncode != 0
        assert says in " ".join(done.stdout.split()), done.stdout
    live = play(DRILL, "--tags", "always")
    assert live.returncode != 0
    assert "groups['gitlab_drills']" in live.stdout
    assert told(second) == []


def test_data_and_keys_come_back_together(second: Target, play: Callable[..., Played]) -> None:
    done = drill(play)
    assert done.returncode == 0, done.stdout
    assert "restored" in done.stdout
    assert json.loads(second.output(f"cat {STATE}/data")) == ["projects", "issues"]
    assert "only-for-the-test" in second.output("cat /etc/gitlab/gitlab-secrets.json")
    assert second.ssh(command="ls /var/lib/groundwork/gitlab_drill").returncode != 0
    said = told(second)
    order = [
        "gitlab-backup restore BACKUP=groundwork force=yes",
        "gitlab-rake gitlab:doctor:secrets",
        "gitlab-ctl stop",
    ]
    assert [line for line in said if line in order] == order


def test_keys_that_do_not_belong_to_the_data_fail_the_drill(
    first: Target, second: Target, play: Callable[..., Played]
) -> None:
    """A backup whose gitlab-secrets.json is another instance's, as after a careless reinstallation."""
    other = "/srv/gitlab-other"
    dump, keys = f"{other}/var/opt/gitlab/backups", f"{other}/etc/gitlab"
    first.output(f"mkdir -p {dump} {keys} && cp /var/opt/gitlab/backups/groundwork_gitlab_backup.tar {dump}/")
    first.output(f"cat > {keys}/gitlab-secrets.json", '{"gitlab_rails": {"db_key_base": "of another"}}')
    archive = first.ssh(command=f"tar -C {other} -c . | base64").stdout
    second.output(f"mkdir -p {other} && base64 -d | tar -C {other} -x", archive)
    done = second.ssh(command=f"groundwork-gitlab restore {other}")
    assert done.returncode == 1
    assert "the keys do not belong to the data" in done.stderr
