"""GitLab on this host: apply its settings, dump its data, restore them, and ask whether it is ready."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

SETTINGS = "/etc/groundwork/gitlab_server/settings.json"
SHARED_SECRETS = "/etc/groundwork/gitlab_server/shared_secrets.json"
SECRETS = "/etc/gitlab/gitlab-secrets.json"
CERTIFICATES = "/etc/gitlab/ssl"
STATE = "/var/lib/groundwork/gitlab_server/state.json"
BACKUP = "groundwork"
ARCHIVE = f"/var/opt/gitlab/backups/{BACKUP}_gitlab_backup.tar"
READINESS = "/-/readiness?all=1"
# Where GitLab's own programs are, whatever the caller's PATH is.
PATH = "/opt/gitlab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class GitlabError(Exception):
    """A step that failed; the message says which and why."""


def read_json(path: str) -> dict[str, Any]:
    """A file of ours. Raises :exc:`GitlabError` where it can't be read."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError) as error:
        raise GitlabError(f"{path} can't be read: {error}") from error
    if not isinstance(found, dict):
        raise GitlabError(f"{path} must hold a mapping")
    return found


def write_json(path: str, content: Mapping[str, Any]) -> None:
    """Replace a file atomically, readable for root alone."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder)
    with open(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    os.replace(name, path)


def run(*command: str, **environment: str) -> str:
    """Run one of GitLab's programs. Raises :exc:`GitlabError` with the end of what it said."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", **environment},
    )
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise GitlabError(f"{' '.join(command)} failed with exit code {done.returncode}:\n{said}")
    return done.stdout


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` goes over ``base``, deeply."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = (
            merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
        )
    return result


def share_secrets() -> None:
    """Give this node the secrets that all nodes have, and leave those that GitLab made beside them."""
    if not os.path.exists(SHARED_SECRETS):
        return
    present = read_json(SECRETS) if os.path.exists(SECRETS) else {}
    wanted = merged(present, read_json(SHARED_SECRETS))
    if wanted != present:
        write_json(SECRETS, wanted)


def apply() -> None:
    """Reconfigure; after another release restart too, in the way that the settings ask for."""
    settings = read_json(SETTINGS)
    state = read_json(STATE) if os.path.exists(STATE) else {}
    before, after = state.get("version"), settings["version"]
    upgraded = before is not None and before != after
    postponed = upgraded and settings["rolling"] and settings["migrates"]
    share_secrets()
    run("gitlab-ctl", "reconfigure", **({"SKIP_POST_DEPLOYMENT_MIGRATIONS": "true"} if postponed else {}))
    if upgraded and settings["rolling"]:
        # The web server hands over to workers of the new release without closing its door.
        run("gitlab-ctl", "hup", "puma")
        run("gitlab-ctl", "restart", "sidekiq")
    elif upgraded:
        run("gitlab-ctl", "restart")
    write_json(STATE, {"version": after, "postponed": bool(postponed or state.get("postponed"))})
    wait_until_ready(settings)
    print(f"GitLab {after} is configured and ready")


def migrate() -> None:
    """Run the migrations that a rolling upgrade has postponed."""
    state = read_json(STATE) if os.path.exists(STATE) else {}
    if not state.get("postponed"):
        print("nothing was postponed")
        return
    run("gitlab-rake", "db:migrate")
    write_json(STATE, {**state, "postponed": False})
    print("migrated")


def dump() -> None:
    """Write the data into one archive, which the backups take from there."""
    settings = read_json(SETTINGS)
    begun = time.time()
    skip = [f"SKIP={','.join(settings['skip'])}"] if settings["skip"] else []
    run(
        *("gitlab-backup", "create", f"BACKUP={BACKUP}", "STRATEGY=copy", "CRON=1", "GZIP_RSYNCABLE=yes"),
        *skip,
    )
    try:
        found = os.stat(ARCHIVE)
    except OSError as error:
        raise GitlabError(f"gitlab-backup was content, but there is no dump: {error}") from error
    # File systems may round times.
    if found.st_size == 0 or found.st_mtime < begun - 2:
        raise GitlabError(f"gitlab-backup was content, but {ARCHIVE} is not of this run")
    print(f"{ARCHIVE}: {found.st_size} bytes")


def restore(folder: str) -> None:
    """Put a dump, and the keys that belong to it, in the place of this host's data."""
    archive, keys = folder + ARCHIVE, folder + SECRETS
    for path in (archive, keys):
        if not os.path.isfile(path):
            raise GitlabError(f"{path} is missing: without it there is nothing to restore")
    settings = read_json(SETTINGS)
    os.makedirs(os.path.dirname(ARCHIVE), mode=0o700, exist_ok=True)
    run("install", "--mode=0600", "--owner=git", "--group=git", archive, ARCHIVE)
    run("install", "--mode=0600", keys, SECRETS)
    run("gitlab-ctl", "reconfigure")
    run("gitlab-ctl", "stop", "puma")
    run("gitlab-ctl", "stop", "sidekiq")
    run("gitlab-backup", "restore", f"BACKUP={BACKUP}", "force=yes", GITLAB_ASSUME_YES="1")
    run("gitlab-ctl", "reconfigure")
    run("gitlab-ctl", "restart")
    wait_until_ready(settings)
    # Both fail where what is encrypted in the database does not go with the keys.
    run("gitlab-rake", "gitlab:check", "SANITIZE=true")
    doctor = run("gitlab-rake", "gitlab:doctor:secrets")
    if "failures: 0" not in doctor and "failures" in doctor:
        raise GitlabError(f"the keys do not belong to the data:\n{doctor.strip()[-500:]}")
    print("restored")


def readiness(settings: Mapping[str, Any]) -> str:
    """Empty when GitLab says that it is ready, otherwise why not."""
    url = urlsplit(settings["external_url"])
    host = url.hostname or "localhost"
    secure = url.scheme == "https" and not settings["behind_proxy"]
    port = url.port if url.port and not settings["behind_proxy"] else 443 if secure else 80
    connection: http.client.HTTPConnection
    if secure:
        connection = _Here(host, port, timeout=30, context=_trust(host))
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(
            "GET", url.path.rstrip("/") + READINESS, headers={"Host": host, "X-Forwarded-Proto": url.scheme}
        )
        answer = connection.getresponse()
        body = answer.read(4096).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    return "" if answer.status == 200 else f"{answer.status} {answer.reason}: {body.strip()[:300]}"


class _Here(http.client.HTTPSConnection):
    """A connection to this host itself that asks for the certificate of the public name."""

    def connect(self) -> None:
        name, self.host = self.host, "127.0.0.1"
        try:
            http.client.HTTPConnection.connect(self)
        finally:
            self.host = name
        context: ssl.SSLContext = self._context  # type: ignore[attr-defined]
        self.sock = context.wrap_socket(self.sock, server_hostname=name)


def _trust(host: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    # One that nobody signed is trusted for itself: it is the one that was laid down.
    own = f"{CERTIFICATES}/{host}.crt"
    if os.path.exists(own):
        context.load_verify_locations(own)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def wait_until_ready(settings: Mapping[str, Any]) -> None:
    """Raises :exc:`GitlabError` with GitLab's last words when it does not get ready in time."""
    deadline = time.monotonic() + settings["health_timeout"]
    while reason := readiness(settings):
        if time.monotonic() >= deadline:
            raise GitlabError(f"GitLab is not ready after {settings['health_timeout']} s: {reason}")
        time.sleep(1)


def health(once: bool) -> None:
    """Wait until GitLab is ready, or ask once and leave a metric."""
    settings = read_json(SETTINGS)
    if not once:
        wait_until_ready(settings)
        print("ready")
        return
    reason = readiness(settings)
    folder = settings["textfile"]
    if os.path.isdir(folder):
        lines = (
            "# HELP groundwork_gitlab_ready Whether GitLab said that it is ready.",
            "# TYPE groundwork_gitlab_ready gauge",
            f"groundwork_gitlab_ready {0 if reason else 1}",
            "# HELP groundwork_gitlab_asked_timestamp_seconds When it was asked last.",
            "# TYPE groundwork_gitlab_asked_timestamp_seconds gauge",
            f"groundwork_gitlab_asked_timestamp_seconds {time.time():.0f}",
        )
        path = f"{folder}/groundwork_gitlab.prom"
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
        os.replace(f"{path}.new", path)
    if reason:
        raise GitlabError(f"GitLab is not ready: {reason}")


def validate() -> None:
    """Read what the other verbs read. Raises :exc:`GitlabError`."""
    settings = read_json(SETTINGS)
    if os.path.exists(SHARED_SECRETS):
        read_json(SHARED_SECRETS)
    host = urlsplit(settings["external_url"]).hostname or ""
    certificate, key = f"{CERTIFICATES}/{host}.crt", f"{CERTIFICATES}/{host}.key"
    if os.path.exists(certificate) and os.path.exists(key):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise GitlabError(f"{certificate} and its key do not belong together: {error}") from error


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="groundwork-gitlab", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    plain: dict[str, Callable[[], None]] = {
        "apply": apply,
        "migrate": migrate,
        "dump": dump,
        "validate": validate,
    }
    for name, function in plain.items():
        verbs.add_parser(name, help=str(function.__doc__).partition(".")[0])
    verbs.add_parser("restore", help="restore a dump").add_argument("folder")
    verbs.add_parser("health", help="ask whether GitLab is ready").add_argument("--once", action="store_true")
    arguments = parser.parse_args()
    try:
        if arguments.verb == "restore":
            restore(os.path.abspath(arguments.folder).rstrip("/"))
        elif arguments.verb == "health":
            health(arguments.once)
        else:
            plain[arguments.verb]()
    except GitlabError as error:
        print(f"groundwork-gitlab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
