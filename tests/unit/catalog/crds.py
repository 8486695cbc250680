"""Custom resources, held against their definitions as strictly as the API server can be asked to.

Rules in CEL are left to the server.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from .shipped import load

Kind = tuple[str, str]


def definitions(contracts: Path) -> dict[Kind, dict[str, Any]]:
    """The definition of each apiVersion and kind that is served."""
    found: dict[Kind, dict[str, Any]] = {}
    for path in sorted(contracts.glob("*/crds/*.yaml")):
        head = path.name.removesuffix(".yaml").split(".", 1)
        if len(head) > 1 and head[1] in GROUPS:
            definition = load(path)
            if definition["kind"] != "CustomResourceDefinition":
                continue
            spec = definition["spec"]
            for version in spec["versions"]:
                if version["served"]:
                    key = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
                    found[key] = {"scope": spec["scope"], "schema": version["schema"]["openAPIV3Schema"]}
    return found


# Those that the catalog makes objects of: to read all would take longer than all other tests together.
GROUPS = frozenset(
    (
        "argoproj.io",
        "cert-manager.io",
        "external-secrets.io",
        "gateway.envoyproxy.io",
        "gateway.networking.k8s.io",
        "generators.external-secrets.io",
        "keda.sh",
        "monitoring.coreos.com",
        "policies.kyverno.io",
        "postgresql.cnpg.io",
        "traefik.io",
        "velero.io",
    )
)


def violations(thing: Mapping[str, Any], schema: Mapping[str, Any]) -> list[str]:
    """A line for each field that is unknown, missing or not what it should be."""
    errors = Draft202012Validator(strict(schema, root=True)).iter_errors(thing)
    return [f"{error.json_path}: {error.message[:200]}" for error in errors]


def strict(schema: Any, root: bool = False) -> Any:
    """JSON Schema for a structural schema: fields that it does not name are refused, unless it keeps them."""
    if not isinstance(schema, Mapping):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    kept = ("enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")
    made: dict[str, Any] = {key: schema[key] for key in (*kept, "required", "minProperties") if key in schema}
    if "type" in schema:
        made["type"] = [schema["type"], "null"] if schema.get("nullable") else schema["type"]
    if "items" in schema:
        made["items"] = strict(schema["items"])
    if isinstance(schema.get("additionalProperties"), Mapping):
        made["additionalProperties"] = strict(schema["additionalProperties"])
    if "properties" in schema:
        made["properties"] = {key: strict(below) for key, below in schema["properties"].items()}
        if root:
            made["properties"] = {"apiVersion": True, "kind": True, **made["properties"], "metadata": True}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    for keyword in ("allOf", "anyOf", "oneOf"):
        if keyword in schema:
            # These only narrow what the schema around them has: they know no fields of their own.
            made[keyword] = [dict(below) for below in schema[keyword]]
    return made
