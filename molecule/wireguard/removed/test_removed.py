"""After removal there is no way in, and nothing of ours is left."""

from __future__ import annotations

from testinfra.host import Host


def test_nothing_of_ours_is_left(host: Host) -> None:
    left = host.check_output(
        "find /etc /run /usr/local /var/lib -xdev"
        " \\( -iname '*groundwork*wireguard*' -o -path '*groundwork/wireguard*'"
        " -o -path '/var/lib/groundwork/*' -type f \\) 2>/dev/null || true"
    )
    assert left == ""


def test_the_kernel_has_neither_tunnels_nor_tables(host: Host) -> None:
    assert "wg-dev" not in host.check_output("ip link show")
    assert "groundwork" not in host.run("nft list tables 2>/dev/null").stdout
    assert "wg-dev" not in host.check_output("ip rule show; ip -6 rule show; ip route show table all")
    assert host.run("pgrep -x wireguard-go").stdout == ""


def test_no_unit_is_left(host: Host) -> None:
    assert host.check_output("systemctl list-units --all --plain --no-legend 'groundwork-wireguard*'") == ""
