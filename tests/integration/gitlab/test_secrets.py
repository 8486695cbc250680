"""Secrets that GitLab keeps to itself: told apart by a keyed digest, written on change, shown to nobody."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.gitlab.world import World, acme, keys

SECRET, OTHER = "first-secret-value", "second-secret-value"


def hook(secret: str) -> dict[str, Any]:
    return {"hooks": {"https://hook.example/": {"token": secret, "push_events": True, "description": "ours"}}}


def hidden(secret: str) -> dict[str, Any]:
    return {"variables": {"KEY": {"value": secret, "hidden": True, "description": "ours"}}}


def mirror(secret: str) -> dict[str, Any]:
    return {"mirrors": {"https://git.example/web.git": {"user": "m", "password": secret}}}


def integration(secret: str) -> dict[str, Any]:
    return {"integrations": {"slack": {"properties": {"channel": "a"}, "secrets": {"webhook": secret}}}}


def variable(secret: str) -> dict[str, Any]:
    return {"variables": {"KEY": {"value": secret, "masked": True}}}


EVERY = pytest.mark.parametrize("having", [hook, hidden, mirror, integration, variable])
UNREADABLE = pytest.mark.parametrize("having", [hook, hidden, mirror, integration])


@EVERY
def test_a_change_is_noticed_and_never_shown(ce: World, having: Any) -> None:
    ce.run(acme({"path": "web", **having(SECRET)}))
    ce.again(acme({"path": "web", **having(SECRET)}))
    told = ce.run(acme({"path": "web", **having(OTHER)}))
    assert len(told["plan"]) == 1
    shown = json.dumps(told) + "".join(ce.lines)
    assert "(secret)" in shown
    assert SECRET not in shown
    assert OTHER not in shown
    ce.again(acme({"path": "web", **having(OTHER)}))


@UNREADABLE
def test_another_key_writes_them_once_more(ce: World, having: Any) -> None:
    ce.run(acme({"path": "web", **having(SECRET)}))
    ce.run(acme({"path": "web", **having(SECRET)}), digest_key="another key of the tests")
    assert ce.server.requests.writes
    ce.again(acme({"path": "web", **having(SECRET)}), digest_key="another key of the tests")


@UNREADABLE
def test_without_a_key_they_are_refused(ce: World, having: Any) -> None:
    (line,) = ce.refused(acme({"path": "web", **having(SECRET)}), digest_key="")
    assert line.startswith('gitlab_config_digest_key is "": is needed: gitlab_config_groups[acme/web].')
    ce.run(acme({"path": "web", **variable(SECRET)}), digest_key="")


def test_the_description_stays_readable_and_tells_no_secret(ce: World) -> None:
    ce.run(acme({"path": "web", **hook(SECRET), **hidden(SECRET)}))
    (made,) = ce.project().hooks.list()
    variable = ce.project().variables.get("KEY")
    for thing in (made, variable):
        text, _blank, digest = thing.description.rpartition(" ")
        assert text == "ours"
        assert digest.startswith("[groundwork:")
    # One secret in two places must not look like one.
    assert made.description != variable.description


def test_two_projects_with_one_secret_do_not_show_it(ce: World) -> None:
    ce.run(acme({"path": "web", **hidden(SECRET)}, {"path": "api", **hidden(SECRET)}))
    descriptions = {ce.project(f"acme/{name}").variables.get("KEY").description for name in ("web", "api")}
    assert len(descriptions) == 2


def test_a_description_changes_without_its_secret(ce: World) -> None:
    ce.run(acme({"path": "web", **hook(SECRET)}))
    changed = hook(SECRET)
    changed["hooks"]["https://hook.example/"]["description"] = "theirs"
    told = ce.run(acme({"path": "web", **changed}))
    assert told["plan"][0]["after"] == {"description": "theirs"}
    ce.again(acme({"path": "web", **changed}))
    # A declaration without the token leaves it, and what is known of it, as they are.
    silent = {"hooks": {"https://hook.example/": {"description": "silent"}}}
    ce.run(acme({"path": "web", **silent}))
    changed["hooks"]["https://hook.example/"]["description"] = "silent"
    ce.again(acme({"path": "web", **changed}))


def test_a_value_that_is_not_given_is_left_as_it_is(ce: World) -> None:
    ce.run(acme({"path": "web", **variable(SECRET)}))
    ce.run(acme({"path": "web", "variables": {"KEY": {"masked": True, "protected": True}}}))
    made = ce.project().variables.get("KEY")
    assert (made.value, made.protected) == (SECRET, True)


def test_a_section_with_a_letter_wrong_shows_nothing_of_it(ce: World) -> None:
    (line,) = ce.refused(acme({"path": "web", "varaibles": {"URL": f"postgresql://u:{SECRET}@db"}}))
    assert line.startswith("gitlab_config_groups[acme/web].varaibles is (secret): is not known")


def test_settings_that_are_secrets_are_masked(ce: World) -> None:
    told = ce.run(
        acme({"path": "web", "settings": {"import_url": f"https://u:{SECRET}@git.example/x.git"}}), check=True
    )
    assert told["plan"][1]["after"]["import_url"] == "(secret)"
    assert SECRET not in json.dumps(told)


def test_tokens_are_handed_over_renewed_and_taken_back(ce: World) -> None:
    def tokens(**more: Any) -> list[dict[str, Any]]:
        deliver = {"variable": "PULL", "project": "acme/api"}
        return acme(
            {
                "path": "web",
                "deploy_tokens": {"pull": {"scopes": ["read_registry"], "deliver": deliver, **more}},
            },
            {"path": "api", "variables": {"A": "1"}, "enforce": {"variables": "remove"}},
        )

    ce.run(tokens())
    ce.again(tokens())
    (first,) = ce.project().deploytokens.list()
    value = ce.project("acme/api").variables.get("PULL").value
    # It would be due within its whole life.
    told = ce.run(tokens(renewed_before_days=89, lifetime_days=120))
    assert told["plan"] == []
    told = ce.run(tokens(renewed_before_days=91, lifetime_days=120))
    assert told["plan"][0]["after"]["reason"] == ["lifetime_days"]
    (second,) = ce.project().deploytokens.list()
    assert second.id != first.id
    renewed = ce.project("acme/api").variables.get("PULL")
    assert renewed.value != value
    assert renewed.masked
    assert renewed.protected
    ce.again(tokens(renewed_before_days=91, lifetime_days=120))


def test_a_token_with_other_rights_is_another_one(ce: World) -> None:
    def tokens(scopes: list[str]) -> list[dict[str, Any]]:
        return acme(
            {"path": "web", "access_tokens": {"bot": {"scopes": scopes, "deliver": {"variable": "BOT"}}}}
        )

    ce.run(tokens(["read_api"]))
    told = ce.run(tokens(["api"]))
    assert keys(told) == ["update acme/web access_tokens bot"]
    (token,) = [one for one in ce.project().access_tokens.list() if one.active]
    assert token.scopes == ["api"]
    ce.again(tokens(["api"]))


def test_the_new_token_is_there_before_the_old_one_goes(ce: World) -> None:
    def tokens(scopes: list[str]) -> list[dict[str, Any]]:
        return acme(
            {"path": "web", "deploy_tokens": {"pull": {"scopes": scopes, "deliver": {"variable": "PULL"}}}}
        )

    ce.run(tokens(["read_registry"]))
    ce.run(tokens(["read_registry", "read_repository"]))
    assert [request.method for request in ce.server.requests.writes] == ["POST", "PUT", "DELETE"]


def test_a_variable_whose_token_was_lost_gets_a_new_one(ce: World) -> None:
    wanted = acme(
        {
            "path": "web",
            "deploy_tokens": {"pull": {"scopes": ["read_registry"], "deliver": {"variable": "PULL"}}},
        }
    )
    ce.run(wanted)
    ce.project().variables.delete("PULL")
    told = ce.run(wanted)
    assert told["plan"][0]["after"]["reason"] == ["deliver"]
    assert len(ce.project().deploytokens.list()) == 1
    ce.again(wanted)
