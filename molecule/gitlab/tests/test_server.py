"""The server: what Ruby makes of gitlab.rb, who may read what, and what a bad change leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable

from attack import Target
from conftest import STATE, Played, commands, told

UPGRADE = "playbooks/gitlab.yml"
SECRETS = ("-smtp", "-db", "-redis", "-s3", "only 'for'")


def test_ruby_reads_what_the_inventory_says(first: Target) -> None:
    found = json.loads(first.output(f"cat {STATE}/config.json"))
    rails = found["gitlab_rails"]
    assert rails["time_zone"] == 'It\'s #{"evaluated"} \\ nowhere'
    assert rails["log_level"] == "info"
    assert rails["trusted_proxies"] == ["10.91.0.1"]
    passwords = {key: value for key, value in rails.items() if key.endswith("_password")}
    assert passwords == {
        "db_password": "only-for-the-test-db",
        "incoming_email_password": "only 'for' #{the} test",
        "initial_root_password": "only-for-the-test",
        "smtp_password": "only-for-the-test-smtp",
    }
    assert rails["db_sslmode"] == "verify-full"
    assert rails["redis_sentinels"][1] == {"host": "data2.example.com", "port": 26379}
    assert rails["object_store"] == {
        "enabled": True,
        "proxy_download": True,
        "connection": {
            "provider": "AWS",
            "region": "us-east-1",
            "path_style": True,
            "endpoint": "https://s3.example.com",
            "aws_access_key_id": "AKEXAMPLE",
            "aws_secret_access_key": "only-for-the-test-s3",
        },
        "objects": {"artifacts": {"bucket": "gitlab-artifacts"}, "lfs": {"bucket": "gitlab-lfs"}},
    }
    assert found["redis"] == {
        "enable": False,
        "master_name": "gitlab",
        "master_password": "only-for-the-test-redis",
    }
    assert found["postgresql"] == {"enable": False}
    assert found["external_url"] == "https://gitlab.example.com"
    assert found["registry_external_url"] == "https://registry.example.com"
    assert found["puma"] == {"worker_processes": 3}


def test_one_node_migrates_and_both_have_the_same_keys(first: Target, second: Target) -> None:
    settings = [
        json.loads(host.output(f"cat {STATE}/config.json"))["gitlab_rails"] for host in (first, second)
    ]
    assert [one["auto_migrate"] for one in settings] == [True, False]
    keys = [json.loads(host.output("cat /etc/gitlab/gitlab-secrets.json")) for host in (first, second)]
    assert keys[0] == keys[1]
    assert keys[0]["gitlab_rails"]["db_key_base"] == "only-for-the-test"


def test_secrets_are_for_root_alone(first: Target) -> None:
    names = "gitlab.rb groundwork-secrets.rb gitlab-secrets.json ssl/gitlab.example.com.key"
    assert set(first.output(f"cd /etc/gitlab && stat -c '%U %a' {names}").splitlines()) == {"root 600"}
    plain = first.output("cat /etc/gitlab/gitlab.rb")
    assert [word for word in SECRETS if word in plain] == []


def test_a_second_dry_run_shows_no_secret(play: Callable[..., Played]) -> None:
    changed = {"gitlab_server_smtp_password": "another-secret-of-mine", "gitlab_server_health_timeout": 21}
    done = play(
        UPGRADE, "--tags", "gitlab_server", "--check", "--diff", "-vvv", "--limit", "debian12", **changed
    )
    assert done.returncode == 0, done.stdout
    assert "groundwork-secrets.rb" in done.stdout
    shown = done.stdout.replace("--extra-vars", "")
    assert "another-secret-of-mine" not in shown
    assert [word for word in SECRETS if word in shown] == []


def test_health_asks_by_the_public_name(first: Target) -> None:
    assert first.output("groundwork-gitlab health") == "ready"
    first.output("gitlab-ctl stop puma")
    try:
        done = first.ssh(
            command="mkdir -p /var/lib/prometheus/node-exporter && groundwork-gitlab health --once"
        )
        assert done.returncode == 1
        assert "GitLab is not ready: 503" in done.stderr
        metrics = first.output("cat /var/lib/prometheus/node-exporter/groundwork_gitlab.prom")
        assert "groundwork_gitlab_ready 0" in metrics
    finally:
        first.output("gitlab-ctl start puma; systemctl reset-failed 'groundwork-gitlab*'")


def test_a_setting_that_gitlab_refuses_is_put_back(first: Target, play: Callable[..., Played]) -> None:
    before = first.output("sha256sum /etc/gitlab/gitlab.rb")
    told(first)
    done = play(
        UPGRADE,
        *("--limit", "debian12"),
        gitlab_server_settings={"no_such_section": {"x": 1}},
    )
    assert done.returncode != 0
    assert "Encountered unsupported config key 'no_such_section'" in done.stdout
    assert first.output("sha256sum /etc/gitlab/gitlab.rb") == before
    assert told(first) == ["gitlab-ctl reconfigure", "gitlab-ctl reconfigure"]
    assert first.output("groundwork-gitlab health") == "ready"


def test_a_dump_that_did_not_happen_fails(first: Target) -> None:
    commands(first)
    first.output(f'echo \'{{"gitlab-backup create": "no space left"}}\' > {STATE}/faults.json')
    try:
        assert first.ssh(command="systemctl start groundwork-gitlab-dump.service").returncode != 0
        assert "no space left" in first.output(
            "journalctl -o cat --no-pager -n 20 -u groundwork-gitlab-dump.service"
        )
    finally:
        first.output(f"rm {STATE}/faults.json; systemctl reset-failed 'groundwork-gitlab*'")
    first.output("systemctl start groundwork-gitlab-dump.service")
    assert told(first)[-1].startswith("gitlab-backup create BACKUP=groundwork STRATEGY=copy")
