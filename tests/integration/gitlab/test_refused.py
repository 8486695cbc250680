"""Bad input is refused before anything changes, all of it at once, each with its group and project."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.gitlab.world import World, acme, world

WEB = "gitlab_config_groups[acme/web]"

CASES: dict[str, tuple[list[dict[str, Any]], str]] = {
    "unknown user": (
        acme({"path": "web", "members": {"mallory": "developer"}}),
        f'{WEB}.members is "mallory": must be a user that this GitLab knows',
    ),
    "unknown group": (
        acme({"path": "web", "shares": {"acme/nowhere": "developer"}}),
        f'{WEB}.shares is "acme/nowhere": must be the full path of a group that this GitLab has',
    ),
    "visibility wider than the parent's": (
        acme({"path": "web", "visibility": "public"}, visibility="internal"),
        f'{WEB}.visibility is "public": must not be wider than internal, the visibility of the group acme',
    ),
    "visibility wider than what the parent gets by default": (
        acme({"path": "web", "visibility": "internal"}),
        f'{WEB}.visibility is "internal": must not be wider than private, the visibility of the group acme',
    ),
    "two projects with one path": (
        acme({"path": "web"}, {"path": "WEB"}),
        'gitlab_config_groups[acme/WEB].path is "WEB": must be the path of one group or project only; '
        "project acme/web has it",
    ),
    "protected branch without roles": (
        acme({"path": "web", "protected_branches": {"main": {"push": "maintainer"}}}),
        f'{WEB}.protected_branches[main] is {{"push": "…"}}: needs merge',
    ),
    "protected tag without roles": (
        acme({"path": "web", "protected_tags": {"v*": {}}}),
        f"{WEB}.protected_tags[v*] is {{}}: needs create",
    ),
    "variable that can't be masked": (
        acme({"path": "web", "variables": {"KEY": {"value": "short", "masked": True}}}),
        f"{WEB}.variables[KEY].value is (secret): can't be masked: needs at least 8 characters on one line",
    ),
    "raw variable that can't be masked": (
        acme({"path": "web", "variables": {"KEY": {"value": "two words", "masked": True, "raw": True}}}),
        f"{WEB}.variables[KEY].value is (secret): can't be masked: needs at least 8 characters on one line",
    ),
    "variable with a bad name": (
        acme({"path": "web", "variables": {"MY-KEY": "x"}}),
        f'{WEB}.variables is "MY-KEY": must be named with letters, digits and _',
    ),
    "variable that is no text": (
        acme({"path": "web", "variables": {"KEY": True}}),
        f"{WEB}.variables[KEY].value is (secret): must be a text",
    ),
    "unknown section": (
        acme({"path": "web", "lables": {}}),
        f"{WEB}.lables is (secret): is not known; must be one of",
    ),
    "section of projects in a group": (
        acme(protected_branches={}),
        "gitlab_config_groups[acme].protected_branches is (secret): is not known",
    ),
    "unknown field": (
        acme({"path": "web", "labels": {"bug": {"color": "#ff0000", "colour": "red"}}}),
        f"{WEB}.labels[bug].colour is (secret): is not known; must be one of color, description, priority",
    ),
    "unknown level": (
        acme({"path": "web", "members": {"alice": "boss"}}),
        f'{WEB}.members[alice].access_level is "boss": must be one of minimal, guest',
    ),
    "expiry that is no date": (
        acme({"path": "web", "members": {"alice": {"access_level": "guest", "expires_at": "soon"}}}),
        f'{WEB}.members[alice].expires_at is "soon": must be a date such as 2027-01-31',
    ),
    "deploy key that is cut": (
        acme({"path": "web", "deploy_keys": {"ci": {"key": "ssh-ed25519 AAAA"}}}),
        f'{WEB}.deploy_keys[ci].key is "ssh-ed25519 AAAA": must be a public key of SSH',
    ),
    "hook with a login": (
        acme({"path": "web", "hooks": {"https://user:word@hook.example/": {}}}),
        f'{WEB}.hooks is "(secret)": must not carry a login in the URL',
    ),
    "color by name": (
        acme({"path": "web", "labels": {"bug": "red"}}),
        f'{WEB}.labels[bug].color is "red": must be a color as #RRGGBB',
    ),
    "path of two levels": (
        acme({"path": "a/b"}),
        'gitlab_config_groups[acme].projects[].path is "a/b": must be a path of GitLab',
    ),
    "visibility unknown": (
        acme({"path": "web", "visibility": "secret"}),
        f'{WEB}.visibility is "secret": must be one of private, internal, public',
    ),
    "setting unknown": (
        acme({"path": "web", "settings": {"merge_metod": "ff"}}),
        f'{WEB}.settings.merge_metod is "ff": is no setting of a project that this GitLab shows',
    ),
    "previous path in use": (
        acme({"path": "web"}, {"path": "site", "previous_path": "acme/web"}),
        'gitlab_config_groups[acme/site].previous_path is "acme/web": must be a path that nothing else has',
    ),
    "enforce unknown": (
        acme({"path": "web", "enforce": {"labels": "purge"}}),
        f'{WEB}.enforce.labels is "purge": must be one of leave, report, remove',
    ),
    "enforced removal of projects": (
        acme(enforce={"projects": "remove"}),
        'gitlab_config_groups[acme].enforce.projects is "remove": must be leave or report',
    ),
    "token that nobody gets": (
        acme({"path": "web", "deploy_tokens": {"pull": {"scopes": ["read_registry"]}}}),
        f'{WEB}.deploy_tokens[pull] is {{"scopes": "…"}}: needs deliver',
    ),
    "renewal after the end": (
        acme(
            {
                "path": "web",
                "deploy_tokens": {
                    "pull": {
                        "scopes": ["read_registry"],
                        "lifetime_days": 5,
                        "renewed_before_days": 7,
                        "deliver": {"variable": "PULL"},
                    }
                },
            }
        ),
        f"{WEB}.deploy_tokens[pull].renewed_before_days is 7: must be less than lifetime_days",
    ),
    "file outside of the repository": (
        acme({"path": "web", "files": {"../x": "y"}}),
        f'{WEB}.files is "../x": must be a path in the repository',
    ),
    "picture that is not there": (
        acme({"path": "web", "avatar": "/nowhere.png"}),
        f'{WEB}.avatar is "/nowhere.png": must be the path of a picture on the controller',
    ),
    "job token of unknown project": (
        acme({"path": "web", "job_token": {"projects": ["acme/nowhere"]}}),
        f'{WEB}.job_token.projects is "acme/nowhere": must be the full path of a project that this GitLab',
    ),
}


@pytest.fixture(scope="module")
def one() -> Any:
    """One double for all of them: what is refused changes nothing."""
    with world("ce") as made:
        made.run(acme({"path": "known"}))
        made.root.groups.get("acme").delete()
        made.root.groups.create({"name": "known", "path": "known"})
        known = made.root.groups.get("known")
        made.root.projects.create({"name": "known", "namespace_id": known.id})
        yield made


@pytest.mark.parametrize("case", CASES)
def test_is_refused_with_group_and_project(one: World, case: str) -> None:
    model, expected = CASES[case]
    # A project that is there tells which settings there are.
    lines = one.refused([{"path": "known", "projects": [{"path": "known"}]}, *model])
    assert len(lines) == 1
    assert lines[0].startswith(expected)


def test_all_is_told_at_once(ce: World) -> None:
    lines = ce.refused(
        acme(
            {"path": "web", "members": {"mallory": "developer"}},
            {"path": "api", "members": {"trudy": "developer"}, "shares": {"x/y": "guest"}},
        )
    )
    assert len(lines) == 3


def test_a_token_without_the_scope(ce: World) -> None:
    token = ce.user_token("alice", ["read_user"])
    (line,) = ce.refused(acme({"path": "web"}), token=token)
    assert line == (
        'gitlab_config_token (scopes of test) is ["read_user"]: is not enough, the token needs the scope api'
    )


def test_a_token_that_reads_is_enough_for_a_dry_run(ce: World) -> None:
    ce.run(acme({"path": "web"}, members={"alice": "owner"}))
    token = ce.user_token("alice", ["read_api"])
    told = ce.run(
        acme({"path": "web", "labels": {"bug": "#ff0000"}}, members={"alice": "owner"}),
        token=token,
        check=True,
    )
    assert [change["key"] for change in told["plan"]] == ["acme/web labels bug"]
    assert ce.refused(acme({"path": "web"}), token=token)[0].endswith("the token needs the scope api")


def test_the_instance_needs_an_administrator(ce: World) -> None:
    token = ce.user_token("alice")
    (line,) = ce.refused([], instance={"settings": {"signup_enabled": False}}, token=token)
    assert line == 'gitlab_config_instance is "alice": needs a token of an administrator'


def test_a_list_that_the_token_may_not_read_is_named(ce: World) -> None:
    ce.run(acme({"path": "web"}, members={"bob": "developer"}))
    lines = ce.refused(acme({"path": "web", "variables": {"A": "1"}}), token=ce.user_token("bob"))
    assert lines == [f'{WEB}.variables is "403 Forbidden": the token of bob may not read it']


def test_a_confirmation_for_nothing_is_refused(ce: World) -> None:
    (line,) = ce.refused(acme({"path": "web"}), confirm=["acme/wbe"])
    assert line.startswith('gitlab_config_confirm_deletion is "acme/wbe": must be the full path')


def test_a_gitlab_that_deletes_at_once_is_asked_for_nothing() -> None:
    with world("ce", version="17.11.0") as old:
        old.run(acme({"path": "web"}))
        (line,) = old.refused(acme({"path": "web", "state": "absent"}), confirm=["acme/web"])
        assert "deletes at once; the delay needs 18.0 or newer" in line
