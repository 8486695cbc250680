"""Objects as data: the site's settings over them, what is compared, and what is never shown."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import objects
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import AddonError

CONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "a", "namespace": "apps"},
    "data": {"x": "1", "y": "2"},
}


def test_settings_go_over_objects_by_either_name() -> None:
    for key in ("ConfigMap/a", "ConfigMap/apps/a"):
        things, left = objects.overlaid([CONFIG], {key: {"data": {"y": None, "z": "3"}}})
        assert things[0]["data"] == {"x": "1", "z": "3"}
        assert left == {}
    assert objects.overlaid([CONFIG], {"ConfigMap/a": None}) == ([], {})
    assert objects.overlaid([CONFIG], {"ConfigMap/b": {}}) == ([CONFIG], {"ConfigMap/b": {}})


def test_an_object_is_added_only_with_an_api_version() -> None:
    (made,) = objects.added("web", {"ConfigMap/apps/b": {"apiVersion": "v1", "data": {}}})
    assert objects.ref(made) == objects.Ref("v1", "ConfigMap", "apps", "b")
    with pytest.raises(AddonError, match=r"k8s_addons_resources\.web has ConfigMap/b"):
        objects.added("web", {"ConfigMap/b": {"data": {}}})


def test_a_secret_is_no_object_that_is_added() -> None:
    given = {"Secret/apps/b": {"apiVersion": "v1", "stringData": {"word": "x"}}}
    with pytest.raises(AddonError, match="secrets are set by k8s_addons_secrets"):
        objects.added("web", given)


def test_what_the_api_server_keeps_is_not_compared() -> None:
    live = {
        **CONFIG,
        "metadata": {**CONFIG["metadata"], "uid": "1", "resourceVersion": "7", "managedFields": []},
        "status": {"any": "thing"},
    }
    assert objects.difference(live, CONFIG, "a") is None


def test_a_difference_shows_both_sides() -> None:
    shown = objects.difference(CONFIG, {**CONFIG, "data": {"x": "9"}}, "ConfigMap apps/a")
    assert shown is not None
    assert shown["after_header"] == "ConfigMap apps/a (update)"
    assert "x: '1'" in shown["before"] and "x: '9'" in shown["after"]
    created = objects.difference(None, CONFIG, "a")
    assert created is not None and created["before"] == ""


def test_values_of_secrets_are_masked_and_seen_to_differ() -> None:
    before = {"kind": "Secret", "data": {"same": "c2VjcmV0", "other": "b2xk"}}
    after = {"kind": "Secret", "data": {"same": "c2VjcmV0", "other": "bmV3"}}
    shown = objects.difference(before, after, "Secret a")
    assert shown is not None
    assert not any(word in str(shown) for word in ("c2VjcmV0", "b2xk", "bmV3"))
    assert "other: (secret, changed)" in shown["after"]
    assert "same: (secret)" in shown["after"]


@pytest.mark.parametrize(
    "said",
    [
        'open sesame" is wrong',
        r"open sesame\" is wrong",
        "b3BlbiBzZXNhbWUi is wrong",
        "open sesame is wrong",
        "the line -----second-line is wrong",
    ],
)
def test_what_is_said_of_a_secret_does_not_quote_it(said: str) -> None:
    values = ["open", 'open sesame"', "open sesame", "first\n-----second-line\n"]
    found = objects.hidden(said, values)
    assert found in ("(secret) is wrong", "the line (secret) is wrong")
    thing = {"kind": "Secret", "stringData": dict(enumerate(values)), "data": {"bytes": "//79"}}
    assert objects.quotable(said, thing) == found
    assert objects.quotable(said, {**thing, "kind": "ConfigMap"}) == said


def test_keys_that_a_release_drops_are_gone_in_the_plan() -> None:
    live = {"spec": {"a": 1, "b": {"c": 1, "by_a_controller": 2}}}
    former = {"spec": {"a": 1, "b": {"c": 1}}}
    wanted = {"spec": {"b": {}}}
    assert objects.without_dropped(live, former, wanted) == {"spec": {"b": {"by_a_controller": 2}}}


def test_applied_objects_say_whose_they_are() -> None:
    made = objects.owned({**CONFIG, "status": {}}, "web", keep=True)
    assert made["metadata"]["labels"] == {"groundwork.platform/addon": "web"}
    assert made["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "status" not in made
    assert "labels" not in CONFIG["metadata"]


def test_a_reference_survives_as_text() -> None:
    for ref in (objects.ref(CONFIG), objects.Ref("apps/v1", "Deployment", "", "b")):
        assert objects.ref_from(ref.text()) == ref


def test_hooks_and_empty_documents_are_left_out_and_lists_taken_apart() -> None:
    text = (
        "---\n# nothing\n---\n"
        "{apiVersion: v1, kind: Pod, metadata: {name: a, annotations: {helm.sh/hook: test}}}\n---\n"
        "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Pod, metadata: {name: b}}]}\n"
    )
    assert [thing["metadata"]["name"] for thing in objects.from_manifest(text, "a chart")] == ["b"]
