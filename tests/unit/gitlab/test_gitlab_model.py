"""How a tree is read: what inherits from where, and what is told without asking a GitLab."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.layers import merge
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.model import Model, Violations, parse
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.sections import NAMES
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.structure import differing


def read(groups: Any, defaults: Any = None, enforce: Any = None) -> tuple[Model, list[str]]:
    violations = Violations()
    return parse(groups, None, defaults, enforce, NAMES, violations), violations.lines


@pytest.mark.parametrize(
    ("base", "nearer", "merged"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 3}}, {"a": {"x": 1, "y": 3}}),
        ({"a": {"x": 1}}, {"a": None}, {}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"x": None}}, {"a": {"y": 2}}),
        ({}, {"a": {"x": None, "y": {"z": None}}}, {"a": {"y": {}}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": "developer"}, {"a": {"access_level": "owner"}}, {"a": {"access_level": "owner"}}),
    ],
)
def test_the_nearer_layer_wins_and_null_takes_away(base: Any, nearer: Any, merged: Any) -> None:
    before = repr((base, nearer))
    assert merge(base, nearer) == merged
    assert repr((base, nearer)) == before


def test_defaults_go_down_the_tree_and_a_group_itself_does_not() -> None:
    model, lines = read(
        [
            {
                "path": "a",
                "labels": {"own": "#000000"},
                "defaults": {
                    "groups": {"labels": {"sub": "#000001"}},
                    "projects": {"labels": {"all": "#000002", "one": "#000003"}},
                },
                "groups": [
                    {
                        "path": "b",
                        "defaults": {"projects": {"labels": {"one": None, "deep": "#000004"}}},
                        "projects": [{"path": "c"}],
                    }
                ],
                "projects": [{"path": "d", "labels": {"own": "#000005"}}],
            }
        ],
        {"projects": {"labels": {"instance": "#000006"}}},
    )
    assert lines == []
    labels = {node.path: set(node.options.get("labels", {})) for node in model.nodes}
    assert labels == {
        "a": {"own"},
        "a/b": {"sub"},
        "a/b/c": {"all", "deep", "instance"},
        "a/d": {"all", "one", "instance", "own"},
    }


def test_enforcement_is_inherited_and_can_be_taken_back() -> None:
    model, lines = read(
        [
            {
                "path": "a",
                "enforce": {"members": "remove"},
                "defaults": {"projects": {"enforce": {"labels": "remove"}}},
                "projects": [{"path": "b"}, {"path": "c", "enforce": {"labels": "leave"}}],
            }
        ],
        enforce={"members": "report"},
    )
    assert lines == []
    verdicts = {node.path: (node.enforced("members"), node.enforced("labels")) for node in model.nodes}
    assert verdicts == {
        "a": ("remove", "leave"),
        "a/b": ("report", "remove"),
        "a/c": ("report", "leave"),
    }


@pytest.mark.parametrize("path", ["", "a/b", "-a", "a.", "a.git", "a.atom", "a b", "ä", None, 7])
def test_no_path(path: Any) -> None:
    _model, (line,) = read([{"path": path}])
    assert line.startswith("gitlab_config_groups[].path is ")


@pytest.mark.parametrize("path", ["a", "A1", "_a", "a.b-c_d", "9"])
def test_a_path(path: str) -> None:
    assert read([{"path": path}])[1] == []


def test_what_is_no_tree_at_all() -> None:
    assert read({"path": "a"})[1] == ["gitlab_config_groups is (secret): must be a list of mappings"]
    assert read([{"path": "a", "projects": ["b"]}])[1] == [
        "gitlab_config_groups[a].projects is (secret): must be a list of mappings"
    ]


@pytest.mark.parametrize(
    ("wanted", "row", "found"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2}, {"a": (2, 1)}),
        ({"a": ""}, {"a": None}, {}),
        ({"a": ["x", "y"]}, {"a": ["y", "x"]}, {}),
        ({"a": ["x"]}, {"a": ["y"]}, {"a": (["y"], ["x"])}),
        ({"a": {"x": 1}}, {"a": {"x": 1, "y": 2}}, {}),
        ({"a": {"x": 1}}, {"a": {"x": 2, "y": 2}}, {"a": ({"x": 2}, {"x": 1})}),
        ({"public_builds": True}, {"public_jobs": True}, {}),
        ({"default_branch": "main"}, {"empty_repo": True}, {}),
        ({"initialize_with_readme": True}, {}, {}),
        ({"a": False}, {"a": None}, {"a": (None, False)}),
    ],
)
def test_settings_that_differ(wanted: Any, row: Any, found: Any) -> None:
    assert differing(wanted, row) == found
