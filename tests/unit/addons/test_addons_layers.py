"""Values: layers, secrets, and keys that a chart knows."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import known, layers
from ansible_collections.groundwork.platform.plugins.module_utils.addons.known import ChartKeys


@pytest.mark.parametrize(
    ("below", "above", "merged"),
    [
        ({"a": 1}, {"b": 2}, {"a": 1, "b": 2}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}, {"a": {"b": 1, "c": 3}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}),
        ({"a": {"b": 1}}, {"a": None}, {}),
        ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
        # What no lower layer has is the chart's own default: Helm takes that away.
        ({}, {"a": None}, {"a": None}),
    ],
)
def test_merge(below: dict[str, Any], above: dict[str, Any], merged: dict[str, Any]) -> None:
    assert layers.merge(below, above) == merged


def test_layers_are_left_as_they_are() -> None:
    first = {"a": {"b": [1]}}
    second = {"a": {"c": [2]}}
    result = layers.merge_all([first, second])
    result["a"]["c"].append(3)
    assert (first, second) == ({"a": {"b": [1]}}, {"a": {"c": [2]}})


@pytest.mark.parametrize(
    "values",
    [
        {"adminPassword": "hunter2"},
        {"auth": {"token": "abc"}},
        {"env": [{"api_key": "abc"}]},
        {"oauth": {"clientSecret": "abc"}},
        {"tls": {"key": "-----BEGIN RSA PRIVATE KEY-----\nabc"}},
    ],
)
def test_secrets_are_found(values: dict[str, Any]) -> None:
    assert len(layers.secrets_in(values)) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"admin": {"existingSecret": "grafana", "passwordKey": "password"}},
        {"automountServiceAccountToken": True},
        {"password": ""},
        {"password": "${ADMIN_PASSWORD}"},
        {"tokenSecretRef": {"name": "cloudflare", "key": "token"}},
        {"secretName": "internal-ca", "tokenPath": "/var/run/token"},
        {"password": "$__file{/etc/secrets/password}"},
        {"env": [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]},
        {"env": [{"name": "DB_PASSWORD", "value": "$(PASSWORD)"}, {"name": "COLOUR", "value": "red"}]},
        {"env": [{"name": "DB_PASSWORD_FILE", "value": "/run/db"}]},
        {"args": ["--password=$(PASSWORD)", "--token-file=/run/token", "--max-tokens-name=5", "-v=2"]},
        {"url": "https://example.com:8443/a@b", "database": "postgresql://app:${PASSWORD}@db/app"},
        {"maxTokens": 5, "password": None, "passwords": True},
    ],
)
def test_references_to_secrets_are_none(values: dict[str, Any]) -> None:
    assert layers.secrets_in(values) == []


@pytest.mark.parametrize(
    ("values", "path"),
    [
        (
            {"env": [{"name": "COLOUR", "value": "red"}, {"name": "DB_PASSWORD", "value": "x"}]},
            "env[1].value",
        ),
        ({"env": {"DB_PASSWORD": "x"}}, "env.DB_PASSWORD"),
        ({"args": ["serve", "--password=x"]}, "args[1]"),
        ({"args": ["-api-key=x"]}, "args[0]"),
        ({"database": "postgresql://app:x@db:5432/app?sslmode=require"}, "database"),
        ({"redis": "redis://:x@cache:6379"}, "redis"),
        ({"adminPassword": 12345678}, "adminPassword"),
    ],
)
def test_secrets_are_found_where_people_put_them(values: dict[str, Any], path: str) -> None:
    assert layers.secrets_in(values) == [path]


def test_the_path_of_a_secret_is_told() -> None:
    assert layers.secrets_in({"a": [{"b": {"password": "x"}}]}) == ["a[0].b.password"]


CHART = ChartKeys(
    {"image": {"tag": ""}, "labels": {}, "extra": None, "replicas": 1, "list": [], "sub": {"colour": "red"}},
    {
        "properties": {"typed": {"$ref": "#/definitions/typed"}},
        "definitions": {"typed": {"type": "object", "properties": {"size": {"type": "integer"}}}},
    },
    {"sub": ChartKeys({"colour": "", "depth": {"min": 1}})},
)


@pytest.mark.parametrize(
    ("values", "unknown"),
    [
        ({"image": {"tag": "1"}, "replicas": 2}, []),
        ({"imag": {"tag": "1"}}, ["imag"]),
        ({"image": {"tagg": "1"}}, ["image.tagg"]),
        ({"labels": {"any": {"thing": 1}}, "extra": {"also": 1}}, []),
        ({"global": {"any": 1}}, []),
        ({"sub": {"colour": "blue", "depth": {"max": 2}, "enabled": True}}, ["sub.depth.max", "sub.enabled"]),
        ({"typed": {"size": 1, "weight": 2}}, ["typed.weight"]),
    ],
)
def test_unknown_keys(values: dict[str, Any], unknown: list[str]) -> None:
    assert known.unknown(values, CHART) == unknown


def test_free_form_opens_all_below() -> None:
    values = {"image": {"any": {"thing": 1}}, "sub": {"depth": {"max": 1}}, "grafana.ini": {"x": 1}}
    free = ["image.*", "sub.depth", r"grafana\.ini"]
    assert known.unknown(values, CHART, free) == []
    assert known.unknown(values, CHART, free[:1]) == ["sub.depth.max", "grafana.ini"]
