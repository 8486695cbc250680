"""The guard of upgrades: required stops are named, conditional ones told, ways back refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.groundwork.platform.plugins.module_utils.gitlab_server import upgrade

ROOT = Path(__file__).resolve().parents[3]
DATA = yaml.safe_load((ROOT / "roles/gitlab_server/vars/upgrade_stops.yml").read_text())
SCHEDULE = upgrade.parse_schedule(DATA["__gitlab_server_upgrade"])


def check(installed: str, target: str, edition: str = "ce") -> list[str]:
    found = upgrade.check(SCHEDULE, upgrade.parse_package(installed), upgrade.parse_version(target), edition)
    return [str(stop) for stop in found]


@pytest.mark.parametrize(
    ("installed", "target"),
    [
        ("18.5.1-ce.0", "18.5.1"),
        ("18.5.1-ce.0", "18.5.4"),
        ("18.5.1-ce.0", "18.8.0"),
        ("18.6.0-ce.0", "18.8.3"),
        ("17.11.7-ce.0", "18.2.0"),
        ("17.11.7-ce.0", "18.0.0"),
        ("18.11.2-ce.0", "19.2.1"),
        ("16.11.10-ce.0", "17.1.8"),
        ("18.5.1-ce.1", "18.8.0"),
    ],
)
def test_up_to_the_next_stop_nothing_is_in_the_way(installed: str, target: str) -> None:
    assert check(installed, target) == []


@pytest.mark.parametrize(
    ("installed", "target", "path"),
    [
        ("18.5.1-ce.0", "18.9.0", "18.8.z"),
        ("18.5.9-ce.0", "18.11.0", "18.8.z"),
        ("18.5.1-ce.0", "19.0.0", "18.8.z, then 18.11.z"),
        ("17.8.7-ce.0", "18.0.0", "17.11.z"),
        ("17.4.0-ce.0", "18.3.1", "17.5.z, then 17.8.z, then 17.11.z, then 18.2.z"),
        ("16.2.0-ce.0", "16.8.0", "16.3.z, then 16.7.z"),
        (
            "18.11.0-ce.0",
            "21.0.0",
            "19.2.z, then 19.5.z, then 19.8.z, then 19.11.z, then 20.2.z, then 20.5.z",
        ),
    ],
)
def test_a_jump_over_a_stop_is_refused_and_the_way_named(installed: str, target: str, path: str) -> None:
    with pytest.raises(upgrade.UpgradeError) as refused:
        check(installed, target)
    assert f"upgrade to {path}, then" in str(refused.value)
    assert f"version is {target}: must not jump over a required stop" in str(refused.value)


def test_conditional_stops_are_told_and_do_not_refuse() -> None:
    assert check("16.11.10-ce.0", "17.3.0") == ["17.1"]


def test_there_is_no_way_back() -> None:
    with pytest.raises(upgrade.UpgradeError, match=r"must not be older than 18\.5\.1"):
        check("18.5.1-ce.0", "18.5.0")
    with pytest.raises(upgrade.UpgradeError, match="edition is ce: must stay ee"):
        check("18.5.1-ee.0", "18.5.2", "ce")
    assert check("18.5.1-ce.0", "18.5.1", "ee") == []


def test_a_first_installation_may_be_any_release() -> None:
    assert upgrade.check(SCHEDULE, None, upgrade.parse_version("18.9.0"), "ce") == []


@pytest.mark.parametrize("value", ["18.5", "18", "latest", "18.5.1-ce.0", "018.5.1", "18.5.x"])
def test_a_version_is_a_whole_release(value: str) -> None:
    with pytest.raises(upgrade.UpgradeError, match="must be a whole release"):
        upgrade.parse_version(value)


def test_a_package_of_somebody_else_is_no_gitlab() -> None:
    with pytest.raises(upgrade.UpgradeError, match="none of GitLab's"):
        upgrade.parse_package("18.5.1+dfsg-1")


def test_background_migrations_that_are_not_done_are_found() -> None:
    status = (
        "finished  | BackfillOne,users,id,[]\n"
        "finalized | BackfillTwo,users,id,[]\n"
        "active    | BackfillThree,ci_builds,id,[]\n"
        "failed    | BackfillFour,notes,id,[]\n"
        "\n"
    )
    assert upgrade.unfinished(status) == [
        "BackfillThree,ci_builds,id,[] (active)",
        "BackfillFour,notes,id,[] (failed)",
    ]
    assert upgrade.unfinished("") == []
