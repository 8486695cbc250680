"""The agent as a service: what it may, what it survives, what it tells."""

from __future__ import annotations

import re

import pytest
import yaml
from attack import Target
from testinfra.host import Host
from waiting import wait_for

SSH = 22
UNITS = ["groundwork-ipban.service", "groundwork-ipban-restore.service"]


def test_each_backend_is_tested(host: Host, target: Target) -> None:
    backend = target.output(
        "ipban status --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"backend\"])'"
    )
    assert backend == {"debian12": "ipset", "debian13": "nft"}[target.name]
    assert host.package("ipset").is_installed is (backend == "ipset")


@pytest.mark.parametrize("unit", UNITS)
def test_the_units_are_locked_down(host: Host, unit: str) -> None:
    found = host.run(f"systemd-analyze security --no-pager {unit}").stdout
    exposure = re.search(r"Overall exposure level for .*: ([\d.]+)", found)
    assert exposure
    assert float(exposure[1]) <= 2.5, found


def test_the_agent_runs_as_nobody_special(host: Host) -> None:
    process = host.check_output("systemctl show --property=MainPID --value groundwork-ipban")
    status = host.check_output(f"grep -E '^(Uid|CapEff|NoNewPrivs)' /proc/{process}/status")
    assert "Uid:\t0" not in status
    effective = int(re.search(r"CapEff:\s+([0-9a-f]+)", status)[1], 16)  # type: ignore[index]  # because no match is a failure too
    net_admin, net_raw = 1 << 12, 1 << 13
    assert effective & ~(net_admin | net_raw) == 0


def test_secrets_are_for_root_and_the_service(host: Host) -> None:
    for path, owner in (
        ("/etc/groundwork/ipban/pgpass", "root"),
        ("/run/groundwork-ipban/pgpass", "groundwork-ipban"),
    ):
        assert (host.file(path).user, host.file(path).mode) == (owner, 0o600)
    assert "only-for-the-test" not in host.file("/etc/groundwork/ipban/agent.json").content_string
    assert "only-for-the-test" not in host.check_output(
        "ps -eww -o args=; journalctl -b --no-pager -u groundwork-ipban"
    )


def test_the_exporter_can_read_the_metrics(host: Host, target: Target) -> None:
    target.output("mkdir -p /var/lib/prometheus/node-exporter; systemctl restart groundwork-ipban")
    path = "/var/lib/prometheus/node-exporter/groundwork_ipban.prom"
    assert wait_for(lambda: target.ssh(command=f"runuser -u nobody -- cat {path}").returncode == 0)
    assert wait_for(lambda: "groundwork_ipban_store_up 1" in host.file(path).content_string, 60)


def test_alerts_are_rules_for_prometheus(host: Host) -> None:
    alerts = yaml.safe_load(host.file("/usr/local/share/groundwork/ipban/alerts.yml").content_string)
    known = host.file("/var/lib/groundwork-ipban/groundwork_ipban.prom").content_string
    for rule in alerts["groups"][0]["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        for metric in re.findall(r"groundwork_ipban_(?!import|watch)[a-z_]+", rule["expr"]):
            assert metric in known, f"{rule['alert']} asks for {metric}"


def test_stopping_the_agent_opens_nothing(banned: str, target: Target, outsider: Target) -> None:
    target.output("systemctl stop groundwork-ipban")
    try:
        assert outsider.probe(target, SSH) == ["silent", "silent"]
    finally:
        target.output("systemctl start groundwork-ipban")


def test_a_reboot_restores_the_ban_before_the_network_while_the_store_is_away(
    banned: str, target: Target, store: Target, outsider: Target
) -> None:
    # A container keeps its network, and with it the sets, over a reboot; a machine does not.
    target.output("sleep 6; systemctl stop groundwork-ipban; ipban remove")
    assert outsider.probe(target, SSH) == ["open", "open"]
    store.output("systemctl stop postgresql")
    # What it begins with at boot.
    store.output("systemctl mask --now postgresql@17-main.service 2>/dev/null")
    try:
        booted = target.output("stat -c %Y /proc/1")
        target.ssh(command="systemctl reboot")
        back = f"test $(stat -c %Y /proc/1) != {booted} && systemctl is-active multi-user.target"
        assert wait_for(lambda: target.ssh("-o", "ConnectTimeout=1", command=back).returncode == 0, 90)
        assert outsider.probe(target, SSH) == ["silent", "silent"]
        log = target.output("journalctl -b --no-pager -o cat -u groundwork-ipban-restore")
        assert "Restored" in log
        # Done, before anything that brings interfaces up.
        times = target.output(
            "systemctl show --property=ActiveEnterTimestampMonotonic --value"
            " groundwork-ipban-restore.service network-pre.target"
        ).split()
        assert int(times[0]) <= int(times[1])
    finally:
        store.output("systemctl unmask postgresql@17-main.service; systemctl start postgresql")
        assert wait_for(lambda: target.ssh(command="ipban sync").returncode == 0, 60)
