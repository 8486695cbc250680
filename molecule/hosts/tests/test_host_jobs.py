"""Jobs: what they run as and may do, what becomes of failures, locks, limits, and of jobs that leave."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from attack import ROOT, Target, probe_from_here
from testinfra.host import Host

METRICS = "/var/lib/prometheus/node-exporter"
INVENTORY = ROOT / "molecule" / "inventory" / "group_vars" / "all" / "host_jobs.yml"
JOBS = yaml.safe_load(INVENTORY.read_text())["host_jobs_jobs"]


@pytest.fixture
def changed(target: Target, tmp_path: Path) -> Iterator[Path]:
    """Where a test puts other input; afterwards the inventory's holds again."""
    yield tmp_path / "changed.yml"
    (tmp_path / "inventory.yml").write_text("{}\n")
    played = target.play(["host_jobs"], tmp_path / "inventory.yml")
    assert played.returncode == 0, played.stdout


def run(target: Target, job: str) -> tuple[int, str]:
    """Run a job at once: what systemctl ends with, and what this run wrote."""
    since = now(target)
    code = target.ssh(command=f"systemctl start groundwork-job-{job}").returncode
    return code, written(target, job, since)


def now(target: Target) -> str:
    return target.output("date +@%s.%6N")


def written(target: Target, identifier: str, since: str) -> str:
    return target.output(
        f"journalctl --sync; journalctl --quiet --since={since} --identifier={identifier}"
        " --output=cat --no-pager"
        " | grep --invert-match cgroup || true"
    )


def metrics(target: Target, job: str) -> dict[str, float]:
    text = target.output(f"cat {METRICS}/groundwork_job_{job}.prom")
    return {
        name: float(value)
        for name, value in re.findall(rf'^groundwork_job_(\w+){{name="{job}"}} (\S+)$', text, re.MULTILINE)
    }


def test_a_job_runs_at_once_as_it_was_written(target: Target) -> None:
    code, text = run(target, "hello")
    assert code == 0
    assert text.splitlines() == ["<two words>", '<$HOME "quoted" back\\slash 50% %n>']


def test_a_run_leaves_metrics(target: Target) -> None:
    before = int(target.output("date +%s"))
    run(target, "hello")
    found = metrics(target, "hello")
    assert found["last_success_timestamp_seconds"] == found["last_run_timestamp_seconds"] >= before
    assert 0 < found["last_duration_seconds"] < 30
    assert (found["last_exit_status"], found["last_failed"]) == (0, 0)
    assert found["stale_after_seconds"] == 26 * 3600
    assert target.output(f"stat -c '%U %a' {METRICS}/groundwork_job_hello.prom") == "root 644"
    assert target.output(f"find {METRICS} -name 'groundwork_job_*' ! -name '*.prom'") == ""


def test_the_exporter_serves_them(target: Target) -> None:
    run(target, "hello")
    if probe_from_here(target, 9100)[0] != "open":
        pytest.skip("host_metrics is not on this host")
    fetch = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9100/metrics').read().decode())"
    text = target.output(f'python3 -c "{fetch}"')
    assert 'groundwork_job_last_failed{name="hello"} 0' in text
    assert "node_textfile_scrape_error 0" in text


def test_environment_and_secrets_arrive_unchanged(target: Target, host: Host) -> None:
    _, text = run(target, "environment")
    assert text.splitlines() == [
        '<a "quoted" $value with `ticks` and a \\>',
        '<only-for-the-test "$x">',
        "</var/tmp>",
        "<daemon>",
    ]
    file = host.file("/etc/groundwork/jobs/environment.secrets.env")
    assert (file.user, file.mode) == ("root", 0o600)
    assert "only-for-the-test" not in host.check_output("systemctl show groundwork-job-environment")


def test_a_failure_is_reported_with_what_the_job_wrote(target: Target) -> None:
    since = now(target)
    code, _ = run(target, "fails")
    assert code != 0
    for _ in range(50):
        report = written(target, "groundwork-failed-job", since)
        if "about to fail" in report:
            break
        time.sleep(0.2)
    name = target.output("uname -n")
    assert f"The job fails on {name} failed: exit-code, exit status 3." in report
    assert f"reported: fails {name} exit-code 3 with a token" in report
    assert "about to fail" in report
    found = metrics(target, "fails")
    assert (found["last_exit_status"], found["last_failed"]) == (3, 1)
    errors = target.output(f"journalctl --quiet --since={since} --priority=err --output=cat --no-pager")
    assert "The job fails on" in errors


def test_a_failure_can_be_left_unreported(target: Target) -> None:
    since = now(target)
    assert run(target, "quiet")[0] != 0
    time.sleep(1)
    assert written(target, "groundwork-failed-job", since) == ""
    assert metrics(target, "quiet")["last_failed"] == 1


def test_the_last_success_outlives_failures(target: Target, changed: Path) -> None:
    run(target, "hello")
    succeeded = metrics(target, "hello")["last_success_timestamp_seconds"]
    changed.write_text(
        yaml.safe_dump(
            {"host_jobs_jobs": [{"name": "hello", "command": ["/bin/false"]}], "host_jobs_secrets": []}
        )
    )
    assert target.play(["host_jobs"], changed).returncode == 0
    time.sleep(1)
    run(target, "hello")
    found = metrics(target, "hello")
    assert found["last_success_timestamp_seconds"] == succeeded < found["last_run_timestamp_seconds"]


def test_a_timeout_ends_everything_that_the_job_started(target: Target) -> None:
    assert run(target, "hangs")[0] != 0
    assert target.ssh(command="pgrep --full 'sleep 3600'").returncode == 1
    found = metrics(target, "hangs")
    assert (found["last_failed"], found["last_exit_status"]) == (1, 128 + 15)
    assert 0 < found["last_duration_seconds"] < 3600


def test_a_lock_makes_one_wait_and_another_leave_out_its_turn(target: Target) -> None:
    assert run(target, "skips")[0] == 0
    before = metrics(target, "skips")
    assert "last_skip_timestamp_seconds" not in before
    target.output("systemctl start --no-block groundwork-job-long; sleep 1")
    code, text = run(target, "skips")
    assert (code, text) == (0, "Skipped: another job holds the lock.")
    after = metrics(target, "skips")
    assert after.pop("last_skip_timestamp_seconds") >= before["last_run_timestamp_seconds"]
    assert after == before
    assert run(target, "waits")[0] == 0
    assert target.output("systemctl show --property ActiveState --value groundwork-job-long") == "inactive"
    assert target.output("systemctl is-active groundwork-job-long || true") == "inactive"
    target.output(f"rm {METRICS}/groundwork_job_skips.prom")


def test_nobody_else_can_hold_the_lock(target: Target) -> None:
    take = "su --shell /bin/sh --command 'flock --nonblock /run/groundwork-jobs/shared.lock true' daemon"
    assert target.ssh(command=take).returncode != 0


def test_a_job_does_not_overlap_with_itself(target: Target) -> None:
    since = now(target)
    target.output(
        "systemctl start --no-block groundwork-job-long; sleep 1; systemctl start groundwork-job-long"
    )
    assert metrics(target, "long")["last_duration_seconds"] < 12
    log = "journalctl --quiet --unit=groundwork-job-long --output=cat --no-pager"
    runs = target.output(f"{log} --since={since} | grep --count ^Starting")
    assert runs == "1"


def test_the_sandbox_holds(target: Target) -> None:
    target.output("touch /root/.visible")
    assert run(target, "sandboxed")[1].splitlines() == ["wrote-own"]


def test_what_a_job_needs_is_opened_for_it_alone(target: Target) -> None:
    target.output("touch /root/.visible; mkdir -p /var/lib/opened")
    try:
        assert run(target, "opened")[1].splitlines() == ["wrote-var", "read-home"]
    finally:
        target.output("rm -r /var/lib/opened")


def test_limits_are_set(host: Host) -> None:
    shown = host.check_output(
        "systemctl show --property=CPUQuotaPerSecUSec,MemoryMax,IOWeight,TasksMax,Nice groundwork-job-hello"
    )
    assert set(shown.split()) == {
        "CPUQuotaPerSecUSec=500ms",
        "MemoryMax=67108864",
        "IOWeight=50",
        "TasksMax=16",
        "Nice=10",
    }


def test_schedules_count_now_and_at_boot(host: Host) -> None:
    scheduled = [job["name"] for job in JOBS if job.get("schedule") and job.get("enabled", True)]
    wanted = {f"groundwork-job-{name}.timer" for name in scheduled}
    listed = host.check_output(
        "systemctl list-units --plain --no-legend --state=active 'groundwork-job-*.timer'"
    )
    assert {line.split()[0] for line in listed.splitlines()} == wanted
    listed = host.check_output(
        "systemctl list-unit-files --no-legend --state=enabled 'groundwork-job-*.timer'"
    )
    assert {line.split()[0] for line in listed.splitlines()} == wanted
    shown = host.check_output(
        "systemctl show --property=TimersCalendar,RandomizedDelayUSec,Persistent groundwork-job-hello.timer"
    )
    assert shown.count("OnCalendar=") == 2
    assert "Europe/Berlin" in shown
    assert "RandomizedDelayUSec=30min" in shown
    assert "Persistent=no" in shown
    assert "Persistent=yes" in host.check_output(
        "systemctl show --property=Persistent groundwork-job-fails.timer"
    )


def test_a_job_that_leaves_is_stopped_and_forgotten(target: Target, changed: Path) -> None:
    jobs = [job for job in JOBS if job["name"] not in ("fails", "long", "hello")]
    target.ssh(command="systemctl start groundwork-job-fails; systemctl start --no-block groundwork-job-long")
    changed.write_text(yaml.safe_dump({"host_jobs_jobs": jobs}))
    played = target.play(["host_jobs"], changed)
    assert played.returncode == 0, played.stdout
    units = target.output(
        "systemctl list-units --all --plain --no-legend 'groundwork-job-*' 'groundwork-failed-job@*'"
    )
    assert not re.search("fails|long|hello", units)
    assert target.ssh(command="pgrep --exact --full '/bin/sleep 7'").returncode == 1
    left = target.output(
        f"find /etc /usr/local {METRICS} /var/lib/systemd/timers -path '*groundwork*' -a"
        " '(' -name '*fails*' -o -name '*hello*' -o -name '*long*' ')'"
    )
    assert left == ""
    again = target.play(["host_jobs"], changed)
    assert "changed=0" in again.stdout


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({"schedule": ["*-02-30"]}, "never"),
        ({"schedule": ["Mondays at noon"]}, "Mondays at noon"),
        ({"user": "nobody-here"}, "the host has no user nobody-here"),
        ({"hardening": {"ProtectSystem": "sometimes"}}, "sometimes"),
    ],
)
def test_what_systemd_would_not_take_changes_nothing(
    target: Target, changed: Path, job: dict[str, object], said: str
) -> None:
    before = target.output("sha256sum /etc/systemd/system/groundwork-job-*")
    broken = {"name": "broken", "command": ["/bin/true"], **job}
    changed.write_text(yaml.safe_dump({"host_jobs_jobs": [*JOBS, broken]}))
    played = target.play(["host_jobs"], changed)
    assert played.returncode != 0
    assert said in played.stdout, played.stdout
    assert target.output("sha256sum /etc/systemd/system/groundwork-job-*") == before
