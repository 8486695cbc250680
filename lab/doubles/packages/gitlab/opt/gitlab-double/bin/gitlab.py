#!/usr/bin/env python3
"""DOUBLE of GitLab's programs for tests: one program that plays those that it is called by the name of.

It writes down each call, keeps a little state, and is ready when its settings are of its release.
"""

from __future__ import annotations

import http.server
import json
import os
import ssl
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parents[1]
STATE = Path("/var/opt/gitlab/double")
BACKUPS = Path("/var/opt/gitlab/backups")
SECRETS = Path("/etc/gitlab/gitlab-secrets.json")
# What a test puts there makes a command fail, or tells what migrations are at.
FAULTS = STATE / "faults.json"
DATA = STATE / "data"
SERVICES = ("gitaly", "nginx", "puma", "sidekiq")


def version() -> str:
    return (HERE / "VERSION").read_text().strip()


def load(path: Path, otherwise: Any) -> Any:
    return json.loads(path.read_text()) if path.exists() else otherwise


def log(command: list[str]) -> None:
    STATE.mkdir(parents=True, exist_ok=True)
    entry = {
        "command": command,
        "version": version(),
        "skip_post": os.environ.get("SKIP_POST_DEPLOYMENT_MIGRATIONS", ""),
    }
    with (STATE / "commands.log").open("a") as file:
        file.write(json.dumps(entry) + "\n")


def fail_if_told(command: list[str]) -> None:
    told = load(FAULTS, {}).get(" ".join(command[:2]))
    if told:
        sys.exit(f"{' '.join(command)}: {told}")


def services() -> dict[str, str]:
    found: dict[str, str] = load(STATE / "services.json", dict.fromkeys(SERVICES, "run"))
    return found


def set_service(names: list[str], state: str) -> None:
    (STATE / "services.json").write_text(
        json.dumps({**services(), **dict.fromkeys(names or SERVICES, state)})
    )


def reconfigure() -> None:
    done = subprocess.run(
        ["/opt/gitlab/embedded/bin/ruby", str(HERE / "evaluate.rb")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"There was an error running gitlab-ctl reconfigure:\n{done.stderr}")
    (STATE / "config.json").write_text(done.stdout)
    (STATE / "config.json").chmod(0o600)
    if not SECRETS.exists():
        SECRETS.write_text('{"gitlab_rails": {"db_key_base": "made by the double"}}\n')
    SECRETS.chmod(0o600)
    settings = json.loads(done.stdout)["gitlab_rails"]
    applied = {"version": version(), "key": load(SECRETS, {})["gitlab_rails"]["db_key_base"]}
    (STATE / "applied.json").write_text(json.dumps(applied))
    if settings.get("auto_migrate"):
        migrate(post=not os.environ.get("SKIP_POST_DEPLOYMENT_MIGRATIONS"))
    BACKUPS.mkdir(mode=0o700, exist_ok=True)
    subprocess.run(["systemctl", "restart", "gitlab-runsvdir.service"], check=True)
    print("gitlab Reconfigured!")


def migrate(post: bool) -> None:
    done = load(STATE / "migrations.json", {})
    done["pre"] = version()
    if post:
        done["post"] = version()
    (STATE / "migrations.json").write_text(json.dumps(done))


def backup(verb: str, options: dict[str, str]) -> None:
    archive = BACKUPS / f"{options['BACKUP']}_gitlab_backup.tar"
    key = load(SECRETS, {})["gitlab_rails"]["db_key_base"]
    if verb == "create":
        # The data remembers by which key it was encrypted.
        content = {"data": load(DATA, []), "key": key, "version": version()}
        (STATE / "dump.json").write_text(json.dumps(content))
        with tarfile.open(archive, "w") as tar:
            tar.add(STATE / "dump.json", "dump.json")
        archive.chmod(0o600)
        return
    if services()["puma"] == "run" or services()["sidekiq"] == "run":
        sys.exit("the double restores nothing while puma and sidekiq run")
    with tarfile.open(archive) as tar:
        found = tar.extractfile("dump.json")
        if found is None:
            sys.exit(f"{archive} has no dump.json")
        content = json.load(found)
    if content["version"] != version():
        sys.exit(f"GitLab version mismatch: backup {content['version']}, installed {version()}")
    DATA.write_text(json.dumps(content["data"]))
    (STATE / "encrypted_by.json").write_text(json.dumps(content["key"]))


def rake(task: str) -> None:
    if task == "gitlab:background_migrations:status":
        print(load(FAULTS, {}).get("migrations", "finished | BackfillOne,users,id,[]"))
    elif task == "db:migrate":
        migrate(post=True)
    elif task == "gitlab:doctor:secrets":
        key = load(SECRETS, {})["gitlab_rails"]["db_key_base"]
        wrong = int(load(STATE / "encrypted_by.json", key) != key)
        print(f"Checking encrypted values\n- User failures: {wrong}\nTotal: failures: {wrong}")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        applied = load(STATE / "applied.json", {})
        ready = applied.get("version") == version() and services()["puma"] == "run"
        body = json.dumps({"status": "ok" if ready else "failed", "double": True}).encode()
        self.send_response(200 if ready and self.path.startswith("/-/readiness") else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Not worth a line."""


def serve() -> None:
    while not (STATE / "config.json").exists():
        time.sleep(0.2)
    config = load(STATE / "config.json", {})
    url = urlsplit(config["external_url"])
    secure = url.scheme == "https" and config.get("nginx", {}).get("listen_https") is not False
    server = http.server.ThreadingHTTPServer(("", 443 if secure else 80), Handler)
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"/etc/gitlab/ssl/{url.hostname}.crt", f"/etc/gitlab/ssl/{url.hostname}.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def main() -> None:
    name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    if name == "gitlab.py":
        serve()
        return
    log([name, *arguments])
    fail_if_told([name, *arguments])
    if name == "gitlab-ctl":
        if arguments[0] == "reconfigure":
            reconfigure()
        elif arguments[0] in ("start", "restart", "hup"):
            set_service(arguments[1:], "run")
        elif arguments[0] == "stop":
            set_service(arguments[1:], "down")
    elif name == "gitlab-backup":
        backup(arguments[0], dict(word.split("=", 1) for word in arguments[1:]))
    elif name == "gitlab-rake":
        rake(arguments[0])


if __name__ == "__main__":
    main()
