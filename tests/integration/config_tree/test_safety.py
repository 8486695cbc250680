"""Validators, activation and interruption on real hosts."""

from __future__ import annotations

from .conftest import STATE, TreeRole

UNIT = """\
[Service]
ExecStart=/bin/sleep 1000
ExecReload=/bin/touch /run/demo-reloaded

[Install]
WantedBy=multi-user.target
"""


def test_validators_see_the_whole_staged_set_and_nothing_else_does(role: TreeRole):
    role.host.output("mkdir -p /etc/demo && echo old > /etc/demo/changed && echo stays > /etc/demo/unowned")
    role.ship("etc/demo/changed", "x\n")
    role.ship("etc/demo/leaving", "x\n")
    role.run()
    role.withdraw("etc/demo/leaving")
    role.ship("etc/demo/changed", "new\n")
    role.ship("etc/demo/sub/added", "added\n")
    role.ship("demo-top/added", "top\n")
    contents = "cat /etc/demo/changed /etc/demo/unowned /etc/demo/sub/added /demo-top/added"
    look = f"{contents}; ls /etc/demo; cat /etc/hostname; false"
    result = role.run(validate=[{"command": ["sh", "-c", look]}])
    hostname = role.host.output("cat /etc/hostname").strip()
    assert result["output"].split() == ["new", "stays", "added", "top", "changed", "sub", "unowned", hostname]
    assert (result["rc"], result["changed"]) == (1, False)
    assert "Nothing on the host was changed" in result["msg"]
    assert "/demo-top/added, /etc/demo/changed, /etc/demo/leaving, /etc/demo/sub/added" in result["msg"]
    assert (
        role.host.output("cd /etc/demo && cat changed leaving && ls") == "x\nx\nchanged\nleaving\nunowned\n"
    )
    assert role.host.run("ls -d /demo-top /run/groundwork-validation-*").stdout == ""
    assert role.host.run("grep groundwork /proc/mounts").stdout == ""


def test_a_real_validator_refuses_a_real_mistake(role: TreeRole):
    role.ship("etc/ssh/sshd_config.d/00-demo.conf", "PermitRoutLogin no\n")
    validate = [{"command": ["/usr/sbin/sshd", "-t"], "paths": ["etc/ssh/"], "requires": "/usr/sbin/sshd"}]
    for options in (["--check"], []):
        result = role.run(*options, validate=validate)
        assert "Bad configuration option: PermitRoutLogin" in result["output"]
    assert role.host.run("ls /etc/ssh/sshd_config.d/00-demo.conf").returncode != 0
    role.ship("etc/ssh/sshd_config.d/00-demo.conf", "LogLevel INFO\n")
    assert role.run(validate=validate)["changed"] is True


def test_units_that_come_with_the_tree_run_and_react(role: TreeRole):
    role.ship("etc/systemd/system/demo.service", UNIT)
    role.ship("etc/demo/a", "1")
    item = {
        "unit": "demo.service",
        "enabled": True,
        "state": "started",
        "on_change": "reload",
        "paths": ["etc/demo/"],
    }
    first = role.run(activate=[item])
    assert first["activated"] == ["daemon-reload systemd", "enable demo.service", "start demo.service"]
    second = role.run(activate=[item])
    assert (second["changed"], second["stats"]["calls"]) == (False, 1)
    role.ship("etc/demo/a", "2")
    assert role.run(activate=[item])["activated"] == ["reload demo.service"]
    role.host.output("ls /run/demo-reloaded; systemctl stop demo.service")
    assert role.run(activate=[item])["activated"] == ["start demo.service"]
    away = {"unit": "demo.service", "enabled": False, "state": "stopped"}
    removed = role.run(state="absent", activate=[away])
    assert removed["activated"] == ["daemon-reload systemd", "disable demo.service", "stop demo.service"]
    assert role.host.run("systemctl is-active demo.service").stdout == "inactive\n"
    assert role.run(state="absent", activate=[away])["changed"] is False


def test_an_effect_that_is_taken_away_is_brought_back(role: TreeRole):
    role.ship("etc/systemd/system/demo.service", UNIT)
    holds = ["test", "-e", "/run/demo-reloaded"]
    item = {"unit": "demo.service", "state": "started", "on_change": "reload", "holds": holds}
    repaired = ["reload demo.service because test -e /run/demo-reloaded failed"]
    assert role.run(activate=[item])["activated"] == ["daemon-reload systemd", "start demo.service"]
    assert role.run("--check", activate=[item])["activated"] == repaired
    assert role.host.run("ls /run/demo-reloaded").returncode != 0
    assert role.run(activate=[item])["activated"] == repaired
    again = role.run(activate=[item])
    assert (again["changed"], again["stats"]["calls"]) == (False, 2)
    assert (
        "missing parameter(s) required by 'holds': on_change"
        in role.run(activate=[{"unit": "demo.service", "holds": holds}])["msg"]
    )


def test_a_failing_activation_puts_everything_back(role: TreeRole):
    role.host.output("mkdir -p /etc/demo && echo original > /etc/demo/a")
    activate = [
        {"command": ["cp", "/etc/demo/a", "/run/demo-active"]},
        {"command": ["grep", "-q", "good", "/etc/demo/a"]},
    ]
    role.ship("etc/demo/a", "good 1\n")
    role.run(activate=activate)
    manifest = role.host.output(f"cat {STATE}/config_tree/demo.json")
    role.ship("etc/demo/a", "bad\n")
    role.ship("srv/demo/b", "new\n")
    result = role.run(activate=activate)
    assert result["failed"] is True
    assert "run grep -q good /etc/demo/a: grep -q good /etc/demo/a failed with code 1" in result["msg"]
    assert "The previous files are back and active" in result["msg"]
    assert role.host.output("cat /etc/demo/a /run/demo-active") == "good 1\ngood 1\n"
    assert role.host.run("ls -d /srv/demo").returncode != 0
    assert role.host.output(f"cat {STATE}/config_tree/demo.json") == manifest


def test_an_interrupted_run_is_made_up_for(role: TreeRole):
    role.ship("etc/demo/a", "1\n")
    slow = [{"command": ["sleep", "30"]}, {"command": ["touch", "/run/demo-done"]}]
    process = role.start(activate=slow)
    assert role.eventually("grep -q 1 /etc/demo/a && pgrep -x sleep")
    role.host.output("kill -9 $(ps -o ppid= -C sleep); pkill -x sleep")
    role.kill(process)
    assert role.host.run("ls /run/demo-done").returncode != 0
    assert '"/etc/demo/a"' in role.host.output(f"sed -n '/pending/,$p' {STATE}/config_tree/demo.json")
    quick = [{"command": ["touch", "/run/demo-done"]}]
    result = role.run(activate=quick)
    assert (result["changed"], result["paths"], result["activated"]) == (True, [], ["touch /run/demo-done"])
    assert role.run(activate=quick)["changed"] is False


def test_two_trees_can_not_ship_one_path(role: TreeRole):
    role.ship("etc/demo/a", "1\n")
    role.run()
    assert "/etc/demo/a already belongs to the tree demo" in role.run(name="other")["msg"]
    assert role.run("--check", name="other")["failed"] is True


def test_a_directory_of_somebody_else_is_refused(role: TreeRole):
    role.host.output("mkdir -p /srv/demo && chown daemon /srv/demo")
    role.ship("srv/demo/a", "x")
    assert "/srv/demo can be written by daemon:root" in role.run()["msg"]
    role.spec(defaults={"owner": "daemon"})
    assert role.run()["changed"] is True
