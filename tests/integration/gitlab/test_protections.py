"""A protection changes without a moment in which it is off, in both editions and wherever a run is cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from typing import Any

import gitlab
import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.client import Client
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.engine import FailedError

from lab.doubles.gitlab import Fault
from tests.integration.gitlab.world import World, acme, keys


def branches(push: Any, merge: Any = "maintainer", **more: Any) -> list[dict[str, Any]]:
    return acme({"path": "web", "protected_branches": {"main": {"push": push, "merge": merge, **more}}})


def tags(level: str) -> list[dict[str, Any]]:
    return acme({"path": "web", "protected_tags": {"v*": level}})


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[World, str, str], list[bool]]]:
    """``guarded(world, kind, name)``: after each write from then on, whether a rule matched the name."""

    def watch(world: World, kind: str, name: str) -> list[bool]:
        seen: list[bool] = []
        project = world.project()
        send = Client._request

        def spying(self: Client, method: str, path: str, *arguments: Any, **options: Any) -> Any:
            answer = send(self, method, path, *arguments, **options)
            if method != "get":
                seen.append(any(fnmatch(name, rule.name) for rule in getattr(project, kind).list()))
            return answer

        monkeypatch.setattr(Client, "_request", spying)
        return seen

    yield watch


def push_levels(world: World) -> list[int]:
    (rule,) = world.project().protectedbranches.list()
    assert rule.name == "main"
    return sorted(level["access_level"] for level in rule.push_access_levels)


@pytest.mark.parametrize("before, after", [("maintainer", "no one"), ("no one", "developer")])
def test_a_branch_is_protected_all_along(
    either: World, guarded: Callable[[World, str, str], list[bool]], before: str, after: str
) -> None:
    either.run(branches(before))
    seen = guarded(either, "protectedbranches", "main")
    told = either.run(branches(after))
    assert keys(told) == ["update acme/web protected_branches main"]
    assert seen
    assert all(seen)
    assert push_levels(either) == [{"no one": 0, "developer": 30}[after]]
    either.again(branches(after))


def test_the_enterprise_edition_is_changed_in_place(ee: World) -> None:
    ee.run(branches("maintainer"))
    ee.run(branches("no one"))
    assert [(request.method, request.route) for request in ee.server.requests.writes] == [
        ("PATCH", "PATCH /projects/{id}/protected_branches/{name}")
    ]


def test_a_flag_is_changed_in_place_in_both_editions(either: World) -> None:
    either.run(branches("maintainer"))
    either.run(branches("maintainer", allow_force_push=True))
    assert [request.method for request in either.server.requests.writes] == ["PATCH"]
    either.again(branches("maintainer", allow_force_push=True))


def test_a_tag_is_protected_all_along(
    either: World, guarded: Callable[[World, str, str], list[bool]]
) -> None:
    either.run(tags("developer"))
    seen = guarded(either, "protectedtags", "v1.0")
    either.run(tags("maintainer"))
    assert len(seen) == 4
    assert all(seen)
    (rule,) = either.project().protectedtags.list()
    assert (rule.name, rule.create_access_levels[0]["access_level"]) == ("v*", 40)


@pytest.mark.parametrize("write", [1, 2, 3])
def test_a_run_that_is_cut_leaves_it_protected_and_the_next_ends_clean(ce: World, write: int) -> None:
    ce.run(branches("maintainer"))
    # The first write puts the cover up, the second takes the old one down, the third puts the new one up.
    refused = {"path": "/protected_branches", "status": 500}
    ce.server.faults.add(
        Fault(method="DELETE" if write == 2 else "POST", skip={1: 0, 2: 0, 3: 1}[write], **refused)  # type: ignore[arg-type]
    )
    with pytest.raises(FailedError, match="update acme/web protected_branches main"):
        ce.run(branches("no one"))
    rules = [rule.name for rule in ce.project().protectedbranches.list()]
    assert any(fnmatch("main", rule) for rule in rules)
    assert len(rules) == {1: 1, 2: 2, 3: 1}[write]
    ce.run(branches("no one"))
    assert push_levels(ce) == [0]
    ce.again(branches("no one"))


def test_users_and_groups_of_the_enterprise_edition(ee: World) -> None:
    model = branches(["maintainer", "user:alice", "group:acme/ops"])
    model[0]["groups"] = [{"path": "ops"}]
    model[0]["members"] = {"alice": "developer"}
    model[0]["projects"][0]["shares"] = {"acme/ops": "developer"}
    ee.run(model)
    (rule,) = ee.project().protectedbranches.list()
    assert len(rule.push_access_levels) == 3
    ee.again(model)
    model[0]["projects"][0]["protected_branches"]["main"]["push"] = ["user:alice"]
    told = ee.run(model)
    assert told["plan"][0]["after"] == {"push": ["user:alice"]}
    ee.again(model)


def test_the_community_edition_refuses_them_before_anything_changes(ce: World) -> None:
    (line,) = ce.refused(branches(["user:alice"]))
    assert line == (
        'gitlab_config_groups[acme/web].protected_branches[main].push is "user:alice": '
        "must be a level; users and groups need the Enterprise Edition"
    )


def test_unlisted_protections_are_left_reported_or_removed(ce: World) -> None:
    ce.run(branches("maintainer"))
    ce.project().protectedbranches.create({"name": "release/*"})
    ce.again(branches("maintainer"))
    told = ce.again(branches("maintainer"), enforce={"protected_branches": "report"})
    assert told["unlisted"] == [{"object": "acme/web", "section": "protected_branches", "key": "release/*"}]
    told = ce.run(branches("maintainer"), enforce={"protected_branches": "remove"})
    assert keys(told) == ["delete acme/web protected_branches release/*"]
    ce.again(branches("maintainer"), enforce={"protected_branches": "remove"})


def test_environments_of_the_enterprise_edition(ee: World) -> None:
    def environments(who: Any) -> list[dict[str, Any]]:
        return acme({"path": "web", "protected_environments": {"production": {"deploy": who}}})

    ee.run(environments("maintainer"))
    ee.run(environments(["developer"]))
    assert [request.method for request in ee.server.requests.writes] == ["PUT"]
    ee.again(environments("developer"))


def test_the_community_edition_passes_over_what_it_has_not(ce: World) -> None:
    model = acme(
        {
            "path": "web",
            "protected_environments": {"production": "maintainer"},
            "push_rules": {"deny_delete_tag": True},
            "approval_rules": {"two": {"approvals_required": 2}},
            "settings": {"merge_trains_enabled": True},
        }
    )
    warned = ce.run(model)["warnings"]
    for section in ("protected_environments", "push_rules", "approval_rules"):
        assert (
            f"gitlab_config_groups[acme/web].{section}: passed over, it needs the Enterprise Edition"
            in warned
        )
    ce.again(model)


def test_push_rules_and_approvals(ee: World) -> None:
    def rules(number: int) -> list[dict[str, Any]]:
        return acme(
            {
                "path": "web",
                "members": {"alice": "developer"},
                "push_rules": {"deny_delete_tag": True, "max_file_size": number},
                "approvals": {"reset_approvals_on_push": True},
                "approval_rules": {"security": {"approvals_required": number, "users": ["alice"]}},
            }
        )

    ee.run(rules(1))
    ee.again(rules(1))
    told = ee.run(rules(2))
    assert keys(told) == ["update acme/web push_rules", "update acme/web approval_rules security"]
    ee.again(rules(2))


def test_the_independent_client_agrees(ce: World) -> None:
    ce.run(branches("no one"))
    with pytest.raises(gitlab.GitlabCreateError):
        ce.project().protectedbranches.create({"name": "main"})
