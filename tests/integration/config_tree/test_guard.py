"""The lock-out guard on real hosts, with changes that really lock out."""

from __future__ import annotations

import pytest

from .conftest import STATE, TreeRole

ARMED = f"test -e {STATE}/rollback/demo/armed"
UNITS = "ls /etc/systemd/system/*groundwork-rollback* /etc/systemd/system/*/*groundwork-rollback*"
SSHD = "etc/ssh/sshd_config.d/00-demo.conf"
RESTART = [{"unit": "ssh.service", "on_change": "restart", "paths": ["etc/ssh/"]}]
LOCK_OUT = {
    "activate": [{"command": ["systemctl", "stop", "ssh.service", "ssh.socket"]}],
    "guard": {"seconds": 5, "revert": [["systemctl", "start", "ssh.service"]]},
}
VALIDATE = [{"command": ["/usr/sbin/sshd", "-t"]}]


def nothing_is_left(role: TreeRole) -> bool:
    return role.host.run(f"{UNITS}; ls -d {STATE}/rollback/demo").stdout == ""


def test_a_good_change_is_confirmed(role: TreeRole):
    role.ship(SSHD, "LogLevel INFO\n")
    result = role.run(validate=VALIDATE, activate=RESTART, guard={"seconds": 30})
    assert (result["changed"], result["guard"], result["activated"]) == (
        True,
        "confirmed",
        ["restart ssh.service"],
    )
    assert nothing_is_left(role)
    again = role.run(validate=VALIDATE, activate=RESTART, guard={"seconds": 30})
    assert (again["changed"], again["guard"]) == (False, "unset")


def test_a_valid_configuration_that_locks_out_is_put_back(role: TreeRole):
    role.ship(SSHD, "LogLevel INFO\n")
    role.run(activate=RESTART)
    manifest = role.host.output(f"cat {STATE}/config_tree/demo.json")
    role.ship(SSHD, "DenyUsers root\n")
    role.ship("etc/ssh/sshd_config.d/01-demo.conf", "PrintMotd no\n")
    result = role.run(validate=VALIDATE, activate=RESTART, guard={"seconds": 6})
    assert (result["failed"], result["changed"], result["guard"]) == (True, False, "rolled_back")
    assert "no new connection could be made within 6 seconds" in result["msg"]
    assert "The host has put the previous files back and is reachable again" in result["msg"]
    assert role.host.output(f"cat /{SSHD}; ls /etc/ssh/sshd_config.d/*demo*") == f"LogLevel INFO\n/{SSHD}\n"
    assert role.host.output(f"cat {STATE}/config_tree/demo.json") == manifest
    assert nothing_is_left(role)
    role.ship(SSHD, "LogLevel INFO\n")
    role.withdraw("etc/ssh/sshd_config.d/01-demo.conf")
    assert role.run(activate=RESTART)["changed"] is False


def test_a_change_that_cuts_even_open_connections_is_put_back(role: TreeRole):
    gateway = role.host.output("echo $SSH_CLIENT").split()[0]
    role.ship("etc/demo/a", "x\n")
    result = role.run(
        activate=[{"command": ["ip", "route", "add", "blackhole", f"{gateway}/32"]}],
        guard={"seconds": 6, "revert": [["ip", "route", "del", "blackhole", f"{gateway}/32"]]},
    )
    assert (result["failed"], result["guard"]) == (True, "rolled_back")
    assert role.host.run("ls /etc/demo").returncode != 0
    assert nothing_is_left(role)


def test_a_failing_activation_disarms(role: TreeRole):
    role.ship("etc/demo/a", "x\n")
    result = role.run(activate=[{"command": ["false"]}], guard={"seconds": 5})
    assert "The previous files are back" in result["msg"]
    assert role.host.run("ls /etc/demo").returncode != 0
    assert nothing_is_left(role)


@pytest.mark.parametrize("removal", [{}, {"state": "absent"}], ids=["withdrawn", "absent"])
def test_originals_outlive_an_unconfirmed_change_that_puts_them_back(role: TreeRole, removal: dict[str, str]):
    role.host.output("mkdir -p /etc/demo && echo original > /etc/demo/a && chmod 0600 /etc/demo/a")
    role.host.output("echo equal > /etc/demo/equal")
    role.ship("etc/demo/a", "ours\n")
    role.ship("etc/demo/equal", "equal\n")
    role.ship("etc/demo/stays", "x\n")
    role.run()
    role.withdraw("etc/demo/a")
    role.withdraw("etc/demo/equal")
    result = role.run(**LOCK_OUT, **removal)
    assert (result["failed"], result["guard"]) == (True, "rolled_back")
    assert role.host.output("cat /etc/demo/a") == "ours\n"
    again = role.run(guard={"seconds": 30}, **removal)
    assert again.get("guard") == "confirmed", again["msg"]
    assert role.host.output("stat -c %a /etc/demo/a; cat /etc/demo/a") == "600\noriginal\n"
    assert role.host.output("cat /etc/demo/equal") == "equal\n"
    assert role.host.run(f"find {STATE}/config_tree/backup/demo -type f").stdout == ""
    assert nothing_is_left(role)


@pytest.mark.parametrize("guard", [None, {"seconds": 30}], ids=["unguarded", "guarded"])
def test_originals_outlive_a_failing_activation(role: TreeRole, guard: dict[str, int] | None):
    role.host.output("mkdir -p /etc/demo && echo original > /etc/demo/a")
    role.ship("etc/demo/a", "ours\n")
    role.run()
    failed = role.run(state="absent", activate=[{"command": ["false"]}], guard=guard)
    assert "The previous files are back" in failed["msg"]
    assert role.host.output("cat /etc/demo/a") == "ours\n"
    assert role.run(state="absent")["paths"] == ["/etc/demo/a"]
    assert role.host.output("cat /etc/demo/a") == "original\n"


@pytest.fixture
def abandoned(role: TreeRole) -> TreeRole:
    """A change whose controller died after it was made, and before it was confirmed."""
    role.host.output("mkdir -p /etc/demo && echo good > /etc/demo/a")
    role.ship("etc/demo/a", "abandoned\n")
    process = role.start(activate=[{"command": ["sleep", "3"]}], guard={"seconds": 8})
    assert role.eventually(f"{ARMED} && grep -q abandoned /etc/demo/a && pgrep -x sleep")
    role.kill(process)
    assert role.eventually("! pgrep -x sleep")
    role.host.output(ARMED)
    return role


def test_a_dead_controllers_change_is_put_back_and_reported(abandoned: TreeRole):
    assert abandoned.eventually(f"test -e {STATE}/rollback/demo/fired")
    assert abandoned.host.output("cat /etc/demo/a") == "good\n"
    assert "put back" in abandoned.host.output("journalctl --unit groundwork-rollback-demo.service")
    checked = abandoned.run("--check")
    assert "its rollback is fired" in checked["warnings"][0]
    result = abandoned.run(guard={"seconds": 20})
    assert "an earlier change was not confirmed: changed: /etc/demo/a; put back at 2" in result["warnings"][0]
    assert (result["guard"], abandoned.host.output("cat /etc/demo/a")) == ("confirmed", "abandoned\n")
    assert nothing_is_left(abandoned)


def test_the_next_run_starts_from_the_last_state_known_to_be_good(abandoned: TreeRole):
    abandoned.ship("etc/demo/a", "locked out\n")
    result = abandoned.run(**LOCK_OUT)
    assert "an earlier change was not confirmed" in " ".join(result["warnings"])
    assert result["guard"] == "rolled_back"
    assert abandoned.host.output("cat /etc/demo/a") == "good\n"


def test_the_clock_starts_again_after_a_reboot(abandoned: TreeRole):
    abandoned.host.run("systemctl reboot")
    assert abandoned.eventually("test $(cut -d. -f1 /proc/uptime) -ge 0 && systemctl is-active ssh.service")
    assert abandoned.eventually("grep -q good /etc/demo/a")
    assert abandoned.eventually(f"test -e {STATE}/rollback/demo/fired")
