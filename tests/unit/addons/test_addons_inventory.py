"""What the cluster says of earlier runs, when people have had their hands on it."""

from __future__ import annotations

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.addons import inventory, releases
from ansible_collections.groundwork.platform.plugins.module_utils.addons.inventory import Record
from ansible_collections.groundwork.platform.plugins.module_utils.addons.model import AddonError

GOOD = Record("ready", objects=("v1|Secret|addons|login",), needs=("base",))


def test_a_record_is_read_as_it_was_written() -> None:
    assert inventory.parse_records({"data": {"one": GOOD.text()}}) == {"one": GOOD}


def test_what_a_later_version_has_added_is_left_aside() -> None:
    text = GOOD.text().replace("{", '{"colour":"blue",', 1)
    assert inventory.parse_records({"data": {"one": text}}) == {"one": GOOD}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"text"',
        "{}",
        '{"state":"ready","objects":["v1|Secret"]}',
        '{"state":"ready","needs":5}',
    ],
)
def test_one_that_somebody_has_broken_is_named(text: str) -> None:
    with pytest.raises(AddonError) as error:
        inventory.parse_records({"data": {"one": GOOD.text(), "two": text}})
    (reason,) = error.value.reasons
    assert "ConfigMap groundwork-system/groundwork-addons has a record of two that can't be read" in reason


@pytest.mark.parametrize("data", [{}, {"release": "e30="}, {"release": "ZTMwPQ=="}, {"release": "%"}])
def test_a_release_that_can_not_be_read_is_named(data: dict[str, str]) -> None:
    with pytest.raises(AddonError, match=r"the Secret sh\.helm holds no release"):
        releases.decode({"metadata": {"name": "sh.helm"}, "data": data})
