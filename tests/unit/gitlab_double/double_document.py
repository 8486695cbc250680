"""GitLab's own API document, as far as the double is held to it. Its data stays where it is."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
PREFIX = "/api/v4"


def file() -> Path:
    contracts = os.environ.get("GROUNDWORK_CONTRACTS", str(REPOSITORY.parent / "shared" / "contracts"))
    return Path(contracts) / "gitlab" / "openapi_v2.yaml"


@functools.cache
def load() -> dict[str, Any]:
    if not file().exists():
        pytest.skip(f"{file()} is missing: set GROUNDWORK_CONTRACTS to where the API documents are")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document: dict[str, Any] = yaml.load(file().read_text(), Loader=loader)  # noqa: S506  # it is safe
    return document


def anonymous(template: str) -> str:
    """A template without the names of its arguments: the two may call them differently."""
    return re.sub(r"{[^}]*}", "{}", template)


@functools.cache
def operations() -> dict[str, dict[str, Any]]:
    """``{"GET /projects/{}": operation}``."""
    return {
        f"{method.upper()} {anonymous(path.removeprefix(PREFIX))}": operation
        for path, methods in load()["paths"].items()
        for method, operation in methods.items()
    }


def _definition(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        found: dict[str, Any] = load()["definitions"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def parameters(operation: dict[str, Any]) -> set[str]:
    names: set[str] = set()
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "body":
            names |= set(_definition(parameter["schema"]).get("properties", {}))
        elif parameter["in"] != "path":
            names.add(parameter["name"].partition("[")[0])
    return names


def fields(name: str) -> dict[str, Any] | None:
    """``{name: schema}`` of what an operation answers, or of each element; none where it is not said."""
    operation = operations().get(name)
    if operation is None:
        return None
    good: dict[str, Any] = next(
        (answer for code, answer in operation["responses"].items() if code[0] == "2"), {}
    )
    return properties_of(good.get("schema", {})) or None


def properties_of(schema: dict[str, Any]) -> dict[str, Any]:
    resolved = _definition(schema)
    if resolved.get("type") == "array":
        return properties_of(resolved.get("items", {}))
    found: dict[str, Any] = resolved.get("properties", {})
    return found


def surplus(value: Any, properties: dict[str, Any], at: str = "") -> set[str]:
    """The fields of an answer that the document does not know, ``namespace.plan``."""
    if isinstance(value, list):
        return {name for each in value for name in surplus(each, properties, at)}
    if not isinstance(value, dict):
        return set()
    found = {f"{at}{name}" for name in value if name not in properties}
    for name in set(value) & set(properties):
        below = properties_of(properties[name])
        if below:
            found |= surplus(value[name], below, f"{at}{name}.")
    return found
