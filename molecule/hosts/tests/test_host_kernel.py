"""The kernel: what is set, what nobody can undo quietly, and what a container leaves to its machine."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from attack import Target, find
from testinfra.host import Host

PROGRAM = "/usr/local/libexec/groundwork/kernel-settings"
FILES = "/etc/sysctl.d/55-host_kernel.conf /etc/sysctl.d/90-host_kernel.conf"
FORMER = "/var/lib/groundwork/host_kernel/former.conf"

# A router that offers itself to everyone on the network for as many seconds as the argument says.
ADVERTISE = """
import socket, struct, sys
with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as router:
    router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    advertisement = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, int(sys.argv[1]), 0, 0)
    router.sendto(advertisement, ("ff02::1", 0, 0, socket.if_nametoindex("eth0")))
"""
ADVERTISED = "ip -6 route show default proto ra"


def in_container(host: Host) -> bool:
    return host.run("systemd-detect-virt --container --quiet").rc == 0


def play(target: Target, tmp_path: Path, *arguments: str, **variables: object) -> tuple[int, str]:
    path = tmp_path / "input.yml"
    path.write_text(yaml.safe_dump({f"host_kernel_{name}": value for name, value in variables.items()}))
    done = target.play(["host_kernel"], path, *arguments)
    return done.returncode, done.stdout


def converge(target: Target, tmp_path: Path) -> str:
    code, output = play(target, tmp_path)
    assert code == 0, output
    return output


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("net.ipv4.conf.all.rp_filter", "1"),
        ("net.ipv4.conf.default.accept_source_route", "0"),
        ("net.ipv4.icmp_echo_ignore_broadcasts", "1"),
        ("net.ipv4.ip_forward", "0"),
        ("net.ipv4.ip_local_port_range", "32768\t65535"),
        ("net.ipv4.tcp_keepalive_time", "600"),
        ("net.ipv4.tcp_syncookies", "1"),
        # One of these alone on the interface is enough for the kernel, whatever `all` says.
        ("net.ipv4.conf.eth0.accept_redirects", "0"),
        ("net.ipv4.conf.eth0.send_redirects", "0"),
        ("net.ipv4.conf.eth0.secure_redirects", "0"),
        ("net.ipv6.conf.eth0.accept_redirects", "0"),
        ("net.ipv6.conf.eth0.accept_ra_defrtr", "0"),
    ],
)
def test_the_network_is_hardened_in_the_running_kernel(host: Host, key: str, value: str) -> None:
    assert host.check_output(f"cat /proc/sys/{key.replace('.', '/')}") == value


def test_a_key_that_is_null_is_left_to_the_kernel(host: Host) -> None:
    assert "net.ipv4.conf.all.log_martians" not in host.check_output(f"cat {FILES}")


def test_no_file_of_the_distribution_sets_less(host: Host) -> None:
    # As systemd reads it at boot: of two files with one name, the one in /etc.
    effective = host.check_output("/usr/lib/systemd/systemd-sysctl --cat-config").splitlines()
    values = dict(line.replace(" ", "").split("=", 1) for line in effective if "=" in line and line[0] != "#")
    assert values.get("fs.protected_fifos") == (None if in_container(host) else "2")
    assert values["net.ipv4.conf.all.accept_redirects"] == "0"


def test_a_container_leaves_the_machines_settings_alone_and_says_so(
    host: Host, target: Target, tmp_path: Path
) -> None:
    if not in_container(host):
        pytest.skip("a machine sets them")
    lines = host.check_output(f"cat {FILES}").splitlines()
    settings = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in settings if not line.lstrip("-").startswith("net.")] == []
    assert "# kernel.dmesg_restrict = 1" in lines
    assert "# vm.swappiness = 10" in lines
    assert "leave the others to the machine, since this is a container" in converge(target, tmp_path)


def test_what_somebody_changed_by_hand_is_put_right(target: Target, tmp_path: Path) -> None:
    assert "changed=0" in converge(target, tmp_path)
    target.output("echo 1 > /proc/sys/net/ipv4/conf/eth0/accept_redirects")
    target.output("mount -o remount,bind,exec /var/tmp")
    code, output = play(target, tmp_path, "--check")
    assert code == 0
    assert "changed=1" in output
    assert target.output("cat /proc/sys/net/ipv4/conf/eth0/accept_redirects") == "1"
    converge(target, tmp_path)
    assert target.output("cat /proc/sys/net/ipv4/conf/eth0/accept_redirects") == "0"
    assert "noexec" in target.output("findmnt --noheadings --output OPTIONS /var/tmp")
    assert "changed=0" in converge(target, tmp_path)


def test_a_file_of_another_role_wins_and_stays_in_force(target: Target, tmp_path: Path) -> None:
    target.output("echo 'net.ipv4.ip_forward = 1' > /etc/sysctl.d/60-router.conf")
    target.output("echo 1 > /proc/sys/net/ipv4/ip_forward")
    try:
        code, output = play(target, tmp_path, sysctl={"net.ipv4.tcp_keepalive_time": 700})
        assert code == 0, output
        assert target.output("cat /proc/sys/net/ipv4/ip_forward") == "1"
        assert target.output("cat /proc/sys/net/ipv4/tcp_keepalive_time") == "700"
    finally:
        target.output("rm /etc/sysctl.d/60-router.conf")
        converge(target, tmp_path)
    # Forwarding that goes off makes the kernel accept redirects again.
    assert target.output("cat /proc/sys/net/ipv4/ip_forward") == "0"
    assert target.output("cat /proc/sys/net/ipv4/conf/all/accept_redirects") == "0"
    assert target.output("cat /proc/sys/net/ipv4/conf/eth0/accept_redirects") == "0"


def test_a_setting_that_goes_gets_its_former_value_back(target: Target, tmp_path: Path) -> None:
    former = target.output("cat /proc/sys/net/ipv4/tcp_fin_timeout")
    code, output = play(target, tmp_path, sysctl={"net.ipv4.tcp_fin_timeout": 17})
    assert code == 0, output
    assert target.output("cat /proc/sys/net/ipv4/tcp_fin_timeout") == "17"
    converge(target, tmp_path)
    assert target.output("cat /proc/sys/net/ipv4/tcp_fin_timeout") == former


def test_a_value_that_the_kernel_refuses_changes_nothing(target: Target, tmp_path: Path) -> None:
    files = "cat /etc/sysctl.d/*host_kernel.conf | sha256sum; cat /proc/sys/net/ipv4/tcp_keepalive_time"
    before = target.output(files)
    code, output = play(
        target, tmp_path, sysctl={"net.ipv4.tcp_keepalive_time": 900, "net.ipv4.tcp_syncookies": "many"}
    )
    assert code != 0
    assert "net.ipv4.tcp_syncookies = many (/etc/sysctl.d/90-host_kernel.conf): Invalid argument" in output
    assert target.output(files) == before


def test_a_setting_that_a_later_file_beats_is_refused(target: Target, tmp_path: Path) -> None:
    target.output("echo 'net.ipv4.tcp_keepalive_time = 1' > /etc/sysctl.d/99-later.conf")
    try:
        code, output = play(target, tmp_path, "--check", sysctl={"net.ipv4.tcp_keepalive_time": 800})
        assert code != 0
        assert "loses against 1 in /etc/sysctl.d/99-later.conf, which comes later" in output
    finally:
        target.output("rm /etc/sysctl.d/99-later.conf")


def test_nobody_on_the_network_becomes_the_hosts_router(target: Target) -> None:
    target.output("echo 2 > /proc/sys/net/ipv6/conf/eth0/accept_ra")
    find(target.inventory, "outsider").output("python3 - 30", stdin=ADVERTISE)
    time.sleep(1)
    assert target.output(ADVERTISED) == ""


def test_a_host_whose_router_advertises_itself_keeps_it(target: Target, tmp_path: Path) -> None:
    code, output = play(target, tmp_path, ipv6_router_advertisements=True)
    assert code == 0, output
    outsider = find(target.inventory, "outsider")
    try:
        target.output("echo 2 > /proc/sys/net/ipv6/conf/eth0/accept_ra")
        outsider.output("python3 - 120", stdin=ADVERTISE)
        time.sleep(1)
        if not target.output(ADVERTISED):
            pytest.skip("the firewall keeps advertisements away")
        code, output = play(target, tmp_path)
        assert code != 0
        assert "the IPv6 default route of eth0 comes from router advertisements" in output
        assert target.output("cat /proc/sys/net/ipv6/conf/eth0/accept_ra_defrtr") == "1"
    finally:
        outsider.output("python3 - 0", stdin=ADVERTISE)
        time.sleep(1)
        converge(target, tmp_path)


@pytest.mark.parametrize("module", ["usb-storage", "dccp", "firewire-core", "bluetooth", "cramfs"])
def test_modules_are_denied(host: Host, module: str) -> None:
    lines = host.file("/etc/modprobe.d/host_kernel.conf").content_string.splitlines()
    assert f"install {module} /bin/false" in lines
    assert f"blacklist {module}" in lines
    assert "install sctp /bin/false" not in lines


@pytest.mark.parametrize("path", ["/tmp", "/var/tmp", "/dev/shm"])  # noqa: S108  # because only their mounts are looked at
def test_nobody_runs_a_program_from_where_everybody_writes(host: Host, target: Target, path: str) -> None:
    options = host.check_output(f"findmnt --noheadings --output OPTIONS {path} | tail -n 1").split(",")
    assert {"nodev", "noexec", "nosuid"} <= set(options)
    done = target.ssh(command=f"cp /bin/true {path}/probe && {path}/probe")
    target.output(f"rm {path}/probe")
    assert done.returncode == 126
    assert "Permission denied" in done.stderr


def test_apt_installs_with_debconf_although_nothing_runs_from_tmp(host: Host) -> None:
    assert 'ExtractTemplates::TempDir "/var/cache/debconf"' in host.check_output("apt-config dump")


def test_users_do_not_see_the_processes_of_others(target: Target) -> None:
    nobody = "setpriv --reuid=nobody --regid=nogroup"
    look = "sh -c 'ls -d /proc/1 2>&1 || true'"
    assert "No such file" in target.output(f"{nobody} --clear-groups {look}")
    group = target.output("getent group systemd-journal | cut -d: -f3")
    assert target.output(f"{nobody} --groups={group} {look}") == "/proc/1"


def test_a_crash_leaves_no_copy_of_memory(host: Host, target: Target) -> None:
    if host.run("test -e /etc/pam.d/sshd").rc == 0:
        assert target.output("ulimit -Hc") == "0"
    assert host.check_output("systemctl show --property=DefaultLimitCORE --value") == "0"
    assert host.check_output("systemd-run --quiet --pipe --wait sh -c 'ulimit -Hc'") == "0"


def test_limits_of_the_site_are_there(host: Host) -> None:
    limits = host.file("/etc/security/limits.d/50-host_kernel.conf").content_string
    assert "@www-data - nofile 65536" in limits.splitlines()


def test_apparmor_does_not_degrade_a_host_without_it(host: Host) -> None:
    assert host.service("apparmor").is_enabled
    assert host.run("systemctl start apparmor.service").rc == 0
    assert host.check_output("systemctl list-units --failed --plain --no-legend 'apparmor*'") == ""


def test_everything_is_in_force_after_a_boot(target: Target) -> None:
    if target.ssh(command="systemd-detect-virt --container --quiet").returncode != 0:
        pytest.skip("only the lab's hosts are ours to boot")
    started = target.output("stat --format=%Y /proc/1")
    target.ssh(command="systemctl reboot")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        again = target.ssh("-o", "ConnectTimeout=1", command="stat --format=%Y /proc/1").stdout.strip()
        if again and again != started:
            break
        time.sleep(0.5)
    target.output("systemctl is-system-running --wait >/dev/null || true")
    assert target.output(f"{PROGRAM} check && echo holds") == "holds"
    assert target.output("systemctl is-active groundwork-kernel.service") == "active"
    assert "noexec" in target.output("findmnt --noheadings --output OPTIONS /tmp | tail -n 1")
    assert target.output("systemctl list-units --failed --plain --no-legend") == ""


def test_removal_gives_the_former_values_back(target: Target, tmp_path: Path) -> None:
    lines = target.output(f"cat {FORMER}").splitlines()
    former = dict(line.split(" = ", 1) for line in lines if not line.startswith("#"))
    assert former["net/ipv4/conf/eth0/accept_redirects"] == "1"
    code, output = play(target, tmp_path, state="absent")
    try:
        assert code == 0, output
        for key in ("net/ipv4/conf/eth0/accept_redirects", "net/ipv4/tcp_keepalive_time"):
            assert target.output(f"cat /proc/sys/{key}") == former[key]
        assert target.ssh(command=f"ls {FORMER} {PROGRAM} {FILES} 2>/dev/null").stdout == ""
        assert target.ssh(command="systemctl cat groundwork-kernel.service").returncode != 0
    finally:
        converge(target, tmp_path)
