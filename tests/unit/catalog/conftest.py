"""The real charts and definitions, from outside of the checkout."""

from __future__ import annotations

from pathlib import Path

import pytest

from .shipped import CONTRACTS, NO_CONTRACTS, there


@pytest.fixture(scope="session")
def contracts() -> Path:
    if not there():
        pytest.skip(NO_CONTRACTS)
    return CONTRACTS
