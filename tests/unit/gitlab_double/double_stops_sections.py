"""Stops of the tour: everything that is in groups and projects."""

from __future__ import annotations

import base64
from typing import Any

import gitlab
from double_stops import Tour

from lab.doubles.gitlab.resources.jobs import new_job

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q test"


def variables(tour: Tour) -> None:
    for owner in (tour.group, tour.project):
        owner.variables.create({"key": "PLAIN", "value": "x"})
        hidden = owner.variables.create({"key": "HIDDEN", "value": "abcdefgh", "masked_and_hidden": True})
        assert hidden.value is None
        assert hidden.masked
        variable = owner.variables.get("PLAIN")
        variable.value = "y"
        variable.protected = True
        variable.save()
        assert (owner.variables.get("PLAIN").value, owner.variables.get("PLAIN").protected) == ("y", True)
        owner.variables.delete("HIDDEN")
        assert [each.key for each in owner.variables.list()] == ["PLAIN"]
    for scope in ("staging", "production"):
        tour.project.variables.create({"key": "URL", "value": scope, "environment_scope": scope})
    chosen = {"environment_scope": "staging"}
    assert tour.project.variables.get("URL", filter=chosen).value == "staging"
    tour.project.variables.update("URL", {"value": "new"}, filter=chosen)
    tour.project.variables.delete("URL", filter=chosen)
    assert [each.value for each in tour.project.variables.list() if each.key == "URL"] == ["production"]


def hooks(tour: Tour) -> None:
    hook = tour.project.hooks.create(
        {
            "url": "https://example.com/hook",
            "token": "secret",
            "pipeline_events": True,
            "custom_headers": [{"key": "X-A", "value": "secret"}],
        }
    )
    hook.job_events = True
    hook.save()
    read = tour.project.hooks.get(hook.id)
    assert (read.pipeline_events, read.job_events) == (True, True)
    assert "secret" not in str(read.attributes)
    assert len(tour.project.hooks.list()) == 1
    hook.delete()


def labels(tour: Tour) -> None:
    for owner in (tour.group, tour.project):
        label = owner.labels.create({"name": "a/b", "color": "#ff0000"})
        label.description = "why"
        label.new_name = "bug"
        label.save()
        path = tour.group_path if owner is tour.group else tour.project_path
        tour.api.http_put(f"{path}/labels/bug", post_data={"color": "#00ff00"})
        assert tour.api.http_get(f"{path}/labels/{label.id}")["color"] == "#00ff00"
        assert [(each.name, each.description) for each in owner.labels.list()] == [("bug", "why")]
        owner.labels.create({"name": "later", "color": "#ff0000"})
        tour.api.http_delete(f"{path}/labels/later")
        tour.api.http_delete(f"{path}/labels", query_data={"name": "bug"})
        assert owner.labels.list() == []


def keys_and_badges(tour: Tour) -> None:
    key = tour.project.keys.create({"title": "deploy", "key": KEY})
    key.can_push = True
    key.save()
    assert tour.project.keys.get(key.id).can_push
    assert tour.project.keys.list()[0].fingerprint_sha256.startswith("SHA256:")
    key.delete()
    for owner in (tour.group, tour.project):
        badge = owner.badges.create(
            {"link_url": "https://e.org/%{project_path}", "image_url": "https://e.org/%{default_branch}.svg"}
        )
        badge.name = "pipeline"
        badge.save()
        assert owner.badges.get(badge.id).name == "pipeline"
        assert "%" not in owner.badges.list()[0].rendered_link_url
        badge.delete()
        token = owner.deploytokens.create({"name": "registry", "scopes": ["read_registry"]})
        assert token.token.startswith("gldt-")
        assert owner.deploytokens.list()[0].name == "registry"
        assert not hasattr(owner.deploytokens.get(token.id), "token")
        owner.deploytokens.delete(token.id)


def repositories(tour: Tour) -> None:
    project = tour.project
    project.branches.create({"branch": "work", "ref": "main"})
    project.files.create(
        {"file_path": "a/b.txt", "branch": "work", "content": "one\n", "commit_message": "add"}
    )
    held = project.files.get("a/b.txt", ref="work")
    assert base64.b64decode(held.content) == b"one\n"
    held.content = "two\n"
    held.save(branch="work", commit_message="change")
    assert project.files.raw("a/b.txt", ref="work") == b"two\n"
    assert project.files.head("a/b.txt", ref="work")["X-Gitlab-File-Path"] == "a/b.txt"
    commit = project.commits.create(
        {
            "branch": "work",
            "commit_message": "several",
            "actions": [
                {
                    "action": "create",
                    "file_path": "run.sh",
                    "content": "#!/bin/sh\n",
                    "execute_filemode": True,
                },
                {"action": "move", "file_path": "a/c.txt", "previous_path": "a/b.txt"},
            ],
        }
    )
    assert project.commits.get(commit.id).message == "several"
    assert len(project.commits.list(ref_name="work")) == 4
    tree = {each["path"]: each["mode"] for each in project.repository_tree(ref="work", recursive=True)}
    assert tree == {"README.md": "100644", "a": "040000", "a/c.txt": "100644", "run.sh": "100755"}
    project.files.delete("run.sh", branch="work", commit_message="remove")
    project.tags.create({"tag_name": "v1", "ref": "work"})
    assert project.tags.get("v1").commit["message"] == "remove"
    assert [each.name for each in project.tags.list()] == ["v1"]
    project.tags.delete("v1")
    assert [each.name for each in project.branches.list()] == ["main", "work"]
    assert project.branches.get("main").protected
    project.branches.delete("work")


def protections(tour: Tour) -> None:
    rules = tour.project.protectedbranches
    assert [each.name for each in rules.list()] == ["main"]
    rule = rules.create({"name": "release/*", "push_access_level": 0, "merge_access_level": 30})
    rule.allow_force_push = True
    rule.save()
    read = rules.get("release/*")
    assert read.allow_force_push
    assert [each["access_level"] for each in read.push_access_levels] == [0]
    rules.delete("release/*")
    tags = tour.project.protectedtags
    tags.create({"name": "v*", "create_access_level": 40})
    assert tags.get("v*").create_access_levels[0]["access_level"] == 40
    assert [each.name for each in tags.list()] == ["v*"]
    tags.delete("v*")


def schedules(tour: Tour) -> None:
    schedule = tour.project.pipelineschedules.create(
        {"description": "nightly", "ref": "main", "cron": "0 3 * * *"}
    )
    schedule.cron = "0 4 * * *"
    schedule.save()
    schedule.take_ownership()
    for key in ("A", "B"):
        schedule.variables.create({"key": key, "value": "1"})
    tour.api.http_put(
        f"{tour.project_path}/pipeline_schedules/{schedule.id}/variables/A", post_data={"value": "2"}
    )
    schedule.variables.delete("B")
    read = tour.project.pipelineschedules.get(schedule.id)
    assert (read.cron, read.ref) == ("0 4 * * *", "refs/heads/main")
    assert [(each["key"], each["value"]) for each in read.attributes["variables"]] == [("A", "2")]
    assert not tour.project.pipelineschedules.list()[0].attributes.get("variables")
    schedule.delete()
    trigger = tour.project.triggers.create({"description": "outside"})
    trigger.description = "from outside"
    trigger.save()
    assert tour.project.triggers.get(trigger.id).description == "from outside"
    assert len(tour.project.triggers.list()) == 1
    trigger.delete()


def job_tokens(tour: Tour) -> None:
    scope = tour.project.job_token_scope.get()
    assert scope.inbound_enabled
    scope.enabled = False
    scope.save()
    assert not tour.project.job_token_scope.get().inbound_enabled
    scope.allowlist.create({"target_project_id": tour.other.id})
    assert {each.id for each in scope.allowlist.list()} == {tour.project.id, tour.other.id}
    scope.allowlist.delete(tour.other.id)
    scope.groups_allowlist.create({"target_group_id": tour.group.id})
    assert [each.id for each in scope.groups_allowlist.list()] == [tour.group.id]
    scope.groups_allowlist.delete(tour.group.id)


def access_tokens(tour: Tour) -> None:
    for owner in (tour.group, tour.project):
        token = owner.access_tokens.create({"name": "bot", "scopes": ["read_api"], "access_level": 30})
        bot = gitlab.Gitlab(tour.server.url, private_token=token.token)
        assert bot.http_get("/user")["bot"]
        rotated = owner.access_tokens.rotate(token.id)
        assert rotated["token"] != token.token
        assert owner.access_tokens.get(rotated["id"]).access_level == 30
        owner.access_tokens.delete(rotated["id"])
        assert owner.access_tokens.list(state="active") == []


INTEGRATIONS = {
    "slack": {"webhook": "https://hooks.example.com/secret"},
    "mattermost": {"webhook": "https://hooks.example.com/secret"},
    "microsoft-teams": {"webhook": "https://hooks.example.com/secret"},
    "discord": {"webhook": "https://hooks.example.com/secret"},
    "telegram": {"token": "secret", "room": "1"},
    "jira": {"url": "https://jira.example.com", "username": "u", "password": "secret"},
    "harbor": {"url": "https://h.example.com", "project_name": "p", "username": "u", "password": "secret"},
    "jenkins": {"jenkins_url": "https://j.example.com", "project_name": "p"},
    "emails-on-push": {"recipients": "a@example.com"},
    "pipelines-email": {"recipients": "a@example.com"},
    "external-wiki": {"external_wiki_url": "https://wiki.example.com"},
    "custom-issue-tracker": {
        "project_url": "https://t.example.com",
        "issues_url": "https://t.example.com/:id",
        "new_issue_url": "https://t.example.com/new",
    },
    "youtrack": {"project_url": "https://t.example.com", "issues_url": "https://t.example.com/:id"},
    "redmine": {
        "project_url": "https://t.example.com",
        "issues_url": "https://t.example.com/:id",
        "new_issue_url": "https://t.example.com/new",
    },
    "confluence": {"confluence_url": "https://c.atlassian.net/wiki"},
}


def integrations(tour: Tour) -> None:
    for path in (tour.group_path, tour.project_path):
        for slug, given in INTEGRATIONS.items():
            tour.api.http_put(f"{path}/integrations/{slug}", post_data=given)
            read = tour.api.http_get(f"{path}/integrations/{slug}")
            assert read["active"]
            assert "secret" not in str(read)
        assert len(tour.api.http_get(f"{path}/integrations")) == len(INTEGRATIONS)
        tour.api.http_delete(f"{path}/integrations/slack")


def mirrors_and_environments(tour: Tour) -> None:
    mirror = tour.project.remote_mirrors.create(
        {"url": "https://bot:secret@example.com/x.git", "enabled": True}
    )
    mirror.only_protected_branches = True
    mirror.save()
    assert tour.project.remote_mirrors.list()[0].url == "https://*****:*****@example.com/x.git"
    assert tour.api.http_get(f"{tour.project_path}/remote_mirrors/{mirror.id}")["only_protected_branches"]
    mirror.delete()
    environment = tour.project.environments.create(
        {"name": "production", "external_url": "https://example.com"}
    )
    environment.external_url = "https://www.example.com"
    environment.save()
    assert tour.project.environments.get(environment.id).tier == "production"
    assert [each.slug for each in tour.project.environments.list()] == ["production"]
    environment.delete()


def runners(tour: Tour) -> None:
    def make(**attributes: Any) -> Any:
        return tour.api.http_post("/user/runners", post_data={"tag_list": ["a"], **attributes})

    made = make(runner_type="project_type", project_id=tour.project.id, run_untagged=False)
    shared = make(runner_type="instance_type")
    grouped = make(runner_type="group_type", group_id=tour.group.id)
    assert made["token"].startswith("glrt-")
    runner = tour.api.runners.get(made["id"])
    assert runner.tag_list == ["a"]
    runner.description = "ours"
    runner.locked = False
    runner.save()
    verified = tour.api.http_post("/runners/verify", post_data={"token": made["token"]})
    assert verified["id"] == made["id"]
    assert len(tour.api.runners_all.list()) == 3
    assert len(tour.api.http_list("/runners")) == 3
    assert {each.id for each in tour.project.runners.list()} == {made["id"], shared["id"], grouped["id"]}
    assert grouped["id"] in {each.id for each in tour.group.runners.list()}
    tour.other.runners.create({"runner_id": made["id"]})
    assert len(tour.api.runners.get(made["id"]).projects) == 2
    tour.other.runners.delete(made["id"])
    jobs(tour, made)
    fresh = tour.api.http_post(f"/runners/{made['id']}/reset_authentication_token")["token"]
    again = tour.api.http_post("/runners/reset_authentication_token", post_data={"token": fresh})["token"]
    assert len({made["token"], fresh, again}) == 3
    tour.api.http_delete("/runners", query_data={"token": shared["token"]})
    tour.api.runners.delete(made["id"])
    assert [each.id for each in tour.api.runners_all.list()] == [grouped["id"]]
    try:
        tour.api.http_post("/runners", post_data={"token": "registration"})
    except gitlab.GitlabHttpError as error:
        assert error.response_code == 410


def jobs(tour: Tour, runner: dict[str, Any]) -> None:
    with tour.server.state.lock:
        new_job(tour.server.state, tour.server.state.tables["projects"][str(tour.project.id)], "main", ["a"])
    given = tour.api.http_post("/jobs/request", post_data={"token": runner["token"]})
    running = tour.api.http_list(
        f"/runners/{runner['id']}/jobs", query_data={"status": "running"}, get_all=True
    )
    assert [each["id"] for each in running] == [given["id"]]
    tour.api.http_put(f"/jobs/{given['id']}", post_data={"token": given["token"], "state": "success"})
    assert [each.status for each in tour.project.jobs.list(scope="success")] == ["success"]


def attributes(tour: Tour) -> None:
    for owner in (tour.group, tour.project):
        for key in ("digest", "other"):
            owner.customattributes.set(key, "1")
        owner.customattributes.delete("other")
        assert owner.customattributes.get("digest").value == "1"
        assert [each.key for each in owner.customattributes.list()] == ["digest"]
    listed = tour.group.projects.list(with_custom_attributes=True)
    assert listed[0].custom_attributes == [{"key": "digest", "value": "1"}]


def enterprise(tour: Tour) -> None:
    for owner in (tour.group, tour.project):
        rule = owner.pushrules.create({"deny_delete_tag": True})
        rule.member_check = True
        rule.save()
        assert (owner.pushrules.get().deny_delete_tag, owner.pushrules.get().member_check) == (True, True)
        rule.delete()
    hook = tour.group.hooks.create({"url": "https://example.com/group"})
    hook.job_events = True
    hook.save()
    assert tour.group.hooks.get(hook.id).job_events
    assert len(tour.group.hooks.list()) == 1
    hook.delete()
    settings = tour.project.approvals.get()
    settings.merge_requests_author_approval = True
    settings.save()
    assert tour.project.approvals.get().merge_requests_author_approval
    rule = tour.project.approvalrules.create(
        {"name": "two", "approvals_required": 2, "usernames": ["ada"], "group_ids": [tour.group.id]}
    )
    rule.approvals_required = 1
    rule.save()
    assert tour.project.approvalrules.get(rule.id).approvals_required == 1
    assert [each["username"] for each in tour.project.approvalrules.list()[0].users] == ["ada"]
    rule.delete()
    protected_environments(tour)
    levels = tour.project.protectedbranches.get("main").push_access_levels
    changed = [{"id": levels[0]["id"], "_destroy": True}, {"user_id": tour.user.id}]
    tour.project.protectedbranches.update("main", {"allowed_to_push": changed})
    assert tour.project.protectedbranches.get("main").push_access_levels[0]["user_id"] == tour.user.id


def protected_environments(tour: Tour) -> None:
    path = f"{tour.project_path}/protected_environments"
    made = tour.project.protected_environments.create(
        {"name": "production", "deploy_access_levels": [{"access_level": 40}]}
    )
    level = made.deploy_access_levels[0]
    tour.api.http_put(
        f"{path}/production",
        post_data={
            "deploy_access_levels": [{"id": level["id"], "access_level": 30}],
            "required_approval_count": 1,
        },
    )
    read = tour.project.protected_environments.get("production")
    assert [each["access_level"] for each in read.deploy_access_levels] == [30]
    assert len(tour.project.protected_environments.list()) == 1
    read.delete()
