"""What the backend makes of the tools' output, and which commands it starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.packages.apt import (
    Apt,
    explain,
    parse_effects,
    parse_security,
    parse_state,
)
from ansible_collections.groundwork.platform.plugins.module_utils.packages.model import (
    Effect,
    PackageManagerError,
    Spec,
    Transaction,
)
from ansible_collections.groundwork.platform.plugins.module_utils.packages.versions import compare_versions

QUERY_OUTPUT = """\
dpkg\tamd64\t1.21.22\tii \t
libc6\tamd64\t2.36-9\tii \t
libc6\ti386\t2.36-9\tii \t
tzdata\tall\t2025b\tii \t
mawk\tamd64\t1.3.4\tii \tawk
exim4\tall\t4.96\thi \tmail-transport-agent, default-mta (= 4.96)
nano\tamd64\t7.2\trc \teditor
vim\tamd64\t2:9.0\tiU \teditor
less\tamd64\t590\tiFR\t
ghost\t\t\thn \t
"""

SIMULATION = """\
NOTE: This is only a simulation!
Remv telnet [0.17] []
Purg nano
Inst libssl3 [3.0.20-1~deb12u2] (3.0.22-1~deb12u2 Debian-Security:12/oldstable-security [amd64]) []
Inst curl [8.0-1] (7.88.1-10+deb12u5 Debian:12.5/oldstable, Debian-Security:12/oldstable-security [amd64])
Inst libc6:i386 (2.36-9 Debian:12.5/oldstable [i386])
Conf libssl3 (3.0.22-1~deb12u2 Debian-Security:12/oldstable-security [amd64])
"""

MADISON = """\
      curl | 7.88.1-10+deb12u15 | http://deb.debian.org/debian bookworm/main amd64 Packages
      curl | 7.88.1-10+deb12u5 | http://security.debian.org bookworm-security/main amd64 Packages
      less | 590-2 | http://security.debian.org bookworm-security/main amd64 Packages
   openssl | 3.0.22-1 | http://security.debian.org bookworm-security/main amd64 Packages
   openssl | 3.0.21-1 | http://security.debian.org bookworm-security/main amd64 Packages
       git | 1:2.39 | http://deb.debian.org/debian bookworm/main amd64 Packages
"""


def test_state() -> None:
    state = parse_state(QUERY_OUTPUT)
    assert state.native == "amd64"
    assert state.interrupted == ("vim", "less")
    assert state.held == {"exim4", "exim4:all", "ghost"}
    assert [package.name for package in state.packages if package.residual] == ["nano"]
    assert "ghost" not in {package.name for package in state.packages}


@pytest.mark.parametrize(
    ("spec", "satisfied"),
    [
        (Spec("libc6"), True),
        (Spec("libc6", "i386"), True),
        (Spec("libc6", "armhf"), False),
        (Spec("libc6", version="2.36*"), True),
        (Spec("libc6", version="2.37*"), False),
        (Spec("tzdata", "amd64"), True),
        (Spec("awk"), True),
        (Spec("awk", version="1*"), False),
        (Spec("mail-transport-agent"), True),
        (Spec("default-mta", version="4.*"), True),
        (Spec("nano"), False),
        (Spec("nosuch"), False),
    ],
)
def test_satisfied(spec: Spec, satisfied: bool) -> None:
    assert parse_state(QUERY_OUTPUT).satisfies(spec) is satisfied


def test_a_journal_alone_is_an_interrupted_run() -> None:
    assert parse_state("dpkg\tamd64\t1.21.22\tii \t\n", updates_pending=True).interrupted == ("dpkg",)


def test_effects() -> None:
    assert parse_effects(SIMULATION) == (
        Effect("remove", "telnet", "0.17", None),
        Effect("purge", "nano", "(configuration files)", None),
        Effect("upgrade", "libssl3", "3.0.20-1~deb12u2", "3.0.22-1~deb12u2"),
        Effect("downgrade", "curl", "8.0-1", "7.88.1-10+deb12u5"),
        Effect("install", "libc6:i386", None, "2.36-9"),
    )


def test_security_upgrades_are_only_what_a_security_archive_has_above_the_installed_version() -> None:
    installed = {"curl": "7.88.1-10+deb12u4", "less": "590-2", "openssl": "3.0.20-1", "git": "1:2.30"}
    assert parse_security(MADISON, installed.get) == (
        Spec("curl", version="7.88.1-10+deb12u5"),
        Spec("openssl", version="3.0.22-1"),
    )


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.0", "1.0.1"),
        ("1.0~rc1", "1.0"),
        ("1.0~~", "1.0~"),
        ("1.0", "1.0+deb12u1"),
        ("1.0-1", "1.0-1.1"),
        ("1.9", "1.10"),
        ("1.0a", "1.0+"),
        ("9.9", "1:0.1"),
        ("1.0-9", "1.0-10"),
        ("1:9.2p1-2+deb12u3", "1:9.2p1-2+deb12u10"),
        ("2.36-9+deb12u9~bpo11+1", "2.36-9+deb12u9"),
    ],
)
def test_order_of_versions(older: str, newer: str) -> None:
    assert compare_versions(older, newer) < 0
    assert compare_versions(newer, older) > 0
    assert compare_versions(older, older) == 0


def test_equal_versions_that_are_written_differently() -> None:
    assert compare_versions("0:1.0", "1.0") == 0
    assert compare_versions("1.0-0", "1.0") == 0
    assert compare_versions("1.00", "1.0") == 0


def test_unknown_packages_are_named_with_their_option() -> None:
    transaction = Transaction(install=(Spec("nosuch"), Spec("nano", version="9*"), Spec("virtual")))
    complaint = (
        "E: Unable to locate package nosuch\n"
        "E: Version '9*' for 'nano' was not found\n"
        "E: Package 'virtual' has no installation candidate\n"
    )
    text = explain(complaint, "", transaction)
    assert "install has 'nosuch': no such package in the sources of this host" in text
    assert "install has 'nano=9*': no such version in the sources of this host" in text
    assert "install has 'virtual': no such package" in text


class Tools:
    """Stands in for the host's tools: answers by the first word that matches, and remembers the calls."""

    def __init__(self, **answers: tuple[int, str, str]) -> None:
        self.answers = answers
        self.calls: list[list[str]] = []

    def __call__(self, arguments: list[str]) -> tuple[int, str, str]:
        self.calls.append(arguments)
        for word, answer in self.answers.items():
            if word in arguments:
                return answer
        return 0, "", ""


def test_a_transaction_is_one_command() -> None:
    tools = Tools()
    transaction = Transaction(
        install=(Spec("nano"), Spec("curl", version="7*")),
        remove=(Spec("telnet"),),
        upgrades=(Spec("libssl3", version="3.0.22"),),
        purge=True,
        allow_held=True,
    )
    tools.answers = {"showauto": (0, "libssl3\n", "")}
    Apt(tools, 7).commit(transaction)
    showauto, commit, auto = tools.calls
    assert showauto == ["apt-mark", "showauto", "libssl3"]
    assert commit[-5:] == ["install", "nano", "curl=7*", "libssl3=3.0.22", "telnet-"]
    for option in (
        "-y",
        "--no-install-recommends",
        "--purge",
        "--allow-downgrades",
        "--allow-change-held-packages",
    ):
        assert option in commit
    assert "DPkg::Lock::Timeout=7" in commit
    assert auto == ["apt-mark", "auto", "libssl3"]


def test_nothing_is_allowed_that_was_not_asked_for() -> None:
    tools = Tools()
    Apt(tools, 7).commit(Transaction(install=(Spec("nano"),)))
    (commit,) = tools.calls
    assert not {"--purge", "--allow-downgrades", "--allow-change-held-packages"} & set(commit)


def test_a_mirror_that_moved_on_costs_one_refresh(tmp_path: Path) -> None:
    (tmp_path / "var/lib/apt/lists").mkdir(parents=True)
    tools = Tools(install=(100, "", "E: Failed to fetch http://mirror/nano.deb  404  Not Found"))
    with pytest.raises(PackageManagerError, match="404"):
        Apt(tools, 1, str(tmp_path)).commit(Transaction(install=(Spec("nano"),)))
    assert ["update" in call for call in tools.calls] == [False, True, False]


def test_a_lock_is_waited_for_no_longer_than_asked() -> None:
    tools = Tools(
        update=(100, "", "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 42 (apt)")
    )
    with pytest.raises(PackageManagerError, match=r"process 42 .*waited 0 seconds \(lock_timeout\)"):
        Apt(tools, 0).refresh()
    assert len(tools.calls) == 1


def test_lists_are_stale_when_missing_old_or_older_than_the_sources(tmp_path: Path) -> None:
    import os
    import time

    apt = Apt(Tools(), 1, str(tmp_path))
    lists = tmp_path / "var/lib/apt/lists"
    lists.mkdir(parents=True)
    sources = tmp_path / "etc/apt/sources.list.d"
    sources.mkdir(parents=True)
    assert apt.lists_are_stale(3600)
    (lists / "mirror_dists_bookworm_InRelease").touch()
    hour_ago = time.time() - 3600
    os.utime(sources, (hour_ago - 60, hour_ago - 60))
    os.utime(lists, (hour_ago, hour_ago))
    assert not apt.lists_are_stale(7200)
    assert apt.lists_are_stale(1800)
    (sources / "added.sources").touch()
    assert apt.lists_are_stale(7200)
