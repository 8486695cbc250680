"""Every section that both editions have: changed, enforced, and clean afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from lab.doubles.gitlab import Server
from tests.integration.gitlab.world import World, acme, keys, public_key

# Section, one of its things as it was, as it is to be, and another that nobody will declare.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "members": ({"alice": "developer"}, {"alice": "maintainer"}, {"bob": "reporter"}),
    "members with expiry": (
        {"alice": {"access_level": "developer"}},
        {"alice": {"access_level": "developer", "expires_at": "2098-01-31"}},
        {"bob": "guest"},
    ),
    "shares": (
        {"acme/ops": "reporter"},
        {"acme/ops": {"access_level": "developer", "expires_at": "2098-01-31"}},
        {"acme/guests": "guest"},
    ),
    "variables": (
        {"A": {"value": "one"}},
        {"A": {"value": "two", "protected": True}},
        {"B": "three", "A@production": "four"},
    ),
    "variables to be hidden": (
        {"A": "long-enough"},
        {"A": {"value": "long-enough", "hidden": True}},
        {"B": "b"},
    ),
    "deploy_keys": (
        {"ci": {"key": public_key(1)}},
        {"ci": {"key": public_key(1), "can_push": True}},
        {"old": {"key": public_key(2)}},
    ),
    "deploy_keys renewed": (
        {"ci": {"key": public_key(3)}},
        {"ci": {"key": public_key(4)}},
        {"old": {"key": public_key(5)}},
    ),
    "hooks": (
        {"https://one.example/": {"push_events": True}},
        {"https://one.example/": {"push_events": False, "issues_events": True}},
        {"https://two.example/": {}},
    ),
    "labels": (
        {"bug": "#ff0000"},
        {"bug": {"color": "#00FF00", "description": "A bug", "priority": 1}},
        {"old": "#000000"},
    ),
    "badges": (
        {"ci": {"link_url": "https://a.example", "image_url": "https://a.example/i"}},
        {"ci": {"link_url": "https://b.example", "image_url": "https://a.example/i"}},
        {"old": {"link_url": "https://c.example", "image_url": "https://c.example/i"}},
    ),
    "schedules": (
        {"nightly": {"cron": "0 1 * * *", "ref": "main"}},
        {"nightly": {"cron": "0 2 * * *", "ref": "main", "active": False, "variables": {"A": "1"}}},
        {"old": {"cron": "0 3 * * *", "ref": "main"}},
    ),
    "mirrors": (
        {"https://git.example/web.git": {}},
        {"https://git.example/web.git": {"only_protected_branches": True}},
        {"https://old.example/web.git": {}},
    ),
    "integrations": (
        {"slack": {"properties": {"channel": "a"}, "secrets": {"webhook": "https://slack.example/x"}}},
        {"slack": {"properties": {"channel": "b"}, "secrets": {"webhook": "https://slack.example/x"}}},
        {
            "jira": {
                "properties": {"url": "https://jira.example", "username": "u"},
                "secrets": {"password": "p"},
            }
        },
    ),
    "tags": ({"1.0.0": {}}, {"1.0.0": {}, "1.1.0": {"ref": "main"}}, {"9.9.9": {}}),
}


def model(section: str, things: dict[str, Any]) -> list[dict[str, Any]]:
    project = {"path": "web", "files": {"README.md": "hello\n"}, section: things}
    return acme(project, groups=[{"path": "ops"}, {"path": "guests"}])


@pytest.mark.parametrize("case", CASES)
def test_a_section(ce: World, case: str) -> None:
    section = case.split()[0]
    was, wanted, unlisted = CASES[case]
    ce.run(model(section, was))
    ce.again(model(section, was))
    told = ce.run(model(section, wanted))
    assert [key.split()[2] for key in keys(told)] == [section]
    ce.again(model(section, wanted))
    ce.run(model(section, {**wanted, **unlisted}))
    ce.again(model(section, wanted))
    told = ce.again(model(section, wanted), enforce={section: "report"})
    assert {one["key"] for one in told["unlisted"] if one["object"] == "acme/web"} == set(unlisted)
    told = ce.run(model(section, wanted), enforce={section: "remove"})
    assert {key for key in keys(told) if " acme/web " in key} == {
        f"delete acme/web {section} {key}" for key in unlisted
    }
    told = ce.again(model(section, wanted), enforce={section: "remove"})
    assert told["unlisted"] == []


def test_the_lists_of_job_tokens(ce: World) -> None:
    def lists(**job_token: Any) -> list[dict[str, Any]]:
        return acme(
            {"path": "web", "job_token": job_token},
            {"path": "api"},
            {"path": "app"},
            groups=[{"path": "ops"}],
        )

    ce.run(lists(limited=False, projects=["acme/api", "acme/app"], groups=["acme/ops"]))
    told = ce.run(lists(limited=True, projects=["acme/api"]), enforce={"job_token": "remove"})
    assert set(keys(told)) == {
        "update acme/web job_token limited",
        "delete acme/web job_token project acme/app",
        "delete acme/web job_token group acme/ops",
    }
    ce.again(lists(limited=True, projects=["acme/api"]), enforce={"job_token": "remove"})


def test_runners_of_other_projects(ce: World) -> None:
    ce.run(acme({"path": "web"}, {"path": "api"}))
    ce.root.auth()
    web = ce.project()
    ce.root.user.runners.create(
        {"runner_type": "project_type", "project_id": web.id, "description": "shared-1"}
    )
    wanted = acme({"path": "web"}, {"path": "api", "runners": {"shared-1": {}}})
    assert keys(ce.run(wanted)) == ["create acme/api runners shared-1"]
    ce.again(wanted)
    (line,) = ce.refused(acme({"path": "api", "runners": {"nobody": {}}}))
    assert line.startswith(
        'gitlab_config_groups[acme/api].runners is "nobody": must be the description of one'
    )


def test_files_are_seeded_once_or_kept(ce: World) -> None:
    def files(content: str, **more: Any) -> list[dict[str, Any]]:
        return acme({"path": "web", "files": {"docs/a.md": {"content": content, **more}, "b.md": "b\n"}})

    ce.run(files("one\n"))
    assert ce.server.requests.count(route="POST /projects/{id}/repository/commits") == 1
    ce.again(files("two\n"))
    told = ce.run(files("two\n", keep=True))
    assert keys(told) == ["update acme/web files docs/a.md"]
    assert ce.project().files.get("docs/a.md", ref="main").decode() == b"two\n"
    ce.again(files("two\n", keep=True))


def test_a_template_is_rendered_for_each_project(ce: World) -> None:
    asked: list[str] = []

    def render(template: str, variables: Any) -> str:
        asked.append(template)
        return f"# {variables['gitlab_project']['path']}\n"

    defaults = {"projects": {"files": {"README.md": {"template": "readme.md.j2"}}}}
    ce.run(acme({"path": "web"}, {"path": "api"}, defaults=defaults), render=render)
    assert ce.project("acme/api").files.get("README.md", ref="main").decode() == b"# acme/api\n"
    assert asked == ["readme.md.j2", "readme.md.j2"]


def test_a_picture(ce: World, tmp_path: Any) -> None:
    picture = tmp_path / "logo.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    wanted = acme({"path": "web", "avatar": str(picture)}, avatar=str(picture))
    ce.run(wanted)
    ce.again(wanted)
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(65))
    assert keys(ce.run(wanted)) == ["update acme avatar", "update acme/web avatar"]
    ce.again(wanted)


def test_sections_of_groups(either: World) -> None:
    def group(color: str) -> list[dict[str, Any]]:
        (top,) = acme(
            labels={"team": color},
            variables={"A": {"value": "long-enough", "hidden": True}},
            badges={"b": {"link_url": "https://a.example", "image_url": "https://a.example/i"}},
            members={"alice": "owner"},
            shares={"tools": "developer"},
        )
        return [top, {"path": "tools"}]

    either.run(group("#000000"))
    either.again(group("#000000"))
    assert keys(either.run(group("#ffffff"))) == ["update acme labels team"]


def test_hooks_of_groups_are_the_enterprise_editions(ee: World) -> None:
    wanted = acme(hooks={"https://hook.example/": {"token": "a-token", "push_events": True}})
    ee.run(wanted)
    ee.again(wanted)


def test_who_converges_is_never_removed(ce: World) -> None:
    model = acme({"path": "web"}, members={"alice": "owner"})
    ce.run(model)
    ce.again(model, enforce={"members": "report"})
    root = next(one for one in ce.group().members.list() if one.username == "root")
    ce.again(model, enforce={"members": "remove"})
    assert root.id in {one.id for one in ce.group().members.list()}


def test_many_of_a_kind_are_read_page_by_page(ce: World) -> None:
    model = acme({"path": "web", "labels": {f"label-{number}": "#000000" for number in range(230)}})
    ce.run(model)
    ce.again(model)
    assert ce.server.requests.count(route="GET /projects/{id}/labels") == 3


def test_the_double_is_one() -> None:
    with Server() as server:
        assert server.version.endswith("-double")
