"""A double with a small company in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from double_world import World, build

from lab.doubles.gitlab import Server


@pytest.fixture
def world() -> Iterator[World]:
    with Server() as server:
        yield build(server)
        assert server.errors == []


@pytest.fixture
def enterprise() -> Iterator[World]:
    with Server(edition="ee") as server:
        yield build(server)
        assert server.errors == []
