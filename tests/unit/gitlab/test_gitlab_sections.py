"""What each section says of itself, and what it refuses without asking."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.model import PROJECT, Node
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.sections import NAMES, SECTIONS, of
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.sections.base import (
    Field,
    Section,
    plain,
    wrong,
)
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.sections.files import blob
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.sections.tokens import handed_over


def refused(section: str, declared: Any) -> list[str]:
    (found,) = (one for one in SECTIONS if one.name == section)
    node = Node(PROJECT, "acme/web", {section: declared})
    return [rule for _place, _value, rule, _secret in found.validate(node)]


def test_names_are_unique_and_every_kind_has_some() -> None:
    names = [section.name for section in SECTIONS]
    assert len(set(names)) == len(names)
    assert {kind: len(names) > 1 for kind, names in NAMES.items()} == dict.fromkeys(NAMES, True)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_a_section_is_complete(section: Section) -> None:
    assert section.path
    assert not section.shorthand or section.shorthand in section.fields
    assert set(section.enterprise) <= set(section.kinds)
    for kind in section.kinds:
        assert section in of(kind)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_what_is_no_mapping_is_refused(section: Section) -> None:
    assert len(refused(section.name, ["a"])) == 1


def test_a_refused_value_of_an_unknown_field_is_not_shown() -> None:
    (section,) = (one for one in SECTIONS if one.name == "variables")
    node = Node(PROJECT, "acme/web", {"variables": {"A": {"valeu": "a-secret"}}})
    ((_place, _value, _rule, secret),) = section.validate(node)
    assert secret


@pytest.mark.parametrize(
    ("value", "raw", "maskable"),
    [
        ("abcdefgh", False, True),
        ("abcdefg", False, False),
        ("abc_+=/@:.~-1", False, True),
        ("has blank", False, False),
        ("has$dollar", False, False),
        ("has$dollar", True, True),
        ("has blank", True, False),
        ("two\nlines", True, False),
        ("trailing-line\n", False, False),
    ],
)
def test_what_can_be_masked(value: str, raw: bool, maskable: bool) -> None:
    assert (refused("variables", {"A": {"value": value, "masked": True, "raw": raw}}) == []) is maskable
    assert refused("variables", {"A": {"value": value, "raw": raw}}) == []


@pytest.mark.parametrize("who", ["maintainer", "no one", "admin", "user:alice", "group:acme/ops"])
def test_who_may_push(who: str) -> None:
    assert refused("protected_branches", {"main": {"push": who, "merge": [who]}}) == []


@pytest.mark.parametrize("who", ["owner", "guest", "alice", "user:", "role:x", "40", True])
def test_who_may_not_be_named(who: Any) -> None:
    assert refused("protected_branches", {"main": {"push": [who], "merge": "admin"}}) != []


@pytest.mark.parametrize("cron", ["0 1 * * *", "*/5 8-18 * * 1-5"])
def test_a_schedule(cron: str) -> None:
    assert refused("schedules", {"nightly": {"cron": cron, "ref": "main"}}) == []


@pytest.mark.parametrize("cron", ["nightly", "0 1 * *", "0 1 * * * *", "0  1 * * *"])
def test_no_schedule(cron: str) -> None:
    assert len(refused("schedules", {"nightly": {"cron": cron, "ref": "main"}})) == 1


@pytest.mark.parametrize("path", ["a", "a/b.md", ".gitlab-ci.yml", "..a/b"])
def test_a_file(path: str) -> None:
    assert refused("files", {path: "x"}) == []


@pytest.mark.parametrize("path", ["/a", "../a", "a/../b", "a//b", "a/", "./a"])
def test_no_file(path: str) -> None:
    assert len(refused("files", {path: "x"})) == 1


def test_a_file_has_the_hash_that_git_gives_it() -> None:
    # `printf 'hello\n' | git hash-object --stdin`
    assert blob("hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


@pytest.mark.parametrize(
    ("description", "number"),
    [("deploy_tokens pull [groundwork-token:12]", 12), ("ours", 0), (None, 0), ("[groundwork-token:x]", 0)],
)
def test_the_token_that_a_variable_holds(description: Any, number: int) -> None:
    assert handed_over(description) == number


@pytest.mark.parametrize(
    ("field", "value", "same"),
    [
        (Field(), None, ""),
        (Field(), 5, "5"),
        (Field("level"), 40, "maintainer"),
        (Field("date"), "2027-01-31T00:00:00Z", "2027-01-31"),
        (Field("texts"), ("b", "a"), ["a", "b"]),
        (Field("flag"), None, None),
    ],
)
def test_both_sides_look_alike(field: Field, value: Any, same: Any) -> None:
    assert plain(field, value) == same


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (Field(), {}),
        (Field(), True),
        (Field("flag"), "yes"),
        (Field("number"), "5"),
        (Field("number"), True),
        (Field("texts"), "a"),
        (Field("level"), 40),
        (Field("date"), "31.1.2027"),
        (Field("mapping"), []),
        (Field(choices=("a",)), "b"),
    ],
)
def test_a_value_of_the_wrong_kind(field: Field, value: Any) -> None:
    assert wrong(field, value)
