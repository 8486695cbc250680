"""Digests of secrets: under a key, for a place, and readable out of a description again."""

from __future__ import annotations

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab.secrets import Digester, seal, unseal


def test_a_digest_depends_on_key_secret_and_place() -> None:
    digests = {
        Digester(key)(secret, *place)
        for key in ("one", "two")
        for secret in ("a", "b")
        for place in (("project", 1), ("project", 2), ("group", 1))
    }
    assert len(digests) == 12
    assert Digester("one")("a", "project", 1) == Digester("one")("a", "project", 1)


def test_parts_of_a_place_can_not_be_shifted_into_each_other() -> None:
    digester = Digester("key")
    assert digester("c", "a", "b") != digester("c", "ab")
    assert digester("bc", "a") != digester("c", "ab")


@pytest.mark.parametrize("text", ["", "ours", "ours [1]", "two\nlines"])
def test_a_sealed_description_is_read_again(text: str) -> None:
    digest = Digester("key")("secret")
    assert unseal(seal(text, digest)) == (text, digest)


@pytest.mark.parametrize("text", [None, "", "ours", "[groundwork:short]", "[groundwork-token:5]"])
def test_a_description_without_digest(text: str | None) -> None:
    assert unseal(text) == (text or "", "")


def test_without_a_key_there_is_none() -> None:
    assert not Digester("")
    assert Digester("key")
