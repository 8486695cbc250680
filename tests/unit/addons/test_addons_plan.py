"""The plan: what is to be done to each item, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import inventory, plan
from ansible_collections.groundwork.platform.plugins.module_utils.addons.desired import Item
from ansible_collections.groundwork.platform.plugins.module_utils.addons.inventory import (
    Record,
    Release,
    State,
)
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import (
    Chart,
    Entry,
    Namespace,
)

CHART = f"sha256:{'c' * 64}"
ENTRY = Entry(
    "web",
    "",
    "applications",
    "",
    chart=Chart("web", "1.0.0", "https://charts.example.com"),
    release="web",
    namespace=Namespace("apps", "restricted"),
)
ITEM = Item("web", ENTRY, content="abc", locked=CHART)
WANTED = ITEM.digest(CHART, 4)
RECORD = Record("ready", WANTED, "1.0.0", "https://charts.example.com", CHART, "web", "apps", 3)
RELEASE = Release("web", "apps", 3, "deployed", WANTED, 3)


def decide(record: Record | None, release: Release | None, item: Item = ITEM) -> plan.Step | None:
    return plan.decide(item, CHART, item.digest(CHART, 4), record, release)


def test_nothing_to_do() -> None:
    assert decide(RECORD, RELEASE) is None


@pytest.mark.parametrize(
    ("record", "release", "kind", "reason"),
    [
        (None, None, "create", "is not there"),
        (None, RELEASE, "update", "adopts a release that somebody else made"),
        (RECORD, None, "create", "its release is gone"),
        (replace(RECORD, state="failed"), None, "create", "the last run left it failed"),
        (replace(RECORD, state="applying"), RELEASE, "update", "the last run left it applying"),
        (RECORD, replace(RELEASE, status="failed"), "update", "its release is failed"),
        (
            RECORD,
            replace(RELEASE, revision=4, status="pending-upgrade"),
            "update",
            "its release is pending-upgrade: a run was interrupted, "
            "revision 4 was made by somebody else, ours is 3",
        ),
        (
            RECORD,
            replace(RELEASE, revision=4),
            "update",
            "revision 4 was made by somebody else, ours is 3",
        ),
        (RECORD, replace(RELEASE, digest="other"), "update", "its release has another digest"),
        (replace(RECORD, version="0.9.0"), RELEASE, "update", "version 0.9.0 -> 1.0.0"),
        (replace(RECORD, digest="other"), RELEASE, "update", "values or objects differ"),
    ],
)
def test_reasons(record: Record | None, release: Release | None, kind: str, reason: str) -> None:
    step = decide(record, release)
    assert step is not None
    assert (step.kind, ", ".join(step.reasons)) == (kind, reason)


def test_the_digest_depends_on_chart_content_and_helm() -> None:
    digests = {
        ITEM.digest(CHART, 4),
        ITEM.digest(CHART, 3),
        ITEM.digest("sha256:other", 4),
        replace(ITEM, content="other").digest(CHART, 4),
    }
    assert len(digests) == 4
    assert {len(digest) for digest in digests} == {40}


def test_the_charts_digest_is_the_locks_or_the_one_seen_first_for_the_same_version() -> None:
    unlocked = replace(ITEM, locked="")
    seen = replace(RECORD, chart_digest="sha256:seen")
    assert plan.chart_digest(ITEM, seen) == CHART
    assert plan.chart_digest(unlocked, seen) == "sha256:seen"
    assert plan.chart_digest(unlocked, replace(seen, version="0.9.0")) == ""
    assert plan.chart_digest(unlocked, replace(seen, source="https://elsewhere.example.com")) == ""
    assert plan.chart_digest(unlocked, None) == ""


def test_what_is_left_over_goes_after_what_needed_it() -> None:
    records = {
        "web": RECORD,
        "base": Record("ready"),
        "middle": Record("ready", needs=("base",)),
        "top": Record("ready", needs=("middle", "base")),
    }
    surplus = plan.surplus({"web": ITEM}, State(records))
    assert list(surplus) == ["top", "middle", "base"]
    assert surplus["base"] == ("middle", "top")


def test_what_is_left_over_goes_though_records_of_different_times_need_each_other() -> None:
    records = {
        "a": Record("ready", needs=("b",)),
        "b": Record("ready", needs=("a",)),
        "c": Record("ready", needs=("a",)),
    }
    surplus = plan.surplus({}, State(records))
    assert set(surplus) == set(records)
    assert all(
        need in list(surplus)[: list(surplus).index(name)] for name in surplus for need in surplus[name]
    )


def test_removals_wait_for_all_that_is_applied_but_for_conflicts() -> None:
    items = {"web": ITEM, "shop": Item("shop", ENTRY, needs=("web",))}
    removed = {"user": (), "old": ("user",), "other": ()}
    plain = plan.schedule(["web", "shop"], items, removed, {})
    assert plain == {
        "web": (),
        "shop": ("web",),
        "user": ("web", "shop"),
        "old": ("user", "web", "shop"),
        "other": ("web", "shop"),
    }
    early = plan.schedule(["web", "shop"], items, removed, {"old": ("web",)})
    assert early == {
        "web": ("old",),
        "shop": ("web",),
        "user": (),
        "old": ("user",),
        "other": ("web", "shop"),
    }


def secret(name: str, version: str, status: str, **labels: str) -> dict[str, object]:
    own = {"name": name, "owner": "helm", "version": version, "status": status, **labels}
    return {"metadata": {"namespace": "apps", "name": f"{name}.v{version}", "labels": own}}


def test_the_newest_revision_counts_by_number() -> None:
    found = inventory.parse_releases(
        [
            secret("web", "9", "superseded"),
            secret("web", "10", "failed", **{"groundwork.platform/digest": "abc", "modifiedAt": "1700"}),
            secret("web", "8", "deployed"),
            secret("db", "1", "deployed"),
        ]
    )
    assert found["apps", "web"] == Release("web", "apps", 10, "failed", "abc", 8, 1700)
    assert found["apps", "db"].deployed == 1


def test_a_record_is_read_as_it_was_written_and_may_know_less() -> None:
    record = replace(RECORD, objects=("v1|Secret|apps|login",), needs=("base",))
    text = record.text().replace("{", '{"of_a_later_version": 1, ', 1)
    assert inventory.parse_records({"data": {"web": text}}) == {"web": record}
    assert inventory.parse_records(None) == {}
