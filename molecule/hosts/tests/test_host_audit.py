"""The audit: rules that cover what they say, that auditctl understands, and that a container survives."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from attack import Target
from testinfra.host import Host

CHECK = "/usr/local/libexec/groundwork/audit-rules-check"
RULES = "/etc/audit/rules.d"


def in_container(host: Host) -> bool:
    return bool(host.run("systemd-detect-virt --container --quiet").rc == 0)


@pytest.mark.parametrize(
    "rule",
    [
        "-w /etc/passwd -p wa -k audit_rules_usergroup_modification",
        "-w /etc/sudoers.d/ -p wa -k actions",
        "-w /var/log/sudo.log -p wa -k maintenance",
        "-w /etc/ssh/ -p wa -k sshd_config",
        "-w /etc/localtime -p wa -k audit_time_rules",
        "-w /var/log/wtmp -p wa -k session",
        "-w /srv/ -p wa -k site_data",
        "-a always,exit -F arch=b64 -S init_module,finit_module,delete_module -F key=modules",
        "-a always,exit -F path=/usr/bin/sudo -F perm=x -F auid>=1000 -F auid!=unset -F key=privileged",
        "-a always,exit -F arch=b64 -S execve,execveat -C uid!=euid -F euid=0"
        " -F auid>=1000 -F auid!=unset -F key=privilege",
    ],
)
def test_the_kernel_is_told_to_record(host: Host, rule: str) -> None:
    # What augenrules has put together is what is loaded at boot.
    assert rule in host.file("/etc/audit/audit.rules").content_string.splitlines()


def test_every_privileged_program_of_the_host_has_a_rule(host: Host) -> None:
    found = host.check_output("find / -xdev -perm /6000 -type f").split()
    rules = host.file("/etc/audit/audit.rules").content_string
    assert [path for path in found if f"-F path={path} " not in rules] == []


def test_exclusions_come_first_and_the_lock_last(host: Host) -> None:
    lines = [line for line in host.file("/etc/audit/audit.rules").content_string.splitlines() if line]
    rules = [line for line in lines if line.startswith(("-a", "-w"))]
    assert rules[0].startswith("-a never,exit")
    assert lines[-1] == "-e 2"
    assert lines.count("-D") == 1


def test_rules_and_logs_are_for_root(host: Host) -> None:
    modes = host.check_output(f"stat --format '%U:%G %a' /etc/audit/auditd.conf {RULES}/*.rules")
    assert set(modes.splitlines()) == {"root:root 640"}


def test_every_rule_is_understood(host: Host) -> None:
    assert host.run(CHECK).rc == 0


@pytest.mark.parametrize(
    "rule",
    [
        "-a always,exit -F arch=b64 -S nosuchcall -F key=x",
        "-a always,exit -F arch=b64 -S open -F exe=/usr/bin/x -F nosuchfield=1 -F key=x",
        "-a always,exit -F path=usr/bin/x -F perm=x -F key=x",
        "-a sometimes,exit -S open -F key=x",
        "-w relative -p wa -k x",
        "-w /etc/x -p zz -k x",
        "-b many",
        "nonsense",
    ],
)
def test_a_broken_rule_is_found_and_nothing_is_loaded_by_the_check(target: Target, rule: str) -> None:
    target.output(f"cat > {RULES}/50-broken.rules", stdin=f"# by hand\n\n{rule}\n")
    try:
        done = target.ssh(command=CHECK)
        assert done.returncode == 1
        assert f"{RULES}/50-broken.rules:3: {rule}: " in done.stderr
    finally:
        target.output(f"rm {RULES}/50-broken.rules")


def test_a_broken_rule_of_the_inventory_never_lands(target: Target, tmp_path: Path) -> None:
    before = target.output(f"cd {RULES} && sha256sum * ../audit.rules")
    variables = tmp_path / "broken.yml"
    rule = "-a always,exit -F arch=b64 -S nosuchcall -F key=x"
    variables.write_text(yaml.safe_dump({"host_audit_rules": [rule]}))
    done = target.play(["host_audit"], variables, "--check")
    assert done.returncode != 0
    assert "Syscall name unknown: nosuchcall" in done.stdout
    assert target.output(f"cd {RULES} && sha256sum * ../audit.rules") == before


def test_a_container_is_not_degraded_by_what_it_cannot_run(host: Host) -> None:
    if not in_container(host):
        pytest.skip("a machine runs its own audit")
    assert host.service("auditd").is_enabled
    # As at boot: the condition keeps it from failing.
    assert host.run("systemctl start auditd.service").rc == 0
    failed = host.check_output("systemctl list-units --failed --plain --no-legend 'audit*'")
    assert failed == ""


def test_the_output_says_where_rules_are_not_in_force(host: Host, target: Target, tmp_path: Path) -> None:
    variables = tmp_path / "same.yml"
    variables.write_text("{}")
    done = target.play(["host_audit"], variables)
    assert done.returncode == 0, done.stdout
    assert ("not in force, since this is a container" in done.stdout) == in_container(host)
    assert "changed=0" in done.stdout


def test_a_machine_records(host: Host) -> None:
    if in_container(host):
        pytest.skip("a container has no audit of its own")
    assert host.service("auditd").is_running
    assert "enabled 2" in host.check_output("auditctl -s")
    assert "sshd_config" in host.check_output("auditctl -l")
