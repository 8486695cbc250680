"""What GitLab refuses, and what the two editions make of the same request."""

from __future__ import annotations

from typing import Any

import gitlab
import pytest
from double_world import World, status_of

from lab.doubles.gitlab.resources.protections import gaps


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"visibility": "public"}, "public is not allowed in a private group"),
        ({"visibility": "secret"}, "visibility does not have a valid value"),
        ({"path": "shop"}, "has already been taken"),
        ({"path": "-x"}, "can contain only letters"),
        ({"name": "Shop", "path": "other"}, "has already been taken"),
        ({"namespace_id": 999}, "Group Not Found"),
    ],
)
def test_projects_that_can_not_be(world: World, given: dict[str, Any], reason: str) -> None:
    with pytest.raises(gitlab.GitlabCreateError, match=reason):
        world.root.projects.create({"name": "New", "namespace_id": world.group.id, **given})


def test_a_group_stays_as_open_as_what_is_in_it(world: World) -> None:
    world.group.visibility = "internal"
    world.group.save()
    world.project.visibility = "internal"
    world.project.save()
    world.group.visibility = "private"
    with pytest.raises(gitlab.GitlabUpdateError, match="projects with higher visibility"):
        world.group.save()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"key": "A-B", "value": "x"}, "can contain only letters"),
        ({"key": "A", "value": "short", "masked": True}, "value.*is invalid"),
        ({"key": "A", "value": "two words", "masked": True}, "value.*is invalid"),
        ({"key": "A", "value": "x", "variable_type": "json"}, "variable_type does not have a valid value"),
        ({"key": "TAKEN", "value": "x"}, "has already been taken"),
    ],
)
def test_variables_that_can_not_be(world: World, given: dict[str, Any], reason: str) -> None:
    world.project.variables.create({"key": "TAKEN", "value": "x"})
    with pytest.raises(gitlab.GitlabCreateError, match=reason):
        world.project.variables.create(given)


def test_what_a_route_needs_is_named(world: World) -> None:
    """python-gitlab would not send it."""
    with pytest.raises(gitlab.GitlabHttpError, match="value is missing"):
        world.root.http_post(f"/projects/{world.project.id}/variables", post_data={"key": "A"})


def test_a_key_in_two_scopes_needs_the_scope(world: World) -> None:
    for scope in ("a", "b"):
        world.project.variables.create({"key": "A", "value": scope, "environment_scope": scope})
    assert status_of(world.project.variables.get, "A") == 409
    assert status_of(world.project.variables.delete, "A") == 409


def test_a_hidden_variable_stays_hidden(world: World) -> None:
    variable = world.project.variables.create({"key": "A", "value": "abcdefgh", "masked_and_hidden": True})
    variable.value = "ijklmnop"
    variable.save()
    assert variable.value is None
    assert status_of(world.project.variables.update, "A", {"masked": False}) == 400


def test_members_that_can_not_be(world: World) -> None:
    ada = world.user("ada", 30)
    ada.auth()
    assert ada.user is not None
    again = {"user_id": ada.user.id, "access_level": 30}
    assert status_of(world.project.members.create, again) == 409
    assert status_of(world.project.members.create, {**again, "user_id": 999}) == 404
    assert status_of(world.project.members.create, {**again, "access_level": 31}) == 400
    assert status_of(world.group.members.delete, 1) == 403, "a group keeps its last owner"


def test_protections_that_can_not_be(world: World) -> None:
    rules = world.project.protectedbranches
    assert status_of(rules.create, {"name": "main"}) == 409
    assert status_of(rules.create, {"name": "x", "push_access_level": 50}) == 400


def test_ce_changes_force_pushes_in_place_and_nothing_else(world: World) -> None:
    levels = world.project.protectedbranches.get("main").push_access_levels
    world.project.protectedbranches.update(
        "main", {"allow_force_push": True, "allowed_to_push": [{"id": levels[0]["id"], "access_level": 30}]}
    )
    rule = world.project.protectedbranches.get("main")
    assert rule.allow_force_push
    assert [level["access_level"] for level in rule.push_access_levels] == [40]


def test_ee_changes_levels_in_place(enterprise: World) -> None:
    rules = enterprise.project.protectedbranches
    (level,) = rules.get("main").push_access_levels
    rules.update("main", {"allowed_to_push": [{"id": level["id"], "access_level": 30}, {"access_level": 40}]})
    assert sorted(each["access_level"] for each in rules.get("main").push_access_levels) == [30, 40]
    assert status_of(rules.update, "main", {"allowed_to_push": [{"access_level": 40}]}) == 400
    assert status_of(rules.update, "main", {"allowed_to_push": [{"id": 999, "_destroy": True}]}) == 404
    assert status_of(rules.update, "main", {"allowed_to_push": [{"user_id": 999}]}) == 400


def test_what_is_of_ee_is_not_there_in_ce(world: World) -> None:
    project = world.project
    for call in (project.pushrules.get, project.approvals.get, project.protected_environments.list):
        assert status_of(call) == 404
    assert status_of(world.group.hooks.list) == 404
    assert "code_owner_approval_required" not in project.protectedbranches.get("main").attributes
    variable = world.group.variables.create({"key": "A", "value": "1", "environment_scope": "production"})
    assert variable.environment_scope == "*"


def test_a_gap_in_a_protection_is_seen(world: World) -> None:
    def count() -> int:
        row = world.server.state.tables["projects"][str(world.project.id)]
        return gaps(world.server.state, row, "protected_branches", "main")

    rules = world.project.protectedbranches
    rules.create({"name": "mai*"})
    rules.delete("main")
    rules.create({"name": "main", "push_access_level": 0})
    rules.delete("mai*")
    assert count() == 0, "another rule covered it all the time"
    rules.delete("main")
    rules.create({"name": "main"})
    assert count() == 1


def test_a_path_that_was_left_behind_takes_no_writes(world: World) -> None:
    world.project.path = "store"
    world.project.save()
    assert world.root.projects.get("acme/shop").path == "store"
    assert status_of(world.root.http_put, "/projects/acme%2Fshop", post_data={"description": "x"}) == 405


def test_what_is_scheduled_for_deletion_frees_its_path(world: World) -> None:
    world.project.delete()
    again = world.root.projects.create({"name": "New shop", "path": "shop", "namespace_id": world.group.id})
    assert world.root.projects.get("acme/shop").id == again.id
    assert status_of(world.root.projects.delete, world.project.id) == 400
    wrong = {"permanently_remove": True, "full_path": "acme/shop"}
    assert status_of(world.root.http_delete, f"/projects/{world.project.id}", query_data=wrong) == 400


def test_a_locked_runner_serves_no_second_project(world: World) -> None:
    other = world.root.projects.create({"name": "Other", "namespace_id": world.group.id})
    made = world.root.http_post(
        "/user/runners",
        post_data={"runner_type": "project_type", "project_id": world.project.id, "locked": True},
    )
    assert status_of(other.runners.create, {"runner_id": made["id"]}) == 403
    untagged = {"runner_type": "instance_type", "run_untagged": False}
    assert status_of(world.root.http_post, "/user/runners", post_data=untagged) == 400
