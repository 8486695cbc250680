"""Groups and projects: made, renamed, moved, archived, made narrower, deleted when that was said twice."""

from __future__ import annotations

from typing import Any

import gitlab
import pytest

from tests.integration.gitlab.world import World, acme, keys


def test_a_project_is_renamed_and_keeps_its_number(ce: World) -> None:
    ce.run(acme({"path": "web", "labels": {"bug": "#ff0000"}}))
    number = ce.project().id
    renamed = acme({"path": "site", "previous_path": "acme/web", "labels": {"bug": "#ff0000"}})
    assert keys(ce.run(renamed)) == ["move acme/site"]
    assert ce.project("acme/site").id == number
    ce.again(renamed)


def test_a_project_moves_to_another_group(ce: World) -> None:
    ce.run([*acme({"path": "web"}), {"path": "tools"}])
    number = ce.project().id
    moved = [*acme(), {"path": "tools", "projects": [{"path": "site", "previous_path": "acme/web"}]}]
    assert keys(ce.run(moved)) == ["move tools/site"]
    assert ce.project("tools/site").id == number
    ce.again(moved)


def test_a_group_is_renamed_with_all_that_is_in_it(ce: World) -> None:
    def model(**group: Any) -> list[dict[str, Any]]:
        inside = [{"path": "infra", "labels": {"bug": "#ff0000"}}]
        return [{**group, "groups": [{"path": "ops", "projects": inside}]}]

    ce.run(model(path="acme"))
    number = ce.project("acme/ops/infra").id
    assert keys(ce.run(model(path="corp", previous_path="acme"))) == ["move corp"]
    assert ce.project("corp/ops/infra").id == number
    ce.again(model(path="corp", previous_path="acme"))


def test_a_group_moves_below_another_while_something_in_it_is_renamed(ce: World) -> None:
    ce.run(acme(groups=[{"path": "ops", "projects": [{"path": "infra"}]}]))
    number = ce.project("acme/ops/infra").id
    moved = acme(
        groups=[
            {
                "path": "platform",
                "groups": [
                    {
                        "path": "operations",
                        "previous_path": "acme/ops",
                        "projects": [{"path": "base", "previous_path": "acme/ops/infra"}],
                    }
                ],
            }
        ]
    )
    assert keys(ce.run(moved)) == [
        "create acme/platform",
        "move acme/platform/operations",
        "move acme/platform/operations/base",
    ]
    assert ce.project("acme/platform/operations/base").id == number
    ce.again(moved)


def test_a_previous_path_that_is_in_use_again_is_left_alone(ce: World) -> None:
    ce.run(acme({"path": "web"}, {"path": "site"}))
    told = ce.again(acme({"path": "site", "previous_path": "acme/web"}))
    assert told["warnings"] == [
        "gitlab_config_groups[acme/site].previous_path: acme/web is there as well as acme/site;"
        " it is left alone"
    ]


def test_an_archived_project_rests_and_comes_back(ce: World) -> None:
    ce.run(acme({"path": "web", "labels": {"bug": "#ff0000"}}))
    archived = acme({"path": "web", "archived": True, "labels": {"bug": "#00ff00"}})
    assert keys(ce.run(archived)) == ["update acme/web labels bug", "archive acme/web"]
    assert ce.project().archived
    ce.again(archived)
    assert not [request for request in ce.server.requests if "/labels" in request.path]
    back = acme({"path": "web", "archived": False, "labels": {"bug": "#00ff00"}})
    assert keys(ce.run(back)) == ["unarchive acme/web"]
    ce.again(back)


def test_visibility_is_widened_from_the_top_and_narrowed_from_the_bottom(ce: World) -> None:
    def all_of(visibility: str) -> list[dict[str, Any]]:
        layers = {"groups": {"visibility": visibility}, "projects": {"visibility": visibility}}
        return acme(
            {"path": "web"},
            visibility=visibility,
            defaults=layers,
            groups=[{"path": "ops", "projects": [{"path": "infra"}]}],
        )

    for visibility in ("private", "public", "internal", "private"):
        ce.run(all_of(visibility))
        ce.again(all_of(visibility))
        assert ce.group().visibility == ce.project("acme/ops/infra").visibility == visibility


def test_deletion_needs_a_confirmation_and_is_put_off(ce: World) -> None:
    ce.run(acme({"path": "web"}, {"path": "api"}))
    gone = acme({"path": "web", "state": "absent"}, {"path": "api"})
    assert ce.refused(gone) == [
        'gitlab_config_groups[acme/web].state is "absent": '
        "must be confirmed: gitlab_config_confirm_deletion has to name acme/web"
    ]
    number = ce.project().id
    told = ce.run(gone, confirm=["acme/web"], check=True)
    assert keys(told) == ["delete acme/web"]
    assert ce.server.requests.writes == []
    ce.run(gone, confirm=["acme/web"])
    assert ce.root.projects.get(number).marked_for_deletion_on
    (request,) = ce.server.requests.writes
    assert "permanently" not in request.path
    ce.again(gone, confirm=["acme/web"])


def test_a_group_is_deleted_after_what_is_in_it(ce: World) -> None:
    ce.run(acme(groups=[{"path": "ops", "projects": [{"path": "infra"}]}]))
    inside = [{"path": "infra", "state": "absent"}]
    gone = acme(groups=[{"path": "ops", "state": "absent", "projects": inside}])
    ce.run(gone, confirm=["acme/ops", "acme/ops/infra"])
    paths = [request.route for request in ce.server.requests.writes]
    assert paths == ["DELETE /projects/{id}", "DELETE /groups/{id}"]
    ce.again(gone, confirm=["acme/ops", "acme/ops/infra"])


def test_what_is_in_an_absent_group_must_be_absent_too(ce: World) -> None:
    ce.run(acme(groups=[{"path": "ops", "projects": [{"path": "infra"}]}]))
    gone = acme(groups=[{"path": "ops", "state": "absent", "projects": [{"path": "infra"}]}])
    lines = ce.refused(gone, confirm=["acme/ops"])
    assert lines == [
        'gitlab_config_groups[acme/ops/infra].state is "present": is in acme/ops, which is to be absent'
    ]


def test_projects_and_groups_that_nobody_declares_are_reported(ce: World) -> None:
    ce.run(acme({"path": "web"}, groups=[{"path": "ops", "projects": [{"path": "infra"}]}]))
    told = ce.again(acme({"path": "web"}), enforce={"projects": "report", "groups": "report"})
    assert [(one["section"], one["key"]) for one in told["unlisted"]] == [
        ("groups", "acme/ops"),
        ("projects", "acme/ops/infra"),
    ]


def test_what_is_there_is_taken_over_as_it_is(ce: World) -> None:
    group = ce.root.groups.create({"name": "Acme Inc", "path": "acme", "visibility": "public"})
    ce.root.projects.create(
        {"name": "The Web", "path": "web", "namespace_id": group.id, "visibility": "public"}
    )
    ce.again(acme({"path": "web"}))
    assert (ce.group().name, ce.project().name) == ("Acme Inc", "The Web")


def test_settings_are_compared_by_value(ce: World) -> None:
    settings = {
        "topics": ["b", "a"],
        "merge_method": "ff",
        "ci_config_path": "",
        "public_jobs": False,
        "build_timeout": 7200,
        "container_expiration_policy_attributes": {"cadence": "1d", "enabled": True},
    }
    ce.run(acme({"path": "web", "settings": settings}))
    ce.again(acme({"path": "web", "settings": settings}))
    project = ce.project()
    assert (sorted(project.topics), project.merge_method, project.build_timeout) == (["a", "b"], "ff", 7200)
    told = ce.run(acme({"path": "web", "settings": {**settings, "build_timeout": 3600}}))
    assert told["plan"][0]["before"] == {"build_timeout": 7200}


def test_a_project_of_another_is_never_touched(ce: World) -> None:
    other = ce.root.groups.create({"name": "other", "path": "other"})
    ce.root.projects.create({"name": "x", "namespace_id": other.id})
    ce.run(acme({"path": "web"}), enforce={"projects": "report", "labels": "remove"})
    assert not [request for request in ce.server.requests if "other" in request.path]
    with pytest.raises(gitlab.GitlabGetError):
        ce.project("acme/x")
