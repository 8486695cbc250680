"""The core that every module shares."""

from __future__ import annotations

import time

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.plan import (
    CREATE,
    DELETE,
    MASK,
    UPDATE,
    Change,
    Meter,
    PlanError,
    compare,
    diff,
    reconcile,
)


def test_a_change_shows_its_values():
    assert Change(UPDATE, "a", 1, 2).public() == {"kind": "update", "key": "a", "before": 1, "after": 2}


def test_a_secret_change_shows_only_that_there_is_a_value():
    assert Change(CREATE, "a", None, "hunter2", secret=True).public() == {
        "kind": "create",
        "key": "a",
        "before": None,
        "after": MASK,
    }


def test_compare_finds_nothing_in_equal_sides():
    assert compare({"a": {"x": [1]}}, {"a": {"x": [1]}}) == []


def test_compare_creates_and_updates_in_the_order_of_the_desired_side():
    changes = compare({"b": 1, "a": 2, "c": 3}, {"a": 1, "c": 3})
    assert changes == [Change(CREATE, "b", None, 1), Change(UPDATE, "a", 1, 2)]


def test_compare_tells_a_present_none_from_a_missing_key():
    assert compare({"a": None}, {}) == [Change(CREATE, "a", None, None)]
    assert compare({"a": 1}, {"a": None}) == [Change(UPDATE, "a", None, 1)]


def test_compare_leaves_alone_what_it_was_not_told_of():
    assert compare({}, {"a": 1}) == []


def test_compare_prunes_last_and_backwards():
    changes = compare({"new": 1}, {"a": 1, "b": 2}, prune=True)
    assert changes == [Change(CREATE, "new", None, 1), Change(DELETE, "b", 2), Change(DELETE, "a", 1)]


def test_compare_marks_secrets_by_key():
    changes = compare({"key": 1, "plain": 1}, {"old_key": 1}, prune=True, secret=lambda key: "key" in key)
    assert {change.key: change.secret for change in changes} == {"key": True, "plain": False, "old_key": True}


def test_diff_of_text_and_of_structures():
    shown = diff([Change(UPDATE, "/etc/motd", "old\n", "new"), Change(CREATE, "u", None, {"b": 1, "a": "é"})])
    assert shown[0] == {
        "before_header": "/etc/motd (before)",
        "after_header": "/etc/motd (update)",
        "before": "old\n",
        "after": "new\n",
    }
    assert shown[1]["before"] == ""
    assert shown[1]["after"] == '{\n  "a": "é",\n  "b": 1\n}\n'


def test_diff_masks_secrets():
    shown = diff([Change(UPDATE, "k", "old secret", "new secret", secret=True)])
    assert "secret " not in shown[0]["before"] + shown[0]["after"]
    assert shown[0]["after"] == f"{MASK}\n"


def test_reconcile_applies_each_change_in_order():
    applied = []
    changes = [Change(CREATE, "a", None, 1), Change(DELETE, "b", 1)]
    result = reconcile(changes, applied.append, Meter())
    assert applied == changes
    assert result["changed"] is True
    assert result["plan"] == [change.public() for change in changes]
    assert len(result["diff"]) == 2


def test_reconcile_in_check_mode_tells_and_does_nothing():
    applied = []
    result = reconcile([Change(CREATE, "a", None, 1)], applied.append, Meter(), check_mode=True)
    assert applied == []
    assert result["changed"] is True


def test_reconcile_of_an_empty_plan_is_no_change():
    result = reconcile([], lambda _change: pytest.fail("nothing is to be applied"), Meter())
    assert (result["changed"], result["plan"], result["diff"]) == (False, [], [])


def test_reconcile_takes_a_better_diff():
    better = [{"before": "a", "after": "b"}]
    assert (
        reconcile([Change(CREATE, "a", None, 1)], lambda _change: None, Meter(), True, better)["diff"]
        == better
    )
    assert reconcile([Change(CREATE, "a", None, 1)], lambda _change: None, Meter(), True, [])["diff"] == []


def test_a_failing_change_says_what_was_done_and_what_was_left():
    def apply(change: Change) -> None:
        if change.key == "b":
            raise OSError("disk full")

    changes = [Change(CREATE, key, None, 1) for key in "abc"]
    with pytest.raises(PlanError) as caught:
        reconcile(changes, apply, Meter())
    error = caught.value
    assert (error.applied, error.failed, error.pending) == (changes[:1], changes[1], changes[2:])
    assert error.result() == {
        "msg": "create b: disk full",
        "changed": True,
        "applied": [changes[0].public()],
        "failed_change": changes[1].public(),
        "pending": [changes[2].public()],
    }


def test_a_first_change_that_fails_has_changed_nothing():
    def apply(change: Change) -> None:
        raise ValueError("no")

    with pytest.raises(PlanError) as caught:
        reconcile([Change(CREATE, "a", None, "hunter2", secret=True)], apply, Meter())
    assert caught.value.result()["changed"] is False
    assert "hunter2" not in str(caught.value.result())


def test_the_meter_counts_calls_and_seconds():
    meter = Meter(started=time.monotonic() - 2)
    meter.count()
    meter.count(3)
    stats = meter.stats()
    assert stats["calls"] == 4
    assert stats["seconds"] >= 2
