"""Being another user for a moment."""

from __future__ import annotations

import os
import pwd

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.ipban.system_user import (
    UserError,
    acting_as,
)


def test_a_user_that_is_not_there_is_named() -> None:
    with (
        pytest.raises(UserError, match="system_user is nobody-of-that-name: must be a user"),
        acting_as("nobody-of-that-name"),
    ):
        pytest.fail("was let in")


def test_nobody_is_asked_for() -> None:
    before = os.geteuid()
    with acting_as(None):
        assert os.geteuid() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_root_is_the_user_and_root_again_also_after_an_error() -> None:
    record = pwd.getpwnam("daemon")
    with pytest.raises(RuntimeError), acting_as("daemon"):
        assert (os.geteuid(), os.getegid()) == (record.pw_uid, record.pw_gid)
        raise RuntimeError
    assert os.geteuid() == 0
