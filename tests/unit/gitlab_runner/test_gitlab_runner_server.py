"""Runners at GitLab, on the lab's double: plans, changes, and what is left of a run that was broken off."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import gitlab
import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.client import ApiError, Client
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab_runner import config, model, server

from lab.doubles.gitlab import Server
from lab.doubles.gitlab.faults import Fault
from lab.doubles.gitlab.resources.jobs import new_job

PLACE = "node1"
LABEL = "build on node1 (groundwork)"
BUILD: dict[str, Any] = {
    "name": "build",
    "project": "shop/api",
    "on": [PLACE],
    "executor": "docker",
    "image": "debian:13",
    "tags": ["build"],
}
NOW = datetime.datetime.now(datetime.timezone.utc)


class World:
    """A double with two projects, ours as its client, and python-gitlab as the other eye on it."""

    def __init__(self, double: Server, drain_seconds: float = 5) -> None:
        self.double = double
        self.api = gitlab.Gitlab(double.url, private_token=double.root_token)
        self.client = Client(double.url, double.root_token)
        self.lines: list[str] = []
        self.server = self.fresh(drain_seconds)
        for group, project in (("shop", "api"), ("blog", "site")):
            parent = self.api.groups.create({"name": group, "path": group})
            self.api.projects.create({"name": project, "namespace_id": parent.id})

    def fresh(self, drain_seconds: float = 5, tolerant: bool = False) -> server.Server:
        return server.Server(self.client, PLACE, drain_seconds, tolerant, self.lines.append)

    def plan(
        self,
        *entries: dict[str, Any],
        known: dict[str, config.Known] | None = None,
        rotating: tuple[str, ...] = (),
    ) -> list[server.Step]:
        return self.fresh().plan(model.parse(list(entries)), known or {}, rotating, NOW)

    def converge(
        self, *entries: dict[str, Any], known: dict[str, config.Known] | None = None
    ) -> dict[str, Any]:
        given = {}
        for step in self.plan(*entries, known=known):
            credentials = self.fresh().apply(step)
            if credentials:
                given[step.label] = credentials
        return given

    def runners(self) -> dict[str, Any]:
        return {one.description: self.api.runners.get(one.id) for one in self.api.runners_all.list(all=True)}


def known(given: dict[str, Any], **changes: Any) -> dict[str, config.Known]:
    return {label: config.Known(one["id"], changes.get("expires_at"), True) for label, one in given.items()}


@pytest.fixture
def world() -> Iterator[World]:
    with Server() as double:
        yield World(double)


def test_it_is_made_as_declared_and_then_one_read_tells_that_nothing_differs(world: World) -> None:
    given = world.converge({**BUILD, "protected_only": True, "maximum_timeout": 900, "note": "ours"})
    assert given[LABEL]["token"].startswith("glrt-")
    runner = world.runners()[LABEL]
    assert (runner.locked, runner.run_untagged, runner.access_level) == (True, False, "ref_protected")
    assert (runner.maximum_timeout, runner.maintenance_note) == (900, "ours")
    world.double.requests.clear()
    again = world.plan(
        {**BUILD, "protected_only": True, "maximum_timeout": 900, "note": "ours"}, known=known(given)
    )
    assert again == []
    # The project, and the runner: nothing is written.
    assert len(world.double.requests) == 2
    assert world.double.requests.writes == []


@pytest.mark.parametrize("kind", [{"project": "shop/api"}, {"group": "shop"}, {"instance": True}])
def test_a_token_that_got_lost_is_replaced_and_no_second_runner_made(
    world: World, kind: dict[str, Any]
) -> None:
    entry = {key: value for key, value in BUILD.items() if key != "project"} | kind
    first = world.converge(entry)
    steps = world.plan(entry)
    assert [step.change.kind for step in steps] == ["rotate"]
    second = world.converge(entry)
    assert second[LABEL]["id"] == first[LABEL]["id"]
    assert second[LABEL]["token"] != first[LABEL]["token"]
    assert list(world.runners()) == [LABEL]


def test_what_somebody_changed_is_put_right_and_told_field_by_field(world: World) -> None:
    given = world.converge(BUILD)
    runner = world.runners()[LABEL]
    runner.tag_list, runner.run_untagged = ["build", "all"], True
    runner.locked = False
    runner.save()
    world.api.projects.get("blog/site").runners.create({"runner_id": runner.id})
    attributes, projects = world.plan(BUILD, known=known(given))
    assert attributes.change.before == {"tag_list": ["all", "build"], "run_untagged": True, "locked": False}
    assert attributes.change.after == {"tag_list": ["build"], "run_untagged": False, "locked": True}
    assert projects.change.before == ["blog/site", "shop/api"]
    assert projects.change.after == ["shop/api"]
    world.converge(BUILD, known=known(given))
    assert world.plan(BUILD, known=known(given)) == []
    assert [one["path_with_namespace"] for one in world.runners()[LABEL].projects] == ["shop/api"]


def test_pausing_is_the_operators(world: World) -> None:
    given = world.converge(BUILD)
    world.server.pause(LABEL, given[LABEL]["id"], paused=True)
    assert world.plan(BUILD, known=known(given)) == []


def test_another_project_is_another_runner(world: World) -> None:
    given = world.converge(BUILD)
    steps = world.plan({**BUILD, "project": "blog/site"}, known=known(given))
    assert [step.change.kind for step in steps] == ["create", "delete"]
    world.converge({**BUILD, "project": "blog/site"}, known=known(given))
    (runner,) = world.runners().values()
    assert [one["path_with_namespace"] for one in runner.projects] == ["blog/site"]
    assert runner.id != given[LABEL]["id"]


def test_a_token_that_ends_soon_or_was_half_rotated_is_replaced(world: World) -> None:
    given = world.converge(BUILD)
    soon = known(given, expires_at=NOW - datetime.timedelta(minutes=1))
    (step,) = world.plan(BUILD, known=soon)
    assert (step.change.kind, "its token ends at" in step.change.after["because"]) == ("rotate", True)
    later = known(given, expires_at=NOW + datetime.timedelta(days=1))
    assert world.plan(BUILD, known=later) == []
    (step,) = world.plan(BUILD, known=later, rotating=(LABEL,))
    assert step.change.after == {"because": "a rotation was broken off"}


def test_one_that_is_not_declared_waits_for_its_jobs_and_goes(world: World) -> None:
    given = world.converge(BUILD)
    project = world.double.state.rows("projects")["1"]
    job = new_job(world.double.state, project, "main", ["build"])
    world.api.http_post("/jobs/request", post_data={"token": given[LABEL]["token"]})
    (step,) = world.plan(known=known(given))
    with pytest.raises(server.RunnerError, match="still has jobs after 0 s, and is paused"):
        world.fresh(drain_seconds=0).apply(step)
    assert world.runners()[LABEL].paused is True
    job["status"] = "success"
    world.fresh().apply(step)
    assert world.runners() == {}
    world.fresh().apply(step)


def test_a_project_that_is_not_there_is_named_before_anything_is_made(world: World) -> None:
    with pytest.raises(server.RunnerError) as refused:
        world.plan(BUILD, {**BUILD, "name": "other", "project": "shop/nothing"})
    assert str(refused.value) == (
        "gitlab_runner_runners[other].project is 'shop/nothing': must be a project that the token can see"
    )
    assert world.runners() == {}
    entry = {**BUILD, "project": "shop/nothing"}
    (step,) = world.fresh(tolerant=True).plan(model.parse([entry]), {}, (), NOW)
    assert step.change.kind == "create"


def test_a_connection_that_breaks_after_the_write_leaves_nothing_double(world: World) -> None:
    world.double.faults.add(Fault(method="POST", path="/user/runners", cut="after"))
    with pytest.raises(ApiError, match="/user/runners"):
        world.converge(BUILD)
    assert list(world.runners()) == [LABEL]
    given = world.converge(BUILD)
    assert list(world.runners()) == [LABEL]
    assert world.plan(BUILD, known=known(given)) == []
