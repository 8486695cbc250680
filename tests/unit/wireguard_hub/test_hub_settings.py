"""Settings of a hub: each error names key, value and rule."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hub_world import DOCUMENT, document, hub, key, peer
from wireguard import settings
from wireguard.errors import SettingsError


def test_a_whole_document() -> None:
    found = hub()
    assert [one.name for one in found.peers] == ["anna", "bob", "ci", "office"]
    assert found.inside_rules[0].sources == ("192.0.2.0/24",)
    assert found.interfaces == {"a": "wg-dev", "b": "wg-dev-b"}
    assert [one.name for one in found.living(2000)] == ["anna", "ci", "office"]
    assert [one.name for one in found.living(1999)] == ["anna", "bob", "ci", "office"]


def changed(path: str, value: Any) -> dict[str, Any]:
    """The document with the value at ``peers.0.name`` replaced; ``...`` removes it."""
    found = copy.deepcopy(DOCUMENT)
    *way, last = path.split(".")
    place: Any = found
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    if value is ...:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return found


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (
            "interface",
            "wg-much-too-long",
            'interface is "wg-much-too-long": must be the name of an interface',
        ),
        ("interface", "wg/../x", "interface is"),
        ("revision", -1, "revision is -1: must be a number that is not negative"),
        ("revision", True, "revision is true"),
        ("mtu", 1279, "mtu is 1279: must be from 1280 to 9000"),
        ("port", 0, "port is 0: must be a port from 1 to 65535"),
        ("rotation_port", 51820, "rotation_port is 51820: must not be the port"),
        ("nat", "yes", 'nat is "yes": must be true or false'),
        ("addresses", ["10.80.0.1"], 'addresses is ["10.80.0.1"]: must be a list of addresses with a prefix'),
        (
            "pools",
            ["10.80.0.1/24"],
            'pools is ["10.80.0.1/24"]: must be a list of networks without host bits',
        ),
        ("secret", "x", "secret is unknown: must be one of"),
        ("hub", ..., "hub is missing"),
        ("peers", {}, "peers is {}: must be a list"),
        ("peers.0", "anna", 'peers[0] is "anna": must be a JSON object'),
        ("peers.0.name", "Anna; drop", 'peers[0].name is "Anna; drop": must be lower case letters'),
        ("peers.0.owner", "two\nlines", "peers[0].owner is"),
        ("peers.0.public_key", "short", 'peers[0].public_key is "short": must be a public key: 32 bytes'),
        ("peers.0.public_key", "A" * 42 + "==", "peers[0].public_key is"),
        ("peers.0.addresses", ["10.80.0.17/32"], "peers[0].addresses is"),
        ("peers.0.addresses", ["fd42:80:0::11"], "peers[0].addresses is"),
        ("peers.0.addresses", [], "peers[0].addresses is []: must hold an address"),
        ("peers.0.addresses", ["10.80.0.18"], 'addresses is "10.80.0.18": must be there once'),
        ("peers.0.group", "nobody", 'peers[0].group is "nobody": must be one of developers, services, sites'),
        ("peers.0.public_key", key("bob"), f'public_key is "{key("bob")}": must be there once'),
        (
            "peers.0.expires_at",
            "tomorrow",
            'peers[0].expires_at is "tomorrow": must be seconds since 1970, or null',
        ),
        ("peers.3.endpoint", "office", 'peers[3].endpoint is "office": must be host:port or null'),
        ("hubs.0.endpoint", "x:0", 'hubs[0].endpoint is "x:0": must be host:port'),
        (
            "groups.0.rules.0.name",
            "x { }",
            'groups[0].rules[0].name is "x { }": must be a name, a blank and a number',
        ),
        (
            "groups.0.rules.1.to_groups",
            ["nobody"],
            'the rule developers 2: to_groups is "nobody": must be known',
        ),
        (
            "groups.0.rules.0.ports.0.last",
            1,
            "the rule developers 1: ports is tcp 443-1: must be a range of ports",
        ),
        (
            "groups.0.rules.0.ports.1.first",
            8,
            "the rule developers 1: ports is icmp with a port: must have none",
        ),
        ("groups.0.rules.0.ports.0.protocol", "sctp", 'groups[0].rules[0].ports[0].protocol is "sctp"'),
    ],
)
def test_what_is_wrong_is_named(path: str, value: Any, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings.check(changed(path, value))
    assert said in str(refused.value)


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        settings.check(document(mtu=1, port=0, hub=""))
    assert len(str(refused.value).splitlines()) == 3


def test_older_settings_need_consent() -> None:
    settings.check_revision(hub(revision=12), 12)
    settings.check_revision(hub(revision=11, accept_older=True), 12)
    with pytest.raises(SettingsError, match="revision is 11: must not be older than 12"):
        settings.check_revision(hub(revision=11), 12)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="can't be read"):
        settings.load(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(SettingsError, match="is no JSON"):
        settings.load(tmp_path / "bad.json")
    (tmp_path / "good.json").write_text(json.dumps(DOCUMENT))
    assert settings.load(tmp_path / "good.json") == hub()


def test_a_thousand_peers_are_read_at_once() -> None:
    crowd = [
        peer(f"p-{at}", 1, public_key=key(str(at)), addresses=[f"10.80.{at // 250 + 2}.{at % 250}"])
        for at in range(1000)
    ]
    started = time.process_time()
    assert len(settings.check(document(peers=crowd)).peers) == 1000
    assert time.process_time() - started < 1
