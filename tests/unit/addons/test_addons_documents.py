"""YAML as Kubernetes and Helm read it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import documents
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import AddonError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("=", "="),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("22:22", "22:22"),
        ("1.2.3", "1.2.3"),
        ("0644", 420),
        ("0x10", 16),
        ("-12", -12),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("true", True),
        ("~", None),
        ("v1", "v1"),
        ("1Gi", "1Gi"),
        ("-", None),
    ],
)
def test_plain_values(text: str, value: Any) -> None:
    found = documents.load(f"[{text}]" if text != "-" else "- ", "a file")[0]
    assert found == value
    assert type(found) is type(value)


def test_what_is_no_yaml_is_told_with_the_files_name() -> None:
    with pytest.raises(AddonError, match="a file is no YAML"):
        documents.load("{", "a file")
    with pytest.raises(AddonError, match="a file must hold objects"):
        documents.load_all("- 1", "a file")


def test_yaml_makes_no_objects_of_python() -> None:
    with pytest.raises(AddonError, match="is no YAML"):
        documents.load("!!python/object/apply:os.system [true]", "a file")
