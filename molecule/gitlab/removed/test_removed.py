"""After removal nothing of ours is left, and GitLab knows no runner of these hosts."""

from __future__ import annotations

from testinfra.host import Host


def test_nothing_of_ours_is_left(host: Host) -> None:
    """But what the backups of the hosts floor know of their jobs, which they keep."""
    left = host.check_output(
        "find /etc /opt /run /usr/local /var/lib /var/opt -xdev"
        " \\( -ipath '*gitlab*' -o -name '*groundwork-podman*' \\)"
        " -not -path '*/dpkg/*' -not -path '*/apt/*'"
        " -not -path '/var/lib/groundwork/backup/*' 2>/dev/null || true"
    )
    ours = [line for line in left.splitlines() if "double" not in line and "sources.list.d" not in line]
    assert ours == []


def test_packages_and_units_are_gone(host: Host) -> None:
    for package in ("gitlab-ce", "gitlab-runner"):
        assert not host.package(package).is_installed
    assert host.check_output("apt-mark showhold") == ""
    assert host.check_output("systemctl list-units --all --plain --no-legend 'groundwork-gitlab*'") == ""


def test_no_token_is_left(host: Host) -> None:
    assert host.run("grep -rlF glrt- /etc /run /var /root /home 2>/dev/null").stdout == ""
