"""A store on a real host, connections to it as those who use it, and the role that makes it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.integration.support import Played, RealHost, play

PLAYBOOK = Path(__file__).parent / "store.yml"
INVENTORY = Path(__file__).parent / "inventory"
PASSWORDS = {
    "reader": "only-for-the-test-reader",
    "writer": "only-for-the-test-writer",
    "admin": "only-for-the-test-admin",
}
LOGINS = {"reader": "agent_test", "writer": "operator_test", "admin": "admin_test"}
VARIABLES: dict[str, Any] = {
    "ipban_store_agents": [{"name": LOGINS["reader"], "password": PASSWORDS["reader"]}],
    "ipban_store_writers": [
        {"name": LOGINS["writer"], "password": PASSWORDS["writer"]},
        {"name": LOGINS["admin"], "password": PASSWORDS["admin"], "admin": True},
    ],
    "ipban_store_lists": [{"name": "ssh", "description": "Hosts with SSH open"}, {"name": "web"}],
}


@dataclass(frozen=True)
class Store:
    """A store on a real host."""

    host: RealHost
    _open: list[psycopg.Connection[Any]] = field(default_factory=list)

    def conninfo(self, who: str = "writer", **changes: str) -> str:
        """How ``who`` (reader, writer, admin) reaches it; an empty value in ``changes`` leaves a key out."""
        parts = {
            "host": self.host.address,
            "dbname": "ipban",
            "user": LOGINS[who],
            "password": PASSWORDS[who],
            "sslmode": "require",
            "channel_binding": "require",
            "connect_timeout": "5",
            **changes,
        }
        return psycopg.conninfo.make_conninfo(**{key: value for key, value in parts.items() if value})

    def connect(self, who: str = "writer", **changes: str) -> psycopg.Connection[Any]:
        """A connection in autocommit over the network with TLS; the fixtures close it."""
        connection = psycopg.connect(self.conninfo(who, **changes), autocommit=True)
        self._open.append(connection)
        return connection

    def call(self, query: str, *arguments: Any, who: str = "admin") -> Any:
        """The first value that a query of ``who`` gives."""
        with psycopg.connect(self.conninfo(who), autocommit=True) as connection:
            row = connection.execute(query, arguments).fetchone()
        return row[0] if row else None

    def sql(self, text: str, database: str = "ipban") -> str:
        """What a script of the superuser's gives, run on the host; ``|`` and newline between values."""
        command = f"runuser -u postgres -- psql -qXAt -v ON_ERROR_STOP=1 -d {shlex.quote(database)}"
        done = self.host.run(command, stdin=text)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def clear(self) -> None:
        """No bans, no allow entries, no journal, and every reader has to load everything anew."""
        self.sql(
            """
            BEGIN;
            SET LOCAL session_replication_role = replica;
            UPDATE ipban.generation
            SET generation = generation + 1, horizon = generation + 1, stamp = gen_random_uuid();
            INSERT INTO ipban.generation_log SELECT generation, stamp, now() FROM ipban.generation;
            TRUNCATE ipban.ban, ipban.allow, ipban.tally, ipban.journal;
            UPDATE ipban.setting SET list_limit = DEFAULT, source_limit = DEFAULT;
            COMMIT;"""
        )

    def close(self) -> None:
        while self._open:
            self._open.pop().close()


def converge(*limit: str, state: str = "present", check: bool = False, **variables: Any) -> Played:
    """Run the role on the named hosts, with ``variables`` over :data:`VARIABLES`."""
    given = {**VARIABLES, "ipban_store_state": state, **variables}
    arguments = ["--limit", ",".join(limit), "--extra-vars", json.dumps(given)]
    return play(PLAYBOOK, *arguments, *(["--check"] if check else []), inventory=INVENTORY)
