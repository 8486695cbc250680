"""Accounts: who gets in with what, what they may do, and what is left of those who leave."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
import yaml
from attack import Target
from testinfra.host import Host


@pytest.fixture
def leaver(target: Target, tmp_path: Path) -> Path:
    """Variables with which the user `leaver` leaves, who is there before."""
    if target.ssh(command="id leaver").returncode != 0:
        stays = tmp_path / "stays.yml"
        stays.write_text(yaml.safe_dump({"molecule_leaver_state": "present"}))
        assert target.play(["host_accounts"], stays).returncode == 0
    leaves = tmp_path / "leaves.yml"
    leaves.write_text(yaml.safe_dump({"molecule_leaver_state": "absent"}))
    return leaves


def make_key(path: Path) -> str:
    """A new key pair at ``path``; its public half."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.with_suffix(".pub").read_text()


def wait_for(condition: str, target: Target) -> None:
    deadline = time.monotonic() + 10
    while target.ssh(command=condition).returncode != 0:
        assert time.monotonic() < deadline, f"{target.name} never got to: {condition}"
        time.sleep(0.2)


def test_a_user_is_what_was_declared(host: Host) -> None:
    alice = host.user("alice")
    assert (alice.uid, alice.gecos, alice.shell) == (2001, "Alice Example", "/bin/bash")
    assert {"operators", "adm"} <= set(alice.groups)
    assert host.group("operators").gid == 2100
    assert host.file(alice.home).mode == 0o700


def test_a_service_has_a_low_number_and_no_shell(host: Host) -> None:
    service = host.user("service")
    assert service.uid < 1000
    assert service.shell == "/usr/sbin/nologin"


def test_who_was_declared_absent_is_not_there(host: Host) -> None:
    assert not host.user("gone").exists
    assert not host.group("former").exists


def test_root_has_no_password(host: Host) -> None:
    assert host.check_output("passwd --status root").split()[1] == "L"


def test_a_key_opens_the_account(target: Target) -> None:
    assert target.ssh(user="alice", command="id -un").stdout.strip() == "alice"


def test_key_options_restrict(target: Target) -> None:
    forwarding = target.ssh("-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22", user="bob")
    assert forwarding.returncode != 0
    assert target.ssh(user="bob").returncode == 0


def test_an_expired_account_is_closed_to_its_key(target: Target) -> None:
    assert target.ssh(user="expired").returncode != 0


def test_a_key_in_the_users_own_home_is_not_accepted(target: Target, tmp_path: Path) -> None:
    public = make_key(tmp_path / "own")
    planted = target.ssh(
        user="alice", command="umask 077; mkdir -p .ssh; cat > .ssh/authorized_keys", stdin=public
    )
    assert planted.returncode == 0
    refused = target.ssh(user="alice", key=str(tmp_path / "own"))
    assert refused.returncode == 255
    assert "Permission denied" in refused.stderr
    target.output("rm -r /home/alice/.ssh")


def test_a_user_cannot_write_the_keys_that_count(target: Target) -> None:
    assert target.ssh(user="alice", command="test -w /etc/ssh/authorized_keys.d/alice").returncode == 1
    assert target.ssh(user="alice", command="test -w /etc/ssh/authorized_keys.d").returncode == 1


def test_the_unmanaged_root_keeps_its_own_keys(target: Target) -> None:
    assert target.ssh(command="test -s /root/.ssh/authorized_keys").returncode == 0


def test_sudo_grants_what_was_declared_and_nothing_else(target: Target) -> None:
    assert target.ssh(user="alice", command="sudo -n /usr/bin/id -u").stdout.strip() == "0"
    # Commas, colons and equals signs mean something to sudoers; they were escaped.
    assert target.ssh(user="alice", command="sudo -n /usr/bin/printf a=b,c:d").stdout == "a=b,c:d"
    assert target.ssh(user="alice", command="sudo -n /usr/bin/id -g").returncode != 0
    assert target.ssh(user="alice", command="sudo -n /bin/sh -c true").returncode != 0
    assert target.ssh(user="bob", command="sudo -n /usr/bin/id -u").returncode != 0


def test_sudo_logs_commands_for_root_only(host: Host, target: Target) -> None:
    target.ssh(user="alice", command="sudo -n /usr/bin/id -u")
    log = host.file("/var/log/sudo.log")
    assert "COMMAND=/usr/bin/id -u" in log.content_string
    assert log.mode == 0o600


def test_sudoers_files_have_the_mode_that_sudo_asks_for(host: Host) -> None:
    assert host.run("visudo --check --strict").rc == 0
    assert host.file("/etc/sudoers.d/operators").mode == 0o440


@pytest.mark.parametrize("command", ["umask", "bash -lc umask"])
def test_every_session_has_the_umask(target: Target, command: str) -> None:
    assert target.ssh(user="alice", command=command).stdout.strip() == "0027"


def test_an_idle_shell_ends_and_the_user_cannot_change_that(target: Target) -> None:
    # The profile may be read twice.
    shell = "bash -lc '. /etc/profile; echo $TMOUT; (TMOUT=0) 2>/dev/null || echo fixed'"
    assert target.ssh(user="alice", command=shell).stdout.split() == ["600", "fixed"]
    assert target.ssh(user="alice", command="sh -lc '. /etc/profile; echo alive'").stdout.strip() == "alive"


def test_a_weak_password_is_refused_even_from_root(host: Host) -> None:
    before = host.check_output("getent shadow bob")
    weak = host.run("printf 'Summer2026!\\nSummer2026!\\n' | passwd bob")
    assert weak.rc != 0
    assert "BAD PASSWORD" in weak.stderr
    assert host.check_output("getent shadow bob") == before


def test_new_passwords_are_hashed_with_yescrypt(host: Host) -> None:
    assert "yescrypt" in host.check_output("grep pam_unix.so /etc/pam.d/common-password")
    assert host.run("grep -qx 'ENCRYPT_METHOD YESCRYPT' /etc/login.defs").rc == 0


def test_a_former_password_is_refused(host: Host) -> None:
    before = host.check_output("getent shadow bob")
    for password, accepted in (("rufous-Quoll7ambles!", True), ("ochre-Dunnart9naps!", True)):
        assert (host.run(f"printf '{password}\\n{password}\\n' | passwd bob").rc == 0) is accepted
    again = host.run("printf 'rufous-Quoll7ambles!\\nrufous-Quoll7ambles!\\n' | passwd bob")
    assert again.rc != 0
    assert "already used" in again.stdout + again.stderr
    host.check_output(f"usermod --password '{before.split(':')[1]}' bob")


def test_an_empty_password_opens_nothing(host: Host, target: Target) -> None:
    before = host.check_output("getent shadow bob").split(":")[1]
    host.check_output("passwd --delete bob")
    assert target.ssh(user="alice", command="echo | su bob -c true").returncode != 0
    host.check_output(f"usermod --password '{before}' bob && faillock --user bob --reset")


def test_an_expired_password_does_not_close_the_account_to_its_key(host: Host, target: Target) -> None:
    host.check_output("chage --lastday 2020-01-01 --maxdays 30 alice")
    assert target.ssh(user="alice", command="id -un").stdout.strip() == "alice"
    host.check_output("chage --lastday 2020-01-01 --maxdays 365 root")
    assert target.ssh(command="true").returncode == 0
    host.check_output("chage --maxdays 99999 alice; chage --lastday $(date +%F) root")


def test_what_a_new_home_is_filled_with_is_the_users_own(host: Host) -> None:
    assert host.file("/home/alice/.bashrc").mode == 0o640
    assert "640 /etc/skel/.bashrc" in host.check_output("dpkg-statoverride --list /etc/skel/.bashrc")


def test_sudo_is_for_its_group_alone_where_there_is_one(target: Target, tmp_path: Path) -> None:
    variables = tmp_path / "group.yml"
    variables.write_text(yaml.safe_dump({"host_accounts_sudo_group": "operators"}))
    try:
        done = target.play(["host_accounts"], variables)
        assert done.returncode == 0, done.stdout
        assert target.output("stat -c '%U %G %a' /usr/bin/sudo") == "root operators 4110"
        assert target.ssh(user="alice", command="sudo -n /usr/bin/id -u").stdout.strip() == "0"
        assert target.ssh(user="bob", command="sudo --version").returncode == 126
    finally:
        variables.write_text("{}")
        assert target.play(["host_accounts"], variables).returncode == 0
    assert target.output("stat -c '%U %G %a' /usr/bin/sudo") == "root root 4755"


def test_failed_passwords_close_an_account_but_not_its_key(host: Host, target: Target) -> None:
    host.check_output("faillock --user bob --reset")
    for _ in range(3):
        wrong = target.ssh(user="alice", command="echo wrong | su bob -c true")
        assert wrong.returncode != 0
    failures = host.check_output("faillock --user bob").splitlines()
    assert sum(line.rstrip().endswith("V") for line in failures) == 3
    assert "pam_faillock(su:auth)" in host.check_output("journalctl --no-pager --boot --since=-2min")
    assert target.ssh(user="bob").returncode == 0
    host.check_output("faillock --user bob --reset")


def test_who_leaves_is_gone_at_once(target: Target, leaver: Path) -> None:
    target.output("su leaver -s /bin/sh -c 'touch $HOME/file'")
    session = subprocess.Popen(
        [
            *("ssh", "-F", "none", *target.arguments, "-o", "BatchMode=yes", "-o", "ControlPath=none"),
            *("-o", "IdentitiesOnly=yes", "-i", target.key, f"leaver@{target.address}"),
            "setsid sleep 301 & exec sleep 302",
        ],
        stdin=subprocess.DEVNULL,
    )
    try:
        # Also what has left the session's own process group.
        wait_for("pgrep -u leaver -f 'sleep 301' && pgrep -u leaver -f 'sleep 302'", target)
        uid = target.output("id -u leaver")
        done = target.play(["host_accounts"], leaver)
        assert done.returncode == 0, done.stdout
        assert session.wait(timeout=10) != 0
    finally:
        session.kill()
    assert target.ssh(command=f"pgrep -U {uid}").returncode == 1
    assert target.ssh(command="getent passwd leaver").returncode == 2
    assert target.ssh(command="ls /home/leaver /etc/ssh/authorized_keys.d/leaver").returncode != 0
    assert target.ssh(user="leaver").returncode == 255


def test_a_syntax_error_in_sudoers_is_refused_before_it_lands(target: Target, tmp_path: Path) -> None:
    before = target.output("cd /etc && sha256sum sudoers sudoers.d/*")
    variables = tmp_path / "sudoers.yml"
    variables.write_text(yaml.safe_dump({"host_accounts_sudo_extra_defaults": ["umask=="]}))
    done = target.play(["host_accounts"], variables)
    assert done.returncode != 0
    assert "visudo" in done.stdout
    assert "syntax error" in done.stdout
    assert target.output("cd /etc && sha256sum sudoers sudoers.d/*") == before
    assert target.ssh(user="alice", command="sudo -n /usr/bin/id -u").returncode == 0


def test_a_rule_cannot_smuggle_another_in(target: Target, tmp_path: Path) -> None:
    variables = tmp_path / "smuggled.yml"
    rule = {
        "name": "smuggled",
        "groups": ["operators"],
        "commands": ["/usr/bin/id\nbob ALL=(ALL) NOPASSWD: ALL"],
    }
    variables.write_text(yaml.safe_dump({"host_accounts_sudo_rules": [rule]}))
    done = target.play(["host_accounts"], variables)
    assert done.returncode != 0
    assert "host_accounts_sudo_rules[smuggled]" in done.stdout


def test_the_user_of_the_connection_cannot_be_removed(target: Target, tmp_path: Path) -> None:
    variables = tmp_path / "saws_off_the_branch.yml"
    for user in ({"name": "alice", "state": "absent"}, {"name": "alice", "expires": "2020-01-31"}):
        variables.write_text(yaml.safe_dump({"host_accounts_users": [user], "ansible_user": "alice"}))
        done = target.play(["host_accounts"], variables)
        assert done.returncode != 0
        assert "Ansible logs in as this user" in " ".join(done.stdout.split())
    assert target.ssh(user="alice").returncode == 0
