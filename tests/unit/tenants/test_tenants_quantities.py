"""Quantities as Kubernetes reads them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.tenants.quantities import in_words_of, parse


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("500m", Fraction(1, 2)),
        ("0.5", Fraction(1, 2)),
        (2, Fraction(2)),
        ("1Ki", Fraction(1024)),
        ("1k", Fraction(1000)),
        ("1.5Gi", Fraction(3 * 2**29)),
        ("1e3", Fraction(1000)),
        ("12E2", Fraction(1200)),
        ("1E", Fraction(10**18)),
        ("100n", Fraction(1, 10**7)),
        ("5e-1", Fraction(1, 2)),
        (".5", Fraction(1, 2)),
        ("-1", Fraction(-1)),
    ],
)
def test_what_a_quantity_comes_to(text: Any, amount: Fraction) -> None:
    assert parse(text) == amount


@pytest.mark.parametrize(
    "text", ["", "lots", "1 Gi", "1gi", "1GB", "1Mib", "0x10", "1,5", True, None, "1ki", "--1"]
)
def test_what_is_none(text: Any) -> None:
    assert parse(text) is None


def test_the_same_amount_in_other_words_is_the_same() -> None:
    live = {"cpu": "500m", "memory": "1Gi", "pods": "5", "foreign": "1"}
    wanted = {"cpu": "0.5", "memory": "1024Mi", "pods": "6"}
    assert in_words_of(live, wanted) == {"cpu": "0.5", "memory": "1024Mi", "pods": "5", "foreign": "1"}
