"""Packages: where they come from, what is installed and upgraded, and that a bad source changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from attack import Target
from testinfra.host import Host

DISTRIBUTION_SOURCES = [
    "/etc/apt/sources.list.d/debian.sources",
    "/etc/apt/sources.list.d/debian-security.sources",
]
# A key that signs nothing anywhere.
WRONG_KEY = """\
-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawGFNBYJKwYBBAHaRw8BAQdAYFVGs5L+RVoLDT27G7nyQqcGYLiGNfPYoQNT
8x6p3nC0J0V4YW1wbGUgcGFja2FnZXMgPHBhY2thZ2VzQGV4YW1wbGUuY29tPoiW
BBMWCAA+FiEE76X2RozCMZ8fpWZWmrQ5htwUMm4FAmsBhTQCGwMFCRLMAwAFCwkI
BwIGFQoJCAsCBBYCAwECHgECF4AACgkQmrQ5htwUMm5OZgD+IG0yEOY+IBbUDf6y
XJuCpKlEvMPQQnY3rdpmfC06djoBANuoKXes7evVBpFIciBo6P9rgPfEZclJCy6K
fMuULsoN
=IhfU
-----END PGP PUBLIC KEY BLOCK-----
"""


def settings(host: Host, *names: str) -> dict[str, list[str]]:
    """Settings of apt as apt itself reads them, lists included."""
    found: dict[str, list[str]] = {name: [] for name in names}
    for line in host.check_output("apt-config dump").splitlines():
        name, _, value = line.removesuffix(";").partition(" ")
        if name.removesuffix("::") in found and value != '""':
            found[name.removesuffix("::")].append(value.strip('"'))
    return found


def fields(host: Host, path: str) -> dict[str, str]:
    lines = [line for line in host.file(path).content_string.splitlines() if not line.startswith(("#", " "))]
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def test_the_old_sources_list_holds_a_comment_only(host: Host) -> None:
    lines = host.file("/etc/apt/sources.list").content_string.splitlines()
    assert lines
    assert all(line.startswith("#") for line in lines)


@pytest.mark.parametrize("path", DISTRIBUTION_SOURCES)
def test_the_distribution_is_a_source_that_only_its_own_key_signs(host: Host, path: str) -> None:
    source = fields(host, path)
    assert source["Types"] == "deb"
    assert source["Components"] == "main"
    assert source["Signed-By"] == "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert host.file(source["Signed-By"]).exists


def test_apt_uses_the_declared_suites_and_not_the_disabled_source(host: Host) -> None:
    release = host.system_info.codename
    uris = host.check_output("apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages'")
    assert {line.rpartition(" ")[2] for line in uris.splitlines()} == {
        release,
        f"{release}-updates",
        f"{release}-backports",
        f"{release}-security",
    }
    assert "packages.example.com" not in uris
    assert "-----BEGIN PGP" in host.file("/etc/apt/sources.list.d/example.sources").content_string


def test_package_lists_were_fetched_for_the_new_sources(host: Host) -> None:
    assert host.run("ls /var/lib/apt/lists/*backports*").rc == 0


def test_a_pin_counts(host: Host) -> None:
    policy = host.check_output("apt-cache policy").splitlines()
    priorities = [line.split()[0] for line in policy if f"{host.system_info.codename}-backports/main" in line]
    assert priorities == ["90"]


def test_credentials_are_for_root_only(host: Host) -> None:
    file = host.file("/etc/apt/auth.conf.d/groundwork.conf")
    assert (file.user, file.mode) == ("root", 0o600)
    assert "only-for-the-test" in file.content_string


@pytest.mark.parametrize("name", ["ca-certificates", "curl", "needrestart", "tree", "unattended-upgrades"])
def test_packages_are_installed(host: Host, name: str) -> None:
    assert host.package(name).is_installed


@pytest.mark.parametrize("name", ["popularity-contest", "telnet", "rsh-client"])
def test_packages_are_gone(host: Host, name: str) -> None:
    assert not host.package(name).is_installed


def test_a_package_is_held(host: Host) -> None:
    assert host.check_output("apt-mark showhold").split() == ["tree"]


def test_apt_installs_nothing_that_is_merely_recommended_and_nothing_unsigned(host: Host) -> None:
    assert settings(
        host,
        "APT::Install-Recommends",
        "Acquire::AllowInsecureRepositories",
        "Acquire::AllowDowngradeToInsecureRepositories",
        "APT::Get::AllowUnauthenticated",
    ) == {
        "APT::Install-Recommends": ["false"],
        "Acquire::AllowInsecureRepositories": ["false"],
        "Acquire::AllowDowngradeToInsecureRepositories": ["false"],
        "APT::Get::AllowUnauthenticated": ["false"],
    }


def test_only_security_updates_are_unattended(host: Host) -> None:
    # The package's own file names more; a list of apt adds up unless it is cleared.
    found = settings(host, "Unattended-Upgrade::Origins-Pattern", "Unattended-Upgrade::Package-Blacklist")
    assert found["Unattended-Upgrade::Origins-Pattern"] == [
        "origin=Debian,codename=${distro_codename}-security,label=Debian-Security"
    ]
    assert found["Unattended-Upgrade::Package-Blacklist"] == ["postgresql-"]


def test_unattended_upgrades_have_a_window(host: Host) -> None:
    found = settings(
        host,
        "Unattended-Upgrade::Update-Days",
        "Unattended-Upgrade::Automatic-Reboot",
        "Unattended-Upgrade::Automatic-Reboot-Time",
        "Unattended-Upgrade::Automatic-Reboot-WithUsers",
        "APT::Periodic::Unattended-Upgrade",
    )
    assert list(found.values()) == [["Mon", "Tue", "Wed", "Thu"], ["true"], ["04:30"], ["false"], ["1"]]


def test_unattended_upgrades_understand_their_configuration(host: Host) -> None:
    assert host.run("unattended-upgrade --dry-run").rc == 0


@pytest.mark.parametrize(
    ("timer", "schedule"), [("apt-daily", "*-*-* 02:00:00"), ("apt-daily-upgrade", "Mon..Thu *-*-* 03:30:00")]
)
def test_timers_run_by_our_schedule_alone(host: Host, timer: str, schedule: str) -> None:
    unit = f"{timer}.timer"
    assert host.service(unit).is_enabled
    assert host.service(unit).is_running
    calendars = host.check_output("systemctl show --property=TimersCalendar --value %s", unit).splitlines()
    assert [line.partition("OnCalendar=")[2].partition(" ;")[0] for line in calendars if line] == [schedule]


def test_needrestart_reads_its_drop_in(host: Host) -> None:
    script = (
        'our %nrconf; do "/etc/needrestart/needrestart.conf"; die $@ if $@;'
        'print "$nrconf{restart} ", grep { "postgresql.service" =~ $_ } keys %{$nrconf{override_rc}}'
    )
    loaded = host.check_output("perl -e %s", script)
    assert loaded.startswith("a (?^:^postgresql")


def test_a_source_signed_with_another_key_is_refused_and_the_old_sources_stay(
    target: Target, tmp_path: Path
) -> None:
    before = target.output("cd /etc/apt && find . -type f -exec sha256sum {} + | sort")
    variables = tmp_path / "wrong_key.yml"
    release = target.output("sed -n 's/^VERSION_CODENAME=//p' /etc/os-release")
    source = {
        "name": "wrong",
        "uris": ["http://deb.debian.org/debian"],
        "suites": [f"{release}-proposed-updates"],
        "components": ["main"],
        "signed_by": WRONG_KEY,
    }
    variables.write_text(yaml.safe_dump({"host_packages_sources": [source]}))
    done = target.play(["host_packages"], variables)
    assert done.returncode != 0
    assert f"{release}-proposed-updates" in done.stdout
    assert target.output("cd /etc/apt && find . -type f -exec sha256sum {} + | sort") == before
    assert target.ssh(command="apt-get update --option APT::Update::Error-Mode=any").returncode == 0


def test_a_source_that_apt_does_not_understand_never_lands(target: Target, tmp_path: Path) -> None:
    variables = tmp_path / "bad_option.yml"
    source = {
        "name": "broken",
        "uris": ["https://packages.example.com/debian"],
        "suites": ["stable"],
        "components": ["main"],
        "signed_by": "/usr/share/keyrings/debian-archive-keyring.gpg",
        "options": {"Trusted": "perhaps\nTypes: nonsense"},
    }
    variables.write_text(yaml.safe_dump({"host_packages_sources": [source]}))
    done = target.play(["host_packages"], variables, "--check")
    assert done.returncode != 0
    assert "nonsense" in done.stdout
    assert target.ssh(command="test -e /etc/apt/sources.list.d/broken.sources").returncode == 1
