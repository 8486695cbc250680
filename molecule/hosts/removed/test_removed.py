"""After removal a host is what it was: reachable, and without anything of ours."""

from __future__ import annotations

from testinfra.host import Host


def test_nothing_of_ours_is_left(host: Host) -> None:
    roles = "accounts|audit|backup|firewall|jobs|kernel|logging|metrics|packages|ssh|time"
    left = host.check_output(
        "find /etc /var/lib/groundwork /var/lib/prometheus /usr/local -xdev -regextype posix-extended"
        f" \\( -ipath '*groundwork*' -o -regex '.*host[-_]({roles}).*' \\) ! -type d"
        # What is known of backups stays, and so do the reports of drills: the repository is still there.
        " ! -path '/var/lib/groundwork/backup/*' ! -path '/var/lib/groundwork/restore_drills/*'"
        " 2>/dev/null || true"
    )
    assert left == ""


def test_the_firewall_lets_everything_in_again(host: Host) -> None:
    tables = host.run("nft list tables 2>/dev/null").stdout
    assert "groundwork" not in tables


def test_sshd_is_the_distributions_again(host: Host) -> None:
    assert host.run("sshd -t").rc == 0
    assert host.file("/etc/ssh/sshd_config.d").listdir() == []


def test_apt_still_works(host: Host) -> None:
    assert host.run("apt-get check").rc == 0
    assert host.run("apt-get indextargets").stdout.strip()
