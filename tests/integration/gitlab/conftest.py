"""A fresh double for each test: it starts in milliseconds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "collections"))

from tests.integration.gitlab.world import World, world  # because the line above makes it importable


@pytest.fixture
def ce() -> Iterator[World]:
    with world("ce") as made:
        yield made


@pytest.fixture
def ee() -> Iterator[World]:
    with world("ee") as made:
        yield made


@pytest.fixture(params=["ce", "ee"])
def either(request: pytest.FixtureRequest) -> Iterator[World]:
    with world(request.param) as made:
        yield made
