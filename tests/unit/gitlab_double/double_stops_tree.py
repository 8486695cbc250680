"""Stops of the tour: people, the instance, groups and projects, and where they move."""

from __future__ import annotations

import gitlab
from double_stops import Tour

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 32


def users(tour: Tour) -> None:
    tour.api.auth()
    assert tour.api.user is not None
    assert tour.api.user.username == "root"
    assert tour.api.version()[0].endswith("-double")
    assert tour.api.http_get("/metadata")["enterprise"] is tour.ee
    tour.user = tour.api.users.create(
        {"username": "ada", "name": "Ada", "email": "ada@example.com", "force_random_password": True}
    )
    tour.user.block()
    assert tour.api.users.list(blocked=True)[0].username == "ada"
    tour.user.unblock()
    assert tour.api.users.get(tour.user.id).state == "active"
    assert tour.api.users.list(username="ADA")[0].id == tour.user.id
    token = tour.user.personal_access_tokens.create({"name": "t", "scopes": ["api"]})
    assert token.token.startswith("glpat-")
    hers = gitlab.Gitlab(tour.server.url, private_token=token.token)
    assert hers.personal_access_tokens.get("self").name == "t"
    assert [each.id for each in hers.personal_access_tokens.list()] == [token.id]
    assert hers.personal_access_tokens.get(token.id).scopes == ["api"]
    fresh = hers.http_post("/personal_access_tokens/self/rotate")
    assert fresh["token"] != token.token
    rotated = tour.api.personal_access_tokens.rotate(fresh["id"])
    tour.api.personal_access_tokens.delete(rotated["id"])
    assert tour.api.personal_access_tokens.get(rotated["id"]).revoked


def instance(tour: Tour) -> None:
    settings = tour.api.settings.get()
    settings.signup_enabled = False
    settings.save()
    assert tour.api.settings.get().signup_enabled is False
    appearance = tour.api.appearance.get()
    appearance.title = "Ours"
    appearance.save()
    assert tour.api.appearance.get().title == "Ours"
    topic = tour.api.topics.create({"name": "backend", "title": "Backend"})
    topic.title = "Back end"
    topic.save()
    assert tour.api.topics.get(topic.id).title == "Back end"
    assert [each.name for each in tour.api.topics.list()] == ["backend"]
    topic.delete()
    for key in ("A", "B"):
        tour.api.variables.create({"key": key, "value": "1"})
    variable = tour.api.variables.get("A")
    variable.value = "2"
    variable.save()
    tour.api.variables.delete("B")
    assert [(each.key, each.value) for each in tour.api.variables.list()] == [("A", "2")]
    hook = tour.api.hooks.create({"url": "https://example.com/system", "token": "s"})
    tour.api.http_put(f"/hooks/{hook.id}", post_data={"push_events": False})
    assert tour.api.hooks.get(hook.id).push_events is False
    assert len(tour.api.hooks.list()) == 1
    tour.api.hooks.delete(hook.id)


def groups(tour: Tour) -> None:
    tour.group = tour.api.groups.create({"name": "Acme", "path": "acme", "visibility": "internal"})
    child = tour.api.groups.create({"name": "Platform", "path": "platform", "parent_id": tour.group.id})
    assert child.full_path == "acme/platform"
    assert child.visibility == "internal"
    tour.group.description = "All of it"
    tour.group.save()
    assert tour.api.groups.get("acme").description == "All of it"
    assert [each.full_path for each in tour.api.groups.list()] == ["acme", "acme/platform"]
    assert [each.id for each in tour.group.subgroups.list()] == [child.id]
    assert [each.id for each in tour.group.descendant_groups.list()] == [child.id]
    assert [each.full_path for each in tour.api.namespaces.list(search="platform")] == ["acme/platform"]
    assert tour.api.namespaces.get("acme").kind == "group"
    for verb, archived in (("archive", True), ("unarchive", False)):
        tour.api.http_post(f"/groups/{child.id}/{verb}")
        assert tour.api.groups.get(child.id).archived is archived
    tour.group.avatar = PNG
    tour.group.save()
    assert tour.api.http_get(f"/groups/{tour.group.id}/avatar", raw=True).content == PNG


def projects(tour: Tour) -> None:
    made = {"name": "Web shop", "path": "shop", "namespace_id": tour.group.id, "initialize_with_readme": True}
    tour.project = tour.api.projects.create(
        {**made, "topics": ["backend"], "container_registry_enabled": False}
    )
    assert tour.project.container_registry_access_level == "disabled"
    assert tour.project.default_branch == "main"
    child = tour.api.groups.get("acme/platform")
    tour.other = tour.api.projects.create({"name": "Tools", "namespace_id": child.id})
    assert tour.other.path == "tools"
    assert tour.other.empty_repo
    tour.project.merge_method = "ff"
    tour.project.ci_default_git_depth = 5
    tour.project.container_expiration_policy_attributes = {"enabled": True}
    tour.project.save()
    read = tour.api.projects.get("acme/shop")
    assert (read.merge_method, read.ci_default_git_depth) == ("ff", 5)
    assert read.container_expiration_policy["enabled"]
    assert [each.path for each in tour.api.projects.list(search="shop")] == ["shop"]
    assert {each.path for each in tour.group.projects.list(include_subgroups=True)} == {"shop", "tools"}
    tour.project.archive()
    assert tour.api.projects.get(tour.project.id).archived
    tour.project.unarchive()
    tour.project.avatar = PNG
    tour.project.save()
    assert tour.api.http_get(f"{tour.project_path}/avatar", raw=True).content == PNG


def members(tour: Tour) -> None:
    for owner in (tour.group, tour.project):
        before = {each.id for each in owner.members.list()}
        first, then = (20, 30) if owner is tour.group else (40, 50)
        member = owner.members.create(
            {"user_id": tour.user.id, "access_level": first, "expires_at": "2999-01-01"}
        )
        member.access_level = then
        member.save()
        assert owner.members.get(tour.user.id).access_level == then
        assert owner.members.get(tour.user.id).expires_at == "2999-01-01"
        assert {each.id for each in owner.members.list()} - before == {tour.user.id}
        assert tour.user.id in {each.id for each in owner.members_all.list()}
        assert owner.members_all.get(tour.user.id).access_level == then
    tour.project.members.delete(tour.user.id)
    tour.group.members.delete(tour.user.id)
    tour.group.members.create({"user_id": tour.user.id, "access_level": 30})


def shares(tour: Tour) -> None:
    team = tour.api.groups.create({"name": "Team", "path": "team"})
    tour.project.share(team.id, 30, "2999-01-01")
    assert tour.api.projects.get(tour.project.id).shared_with_groups[0]["group_full_path"] == "team"
    invited = tour.api.http_list(f"{tour.project_path}/invited_groups", get_all=True)
    assert [each["full_path"] for each in invited] == ["team"]
    tour.project.unshare(team.id)
    tour.group.share(team.id, 20, None)
    assert tour.api.groups.get(tour.group.id).shared_with_groups[0]["group_access_level"] == 20
    tour.group.unshare(team.id)
    assert tour.api.groups.get(tour.group.id).shared_with_groups == []


def moves(tour: Tour) -> None:
    target = tour.api.groups.create({"name": "Target", "path": "target", "visibility": "internal"})
    tour.other.transfer(target.id)
    assert tour.api.projects.get("target/tools").id == tour.other.id
    tour.group.transfer_project(tour.other.id)
    assert tour.api.projects.get("acme/tools").id == tour.other.id
    assert tour.api.projects.get("target/tools").id == tour.other.id, "the path that was left behind leads on"
    child = tour.api.groups.get("acme/platform")
    child.transfer(target.id)
    assert tour.api.groups.get("target/platform").id == child.id
    tour.group.path = "acme-corp"
    tour.group.save()
    assert tour.api.projects.get("acme-corp/tools").id == tour.other.id


def deletions(tour: Tour) -> None:
    tour.other.delete()
    doomed = tour.api.projects.get(tour.other.id)
    assert doomed.marked_for_deletion_on
    assert doomed.path.startswith("tools-deletion_scheduled-")
    tour.other.restore()
    assert tour.api.projects.get(tour.other.id).path == "tools"
    tour.other.delete()
    path = tour.api.projects.get(tour.other.id).path_with_namespace
    tour.api.http_delete(
        f"/projects/{tour.other.id}", query_data={"permanently_remove": True, "full_path": path}
    )
    target = tour.api.groups.get("target")
    target.delete()
    assert tour.api.groups.get(target.id).marked_for_deletion_on
    target.restore()
    assert tour.api.groups.get(target.id).marked_for_deletion_on is None
