"""Which runner is given which job: isolation on the server's side."""

from __future__ import annotations

from typing import Any

import pytest
from double_world import World

from lab.doubles.gitlab.resources.jobs import new_job


def runner(world: World, **attributes: Any) -> dict[str, Any]:
    given = {
        "runner_type": "project_type",
        "project_id": world.project.id,
        "tag_list": ["build"],
        **attributes,
    }
    made: dict[str, Any] = world.root.http_post("/user/runners", post_data=given)
    return made


def queue(world: World, project: Any, ref: str = "main", tags: tuple[str, ...] = ("build",)) -> None:
    with world.server.state.lock:
        new_job(world.server.state, world.server.state.tables["projects"][str(project.id)], ref, list(tags))


def ask(world: World, token: str) -> dict[str, Any] | None:
    answer = world.root.http_post("/jobs/request", post_data={"token": token})
    return answer if isinstance(answer, dict) else None


def test_another_projects_job_is_not_given(world: World) -> None:
    other = world.root.projects.create({"name": "Other", "namespace_id": world.group.id})
    token = runner(world)["token"]
    queue(world, other)
    assert ask(world, token) is None
    queue(world, world.project)
    given = ask(world, token)
    assert given is not None
    assert given["job_info"]["project_id"] == world.project.id


@pytest.mark.parametrize(
    ("attributes", "ref", "tags", "given"),
    [
        ({}, "main", ("build",), True),
        ({}, "main", ("build", "docker"), False),
        ({"run_untagged": False}, "main", (), False),
        ({"run_untagged": True}, "main", (), True),
        ({"access_level": "ref_protected"}, "main", ("build",), True),
        ({"access_level": "ref_protected"}, "work", ("build",), False),
        ({"paused": True}, "main", ("build",), False),
    ],
)
def test_tags_protection_and_pauses(
    world: World, attributes: dict[str, Any], ref: str, tags: tuple[str, ...], given: bool
) -> None:
    token = runner(world, **attributes)["token"]
    queue(world, world.project, ref, tags)
    assert (ask(world, token) is not None) is given


def test_a_running_job_is_seen_until_it_ends(world: World) -> None:
    made = runner(world)
    queue(world, world.project)
    given = ask(world, made["token"])
    assert given is not None

    def running() -> int:
        found = world.root.http_list(
            f"/runners/{made['id']}/jobs", query_data={"status": "running"}, get_all=True
        )
        return len(list(found))

    assert running() == 1
    assert world.root.runners.get(made["id"]).job_execution_status == "active"
    world.root.http_put(f"/jobs/{given['id']}", post_data={"token": given["token"], "state": "success"})
    assert running() == 0


def test_group_and_instance_runners_can_be_switched_off(world: World) -> None:
    group = runner(world, runner_type="group_type", group_id=world.group.id)["token"]
    everywhere = runner(world, runner_type="instance_type")["token"]
    world.project.group_runners_enabled = False
    world.project.shared_runners_enabled = False
    world.project.save()
    queue(world, world.project)
    assert ask(world, group) is None
    assert ask(world, everywhere) is None
