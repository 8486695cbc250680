"""The deny list's settings: each error names key, value and rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ipban.denylist.settings import check, load
from ipban.settings import SettingsError, listen_address

NGINX = {"kind": "ingress-nginx", "namespace": "ingress-nginx", "name": "ingress-nginx-controller"}
ENVOY = {"kind": "envoy-gateway", "namespace": "gateways", "name": "ipban", "gateways": ["public"]}
CILIUM = {"kind": "cilium", "name": "ipban"}


def settings(**changes: Any) -> dict[str, Any]:
    return {"conninfo": "service=ipban", "targets": [NGINX], **changes}


def test_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "denylist.json"
    given = settings(
        targets=[NGINX, ENVOY, {**CILIUM, "max_entries": 100}],
        lists=["all", "web"],
        protected=["10.0.0.0/8", "fc00::/7"],
        poll_seconds=5,
        min_seconds=0,
        listen="[::]:9102",
        breaker={"growth_factor": 3},
    )
    path.write_text(json.dumps(given))
    found = load(path)
    assert [target.label for target in found.targets] == [
        "ingress-nginx/ingress-nginx/ingress-nginx-controller",
        "envoy-gateway/gateways/ipban",
        "cilium/ipban",
    ]
    assert found.targets[1].gateways == ("public",)
    assert (found.targets[2].max_entries, found.breaker.growth_factor) == (100, 3)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"conninfo": ""}, 'conninfo is "": must name a database'),
        ({"conninfo": "host=x password=secret"}, 'conninfo is "...": must not carry a password'),
        ({"conninfo": "postgresql://a:secret@x/ipban"}, 'conninfo is "...": must not carry a password'),
        ({"targets": []}, "targets is []: must be a list of at least one object"),
        ({"targets": [NGINX, NGINX]}, "not name an object twice"),
        ({"targets": [{**NGINX, "kind": "traefik"}]}, 'targets[0].kind is "traefik": must be one of'),
        ({"targets": [{"kind": "cilium"}]}, "targets[0].name is missing"),
        ({"targets": [{**CILIUM, "namespace": "x"}]}, "must be empty: the object is of the whole cluster"),
        ({"targets": [{**NGINX, "namespace": ""}]}, 'targets[0].namespace is "": must be the name of a'),
        ({"targets": [{**ENVOY, "gateways": []}]}, "targets[0].gateways is []: must name Gateways"),
        ({"targets": [{**NGINX, "max_entries": 0}]}, "targets[0].max_entries is 0: must be from 1 to 200000"),
        ({"targets": [{**NGINX, "max_bytes": "1M"}]}, 'targets[0].max_bytes is "1M": must be a whole number'),
        ({"targets": [{**NGINX, "size": 1}]}, "targets[0].size is unknown: must be one of"),
        ({"protected": ["10.0.0.1/8"]}, 'protected is "10.0.0.1/8": must be a network'),
        ({"lists": ["Web"]}, 'lists is "Web": must be lower case'),
        ({"poll_seconds": 0}, "poll_seconds is 0: must be from 1 to 3600"),
        ({"listen": "9102"}, 'listen is "9102": must be address:port'),
        ({"breaker": {"factor": 2}}, "breaker.factor is unknown"),
        ({"poll": 1}, "poll is unknown: must be one of"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check(settings(**changes))
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        check(settings(poll_seconds=0, listen="x", targets=[{**CILIUM, "max_bytes": 0}]))
    assert len(str(caught.value).splitlines()) == 3


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read"):
        load(tmp_path / "nothing")
    (tmp_path / "text").write_text("text")
    with pytest.raises(SettingsError, match="is no JSON"):
        load(tmp_path / "text")


@pytest.mark.parametrize(
    ("given", "found"),
    [("10.0.0.1:9101", "10.0.0.1:9101"), ("fd42::1:9101", "[fd42::1]:9101"), ("[::]:1", "[::]:1")],
)
def test_addresses_to_listen_on(given: str, found: str) -> None:
    assert listen_address(given) == found


@pytest.mark.parametrize("given", ["9101", "10.0.0.1:", "10.0.0.1:70000", ":9101"])
def test_addresses_that_are_none(given: str) -> None:
    with pytest.raises(SettingsError, match="must be address:port"):
        listen_address(given)
