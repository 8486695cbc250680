"""A whole model: made, then clean, told in check mode field by field, at the price that it may have."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.gitlab.world import World, acme, keys, public_key

SECRETS = ("correct-horse-1", "hidden-horse-2", "hook-horse-3", "mirror-horse-4", "slack-horse-5")


def whole() -> list[dict[str, Any]]:
    """Everything that the Community Edition has."""
    return [
        {
            "path": "acme",
            "name": "ACME",
            "visibility": "internal",
            "description": "The company",
            "settings": {"project_creation_level": "maintainer"},
            "members": {"alice": "owner"},
            "labels": {"team": "#ff0000"},
            "variables": {"REGION": "eu-central-1"},
            "badges": {
                "site": {"link_url": "https://acme.example", "image_url": "https://acme.example/i.svg"}
            },
            "defaults": {
                "projects": {
                    "visibility": "private",
                    "settings": {"only_allow_merge_if_pipeline_succeeds": True},
                    "protected_branches": {"main": {"push": "no one", "merge": "maintainer"}},
                    "labels": {
                        "bug": "#ee0000",
                        "chore": {"color": "#00ee00", "description": "Small things"},
                    },
                    "files": {"README.md": "# Hello\n"},
                }
            },
            "groups": [{"path": "ops", "projects": [{"path": "infra", "labels": {"chore": None}}]}],
            "projects": [
                {
                    "path": "web",
                    "name": "The Web",
                    "members": {"bob": {"access_level": "developer", "expires_at": "2099-12-31"}},
                    "shares": {"acme/ops": "reporter"},
                    "tags": {"1.0.0": {"message": "the first"}},
                    "protected_tags": {"v*": "maintainer"},
                    "variables": {
                        "PASSWORD": {"value": SECRETS[0], "masked": True, "protected": True},
                        "HIDDEN": {"value": SECRETS[1], "hidden": True},
                        "URL": "https://dev.example",
                        "URL@production": "https://example",
                        "CONFIG": {"value": "a: 1\n", "type": "file"},
                    },
                    "deploy_keys": {"ci": {"key": public_key(), "can_push": True}},
                    "deploy_tokens": {"pull": {"scopes": ["read_registry"], "deliver": {"variable": "PULL"}}},
                    "access_tokens": {
                        "bot": {
                            "scopes": ["api"],
                            "access_level": "developer",
                            "deliver": {"variable": "BOT", "project": "acme/ops/infra"},
                        }
                    },
                    "hooks": {"https://hook.example/x": {"token": SECRETS[2], "push_events": True}},
                    "badges": {
                        "ci": {"link_url": "https://ci.example", "image_url": "https://ci.example/i.svg"}
                    },
                    "schedules": {"nightly": {"cron": "0 1 * * *", "ref": "main", "variables": {"A": "b"}}},
                    "job_token": {"limited": True, "projects": ["acme/ops/infra"], "groups": ["acme/ops"]},
                    "integrations": {
                        "slack": {"properties": {"channel": "#dev"}, "secrets": {"webhook": SECRETS[4]}}
                    },
                    "mirrors": {"https://git.example/web.git": {"user": "m", "password": SECRETS[3]}},
                }
            ],
        }
    ]


def test_a_whole_model_is_made_and_then_clean(either: World) -> None:
    made = either.run(whole())
    assert made["changed"]
    either.again(whole())
    project = either.project()
    assert (project.name, project.visibility) == ("The Web", "private")
    assert project.only_allow_merge_if_pipeline_succeeds
    (member,) = [one for one in project.members.list() if one.username == "bob"]
    assert (member.access_level, member.expires_at) == (30, "2099-12-31")
    (branch,) = project.protectedbranches.list()
    assert branch.push_access_levels[0]["access_level"] == 0
    assert {label.name for label in project.labels.list(include_ancestor_groups=False)} == {"bug", "chore"}
    infra = either.project("acme/ops/infra")
    assert {label.name for label in infra.labels.list(include_ancestor_groups=False)} == {"bug"}
    assert infra.variables.get("BOT").value.startswith("glpat-")
    assert project.files.get("README.md", ref="main").decode() == b"# Hello\n"
    assert {(one.key, one.environment_scope) for one in project.variables.list()} >= {
        ("URL", "*"),
        ("URL", "production"),
    }


def test_no_secret_is_in_what_is_told(ce: World) -> None:
    told = json.dumps(ce.run(whole(), check=True)) + json.dumps(ce.run(whole())) + "".join(ce.lines)
    for secret in (*SECRETS, ce.project().variables.get("PULL").value):
        assert secret not in told


def test_a_dry_run_tells_the_plan_and_writes_nothing(ce: World) -> None:
    told = ce.run(whole(), check=True)
    assert told["changed"]
    assert ce.server.requests.writes == []
    assert "create acme/web variables PASSWORD" in keys(told)
    assert [change["key"] for change in ce.run(whole())["plan"]] == [change["key"] for change in told["plan"]]


def test_the_difference_is_of_fields(ce: World) -> None:
    def described(text: str) -> list[dict[str, Any]]:
        return acme({"path": "web", "labels": {"bug": {"color": "#ff0000", "description": text}}})

    ce.run(described("old"))
    told = ce.run(described("new"), check=True)
    (change,) = told["plan"]
    assert (change["before"], change["after"]) == ({"description": "old"}, {"description": "new"})
    assert '"description": "old"' in told["diff"][0]["before"]


def test_a_line_for_each_change_as_it_happens(ce: World) -> None:
    result = ce.run(acme({"path": "web", "labels": {"bug": "#ff0000"}}))
    assert ce.lines == keys(result)


@pytest.mark.parametrize("projects", [1, 12])
def test_a_clean_project_costs_at_most_8_reads(ce: World, projects: int) -> None:
    """What the peers were measured with (branches, tag, members, variables, hook), and more."""
    several = [
        {
            "path": f"web{number}",
            "settings": {"merge_method": "ff"},
            "members": {"alice": "maintainer", "bob": "developer", "carol": "reporter"},
            "shares": {"acme/ops": "reporter"},
            "protected_branches": {
                name: {"push": "no one", "merge": "developer"} for name in ("main", "dev")
            },
            "protected_tags": {"v*": "maintainer"},
            "variables": {f"KEY_{position}": "value" for position in range(10)},
            "hooks": {"https://hook.example/": {"token": "t", "push_events": True}},
            "labels": {"bug": "#ff0000"},
            "deploy_keys": {"ci": {"key": public_key()}},
        }
        for number in range(projects)
    ]
    model = acme(*several, groups=[{"path": "ops"}])
    ce.run(model)
    result = ce.again(model)
    once = sum(not request.path.startswith("/api/v4/projects/") for request in ce.server.requests)
    assert result["stats"]["reads"] == len(ce.server.requests)
    assert result["stats"]["writes"] == 0
    assert len(ce.server.requests) - once <= 8 * projects
    # Token, user, version, the group, its groups and its projects: however many of them there are.
    assert once == 6


def test_defaults_of_the_instance_are_the_farthest(ce: World) -> None:
    ce.run(
        acme(
            {"path": "web", "labels": {"c": "#00000c"}},
            defaults={"projects": {"labels": {"b": "#00000b", "gone": None}}},
        ),
        defaults={"projects": {"labels": {"a": "#00000a", "b": "#ffffff", "gone": "#000000"}}},
    )
    labels = {one.name: one.color.lower() for one in ce.project().labels.list(include_ancestor_groups=False)}
    assert labels == {"a": "#00000a", "b": "#00000b", "c": "#00000c"}


def test_the_instance_itself(ce: World) -> None:
    instance = {
        "settings": {"signup_enabled": False},
        "variables": {"PROXY": "http://proxy.example:3128"},
        "hooks": {"https://audit.example/": {"token": "secret-of-audit", "push_events": False}},
    }
    made = ce.run([], instance=instance)
    assert keys(made)[-1] == "create instance hooks https://audit.example/"
    assert ce.root.settings.get().signup_enabled is False
    ce.again([], instance=instance)


def test_one_who_is_no_administrator_can_converge_a_group(ce: World) -> None:
    ce.run([{"path": "acme", "members": {"alice": "owner"}}])
    token = ce.user_token("alice")
    model = acme(
        {
            "path": "web",
            "variables": {"A": "1"},
            "mirrors": {"https://git.example/": {"password": "p", "user": "u"}},
        },
        members={"alice": "owner"},
    )
    warned = ce.run(model, token=token)["warnings"]
    assert any("administrator" in line for line in warned)
    ce.again(model, token=token)
