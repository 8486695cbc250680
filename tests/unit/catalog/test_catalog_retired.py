"""What is retired, or not maintained upstream any more, says what takes its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import checks, resolve, schema
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import AddonError, Entry
from jsonschema import Draft202012Validator

from .entries import the_catalog
from .shipped import CATALOG, RETIRED
from .test_catalog_entries import RULES, a_document

ENDED = {"successors": ["other"], "note": "upstream has ended it in March 2026"}
GOOD: dict[str, dict[str, Any]] = {
    "maintained, and said so": a_document(maintained=True),
    "not maintained": a_document(maintained=False, **ENDED),
    "retired": {
        "id": "demo",
        "category": "observability",
        "description": "It was here",
        "retired": True,
        **ENDED,
    },
}
BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "no successors": ({**GOOD["retired"], "successors": None}, "successors"),
    "an empty list of successors": ({**GOOD["retired"], "successors": []}, "successors"),
    "no note": (a_document(maintained=False, successors=["other"]), "note"),
    "a note with a full stop": ({**GOOD["retired"], "note": "It is gone by now."}, "note"),
    "retired: false": ({**GOOD["retired"], "retired": False}, "retired"),
    "retired, with a chart": (a_document(retired=True, **ENDED), "chart"),
    "retired, with a need": ({**GOOD["retired"], "needs": ["x"]}, "needs"),
    "successors of one that is maintained": (a_document(**ENDED), "maintained"),
    "no range of Kubernetes": (a_document(kubernetes=None), "kubernetes"),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_is_right_is_taken(case: str) -> None:
    assert list(Draft202012Validator(RULES).iter_errors(GOOD[case])) == []
    assert list(schema.violations(GOOD[case], RULES, RULES)) == []


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_refused(case: str) -> None:
    given, word = BROKEN[case]
    document = {key: value for key, value in given.items() if value is not None}
    assert list(Draft202012Validator(RULES).iter_errors(document))
    assert word in "\n".join(schema.violations(document, RULES, RULES))


def test_successors_are_there_to_be_selected() -> None:
    for entry in the_catalog().values():
        for successor in entry.successors:
            assert not the_catalog()[successor].retired, entry.id


def test_a_retired_one_is_a_file_and_nothing_else() -> None:
    for name in RETIRED:
        assert [path.name for path in (CATALOG / name).iterdir()] == ["addon.yml"]


def an_entry(name: str, **changes: Any) -> Entry:
    return replace(Entry(name, "", "applications", "An addon that is not there"), **changes)


OLD = an_entry("old", retired=True, successors=("new", "newer"), note="upstream has ended it")


def test_a_selection_of_a_retired_one_is_refused_with_its_successors() -> None:
    with pytest.raises(AddonError) as caught:
        resolve.resolve(["old"], {"old": OLD, "new": an_entry("new")})
    assert caught.value.reasons == [
        "k8s_addons_selection has old, which is retired: upstream has ended it; its successors: new, newer"
    ]


def test_nobody_is_told_to_select_a_retired_one() -> None:
    entries = {"old": OLD, "user": an_entry("user", needs=("old",))}
    with pytest.raises(AddonError, match="nothing selected provides old: no catalog has one"):
        resolve.resolve(["user"], entries)


def test_one_that_is_not_maintained_is_taken_with_a_warning() -> None:
    old = replace(OLD, retired=False, maintained=False)
    assert list(resolve.resolve(["old"], {"old": old})) == ["old"]
    assert checks.warnings([old, an_entry("new")]) == [
        "k8s_addons_selection has old, which is not maintained any more: upstream has ended it; "
        "its successors: new, newer"
    ]
