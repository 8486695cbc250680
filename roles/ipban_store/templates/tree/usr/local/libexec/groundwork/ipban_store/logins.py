"""Logins from data: made, changed and dropped, each a member of exactly one group."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import scram
from settings import MAINTAINER, StoreError, secrets

if TYPE_CHECKING:
    import psycopg

# How a login of ours is told from the site's: its comment.
MARK = "Managed by the role ipban_store"
GROUPS = ("ipban_owner", "ipban_reader", "ipban_writer", "ipban_maintenance", "ipban_admin")


@dataclass(frozen=True)
class Login:
    """password: clear or a verifier; ``None`` for one that shows a certificate or is known by its socket."""

    name: str
    group: str
    password: str | None


@dataclass(frozen=True)
class Present:
    """A login on the server. password: its verifier, ``None`` for none, empty where it can't be read."""

    name: str
    groups: frozenset[str]
    password: str | None
    ours: bool
    may_login: bool


def wanted() -> list[Login]:
    """All logins of the data, the timers' own among them."""
    found = [Login(MAINTAINER, "ipban_maintenance", secrets()["maintenance_password"] or None)]
    found += [Login(one["name"], "ipban_reader", one.get("password") or None) for one in secrets()["agents"]]
    for one in secrets()["writers"]:
        group = "ipban_admin" if one.get("admin") else "ipban_writer"
        found.append(Login(one["name"], group, one.get("password") or None))
    return found


def present(admin: psycopg.Connection[Any]) -> dict[str, Present]:
    """All roles of the server that may log in or carry our mark."""
    rows = admin.execute(
        """
        SELECT r.rolname, r.rolcanlogin, coalesce(shobj_description(r.oid, 'pg_authid'), '') = %s,
            array(SELECT g.rolname::text FROM pg_auth_members AS m JOIN pg_roles AS g ON g.oid = m.roleid
                  WHERE m.member = r.oid AND g.rolname = ANY (%s))
        FROM pg_roles AS r""",
        (MARK, list(GROUPS)),
    ).fetchall()
    readable = admin.execute("SELECT has_table_privilege('pg_authid', 'SELECT')").fetchone() == (True,)
    passwords = (
        dict(admin.execute("SELECT rolname, rolpassword FROM pg_authid").fetchall()) if readable else {}
    )
    return {
        name: Present(name, frozenset(groups), passwords.get(name, None if readable else ""), ours, may_login)
        for name, may_login, ours, groups in rows
        if may_login or ours
    }


def reconcile(admin: psycopg.Connection[Any]) -> list[str]:
    """Bring the logins to the data; what was done. Raises :exc:`StoreError` for a name of somebody else's."""
    there = present(admin)
    desired = {login.name: login for login in wanted()}
    for name in desired:
        if name in there and not there[name].ours:
            raise StoreError(f"the server has a login {name} that is not the role's: choose another name")
    done: list[str] = []
    with admin.transaction():
        for login in desired.values():
            done += _ensure(admin, login, there.get(login.name))
        for name, found in there.items():
            if found.ours and name not in desired:
                drop(admin, name)
                done.append(f"dropped the login {name}")
    return done


def drop(admin: psycopg.Connection[Any], name: str) -> None:
    """Take a login away, with the sessions that it has."""
    from psycopg import sql

    admin.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(name)))
    # An administrator who is no superuser ends sessions of those whose member it is.
    if admin.execute("SELECT NOT pg_has_role(%s, 'MEMBER')", (name,)).fetchone() == (True,):
        admin.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(name)))
    admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (name,))
    admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def drop_all(admin: psycopg.Connection[Any]) -> None:
    """All logins of ours, with their sessions."""
    for name, found in present(admin).items():
        if found.ours:
            drop(admin, name)


def drop_groups(admin: psycopg.Connection[Any]) -> None:
    """The groups, once the database is gone that gives them rights."""
    from psycopg import sql

    for group in GROUPS:
        admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(group)))


def _ensure(admin: psycopg.Connection[Any], login: Login, found: Present | None) -> list[str]:
    from psycopg import sql

    name = sql.Identifier(login.name)
    done = []
    if found is None:
        admin.execute(sql.SQL("CREATE ROLE {}").format(name))
        admin.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(name, sql.Literal(MARK)))
        done.append(f"made the login {login.name}")
    if found is None or not found.may_login:
        admin.execute(sql.SQL("ALTER ROLE {} LOGIN").format(name))
    if login.password is None:
        if found is not None and found.password is not None:
            admin.execute(sql.SQL("ALTER ROLE {} PASSWORD NULL").format(name))
    elif found is None or not scram.belongs(found.password or "", login.password):
        stored = login.password if scram.is_verifier(login.password) else scram.verifier(login.password)
        admin.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(name, sql.Literal(stored)))
        if found is not None:
            done.append(f"set the password of {login.name}")
    groups = found.groups if found else frozenset()
    for group in groups - {login.group}:
        admin.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(group), name))
        done.append(f"took {group} from {login.name}")
    if login.group not in groups:
        admin.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(login.group), name))
        done.append(f"gave {login.group} to {login.name}")
    return done
