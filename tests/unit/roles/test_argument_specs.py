"""What a role documents is what it does: specification and defaults agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())

pytestmark = pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)


def spec(role: Path) -> dict[str, Any]:
    found = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]
    assert isinstance(found, dict)
    return found


def defaults(role: Path) -> dict[str, Any]:
    return yaml.safe_load((role / "defaults" / "main.yml").read_text()) or {}


def every_option(options: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All options with those below them, each with its path."""
    for name, option in options.items():
        yield f"{path}{name}", option
        yield from every_option(option.get("options", {}), f"{path}{name}.")


def test_the_same_variables(role: Path) -> None:
    documented = spec(role)["options"]
    required = {name for name, option in documented.items() if option.get("required")}
    assert set(documented) - required == set(defaults(role))


def test_the_same_defaults(role: Path) -> None:
    documented = spec(role)["options"]
    given = defaults(role)
    differ = {
        name: (documented[name].get("default"), value)
        for name, value in given.items()
        if name in documented and documented[name].get("default") != value
    }
    assert not differ, f"specification and defaults/main.yml differ: {differ}"


def test_names_carry_the_role(role: Path) -> None:
    assert [name for name in spec(role)["options"] if not name.startswith(f"{role.name}_")] == []


def test_everything_is_described(role: Path) -> None:
    found = spec(role)
    for key in ("short_description", "description", "author", "version_added"):
        assert found.get(key), f"{role.name}: {key} is missing"
    undescribed = [path for path, option in every_option(found["options"]) if not option.get("description")]
    assert undescribed == []


def test_lists_say_what_of(role: Path) -> None:
    options = every_option(spec(role)["options"])
    assert [
        path for path, option in options if option.get("type") == "list" and "elements" not in option
    ] == []


def test_state_is_present_or_absent(role: Path) -> None:
    state = spec(role)["options"][f"{role.name}_state"]
    assert (state["choices"], state["default"]) == (["present", "absent"], "present")
