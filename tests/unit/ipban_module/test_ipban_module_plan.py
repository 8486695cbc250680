"""The difference between what is asked for and what the store has, and the one call that makes it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.ipban import store
from ansible_collections.groundwork.platform.plugins.module_utils.ipban.model import Request
from ansible_collections.groundwork.platform.plugins.module_utils.ipban.plan import Entry, plan

NOW = datetime.datetime(2027, 1, 31, 12, tzinfo=datetime.timezone.utc)
HOUR = datetime.timedelta(hours=1)


def entry(network: str, **changed: Any) -> Entry:
    values: dict[str, Any] = {
        "kind": "ban",
        "network": network,
        "list": "all",
        "source": "operator",
        "reason": "scans",
        "actor": "alice",
        "created_at": NOW - HOUR,
        "expires_at": None,
        **changed,
    }
    return Entry(**values)


def request(*networks: str, **changed: Any) -> Request:
    values: dict[str, Any] = {"reason": "scans", "source": "operator", "list": "all", **changed}
    return Request(networks=networks, **values)


def test_only_what_is_not_there_is_banned() -> None:
    found = plan(request("192.0.2.1", "192.0.2.2", actor="bob"), [entry("192.0.2.1")])
    assert found.networks == ("192.0.2.2",)
    (change,) = found.changes
    assert change.public() == {
        "kind": "create",
        "key": "192.0.2.2 (list all, source operator)",
        "before": None,
        "after": {"reason": "scans", "expires_at": None, "actor": "bob"},
    }


def test_the_same_again_is_no_change() -> None:
    assert plan(request("192.0.2.1", actor="bob"), [entry("192.0.2.1")]).changes == []


@pytest.mark.parametrize("changed", [{"source": "feed"}, {"list": "ssh"}, {"kind": "allow", "list": None}])
def test_entries_of_others_do_not_count(changed: dict[str, Any]) -> None:
    assert [c.kind for c in plan(request("192.0.2.1"), [entry("192.0.2.1", **changed)]).changes] == ["create"]


def test_a_network_around_it_does_not_count() -> None:
    assert len(plan(request("192.0.2.1"), [entry("192.0.2.0/24")]).changes) == 1


def test_another_reason_or_end_is_an_update() -> None:
    there = [entry("192.0.2.1", expires_at=NOW + HOUR)]
    (reason,) = plan(request("192.0.2.1", reason="worse", expires_at=NOW + HOUR), there).changes
    assert (reason.kind, reason.before["reason"], reason.after["reason"]) == ("update", "scans", "worse")
    (end,) = plan(request("192.0.2.1"), there).changes
    assert (end.before["expires_at"], end.after["expires_at"]) == ("2027-01-31T13:00:00Z", None)


@pytest.mark.parametrize(
    ("moved", "span", "changes"),
    [(0, None, 0), (1, None, 1), (5, 3600, 0), (-5, 3600, 0), (360, 3600, 0), (361, 3600, 1)],
)
def test_a_span_is_renewed_only_when_a_tenth_has_gone(moved: int, span: int | None, changes: int) -> None:
    wanted = request("192.0.2.1", expires_at=NOW + HOUR + datetime.timedelta(seconds=moved), span=span)
    assert len(plan(wanted, [entry("192.0.2.1", expires_at=NOW + HOUR)]).changes) == changes


def test_absent_takes_back_what_every_source_has() -> None:
    there = [entry("192.0.2.1"), entry("192.0.2.1", source="feed", list="ssh"), entry("192.0.2.2")]
    found = plan(Request(present=False, networks=("192.0.2.1", "192.0.2.9")), there)
    assert [change.key for change in found.changes] == [
        "192.0.2.1 (list all, source operator)",
        "192.0.2.1 (list ssh, source feed)",
    ]
    assert found.networks == ("192.0.2.1",)
    assert plan(Request(present=False, networks=("192.0.2.9",)), there).changes == []


def test_absent_of_one_source_leaves_the_others() -> None:
    there = [entry("192.0.2.1"), entry("192.0.2.1", source="feed")]
    found = plan(Request(present=False, networks=("192.0.2.1",), source="feed"), there)
    assert [change.key for change in found.changes] == ["192.0.2.1 (list all, source feed)"]


def test_the_allow_list() -> None:
    there = [entry("192.0.2.0/24"), entry("192.0.2.0/24", kind="allow", list=None, reason="office")]
    wanted = request("192.0.2.0/24", kind="allow", list=None, reason="office")
    assert plan(wanted, there).changes == []
    (change,) = plan(Request(kind="allow", present=False, networks=("192.0.2.0/24",)), there).changes
    assert (change.kind, change.key) == ("delete", "192.0.2.0/24 (allow, source operator)")


def test_a_withdrawal_takes_all_bans_of_a_source() -> None:
    there = [
        entry("192.0.2.1", source="feed"),
        entry("192.0.2.2", source="feed", list="ssh"),
        entry("192.0.2.3", source="feed", kind="allow", list=None),
    ]
    found = plan(Request(withdraw="feed"), there)
    assert [change.kind for change in found.changes] == ["delete", "delete"]


@pytest.mark.parametrize(
    ("wanted", "statement"),
    [
        (
            request("192.0.2.1", expires_at=NOW),
            "SELECT ipban.ban(actor => %s::text, networks => %s::text[], reason => %s::text,"
            " source => %s::text,"
            " expires_at => %s::timestamptz, list => %s::text, wide_reason => %s::text)",
        ),
        (
            Request(present=False),
            "SELECT ipban.unban(actor => %s::text, networks => %s::text[], reason => %s::text,"
            " source => %s::text,"
            " list => %s::text)",
        ),
        (
            Request(kind="allow"),
            "SELECT ipban.allow(actor => %s::text, networks => %s::text[], reason => %s::text,"
            " source => %s::text,"
            " expires_at => %s::timestamptz)",
        ),
        (
            Request(kind="allow", present=False),
            "SELECT ipban.disallow(actor => %s::text, networks => %s::text[], reason => %s::text,"
            " source => %s::text)",
        ),
        (Request(withdraw="feed"), "SELECT ipban.withdraw(actor => %s::text, source => %s::text)"),
    ],
)
def test_one_call_makes_the_change(wanted: Request, statement: str) -> None:
    text, arguments = store.writing(wanted, wanted.networks)
    assert text == statement
    assert len(arguments) == text.count("%s")


def test_a_few_networks_are_looked_for_and_many_are_read_with_their_source() -> None:
    few, _ = store.reading(request(*[f"192.0.2.{n}" for n in range(20)]))
    many, arguments = store.reading(request(*[f"192.0.2.{n}" for n in range(21)]))
    assert "LATERAL" in few
    assert "LATERAL" not in many
    assert arguments == ["operator", "all"]


def test_answers_are_told_by_address() -> None:
    row = ("ban", "192.0.2.0/24", "all", "operator", "scans", "alice", NOW, None)
    allowed = ("allow", "192.0.2.7/32", None, "operator", "office", "bob", NOW, NOW + HOUR)
    told = store.found(
        ("192.0.2.7", "192.0.2.8", "2001:db8::1"),
        [("192.0.2.7", *row), ("192.0.2.7", *allowed), ("192.0.2.8", *row)],
    )
    assert [(one["banned"], one["allowed"], len(one["entries"])) for one in told] == [
        (True, True, 2),
        (True, False, 1),
        (False, False, 0),
    ]
    assert told[0]["entries"][1] == {
        "kind": "allow",
        "network": "192.0.2.7",
        "list": None,
        "source": "operator",
        "reason": "office",
        "actor": "bob",
        "created_at": "2027-01-31T12:00:00Z",
        "expires_at": "2027-01-31T13:00:00Z",
    }
