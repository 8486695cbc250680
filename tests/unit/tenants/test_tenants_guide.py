"""What the guide says to write is what the role takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.tenants import checks, model

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "guides" / "tenants.md").read_text()
SPEC: dict[str, Any] = yaml.safe_load((ROOT / "roles/k8s_tenants/meta/argument_specs.yml").read_text())
OPTIONS = SPEC["argument_specs"]["main"]["options"]


def examples() -> list[dict[str, Any]]:
    return [
        yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    ]


def test_examples_are_accepted() -> None:
    found = examples()
    assert found
    for example in found:
        tenants = model.parse(example.get("k8s_tenants_defaults", {}), example["k8s_tenants_namespaces"])
        assert checks.violations(tenants) == []


def test_variables_and_keys_are_those_of_the_role() -> None:
    assert set(re.findall(r"k8s_tenants_\w+", GUIDE)) <= set(OPTIONS)
    keys = set(OPTIONS["k8s_tenants_namespaces"]["options"])
    for example in examples():
        for tenant in (example.get("k8s_tenants_defaults", {}), *example["k8s_tenants_namespaces"]):
            assert set(tenant) <= keys


def test_the_guide_tells_every_key() -> None:
    assert [key for key in OPTIONS["k8s_tenants_namespaces"]["options"] if key not in GUIDE] == []
