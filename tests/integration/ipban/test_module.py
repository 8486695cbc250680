"""The module against a real store: what it changes, what it only tells, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import play

from .stores import INVENTORY, LOGINS, PASSWORDS, Store

PLAYBOOK = Path(__file__).parent / "module.yml"
Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(store: Store) -> Call:
    """``call(networks=[...], who="writer")``: the module's result; ``check`` for a dry run."""
    store.clear()

    def run(who: str = "writer", check: bool = False, **arguments: Any) -> dict[str, Any]:
        connection = {"host": "127.0.0.1", "user": LOGINS[who], "password": PASSWORDS[who]}
        given = {"module_arguments": {**connection, **arguments}}
        played = play(
            PLAYBOOK,
            "--diff",
            *(["--check"] if check else []),
            "--extra-vars",
            json.dumps(given),
            inventory=INVENTORY,
        )
        assert PASSWORDS[who] not in played.output
        ((_name, result),) = played.results("debian13")
        return result

    return run


def rows(store: Store) -> list[str]:
    return store.sql(
        "SELECT network, list, source, reason, actor FROM ipban.ban WHERE NOT removed ORDER BY 1, 2, 3"
    ).splitlines()


def test_a_ban_and_the_same_again(call: Call, store: Store) -> None:
    wanted = {"networks": ["192.0.2.7", "2001:DB8:1::/48"], "reason": "scans", "expires_in": "2h"}
    first = call(**wanted, actor="alice", lookup=["192.0.2.7"])
    assert first["changed"]
    assert [change["kind"] for change in first["plan"]] == ["create", "create"]
    assert first["lookup"][0]["entries"][0]["actor"] == "alice"
    assert rows(store) == [
        "192.0.2.7/32|all|operator|scans|alice",
        "2001:db8:1::/48|all|operator|scans|alice",
    ]
    again = call(**wanted)
    assert not again["changed"]
    assert again["generation"] == first["generation"]


def test_a_dry_run_gives_the_plan_and_changes_nothing(call: Call, store: Store) -> None:
    told = call(check=True, networks=["192.0.2.7"], reason="scans")
    assert told["changed"]
    assert told["diff"][0]["before"] == ""
    assert '"reason": "scans"' in told["diff"][0]["after"]
    assert rows(store) == []
    done = call(networks=["192.0.2.7"], reason="scans")
    assert done["plan"] == told["plan"]


def test_what_differs_is_updated_and_the_rest_left(call: Call, store: Store) -> None:
    call(networks=["192.0.2.1", "192.0.2.2"], reason="scans")
    done = call(
        networks=["192.0.2.1", "192.0.2.2", "192.0.2.3"], reason="scans", expires_at="2099-01-01T00:00:00Z"
    )
    assert [change["kind"] for change in done["plan"]] == ["update", "update", "create"]
    assert done["plan"][0]["before"]["expires_at"] is None
    assert done["plan"][0]["after"]["expires_at"] == "2099-01-01T00:00:00Z"
    again = call(networks=["192.0.2.1"], reason="scans", expires_at="2099-01-01T01:00:00+01:00")
    assert not again["changed"]


def test_absent_takes_back_the_bans_of_all_sources(call: Call, store: Store) -> None:
    call(networks=["192.0.2.1"], reason="scans")
    call(networks=["192.0.2.1", "192.0.2.2"], reason="scans", source="feed", list="ssh")
    one = call(networks=["192.0.2.1"], state="absent", source="feed")
    assert [change["key"] for change in one["plan"]] == ["192.0.2.1 (list ssh, source feed)"]
    rest = call(networks=["192.0.2.1", "192.0.2.9"], state="absent", lookup=["192.0.2.1"])
    assert [change["key"] for change in rest["plan"]] == ["192.0.2.1 (list all, source operator)"]
    assert not rest["lookup"][0]["banned"]
    assert not call(networks=["192.0.2.1"], state="absent")["changed"]
    assert rows(store) == [f"192.0.2.2/32|ssh|feed|scans|{LOGINS['writer']}"]


def test_many_at_once(call: Call, store: Store) -> None:
    many = [f"198.51.{n // 250}.{n % 250}" for n in range(1000)]
    assert len(call(networks=many, reason="scans")["plan"]) == 1000
    more = call(networks=[*many, "192.0.2.1"], reason="scans")
    assert [change["key"] for change in more["plan"]] == ["192.0.2.1 (list all, source operator)"]
    assert more["stats"]["calls"] == 3
    assert len(call(networks=many, state="absent")["plan"]) == 1000
    assert len(rows(store)) == 1


def test_the_allow_list_is_for_administrators(call: Call) -> None:
    wanted = {"kind": "allow", "networks": ["203.0.113.0/24"], "reason": "the office"}
    refused = call(**wanted)
    assert "permission denied" in refused["msg"]
    assert call(who="admin", **wanted)["changed"]
    assert not call(who="admin", **wanted)["changed"]
    known = call(lookup=["203.0.113.9"])["lookup"][0]
    assert (known["allowed"], known["entries"][0]["reason"]) == (True, "the office")
    assert call(who="admin", kind="allow", networks=["203.0.113.0/24"], state="absent")["changed"]


def test_a_source_is_withdrawn_by_an_administrator(call: Call, store: Store) -> None:
    call(networks=["192.0.2.1", "192.0.2.2"], reason="listed", source="feed")
    call(networks=["192.0.2.1"], reason="scans")
    assert "permission denied" in call(withdraw="feed")["msg"]
    done = call(who="admin", withdraw="feed")
    assert len(done["plan"]) == 2
    assert not call(who="admin", withdraw="feed")["changed"]
    assert rows(store) == [f"192.0.2.1/32|all|operator|scans|{LOGINS['writer']}"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            {"networks": ["192.0.2.1", "192.0.2.1/24"], "reason": "x"},
            'networks[1] is "192.0.2.1/24": must not have',
        ),
        ({"networks": ["192.0.2.1"]}, "reason is missing"),
        ({"networks": ["192.0.2.1"], "reason": "x", "list": "nowhere"}, 'list is "nowhere": must be one of'),
        (
            {"networks": ["45.0.0.0/8"], "reason": "x", "wide_reason": "all of it"},
            "needs the role ipban_admin",
        ),
        (
            {"networks": ["192.0.2.1"], "reason": "x", "password": "wrong-wrong-wrong"},
            "password authentication failed",
        ),
        ({"networks": ["192.0.2.1"], "reason": "x", "port": 1}, "the store: connection failed"),
        ({"networks": ["192.0.2.1"], "withdraw": "feed"}, "mutually exclusive"),
    ],
)
def test_refusals_change_nothing(call: Call, store: Store, arguments: dict[str, Any], says: str) -> None:
    result = call(**arguments)
    assert result["failed"]
    assert says in result["msg"]
    assert rows(store) == []
