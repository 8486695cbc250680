"""Runners: what GitLab and the hosts know of them, whom they serve, and what operators do with them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import tomllib
from attack import Target
from conftest import Instance, Played, soon

CONFIG = "/etc/gitlab-runner/config.toml"
MARKS = "/etc/gitlab-runner/groundwork-rotating.json"
OPERATE = "playbooks/gitlab_runner.yml"
RUNNERS = "molecule/gitlab/runners.yml"
SHOP = "shop-build on debian12 (groundwork)"
DEPLOY = "shop-deploy on debian12 (groundwork)"
BLOG = "blog-build on debian13 (groundwork)"


def config(host: Target) -> dict[str, Any]:
    return tomllib.loads(host.output(f"cat {CONFIG}"))


def token(host: Target, label: str) -> str:
    (found,) = (runner["token"] for runner in config(host)["runners"] if runner["name"] == label)
    assert isinstance(found, str)
    return found


def taken(host: Target, job: int) -> list[str]:
    """Which runners of a host have got a job."""
    lines = host.output("journalctl -u gitlab-runner -o cat --no-pager | grep '^{' || true").splitlines()
    return [entry["runner"] for entry in map(json.loads, lines) if entry["job"] == job]


def test_both_sides_have_what_is_declared(instance: Instance, first: Target, second: Target) -> None:
    runner = instance.runner(SHOP)
    assert (runner.runner_type, runner.locked, runner.run_untagged) == ("project_type", True, False)
    assert (runner.tag_list, runner.access_level) == (["build"], "not_protected")
    assert [one["path_with_namespace"] for one in runner.projects] == ["shop/api"]
    assert instance.runner(DEPLOY).access_level == "ref_protected"
    assert instance.runner(BLOG).maximum_timeout == 3600
    assert instance.runner("everybody on debian13 (groundwork)").runner_type == "instance_type"
    found = config(first)
    assert found["concurrent"] == 4
    sections = {section["name"]: section for section in found["runners"]}
    assert sections[SHOP]["id"] == runner.id
    assert sections[DEPLOY]["docker"]["privileged"] is False
    assert sections[DEPLOY]["docker"]["allowed_images"] == ["registry.example.com/shop/*"]
    assert BLOG not in sections
    assert config(second)["runners"][0]["name"] == BLOG


def test_a_token_is_in_one_place_only(first: Target, second: Target) -> None:
    tokens = [section["token"] for host in (first, second) for section in config(host)["runners"]]
    assert len(set(tokens)) == 5
    assert all(one.startswith("glrt-") for one in tokens)
    for host in (first, second):
        assert host.output(f"stat -c '%U %a' {CONFIG}") == "root 600"
        everywhere = "grep -rlF glrt- /etc /run /var/lib /var/log /root /home /tmp 2>/dev/null || true"
        assert host.output(everywhere).split() == [CONFIG]


def test_another_project_can_not_use_a_runner(instance: Instance, first: Target, second: Target) -> None:
    job = instance.job("shop/api", "build")
    assert soon(lambda: taken(first, job) == [SHOP])
    instance.end(job)
    stranger = instance.job("blog/site", "build")
    assert soon(lambda: taken(second, stranger) == [BLOG])
    assert taken(first, stranger) == []
    instance.end(stranger)
    deploy = instance.job("blog/site", "deploy")
    assert not soon(lambda: bool(taken(first, deploy) or taken(second, deploy)), 3)
    assert instance.status("blog/site", deploy) == "pending"


def test_only_protected_branches_reach_the_runner_for_deployments(instance: Instance, first: Target) -> None:
    loose = instance.job("shop/api", "deploy", ref="anything")
    protected = instance.job("shop/api", "deploy", ref="release")
    assert soon(lambda: taken(first, protected) == [DEPLOY])
    assert taken(first, loose) == []
    instance.end(protected)


def test_drift_at_gitlab_is_put_right(instance: Instance, play: Callable[..., Played]) -> None:
    runner = instance.runner(SHOP)
    runner.locked = False
    runner.tag_list = ["build", "anything"]
    runner.run_untagged = True
    runner.save()
    instance.api.projects.get("blog/site").runners.create({"runner_id": runner.id})
    done = play(RUNNERS)
    assert done.returncode == 0, done.stdout
    after = instance.runner(SHOP)
    assert (after.id, after.locked, after.run_untagged, after.tag_list) == (runner.id, True, False, ["build"])
    assert [one["path_with_namespace"] for one in after.projects] == ["shop/api"]


def test_a_rotation_ends_the_old_token_and_tells_none(
    instance: Instance, first: Target, play: Callable[..., Played]
) -> None:
    before = token(first, SHOP)
    done = play(OPERATE, "--diff", "-vvv", rotate="shop-build")
    assert done.returncode == 0, done.stdout
    assert re.findall(r"glrt-[A-Za-z0-9_-]+", done.stdout + done.stderr) == []
    assert instance.api.private_token not in done.stdout
    assert before != token(first, SHOP)
    assert first.ssh(command=f"ls {MARKS}").returncode != 0
    job = instance.job("shop/api", "build")
    assert soon(lambda: taken(first, job) == [SHOP])
    instance.end(job)


def test_tokens_that_are_lost_are_made_up_for(
    instance: Instance, first: Target, play: Callable[..., Played]
) -> None:
    """Runs broken off before a token reached the host, or in a rotation; then a host that is new."""
    runner, before = instance.runner(SHOP), [token(first, label) for label in (SHOP, DEPLOY)]
    first.output(f"sed -i 's/{before[0]}//' {CONFIG}; echo '[\"{DEPLOY}\"]' > {MARKS}")
    for _again in range(2):
        done = play(RUNNERS, "--limit", "debian12")
        assert done.returncode == 0, done.stdout
        after = [token(first, label) for label in (SHOP, DEPLOY)]
        assert not set(before) & set(after)
        assert instance.runner(SHOP).id == runner.id
        before = after
        first.output(f"rm {CONFIG}")
    assert play(RUNNERS, "--limit", "debian12").returncode == 0
    descriptions = [one.description for one in instance.api.runners_all.list(all=True)]
    assert len(descriptions) == len(set(descriptions)) == 5
    job = instance.job("shop/api", "build")
    assert soon(lambda: taken(first, job) == [SHOP])
    instance.end(job)


def test_drained_it_gets_no_job_and_resumed_it_does(
    instance: Instance, first: Target, play: Callable[..., Played]
) -> None:
    running = instance.job("shop/api", "build")
    assert soon(lambda: taken(first, running) == [SHOP])
    done = play(OPERATE, drain="shop-build", drain_seconds=1)
    assert done.returncode != 0
    assert "still has jobs after 1 s, and is paused" in " ".join(done.stdout.split())
    instance.end(running)
    assert play(OPERATE, drain="shop-build").returncode == 0
    waiting = instance.job("shop/api", "build")
    assert not soon(lambda: bool(taken(first, waiting)), 3)
    assert play(OPERATE, resume="shop-build").returncode == 0
    assert soon(lambda: taken(first, waiting) == [SHOP])
    instance.end(waiting)


def test_nonsense_is_refused(play: Callable[..., Played]) -> None:
    for variables, says in (
        ({}, "must be given as -e rotate=NAME"),
        ({"revoke": "shop-bulid"}, "must be one of blog-build, everybody, shop-build, shop-deploy"),
    ):
        done = play(OPERATE, **variables)
        assert done.returncode != 0, variables
        assert says in " ".join(done.stdout.split()), done.stdout


def test_a_runner_that_is_not_declared_any_more_goes_and_others_stay(
    instance: Instance, first: Target, play: Callable[..., Played]
) -> None:
    foreign = 'name = "somebody\'s own"\nurl = "http://x"\nid = 999\ntoken = "glrt-own"\nexecutor = "shell"\n'
    first.output(f"cat >> {CONFIG}", f"\n[[runners]]\n{foreign}")
    variables = {
        "gitlab_runner_runners": [
            {
                "name": "shop-build",
                "project": "shop/api",
                "on": ["debian12"],
                "executor": "shell",
                "tags": ["build"],
            }
        ]
    }
    try:
        done = play(RUNNERS, "--limit", "debian12", **variables)
        assert done.returncode == 0, done.stdout
        assert instance.runner(DEPLOY) is None
        assert instance.runner("everybody on debian13 (groundwork)") is not None
        assert [section["name"] for section in config(first)["runners"]] == [SHOP, "somebody's own"]
    finally:
        first.output(f"rm {CONFIG}")
        done = play(RUNNERS)
    assert done.returncode == 0, done.stdout
    assert instance.runner(DEPLOY) is not None


def test_jobs_in_a_shell_can_not_read_tokens_nor_write_elsewhere(first: Target) -> None:
    """As a job: the user of the service's shell, in the service's own sandbox."""
    inside = "nsenter --target $(systemctl show --property=MainPID --value gitlab-runner) --mount --"
    asked = first.ssh(command=f"{inside} runuser -u gitlab-runner -- cat {CONFIG}")
    assert "Permission denied" in asked.stderr
    for place in ("/etc/cron.d/x", "/usr/local/bin/x", "/srv/x", "/var/lib/x"):
        assert first.ssh(command=f"{inside} touch {place}").returncode != 0, place
    first.output(
        f"{inside} runuser -u gitlab-runner -- sh -c 'touch /var/lib/gitlab-runner/x /home/gitlab-runner/x'"
    )
    assert "NoNewPrivs:\t1" in first.output("cat /proc/$(systemctl show -P MainPID gitlab-runner)/status")


@pytest.mark.parametrize(("name", "most"), [("first", 3.0), ("second", 2.0)])
def test_the_unit_is_locked_down(name: str, most: float, request: pytest.FixtureRequest) -> None:
    host: Target = request.getfixturevalue(name)
    found = host.output("systemd-analyze security --no-pager gitlab-runner.service | tail -n 1")
    assert float(found.split("service:")[1].split()[0]) <= most
