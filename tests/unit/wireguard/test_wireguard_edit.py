"""What can be done to a peer, what is written down about it, and that a second time changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.edit import Request, edit
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.reading import Violations
from ansible_collections.groundwork.platform.plugins.module_utils.wireguard.register import Peer, Register
from wireguard_world import DAY, NOW, key, peers


def done(there: Register, state: str, name: str, now: int = NOW, **options: Any) -> Register:
    found = Violations()
    after = edit(there, Request(state, name, options, "carol", now), found)
    assert found.lines == []
    return after


def said(state: str, name: str, there: Register | None = None, **options: Any) -> str:
    found = Violations()
    before = there or peers()
    assert edit(before, Request(state, name, options, "carol", NOW), found) == before
    return "\n".join(found.lines)


def peer(there: Register, name: str) -> Peer:
    found = there.peer(name)
    assert found is not None
    return found


BOB = {"owner": "bob", "group": "developers", "public_key": key("bob")}


def test_add() -> None:
    after = done(peers(), "add", "bob", reason="new", expires_in="90d", **BOB)
    bob = peer(after, "bob")
    assert (bob.owner, bob.group, bob.kind, bob.public_key) == ("bob", "developers", "person", key("bob"))
    assert (bob.added_by, bob.added_at, bob.reason) == ("carol", NOW, "new")
    assert bob.expires_at == NOW + 90 * DAY
    assert bob.addresses == (), "they are given with everybody's"
    assert [one.name for one in after.peers] == ["anna", "bob", "ci", "office"]


def test_add_again_changes_nothing() -> None:
    once = done(peers(), "add", "bob", expires_in="90d", **BOB)
    assert done(once, "add", "bob", now=NOW + 60, expires_in="90d", **BOB) is once
    assert done(once, "add", "bob", **BOB) is once
    later = done(once, "add", "bob", now=NOW + 30 * DAY, expires_in="90d", **BOB)
    assert peer(later, "bob").expires_at == NOW + 120 * DAY


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("Bob", BOB, 'name is "Bob": must be 1 to 31 lower case'),
        ("bob", {**BOB, "public_key": None}, "wireguard_peers[bob].public_key is null: must be a WireGuard"),
        ("bob", {**BOB, "owner": None}, "wireguard_peers[bob].owner is null: says who answers for it"),
        ("bob", {**BOB, "expires_in": "soon"}, 'expires_in is "soon": must be a time span such as 90d'),
        ("bob", {**BOB, "expires_in": "99999w"}, "which ends before 2200"),
        ("bob", {**BOB, "expires_at": "soon"}, 'expires_at is "soon": must be a time with its zone'),
        (
            "bob",
            {**BOB, "expires_in": "1d", "expires_at": "2027-02-01"},
            "must not be given beside expires_at",
        ),
        ("bob", {**BOB, "expires_at": "2027-01-01"}, 'is "2027-01-01T00:00:00Z": must be in the future'),
        ("anna", BOB, 'owner is "bob": anna is there already, with "anna"; rotate it for a new key'),
        ("anna", {**BOB, "owner": "anna"}, "public_key is"),
    ],
)
def test_add_is_refused(name: str, options: dict[str, Any], says: str) -> None:
    assert says in said("add", name, **options)


def test_a_proposal_is_for_somebody_new() -> None:
    assert done(peers(), "propose", "bob", **BOB) == done(peers(), "add", "bob", **BOB)
    assert 'name is "anna": is in the peers\' file already, with a key' in said("propose", "anna", **BOB)


def test_rotate_keeps_all_but_the_key_and_never_takes_the_old_one_again() -> None:
    after = done(peers(), "rotate", "anna", public_key=key("new"))
    anna = peer(after, "anna")
    assert anna.public_key == key("new")
    assert anna.addresses == ("10.80.0.17", "fd42:80::11")
    old = after.released[-1]
    assert (old.name, old.public_key, old.addresses) == ("anna", key("anna"), ())
    assert (old.released_by, old.released_at, old.reason) == ("carol", NOW, "rotated")
    assert done(after, "rotate", "anna", public_key=key("new")) is after


def test_rotate_needs_a_key() -> None:
    assert "public_key is null: must be a WireGuard public key" in said("rotate", "anna")


def test_revoke_leaves_a_trace() -> None:
    after = done(peers(), "revoke", "anna", reason="left the company")
    assert after.peer("anna") is None
    old = after.released[-1]
    assert (old.name, old.owner, old.addresses) == ("anna", "anna", ("10.80.0.17", "fd42:80::11"))
    assert (old.released_by, old.released_at, old.reason) == ("carol", NOW, "left the company")
    assert done(after, "revoke", "anna", reason="again") is after


@pytest.mark.parametrize("reason", [None, " ", "two\nlines", "{{ x }}"])
def test_revoke_needs_a_reason(reason: str | None) -> None:
    assert "must say in one line why" in said("revoke", "anna", reason=reason)


def test_expire() -> None:
    after = done(peers(), "expire", "anna", expires_in="1h")
    assert peer(after, "anna").expires_at == NOW + 3600
    assert peer(done(after, "expire", "anna", expires_at="never"), "anna").expires_at is None
    past = done(after, "expire", "anna", expires_at="2027-01-31T12:00:00Z")
    assert peer(past, "anna").expires_at == NOW, "now is an end too"
    assert done(past, "expire", "anna", expires_at="2027-01-31T12:00:00Z") == past


def test_expire_needs_an_end() -> None:
    assert "expires_at is null: or expires_in must say when it ends" in said("expire", "anna")


@pytest.mark.parametrize("state", ["rotate", "revoke", "expire"])
def test_who_is_not_there(state: str) -> None:
    options = {"reason": "x", "public_key": key("x"), "expires_in": "1d"}
    assert 'name is "nobody": is not in the peers\' file' in said(state, "nobody", **options)
    if state != "revoke":
        assert 'name is "old": was revoked on 2027-01-30T12:00:00Z' in said(state, "old", **options)
