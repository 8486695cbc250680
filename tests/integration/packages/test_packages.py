"""The packages module on real hosts: one transaction, honest failures, repairs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import Played, RealHost

PLAY = Path(__file__).parent / "play.yml"
Converge = Callable[..., dict[str, Any]]

# A package whose configuration fails once, and works when it is tried again.
FRAGILE = """
set -e
umask 022
rm -rf /tmp/fragile && mkdir -p /tmp/fragile/DEBIAN /srv/fragile
cat > /tmp/fragile/DEBIAN/control <<END
Package: groundwork-fragile
Version: 1.0
Architecture: all
Maintainer: test
Description: test
END
printf '#!/bin/sh\\ntest -e /tmp/fragile-works\\n' > /tmp/fragile/DEBIAN/postinst
chmod 755 /tmp/fragile/DEBIAN/postinst
cd /srv/fragile
dpkg-deb --build /tmp/fragile groundwork-fragile_1.0_all.deb
cp /tmp/fragile/DEBIAN/control Packages
printf 'Filename: ./groundwork-fragile_1.0_all.deb\\nSize: %s\\nSHA256: %s\\n' \\
  "$(stat -c %s *.deb)" "$(sha256sum *.deb | cut -d' ' -f1)" >> Packages
echo 'deb [trusted=yes] file:/srv/fragile ./' > /etc/apt/sources.list.d/fragile.list
"""

HOLD_LOCK = """
import fcntl, time
lock = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
time.sleep(6)
"""


@pytest.fixture
def converge(host: RealHost, run_playbook: Callable[..., Played]) -> Converge:
    def run(*options: str, **arguments: Any) -> dict[str, Any]:
        extra = json.dumps({"arguments": arguments})
        played = run_playbook(PLAY, "--limit", host.name, "--extra-vars", extra, *options)
        results = played.results(host.name)
        assert results, played.output
        return results[-1][1]

    return run


@pytest.fixture
def clean(host: RealHost) -> Iterator[None]:
    """Without the packages that these tests play with, before and after."""
    packages = "nano tree telnet groundwork-fragile"
    command = f"apt-mark unhold {packages}; dpkg --purge --force-remove-reinstreq {packages}"
    host.run(f"{command}; dpkg --configure --pending")
    yield
    host.run(f"rm -rf /etc/apt/sources.list.d/fragile.list /srv/fragile /tmp/fragile*; {command}")


def plan(result: dict[str, Any]) -> list[str]:
    assert not result.get("failed"), result["msg"]
    return [f"{change['kind']} {change['key']}" for change in result["plan"]]


def installed(host: RealHost, package: str) -> str:
    return host.run(f"dpkg-query --show --showformat='${{db:Status-Abbrev}}' {package}").stdout.strip()


@pytest.mark.usefixtures("clean")
def test_from_nothing_to_installed_held_and_gone(host: RealHost, converge: Converge) -> None:
    assert plan(converge("--check", install=["nano", "tree"])) == ["install nano", "install tree"]
    assert installed(host, "nano") != "ii"

    assert plan(converge(install=["nano", "tree"], hold=["nano"])) == [
        "install nano",
        "install tree",
        "hold nano",
    ]
    again = converge(install=["nano", "tree", "ssh-server"], hold=["nano"])
    assert plan(again) == []
    assert again["stats"]["calls"] == 1
    assert installed(host, "nano") == "hi"

    refused = converge(remove=["nano"])
    assert refused["failed"]
    assert refused["msg"] == "remove has nano, which is on hold: add it to unhold"

    gone = converge("--diff", unhold=["nano"], install=["telnet"], remove=["nano", "tree"], purge=True)
    assert {"unhold nano", "install telnet", "purge nano", "purge tree"} <= set(plan(gone))
    assert "nano" in gone["diff"][0]["before"]
    assert plan(converge(remove=["nano", "tree", "telnet"], purge=True)) == ["purge telnet"]


@pytest.mark.usefixtures("clean")
def test_a_version_pattern_is_kept(host: RealHost, converge: Converge) -> None:
    version = host.output(
        "apt-get -qq update && apt-cache show --no-all-versions nano | sed -n 's/^Version: //p'"
    ).strip()
    upstream = version.partition("-")[0]
    assert plan(converge(install=[f"nano={upstream}*"], hold=["nano"])) == ["install nano", "hold nano"]
    assert plan(converge(install=[f"nano={upstream}*"], hold=["nano"])) == []
    refused = converge(install=["nano=0.1*"])
    assert refused["failed"]
    assert "install has 'nano=0.1*': no such version in the sources of this host" in refused["msg"]
    assert "no package was changed" in refused["msg"]


@pytest.mark.usefixtures("clean")
def test_one_unknown_package_stops_the_whole_transaction(host: RealHost, converge: Converge) -> None:
    result = converge(install=["tree", "groundwork-nosuch"])
    assert result["failed"]
    assert "install has 'groundwork-nosuch': no such package" in result["msg"]
    assert not result["changed"]
    assert installed(host, "tree") != "ii"


@pytest.mark.usefixtures("clean")
def test_a_failed_configuration_is_told_and_repaired_by_the_next_run(
    host: RealHost, converge: Converge
) -> None:
    host.output(FRAGILE)
    failed = converge(install=["groundwork-fragile", "tree"])
    assert failed["failed"]
    assert failed["changed"]
    assert "the next run repairs groundwork-fragile" in failed["msg"]
    assert [change["key"] for change in failed["applied"]] == ["tree"]

    host.output("touch /tmp/fragile-works")
    foreseen = converge("--check", install=["groundwork-fragile", "tree"])
    assert plan(foreseen) == ["configure groundwork-fragile"]
    assert plan(converge(install=["groundwork-fragile", "tree"])) == ["configure groundwork-fragile"]
    assert plan(converge(install=["groundwork-fragile", "tree"])) == []


@pytest.mark.usefixtures("clean")
def test_another_run_of_the_package_manager_is_waited_for(host: RealHost, converge: Converge) -> None:
    host.run(
        "cat > /tmp/lock.py; systemd-run --quiet --collect python3 /tmp/lock.py; sleep 0.5", stdin=HOLD_LOCK
    )
    refused = converge(install=["tree"], lock_timeout=1)
    assert refused["failed"]
    assert "waited 1 seconds (lock_timeout)" in refused["msg"]
    assert "no package was changed" in refused["msg"]
    assert plan(converge(install=["tree"], lock_timeout=60)) == ["install tree"]


@pytest.mark.usefixtures("clean")
def test_a_mirror_that_is_away_changes_nothing(host: RealHost, converge: Converge) -> None:
    host.output("cp -a /etc/apt /var/lib/apt/lists /root/; rm -rf /var/lib/apt/lists/*")
    host.output("rm -f /etc/apt/sources.list.d/*")
    host.output("echo 'deb http://mirror.example.invalid/debian stable main' > /etc/apt/sources.list")
    try:
        assert plan(converge("--check", install=["tree"])) == ["install tree"]
        result = converge(install=["tree"])
    finally:
        host.output("rm -rf /etc/apt /var/lib/apt/lists; mv /root/apt /etc/; mv /root/lists /var/lib/apt/")
    assert result["failed"]
    assert "Failed to fetch http://mirror.example.invalid/debian" in result["msg"]
    assert "no package was changed" in result["msg"]


def test_a_host_without_security_upgrades_costs_few_processes(host: RealHost, converge: Converge) -> None:
    converge(upgrade="security")
    result = converge(upgrade="security")
    assert plan(result) == []
    assert result["stats"]["calls"] <= 3
