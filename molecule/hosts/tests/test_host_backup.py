"""Backups: what comes back is what was there, and a backup that is no good says so before it is needed."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from attack import ROOT, Target
from testinfra.host import Host

DROP_INS = "/etc/groundwork/backup.d"
JOB = "site-data"
METRICS = "/var/lib/prometheus/node-exporter"
PASSWORD = "only-for-the-test"  # noqa: S105  # because it is of a host that lives as long as the tests
REPOSITORY = "/srv/backups"
REPORTS = "/var/lib/groundwork/restore_drills"

# One of everything that is easily lost.
MAKE = r"""
import os, socket
os.umask(0o022)
os.makedirs("/srv/data/deep/" + "/".join("d" * 100 for _ in range(12)))
os.makedirs("/srv/data/cache-not/one/cache"); os.makedirs("/srv/data/empty"); os.makedirs("/srv/more data")
def write(path, content=b"content\n"):
    with open(path, "wb") as file:
        file.write(content)
write("/srv/data/plain"); os.chmod("/srv/data/plain", 0o640); os.chown("/srv/data/plain", 1234, 4321)
write("/srv/data/setuid"); os.chmod("/srv/data/setuid", 0o4755)
write("/srv/data/empty file", b""); os.chmod("/srv/data/empty file", 0)
write("/srv/data/big", os.urandom(3 << 20))
write("/srv/data/" + "n" * 255)
write("/srv/data/new\nline"); write("/srv/data/st*r [x] \\b ?q")
write("/srv/data/ -dash"); write("/srv/data/ümläut")
write(b"/srv/data/latin-\xe9")
write("/srv/data/skipped.tmp"); write("/srv/data/cache-not/one/cache/skipped"); write("/srv/data/left-out")
write("/srv/data/cache-not/kept")
write("/srv/more data/more")
with open("/srv/data/sparse", "wb") as file:
    file.truncate(64 << 20); file.seek(32 << 20); file.write(b"in the middle")
os.link("/srv/data/big", "/srv/data/second name")
os.symlink("plain", "/srv/data/link"); os.symlink("/nowhere/at all", "/srv/data/dangling")
os.lchown("/srv/data/link", 1234, 4321)
os.mkfifo("/srv/data/fifo", 0o600)
socket.socket(socket.AF_UNIX).bind("/srv/data/socket")
os.setxattr("/srv/data/plain", "user.note", b"\x00binary\xff")
os.setxattr("/srv/data/empty", "user.on.folder", b"yes")
os.utime("/srv/data/plain", ns=(1, 1234567890123456789))
os.utime("/srv/data/empty", ns=(1, 987654321000000001))
os.utime("/srv/data/link", ns=(1, 1111111111000000002), follow_symlinks=False)
os.chmod("/srv/data", 0o2751)
"""

# What a user can see of each path, sockets and what is excluded left out.
LOOK = r"""
import hashlib, json, os, stat, sys
base, out = os.fsencode(sys.argv[1]), []
left_out = (b"/srv/data/left-out", b"/srv/data/cache-not/one/cache")
def look(name):
    path = base + name
    s = os.lstat(path)
    if stat.S_ISSOCK(s.st_mode) or name.endswith(b".tmp") or name in left_out:
        return
    content, size, several = "", 0, False
    if stat.S_ISREG(s.st_mode):
        content = hashlib.sha256(open(path, "rb").read()).hexdigest()
        size, several = s.st_size, s.st_nlink > 1
    elif stat.S_ISLNK(s.st_mode):
        content = os.readlink(path).decode()
    names = sorted(os.listxattr(path, follow_symlinks=False))
    xattrs = [[x, os.getxattr(path, x, follow_symlinks=False).hex()] for x in names]
    metadata = [oct(s.st_mode), s.st_uid, s.st_gid, size, s.st_mtime_ns]
    out.append([name.hex(), *metadata, content, several, xattrs])
    if stat.S_ISDIR(s.st_mode):
        for below in os.listdir(path):
            look(name + b"/" + below)
look(b"/srv/data")
look(b"/srv/more data")
print(json.dumps(sorted(out)))
"""

pytestmark = pytest.mark.usefixtures("data")


def look(target: Target, base: str = "") -> Any:
    return json.loads(target.output(f"python3 - {shlex.quote(base)}", stdin=LOOK))


def drop_in(target: Target, name: str, text: str) -> None:
    target.output(f"install -m 0644 /dev/stdin {DROP_INS}/{name}.conf", stdin=text)


def playbook(target: Target, name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *("ansible-playbook", "--inventory", target.inventory, "--limit", f"{target.name},localhost"),
            str(ROOT / "playbooks" / f"{name}.yml"),
        ],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def state(target: Target) -> dict[str, Any]:
    return dict(json.loads(target.output("groundwork-backup status --json")))


def snapshots(target: Target, job: str = JOB) -> list[dict[str, Any]]:
    return list(json.loads(target.output(f"groundwork-restore list --json {job}")))


@pytest.fixture(scope="module")
def data(target: Target) -> Iterator[None]:
    target.output("rm -rf /srv/data '/srv/more data' /srv/out*")
    target.output("python3 -", stdin=MAKE)
    target.output(f"install -d {METRICS}")
    yield
    target.output(f"rm -rf /srv/data '/srv/more data' /srv/out* {DROP_INS}/another_role*.conf")


@pytest.fixture(scope="module")
def backed_up(target: Target, data: None) -> Any:
    """What a restore gives back of the data that the playbook has backed up."""
    played = playbook(target, "backup")
    assert played.returncode == 0, played.stdout + played.stderr
    assert JOB in played.stdout
    assert PASSWORD not in played.stdout
    target.output(f"groundwork-restore restore {JOB} --target /srv/out-reference")
    return look(target, "/srv/out-reference")


def without_dump(lines: Any) -> Any:
    """Without what the job's own commands make, and the folder's time that they change."""
    folder = b"/srv/data".hex()
    return [
        [*line[:5], 0, *line[6:]] if line[0] == folder else line
        for line in lines
        if b"dumped by" not in bytes.fromhex(line[0])
    ]


def test_what_is_restored_is_what_was_there(target: Target, backed_up: Any) -> None:
    assert without_dump(backed_up) == without_dump(look(target))
    assert len(backed_up) > 25


def test_the_commands_of_the_job_ran_around_the_backup(target: Target, backed_up: Any) -> None:
    assert any(b"dumped by 'pre' command" in bytes.fromhex(line[0]) for line in backed_up)
    assert target.output("find /srv/data -name 'dumped*'") == ""


def test_holes_stay_holes_where_restic_can(target: Target, backed_up: Any) -> None:
    blocks = int(target.output("stat -c %b /srv/out-reference/srv/data/sparse"))
    if "restic 0.14" in target.output("restic version"):
        pytest.skip("this restic fills holes")
    assert blocks * 512 < 8 << 20


def test_changed_and_deleted_data_comes_back_in_place(target: Target, backed_up: Any) -> None:
    target.output(
        "cd /srv/data && echo changed > plain && chmod 0777 setuid && chown 0:0 plain"
        " && rm -r big empty link deep && ln -s /etc/passwd big && echo new > added-since"
    )
    passwd = target.output("sha256sum /etc/passwd")
    said = target.output(f"groundwork-restore restore {JOB} --in-place")
    assert "Restored" in said
    now = [line for line in look(target) if bytes.fromhex(line[0]) != b"/srv/data/added-since"]
    assert without_dump(now) == without_dump(backed_up)
    # Never through a link that lies in the way, and nothing that came later is taken away.
    assert target.output("sha256sum /etc/passwd") == passwd
    assert target.output("cat /srv/data/added-since; rm /srv/data/added-since") == "new"
    target.output("rm \"/srv/data/dumped by 'pre' command\"")


def test_one_path_of_a_snapshot_is_restored_alone(target: Target, backed_up: Any) -> None:
    path = "/srv/data/st*r [x] \\b ?q"
    target.output(f"groundwork-restore restore {JOB} --target /srv/out-one --include {shlex.quote(path)}")
    assert target.output("find /srv/out-one -type f") == f"/srv/out-one{path}"


def test_nothing_is_restored_over_what_is_there(target: Target, backed_up: Any) -> None:
    done = target.ssh(command=f"groundwork-restore restore {JOB} --target /srv/data")
    assert done.returncode == 1
    assert "/srv/data is not an empty folder" in done.stderr


def test_a_drill_reports_and_cleans_up_even_when_live_data_moves_on(target: Target, backed_up: Any) -> None:
    target.output("echo drift >> /srv/data/plain; rm '/srv/data/second name'")
    try:
        played = playbook(target, "restore_drill")
    finally:
        target.output(
            f"groundwork-restore restore {JOB} --in-place; rm \"/srv/data/dumped by 'pre' command\""
        )
    assert played.returncode == 0, played.stdout + played.stderr
    newest = target.output(f"ls {REPORTS} | tail -n 1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d{6}Z\.json", newest)
    report = json.loads(target.output(f"cat {REPORTS}/{newest}"))
    (job,) = report["jobs"]
    assert (report["result"], job["result"], job["job"], job["differences"]) == ("passed", "passed", JOB, 0)
    assert job["compared"] >= len(backed_up)
    assert newest in played.stdout
    assert PASSWORD not in played.stdout
    assert target.output("ls -A /var/lib/groundwork/restore_scratch 2>/dev/null || true") == ""
    assert target.output(f"stat -c %a {REPORTS} {REPORTS}/{newest}").split() == ["700", "600"]


def test_a_drill_tells_what_is_lost(target: Target, backed_up: Any) -> None:
    """A snapshot whose manifest has more than it: as if restic had lost a file and a bit of another."""
    # The manifest is that of the data as it is now: what has changed since would not count as lost.
    target.output("systemctl start groundwork-backup@backup.service")
    manifest = f"/var/lib/groundwork/backup/manifests/{JOB}.jsonl.gz"
    tamper = f"""
import gzip, json
path = {manifest!r}
lines = [json.loads(line) for line in gzip.open(path)]
end = lines.pop()
for line in lines:
    if line.get("path") == "/srv/data/plain":
        line["sha256"] = "0" * 64
        line["xattrs"] = {{"user.note": "bG9zdA=="}}
lines.append({{**lines[-1], "path": "/srv/more data/zzz"}})
end["entries"] += 1
gzip.open(path, "wb").write(b"".join(json.dumps(line).encode() + b"\\n" for line in [*lines, end]))
"""
    target.output("python3 -", stdin=tamper)
    target.output(
        f"groundwork-backup restic backup --quiet --host {target.name} --tag job:{JOB}"
        f" {manifest} /srv/data '/srv/more data'"
    )
    played = playbook(target, "restore_drill")
    done = target.ssh(command=f"groundwork-restore restore {JOB} --target /srv/out-lost")
    target.output("systemctl start groundwork-backup@backup.service")
    assert played.returncode != 0
    assert "/srv/more data/zzz" in played.stdout
    assert "the drill has failed; the report is" in " ".join(played.stdout.split())
    assert "/srv/data/plain: sha256 is" in done.stdout
    assert "/srv/data/plain: xattrs is" in done.stdout
    assert "nothing is restored: " in done.stderr
    assert target.output("ls -A /srv | grep out-lost || true") == ""


def test_what_changes_while_it_is_backed_up_is_no_loss(target: Target, backed_up: Any) -> None:
    """The manifest is written, then the data changes, then restic reads it."""
    target.output(
        "install -m 0755 /dev/stdin /usr/local/bin/slow-restic",
        stdin="#!/bin/sh\ncase $1 in backup) echo later >> /srv/moving/log; rm -f /srv/moving/gone;"
        ' echo x > /srv/moving/came;; esac\nexec /usr/bin/restic "$@"\n',
    )
    target.output("mkdir -p /srv/moving; echo first > /srv/moving/log; touch /srv/moving/gone")
    drop_in(target, "another_role", "path = /srv/moving\n")
    settings = "/etc/groundwork/backup/settings.json"
    target.output(f"sed -i.kept s,/usr/bin/restic,/usr/local/bin/slow-restic, {settings}")
    try:
        target.output("groundwork-backup backup another_role")
    finally:
        target.output(f"mv {settings}.kept {settings}; rm /usr/local/bin/slow-restic")
    done = target.ssh(command="groundwork-restore drill --json another_role")
    target.output(f"rm -r /srv/moving {DROP_INS}/another_role.conf")
    (job,) = json.loads(done.stdout)["jobs"]
    assert done.returncode == 0, done.stdout
    assert {"/srv/moving/log", "/srv/moving/gone", "/srv/moving/came"} <= set(job["changed_while_backed_up"])


def test_the_drop_in_of_another_role_is_picked_up(target: Target, backed_up: Any) -> None:
    drop_in(target, "another_role", "# A role's own.\npath = /etc/hostname\ntag = database\n")
    before = len(snapshots(target, "another_role"))
    target.output("systemctl start groundwork-backup@backup.service")
    assert len(snapshots(target, "another_role")) == before + 1
    metrics = target.output(f"cat {METRICS}/groundwork_backup.prom")
    target.output(f"rm {DROP_INS}/another_role.conf")
    for job in (JOB, "another_role"):
        assert f'groundwork_backup_last_failed{{job="{job}"}} 0' in metrics
        assert re.search(
            rf'groundwork_backup_last_success_timestamp_seconds{{job="{job}"}} \d{{10}}\b', metrics
        )
    assert re.search(rf'groundwork_backup_last_size_bytes{{job="{JOB}"}} \d{{7,}}', metrics)
    assert re.search(rf'groundwork_backup_last_duration_seconds{{job="{JOB}"}} \d', metrics)
    assert target.output(f"stat -c %a {METRICS}/groundwork_backup.prom") == "644"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path = /etc/hostname\npaths = /etc\n", "line 2: 'paths = /etc' must be KEY = VALUE with a key of"),
        ("path = etc\n", "line 1: path is 'etc': must be an absolute path"),
        ("path = /srv/../etc\n", "must be an absolute path without .."),
        ("exclude = *.tmp\n", "needs at least one path"),
        ("path = /etc\npre-command = pg_dump\n", "must begin with the absolute path of a program"),
        ("path = /etc\npre-command = /bin/echo 'open\n", "No closing quotation"),
        ("path = /etc\nexclude = a/b\n", "line 2: exclude is 'a/b'"),
        ("path = /etc\none-file-system = maybe\n", "must be yes or no"),
        ("path = /\n", "the path / needs one-file-system = yes"),
        ("path = /etc\ntag = job:site-data\n", "line 2: tag is 'job:site-data'"),
        ("path = /nowhere\n", "there is no /nowhere"),
        (
            "path = /etc/hostname\npre-command = /bin/false\n",
            "the pre-command /bin/false failed with exit status 1",
        ),
        ("path = /etc/hostname\npre-command = /no/program\n", "/no/program can't be started: No such file"),
    ],
)
def test_an_invalid_drop_in_is_refused_by_name_and_others_still_run(
    target: Target, backed_up: Any, text: str, says: str
) -> None:
    drop_in(target, "another_role-bad", text)
    done = target.ssh(command="groundwork-backup backup")
    of = state(target)["jobs"]
    target.output(f"rm {DROP_INS}/another_role-bad.conf")
    assert done.returncode == 1
    assert "FAILED another_role-bad: " in done.stdout
    assert says in done.stdout
    assert f"ok {JOB}: " in done.stdout
    assert (of[JOB]["failed"], of["another_role-bad"]["failed"]) == (0, 1)


def test_a_drop_in_that_others_can_write_is_refused(target: Target, backed_up: Any) -> None:
    drop_in(target, "another_role", "path = /etc/hostname\npre-command = /usr/bin/id\n")
    target.output(f"chmod 0666 {DROP_INS}/another_role.conf")
    done = target.ssh(command="groundwork-backup backup another_role")
    validated = target.ssh(command="groundwork-backup validate")
    target.output(f"rm {DROP_INS}/another_role.conf")
    assert "another_role.conf: must be a file that only root can write" in done.stdout
    assert "another_role.conf: must be a file that only root can write" in validated.stderr
    assert (done.returncode, validated.returncode) == (1, 1)


def test_a_converge_refuses_an_invalid_drop_in_that_lies_there(target: Target, tmp_path: Path) -> None:
    drop_in(target, "another_role", "pfad = /etc\n")
    variables = tmp_path / "changed.yml"
    variables.write_text("host_backup_keep_last: 5\n")
    played = target.play(["host_backup"], variables, "--check")
    target.output(f"rm {DROP_INS}/another_role.conf")
    assert played.returncode != 0
    assert "another_role.conf, line 1" in played.stdout


def test_no_secret_shows_in_processes_files_or_logs(target: Target, backed_up: Any) -> None:
    watch = """
import glob, subprocess, sys
seen, found = 0, set()
run = subprocess.Popen(["groundwork-backup", "check", "--whole"], stdout=subprocess.DEVNULL)
while run.poll() is None:
    for name in glob.glob("/proc/[0-9]*"):
        try:
            command = open(name + "/cmdline", "rb").read()
            if b"restic" not in command.split(b"\\0")[0]:
                continue
            seen += 1
            if PASSWORD in command + open(name + "/environ", "rb").read():
                found.add(command)
        except OSError:
            pass
print(seen > 0, found, run.returncode)
""".replace("PASSWORD", repr(PASSWORD.encode()))
    assert target.output("python3 -", stdin=watch) == "True set() 0"
    readable = target.output(
        "find /etc/groundwork/backup* /var/lib/groundwork/backup -type f -perm /077 | sort"
    )
    assert readable.split() == [f"{DROP_INS}/site-data.conf"]
    assert PASSWORD not in target.output("journalctl --no-pager -u 'groundwork-backup@*'")


def test_a_run_waits_for_another_one(target: Target, backed_up: Any) -> None:
    drop_in(target, "another_role", "path = /etc/hostname\npre-command = /bin/sleep 3\n")
    done = target.ssh(
        command="groundwork-backup backup another_role & sleep 1; groundwork-backup check || exit; wait"
    )
    target.output(f"rm {DROP_INS}/another_role.conf")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Waiting for another run: process" in done.stdout


def test_the_lock_of_a_process_that_was_killed_is_taken_away(target: Target, backed_up: Any) -> None:
    target.output(
        "(sleep 5 | groundwork-backup restic backup --quiet --stdin >/dev/null 2>&1) & sleep 3;"
        " pkill -9 -x restic; wait; groundwork-backup restic list locks --no-lock | grep -q . || exit 7"
    )
    assert "No error found" in target.output("groundwork-backup check")


def test_retention_keeps_what_it_says(target: Target, backed_up: Any) -> None:
    drop_in(target, "another_role", "path = /etc/hostname\n")
    for _ in range(3):
        target.output("groundwork-backup backup another_role")
    before = snapshots(target, "another_role")
    target.output(f"rm {DROP_INS}/another_role.conf")
    # A job that has gone keeps its snapshots, those of others are counted for themselves.
    target.output("systemctl start groundwork-backup@forget.service")
    assert len(snapshots(target, "another_role")) == len(before)
    ours = snapshots(target)
    assert len(ours) == 2
    drop_in(target, "another_role", "path = /etc/hostname\n")
    target.output("groundwork-backup forget")
    target.output(f"rm {DROP_INS}/another_role.conf")
    assert [s["short_id"] for s in snapshots(target, "another_role")] == [s["short_id"] for s in before[-2:]]
    assert snapshots(target) == ours
    assert state(target)["forget"]["failed"] == 0


def test_checks_read_one_part_after_the_other(target: Target, backed_up: Any) -> None:
    parts = [re.search(r"part (\d) of 3", target.output("groundwork-backup check")) for _ in range(4)]
    found = [int(part[1]) for part in parts if part]
    assert sorted(found[:3]) == [1, 2, 3]
    assert found[3] == found[0]
    assert "groundwork_backup_check_failed 0" in target.output(f"cat {METRICS}/groundwork_backup.prom")


def test_a_wrong_password_is_refused_and_makes_no_new_repository(target: Target, backed_up: Any) -> None:
    target.output("cd /etc/groundwork/backup; cp -a password /root/kept; echo not-the-password > password")
    backup = target.ssh(command="groundwork-backup backup")
    restored = target.ssh(command=f"groundwork-restore restore {JOB} --target /srv/out-password")
    target.output("mv /root/kept /etc/groundwork/backup/password")
    assert f"FAILED {JOB}: /srv/backups refuses the password" in backup.stdout
    assert "nothing is restored: /srv/backups refuses the password" in restored.stderr
    assert (backup.returncode, restored.returncode) == (1, 1)
    assert "not-the-password" not in backup.stdout + backup.stderr + restored.stdout + restored.stderr
    assert len(snapshots(target)) >= 2


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"host_backup_repository": "rest:http://192.0.2.1:8000/"}, "192.0.2.1"),
        (
            {
                "host_backup_repository": "rest:https://127.0.0.1:9/",
                "host_backup_repository_user": "someone",
                "host_backup_repository_secret": "hidden/secret@",
            },
            "connection refused",
        ),
        (
            {
                "host_backup_repository": "sftp:backup@127.0.0.1:/srv/elsewhere",
                "host_backup_ssh_private_key": "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n",
                "host_backup_ssh_known_hosts": ["127.0.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPTf"],
            },
            "the repository can't be reached",
        ),
    ],
)
def test_a_repository_that_does_not_answer_is_a_clear_error(
    target: Target, backed_up: Any, tmp_path: Path, variables: dict[str, Any], says: str
) -> None:
    changed, plain = tmp_path / "changed.yml", tmp_path / "plain.yml"
    changed.write_text(yaml.safe_dump(variables))
    plain.write_text("{}\n")
    played = target.play(["host_backup"], changed, "--diff")
    done = target.ssh(command="groundwork-backup backup")
    restored = target.ssh(command="groundwork-restore drill")
    assert target.play(["host_backup"], plain).returncode == 0
    assert played.returncode == 0, played.stdout
    assert f"FAILED {JOB}: the repository can't be reached: " in done.stdout
    assert says in done.stdout
    assert done.returncode == 1
    assert "Nothing was restored: the repository can't be reached" in restored.stdout
    assert restored.returncode == 1
    assert "Made the repository" not in done.stdout
    for secret in ("hidden/secret", "hidden%2F", PASSWORD):
        assert secret not in played.stdout + done.stdout + done.stderr + restored.stdout + restored.stderr
    target.output("systemctl start groundwork-backup@backup.service")


def test_a_repository_that_has_gone_is_not_made_anew(target: Target, backed_up: Any) -> None:
    """As when its disk is not mounted."""
    target.output(f"mv {REPOSITORY} {REPOSITORY}.away")
    done = target.ssh(command="systemctl start groundwork-backup@backup.service")
    log = target.output("journalctl --no-pager -n 20 -u groundwork-backup@backup.service")
    left = target.output(f"ls -A {REPOSITORY}")
    target.output(f"rm -r {REPOSITORY}; mv {REPOSITORY}.away {REPOSITORY}")
    assert done.returncode != 0
    assert "has no repository any more: is its file system mounted" in log
    assert left == ""


def test_another_repository_in_its_place_is_refused(target: Target, backed_up: Any) -> None:
    target.output(f"mv {REPOSITORY} {REPOSITORY}.away; groundwork-backup restic init --quiet >/dev/null")
    done = target.ssh(command="groundwork-backup backup")
    target.output(f"rm -r {REPOSITORY}; mv {REPOSITORY}.away {REPOSITORY}")
    assert done.returncode == 1
    assert "is another repository" in done.stdout


@pytest.fixture
def corrupted(target: Target, backed_up: Any) -> Iterator[None]:
    """A few bytes of the largest pack file are not what they were."""
    target.output(f"cp -a {REPOSITORY} {REPOSITORY}.whole; rm -rf /var/cache/groundwork-backup/*")
    flip = f"""
import os, glob
path = max(glob.glob({REPOSITORY!r} + "/data/*/*"), key=os.path.getsize)
os.chmod(path, 0o600)
with open(path, "r+b") as file:
    file.seek(os.path.getsize(path) // 2)
    old = file.read(4)
    file.seek(-4, 1)
    file.write(bytes(byte ^ 0xFF for byte in old))
"""
    target.output("python3 -", stdin=flip)
    yield
    target.output(f"rm -r {REPOSITORY}; mv {REPOSITORY}.whole {REPOSITORY}")
    for _ in range(3):
        target.output("groundwork-backup check")


def test_a_corrupted_repository_is_reported_and_not_restored(target: Target, corrupted: None) -> None:
    restored = target.ssh(command=f"groundwork-restore restore {JOB} --target /srv/out-corrupted")
    assert restored.returncode == 1
    assert "nothing is restored: the repository is damaged" in restored.stderr
    # Also without reading all data first: what comes back is verified.
    quick = target.ssh(
        command=f"groundwork-restore restore {JOB} --target /srv/out-corrupted --check structure"
    )
    assert quick.returncode == 1
    assert "FAILED: " in quick.stderr
    assert target.output("ls -A /srv | grep -e out-corrupted -e restore || true") == ""
    before = look(target)
    assert target.ssh(command=f"groundwork-restore restore {JOB} --in-place").returncode == 1
    assert look(target) == before


def test_a_corrupted_repository_fails_the_drill_and_keeps_its_snapshots(
    target: Target, corrupted: None
) -> None:
    played = playbook(target, "restore_drill")
    assert played.returncode != 0
    report = json.loads(target.output(f"cat {REPORTS}/$(ls {REPORTS} | tail -n 1)"))
    assert (report["result"], report["check"]["result"], report["jobs"]) == ("failed", "failed", [])
    assert "the repository is damaged" in played.stdout
    assert target.ssh(command="groundwork-backup check --whole").returncode == 1
    metrics = target.output(f"cat {METRICS}/groundwork_backup.prom")
    assert "groundwork_backup_check_failed 1" in metrics
    assert "groundwork_backup_drill_failed 1" in metrics
    forgotten = target.ssh(command="groundwork-backup forget")
    assert forgotten.returncode == 1
    assert "the last check failed, nothing is removed" in forgotten.stdout


@pytest.mark.parametrize("verb", ["backup", "check", "forget"])
def test_the_timers_wait_for_their_time_with_a_delay(host: Host, verb: str) -> None:
    shown = host.check_output(f"systemctl show groundwork-backup@{verb}.timer").splitlines()
    for line in (
        "UnitFileState=enabled",
        "ActiveState=active",
        "RandomizedDelayUSec=2h",
        "FixedRandomDelay=yes",
    ):
        assert line in shown
    assert f"Unit=groundwork-backup@{verb}.service" in shown


def test_the_service_is_locked_down(host: Host) -> None:
    found = host.run("systemd-analyze security --no-pager groundwork-backup@backup.service").stdout
    exposure = re.search(r"Overall exposure level for .*: ([\d.]+)", found)
    assert exposure
    # It reads everybody's files over the network: that is its purpose.
    assert float(exposure[1]) <= 5.0, found


def test_removal_keeps_the_repository(target: Target, backed_up: Any, tmp_path: Path) -> None:
    gone, plain = tmp_path / "gone.yml", tmp_path / "plain.yml"
    gone.write_text("host_backup_state: absent\n")
    plain.write_text("{}\n")
    before = target.output(f"find {REPOSITORY} -type f | sort | sha256sum")
    played = target.play(["host_backup"], gone)
    left = target.output(
        "ls -d /etc/groundwork/backup /usr/local/sbin/groundwork-* /usr/local/libexec/groundwork/backup"
        f" /etc/systemd/system/groundwork-backup* /etc/systemd/system/timers.target.wants/groundwork-backup*"
        f" {METRICS}/groundwork_backup.prom 2>/dev/null || true"
    )
    after = target.output(f"find {REPOSITORY} -type f | sort | sha256sum")
    restored = target.play(["host_backup"], plain)
    assert played.returncode == 0, played.stdout
    assert left == ""
    assert after == before
    assert restored.returncode == 0, restored.stdout
    assert len(snapshots(target)) >= 2
