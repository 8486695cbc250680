"""Feeds and rules on the importer's host: what they ban, what is refused, and how a source is withdrawn."""

from __future__ import annotations

import pytest
from attack import Target
from conftest import Operator
from waiting import wait_for

FEED = "/srv/ipban-feed"
GOOD = "".join(f"198.51.100.{n}\n" for n in range(1, 151))
IMPORT = "systemctl start groundwork-ipban-import@local"


def feed(importer: Target, text: str) -> None:
    importer.output(f"cat > {FEED}", text)


def dropped(host: Target, address: str) -> bool:
    return host.ssh(command=f"ipban test {address}").returncode == 0


def test_a_feed_reaches_every_host(importer: Target, store: Target) -> None:
    feed(importer, GOOD)
    importer.output(IMPORT)
    for host in (importer, store):
        assert wait_for(lambda host=host: dropped(host, "198.51.100.150"))  # type: ignore[misc]  # because mypy wants no default here
        assert not dropped(host, "198.51.100.151")
    told = importer.output("ipban why 198.51.100.150")
    assert "On the list of the test" in told
    assert "feed-local" in told
    assert "150 networks" in importer.output("ipban feeds")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<!DOCTYPE html>\n<html>502", "it is a page"),
        (GOOD + "10.0.0.1\n", "line 151: 10.0.0.1: must not hold private"),
        (GOOD + "198.51.100.241\n", "line 151: 198.51.100.241: must not hold networks of our own"),
        ("", "has 0 entries: must have at least 1"),
        ("".join(f"45.0.{n // 250}.{n % 250}\n" for n in range(1500)), "has 1500 entries after 150"),
    ],
)
def test_a_bad_feed_changes_nothing(importer: Target, text: str, says: str) -> None:
    feed(importer, text)
    done = importer.ssh(command=IMPORT)
    assert done.returncode != 0
    assert says in importer.output("journalctl --no-pager -n 10 -o cat -u groundwork-ipban-import@local")
    assert dropped(importer, "198.51.100.150")
    assert "FAILED local" in importer.ssh(command="ipban feeds").stdout
    feed(importer, GOOD)
    importer.output(IMPORT)


def test_a_bad_source_is_withdrawn_by_one_command(
    importer: Target, store: Target, operator: Operator
) -> None:
    done = operator(withdraw="feed-local")
    assert done.returncode == 0, done.stdout
    for host in (importer, store):
        assert not dropped(host, "198.51.100.150")
    timer = "groundwork-ipban-import@local.timer"
    assert importer.ssh(command=f"systemctl is-active {timer}").stdout.strip() == "inactive"
    importer.output(f"systemctl start {timer}")


def test_a_rule_bans_whom_it_finds(importer: Target, store: Target, outsider: Target) -> None:
    knocks = "".join(f"knock from {outsider.address}\nknock from {outsider.address6}\n" for _ in range(3))
    try:
        importer.output("cat >> /srv/ipban-knocks.log", knocks)
        for host in (importer, store):
            assert wait_for(lambda host=host: outsider.probe(host, 22) == ["silent", "silent"])  # type: ignore[misc]  # because mypy wants no default here
        assert "rule knocks" in importer.output(f"ipban why {outsider.address}")
    finally:
        importer.output(f"ipban unban --source=knocks {outsider.address} {outsider.address6}")
    assert wait_for(lambda: outsider.probe(importer, 22) == ["open", "open"])


def test_only_importers_hold_a_login_that_may_write(importer: Target, store: Target) -> None:
    refused = store.ssh(command="ipban ban 192.0.2.99 --reason x")
    assert refused.returncode != 0
    assert "holds no login that may write bans" in refused.stderr
    assert importer.output("stat --format '%U %a' /etc/groundwork/ipban/importer.pgpass") == "root 600"


@pytest.mark.parametrize("unit", ["groundwork-ipban-import@local", "groundwork-ipban-watch"])
def test_the_units_are_locked_down(importer: Target, unit: str) -> None:
    found = importer.output(f"systemd-analyze security --no-pager {unit}.service | tail -n 1")
    assert float(found.split("service:")[1].split()[0]) <= 2.0
