"""After removal nobody is banned any more, and nothing of ours is left."""

from __future__ import annotations

from testinfra.host import Host


def test_nothing_of_ours_is_left(host: Host) -> None:
    left = host.check_output(
        "find /etc /run /usr/local /var/lib -xdev"
        " \\( -iname '*ipban*' -o -path '/var/lib/groundwork/*' -type f \\) 2>/dev/null || true"
    )
    assert left == ""
    assert host.run("grep ipban /etc/passwd").stdout == ""


def test_the_kernel_has_no_sets_and_rules(host: Host) -> None:
    assert "ipban" not in host.run("nft list tables 2>/dev/null").stdout
    assert "groundwork" not in host.run("ipset list -name 2>/dev/null").stdout
    assert "GROUNDWORK" not in host.run("iptables-save 2>/dev/null; ip6tables-save 2>/dev/null").stdout


def test_no_unit_is_left_running(host: Host) -> None:
    assert host.check_output("systemctl list-units --all --plain --no-legend 'groundwork-ipban*'") == ""
