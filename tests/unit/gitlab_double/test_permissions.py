"""Who may do what: by the token's scope, its state, and the level of its user."""

from __future__ import annotations

import gitlab
import pytest
from double_world import World, status_of

DEVELOPER, MAINTAINER, OWNER = 30, 40, 50


def test_without_a_good_token_nothing_is_answered(world: World) -> None:
    for token in (None, "glpat-wrong"):
        client = gitlab.Gitlab(world.server.url, private_token=token)
        assert status_of(client.projects.list) == 401
    blocked = world.user("ada")
    world.root.users.list(username="ada")[0].block()
    assert status_of(blocked.projects.list) == 403


def test_a_revoked_or_expired_token_says_so(world: World) -> None:
    client = world.user("ada")
    for field, value in (("revoked", True), ("expires_at", "2020-01-01")):
        with world.server.state.lock:
            row = next(
                t for t in world.server.state.tables["tokens"].values() if t["token"] == client.private_token
            )
            before = row[field]
            row[field] = value
        with pytest.raises(gitlab.GitlabAuthenticationError, match="invalid_token"):
            client.auth()
        row[field] = before
    client.auth()


def test_a_token_that_may_read_may_not_write(world: World) -> None:
    reader = world.user("ada", MAINTAINER, ("read_api",))
    project = reader.projects.get(world.project.id)
    assert status_of(project.variables.list) == 0
    with pytest.raises(gitlab.GitlabCreateError, match="insufficient_scope"):
        project.variables.create({"key": "A", "value": "1"})


def test_scopes_for_runners_open_runners_alone(world: World) -> None:
    maker = world.user("ada", MAINTAINER, ("create_runner",))
    made = maker.http_post(
        "/user/runners", post_data={"runner_type": "project_type", "project_id": world.project.id}
    )
    assert status_of(maker.projects.get, world.project.id) == 403
    assert status_of(maker.runners.delete, made["id"]) == 403
    keeper = world.user("ada", 0, ("manage_runner",))
    assert status_of(keeper.runners.delete, made["id"]) == 0


def test_what_is_private_is_not_there_for_others(world: World) -> None:
    stranger = world.user("eve")
    assert status_of(stranger.projects.get, world.project.id) == 404
    assert status_of(stranger.groups.get, "acme") == 404
    assert stranger.projects.list() == []
    world.group.visibility = "internal"
    world.group.save()
    assert [group.path for group in stranger.groups.list()] == ["acme"]


@pytest.mark.parametrize(
    ("level", "variables", "settings", "deletion"),
    [(DEVELOPER, 403, 403, 403), (MAINTAINER, 0, 0, 403), (OWNER, 0, 0, 0)],
)
def test_levels(world: World, level: int, variables: int, settings: int, deletion: int) -> None:
    project = world.user("ada", level).projects.get(world.project.id)
    assert status_of(project.variables.list) == variables
    project.merge_method = "ff"
    assert status_of(project.save) == settings
    assert status_of(project.delete) == deletion


def test_membership_comes_down_from_groups_and_over_shares(world: World) -> None:
    ada = world.user("ada")
    ada.auth()
    assert ada.user is not None
    team = world.root.groups.create({"name": "Team", "path": "team"})
    team.members.create({"user_id": ada.user.id, "access_level": OWNER})
    assert status_of(ada.projects.get, world.project.id) == 404
    world.group.share(team.id, DEVELOPER, None)
    project = ada.projects.get(world.project.id)
    assert status_of(project.variables.list) == 403, "a share gives no more than it says"
    world.group.unshare(team.id)
    world.group.members.create({"user_id": ada.user.id, "access_level": MAINTAINER})
    assert status_of(project.variables.list) == 0


def test_a_membership_that_ended_gives_nothing(world: World) -> None:
    ada = world.user("ada", MAINTAINER)
    assert status_of(ada.projects.get, world.project.id) == 0
    (member,) = world.project.members.list()
    member.expires_at = "2020-01-01"
    member.save()
    assert status_of(ada.projects.get, world.project.id) == 404


def test_nobody_gives_more_than_they_have(world: World) -> None:
    maintainer = world.user("ada", MAINTAINER)
    other = world.user("bob")
    other.auth()
    assert other.user is not None
    members = maintainer.projects.get(world.project.id).members
    given = {"user_id": other.user.id}
    assert status_of(members.create, {**given, "access_level": OWNER}) == 403
    assert status_of(members.create, {**given, "access_level": MAINTAINER}) == 0


def test_protected_branches_keep_developers_out(world: World) -> None:
    change = {"file_path": "x", "branch": "main", "content": "x", "commit_message": "x"}
    developer = world.user("ada", DEVELOPER).projects.get(world.project.id)
    assert status_of(developer.files.create, change) == 403
    assert status_of(developer.files.create, {**change, "branch": "work", "start_branch": "main"}) == 0
    maintainer = world.user("bob", MAINTAINER).projects.get(world.project.id)
    assert status_of(maintainer.files.create, change) == 0


def test_only_administrators_reach_the_instance(world: World) -> None:
    ada = world.user("ada", OWNER)
    for call in (ada.settings.get, ada.variables.list, ada.runners_all.list, ada.hooks.list):
        assert status_of(call) == 403
    assert status_of(ada.projects.get(world.project.id).customattributes.list) == 403
