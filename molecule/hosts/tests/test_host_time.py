"""The clock: authenticated sources, who may ask, a metric, and no container that sets its machine's."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from attack import Target, find
from testinfra.host import Host

METRICS = "/var/lib/prometheus/node-exporter/groundwork_time.prom"
SERVER = "debian12"

# One question to a time server; prints whether it answered.
ASK = """
import socket, sys
for address in sys.argv[1:]:
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(1)
        asker.sendto(b"\\x23" + 47 * b"\\0", (address, 123))
        try:
            print("answer" if asker.recv(512) else "empty")
        except OSError:
            print("silent")
"""


def in_container(host: Host) -> bool:
    return host.run("systemd-detect-virt --container --quiet").rc == 0


def serves(host: Host) -> bool:
    return host.backend.get_hostname() == SERVER


def play(target: Target, tmp_path: Path, *arguments: str, **variables: object) -> tuple[int, str]:
    path = tmp_path / "input.yml"
    path.write_text(yaml.safe_dump({f"host_time_{name}": value for name, value in variables.items()}))
    done = target.play(["host_time"], path, *arguments)
    return done.returncode, done.stdout


def fields(host: Host, report: str) -> list[list[str]]:
    return [line.split(",") for line in host.check_output(f"chronyc -n -c {report}").splitlines()]


def wait_until_synchronised(host: Host) -> None:
    """chronyd was restarted not long ago, perhaps by another test."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and fields(host, "tracking")[0][13] != "Normal":
        time.sleep(1)


def test_chronyd_alone_keeps_the_clock(host: Host) -> None:
    assert host.service("chrony").is_running
    assert host.service("chrony").is_enabled
    for other in ("systemd-timesyncd", "ntp", "ntpsec", "openntpd"):
        assert not host.package(other).is_installed


def test_a_container_can_not_set_its_machines_clock(host: Host) -> None:
    if not in_container(host):
        pytest.skip("a machine sets its own")
    assert "chronyd -F 1 -x" in host.check_output("ps -o args= -C chronyd")
    sets = int(host.check_output("systemctl show --property=MainPID --value chrony"))
    bounding = int(host.check_output(f"awk '/^CapBnd/ {{ print $2 }}' /proc/{sets}/status"), 16)
    cap_sys_time = 25
    assert not bounding >> cap_sys_time & 1
    assert "rtcsync" not in host.check_output("chronyd -p")


def test_the_host_follows_an_authenticated_source(host: Host) -> None:
    if serves(host):
        pytest.skip("this one serves")
    wait_until_synchronised(host)
    reference = fields(host, "tracking")[0]
    assert reference[13] == "Normal"
    assert abs(float(reference[4])) < 0.1
    assert [source[1] for source in fields(host, "sources -a")] == ["*"]
    # Name, mode, key, type and length of the key: NTS with AES-SIV.
    assert fields(host, "authdata")[0][1:5] == ["NTS", "1", "15", "256"]


def test_a_source_without_proof_is_not_followed(host: Host, target: Target, tmp_path: Path) -> None:
    if serves(host):
        pytest.skip("this one serves")
    try:
        # Trusts the system's authorities alone, which did not make the server's certificate.
        code, output = play(target, tmp_path, nts_trusted_certificates="")
        assert code == 0, output
        # Nor with what it has left of an earlier exchange of keys.
        target.output(
            "systemctl stop chrony && rm -f /var/lib/chrony/*.nts && systemctl start chrony && sleep 5"
        )
        assert fields(host, "tracking")[0][13] == "Not synchronised"
    finally:
        assert play(target, tmp_path)[0] == 0


def test_chronyd_opens_only_what_it_serves(host: Host) -> None:
    listening = host.check_output("ss --no-header --listening --numeric --tcp --udp --processes")
    ports = {line.split()[4].rsplit(":", 1)[1] for line in listening.splitlines() if "chronyd" in line}
    assert ports == ({"123", "4460"} if serves(host) else set())


def test_only_the_networks_that_are_served_get_an_answer(host: Host, target: Target) -> None:
    if not serves(host):
        pytest.skip("this one does not serve")
    addresses = f"{target.address} {target.address6}"
    outsider = find(target.inventory, "outsider")
    neighbour = find(target.inventory, "debian13")
    assert outsider.output(f"python3 - {addresses}", stdin=ASK).split() == ["silent", "silent"]
    assert neighbour.output(f"python3 - {addresses}", stdin=ASK).split() == ["answer", "answer"]


def test_the_key_of_the_server_is_for_chronyd_alone(host: Host) -> None:
    if not serves(host):
        pytest.skip("this one does not serve")
    assert host.check_output("stat --format '%U:%G %a' /etc/chrony/server.key") == "root:root 600"
    assert host.check_output("stat --format '%U:%G %a' /run/chrony/server.key") == "root:_chrony 640"


def test_the_offset_is_a_metric(host: Host, target: Target) -> None:
    wait_until_synchronised(host)
    target.output("mkdir --parents /var/lib/prometheus/node-exporter")
    target.output(f"rm -f {METRICS}; systemctl start groundwork-time-metrics.service")
    lines = host.file(METRICS).content_string.splitlines()
    metrics = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert metrics["groundwork_time_up"] == "1"
    assert metrics["groundwork_time_synchronised"] == "1"
    assert abs(float(metrics["groundwork_time_offset_seconds"])) < 0.1
    assert metrics['groundwork_time_sources{state="selected"}'] == ("0" if serves(host) else "1")
    assert metrics['groundwork_time_nts_sources{keys="yes"}'] == ("0" if serves(host) else "1")
    assert host.file(METRICS).mode == 0o644
    assert host.service("groundwork-time-metrics.timer").is_running


def test_a_chronyd_that_is_down_shows_in_the_metric(host: Host, target: Target) -> None:
    target.output("systemctl stop chrony.service; systemctl start groundwork-time-metrics.service")
    try:
        assert "groundwork_time_up 0" in host.file(METRICS).content_string.splitlines()
        assert "groundwork_time_offset_seconds" not in host.file(METRICS).content_string
    finally:
        target.output("systemctl start chrony.service; systemctl start groundwork-time-metrics.service")


def test_the_unit_of_the_metric_is_hardened(host: Host) -> None:
    report = host.check_output("systemd-analyze --no-pager security groundwork-time-metrics.service")
    last = report.splitlines()[-1]
    assert float(last.split("service:")[1].split()[0]) < 2.0


def test_the_time_zone_is_the_hosts(host: Host) -> None:
    assert host.check_output("date +%Z") in ("CET", "CEST")
    assert host.file("/etc/timezone").content_string == "Europe/Berlin\n"
    assert host.file("/etc/localtime").linked_to == "/usr/share/zoneinfo/Europe/Berlin"


def test_a_time_zone_that_the_host_does_not_know_never_lands(target: Target, tmp_path: Path) -> None:
    before = target.output("sha256sum /etc/timezone; readlink /etc/localtime")
    code, output = play(target, tmp_path, timezone="Europe/Atlantis")
    assert code != 0
    assert "the host knows no such time zone" in output
    assert target.output("sha256sum /etc/timezone; readlink /etc/localtime") == before


def test_no_other_file_adds_sources(host: Host) -> None:
    effective = host.check_output("chronyd -p")
    assert "confdir" not in effective
    assert "sourcedir" not in effective


def test_removal_gives_the_clock_back(host: Host, target: Target, tmp_path: Path) -> None:
    code, output = play(target, tmp_path, state="absent")
    try:
        assert code == 0, output
        assert "pool 2.debian.pool.ntp.org" in target.output("chronyd -p")
        assert target.output("readlink /etc/localtime").endswith("Etc/UTC")
        assert target.ssh(command=f"test -e {METRICS}").returncode != 0
        assert target.ssh(command="systemctl cat groundwork-time-metrics.timer").returncode != 0
        if in_container(host):
            assert target.ssh(command="systemctl is-active chrony.service").stdout.strip() == "inactive"
            assert target.ssh(command="systemctl is-enabled chrony.service").stdout.strip() == "disabled"
    finally:
        code, output = play(target, tmp_path)
        assert code == 0, output
