"""The role: converging, changing, refusing, and going away."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.support import Played

from .stores import LOGINS, VARIABLES, Store, converge

HOST = "debian12"
ANOTHER = "another-password-1"


def message(played: Played, host: str = HOST) -> str:
    return " ".join(str(result.get("msg", "")) for _, result in played.results(host))


@pytest.mark.parametrize("check", [False, True], ids=["converge", "check"])
def test_a_second_run_changes_nothing_and_costs_two_tasks(all_stores: dict[str, Store], check: bool) -> None:
    played = converge(*all_stores, check=check, groundwork_inputs_validated=True)
    assert played.returncode == 0, played.output
    for name in all_stores:
        assert [task for task, result in played.results(name) if result.get("changed")] == []
        tasks = [
            task for task in played.executed(name) if " : " in task and "Validating arguments" not in task
        ]
        assert len(tasks) == 2, tasks


def test_a_run_is_repeated_without_effect_on_the_host(disposable_store: Store) -> None:
    assert disposable_store.host.output("groundwork-ipban-store converge").strip() == "Nothing to do."


def test_the_timer_opens_what_has_expired_and_reports(disposable_store: Store) -> None:
    disposable_store.host.output(
        "install -d /var/lib/prometheus/node-exporter; systemctl stop 'groundwork-ipban-store-*.timer'"
    )
    disposable_store.call(
        "SELECT ipban.ban('{192.0.2.1}', 'a test', expires_at => clock_timestamp() + '0.1 s')"
    )
    disposable_store.call("SELECT ipban.ban('{192.0.2.2}', 'a test', source => 'feed', list => 'ssh')")
    both = "systemctl start groundwork-ipban-store-expire.service groundwork-ipban-store-maintain.service"
    disposable_store.host.output(f"sleep 0.2; {both}")
    assert disposable_store.call("SELECT count(*) FROM ipban.whois('192.0.2.1')") == 0
    disposable_store.host.output("systemctl start groundwork-ipban-store-expire.service")
    metrics = disposable_store.host.output(
        "cat /var/lib/prometheus/node-exporter/groundwork_ipban_store.prom"
    )
    values = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
    prefix = "groundwork_ipban_store"
    assert values[f"{prefix}_up"] == "1"
    assert values[prefix + '_bans{list="ssh",source="feed"}'] == "1"
    assert values[f"{prefix}_schema_version"] == disposable_store.sql(
        "SELECT max(version) FROM ipban.migration"
    )
    assert values[f"{prefix}_journal_rows"] == "3"
    now = int(disposable_store.host.output("date +%s"))
    assert now - 20 < int(values[f"{prefix}_last_expire_timestamp_seconds"]) <= now
    assert now - 20 < int(values[f"{prefix}_last_maintain_timestamp_seconds"]) <= now
    assert (
        disposable_store.host.output("systemctl show -P User groundwork-ipban-store-expire.service").strip()
        == "groundwork-ipban-store"
    )


def test_a_server_that_is_away_shows_in_the_metrics(disposable_store: Store) -> None:
    disposable_store.host.output(
        "systemctl stop groundwork-ipban-store-expire.timer postgresql@15-main.service"
    )
    assert disposable_store.host.run("systemctl start groundwork-ipban-store-expire.service").returncode != 0
    assert "groundwork_ipban_store_up 0\n" in disposable_store.host.output(
        "cat /var/lib/groundwork-ipban-store/metrics.prom"
    )
    disposable_store.host.output("systemctl start postgresql@15-main.service")


def test_logins_follow_the_data(disposable_store: Store) -> None:
    session = disposable_store.connect("reader")
    writers = [
        {"name": LOGINS["writer"], "password": ANOTHER},
        VARIABLES["ipban_store_writers"][1],
    ]
    played = converge(HOST, ipban_store_agents=[], ipban_store_writers=writers)
    assert played.returncode == 0, played.output
    assert ANOTHER not in played.output
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="rejects connection"):
        disposable_store.connect("reader")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        disposable_store.connect("writer")
    assert disposable_store.connect("writer", password=ANOTHER).execute("SELECT 1").fetchone() == (1,)
    writers = [{"name": LOGINS["writer"], "password": ANOTHER, "admin": True}]
    assert converge(HOST, ipban_store_writers=writers).returncode == 0
    assert disposable_store.connect("writer", password=ANOTHER).execute(
        "SELECT ipban.withdraw('x')"
    ).fetchone() == (0,)


def test_a_verifier_stands_for_its_password(disposable_store: Store) -> None:
    verifier = disposable_store.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'agent_test'")
    played = converge(HOST, ipban_store_agents=[{"name": "agent_verified", "password": verifier}])
    assert played.returncode == 0, played.output
    assert disposable_store.connect("reader", user="agent_verified").execute("SELECT 1").fetchone() == (1,)


def test_a_login_of_the_sites_is_left_alone(disposable_store: Store) -> None:
    disposable_store.sql("CREATE ROLE shop LOGIN PASSWORD 'x'")
    played = converge(HOST, ipban_store_agents=[{"name": "shop", "password": "only-for-the-test"}])
    assert played.returncode != 0
    assert "the server has a login shop that is not the role's" in message(played)
    assert disposable_store.connect("reader").execute("SELECT 1").fetchone() == (1,)
    disposable_store.sql("DROP ROLE shop")


def test_a_certificate_is_a_login(disposable_store: Store, tmp_path: Path) -> None:
    authority, other = (
        certificate(tmp_path, "authority"),
        certificate(tmp_path, "agent_certified", "authority"),
    )
    agents = [*VARIABLES["ipban_store_agents"], {"name": "agent_certified", "certificate": True}]
    server = certificate(tmp_path, "server", "authority", f"IP:{disposable_store.host.address}")
    played = converge(
        HOST,
        ipban_store_agents=agents,
        ipban_store_tls_client_ca=authority.read_text(),
        ipban_store_tls_certificate=server.read_text(),
        ipban_store_tls_key=server.with_suffix(".key").read_text(),
    )
    assert played.returncode == 0, played.output
    shown = {
        "password": "",
        "channel_binding": "",
        "user": "agent_certified",
        "sslcert": str(other),
        "sslkey": str(other.with_suffix(".key")),
        "sslmode": "verify-full",
        "sslrootcert": str(authority),
    }
    assert disposable_store.connect("reader", **shown).execute("SELECT session_user").fetchone() == (
        "agent_certified",
    )
    with pytest.raises(psycopg.OperationalError, match="certificate authentication failed"):
        disposable_store.connect(
            "reader", **{**shown, "sslcert": str(server), "sslkey": str(server.with_suffix(".key"))}
        )
    with pytest.raises(psycopg.OperationalError, match="certificate"):
        disposable_store.connect("reader", **{**shown, "sslcert": "", "sslkey": "", "sslcertmode": "disable"})
    assert disposable_store.connect("reader").execute("SELECT 1").fetchone() == (1,), (
        "others go on with their passwords"
    )


def certificate(folder: Path, name: str, issuer: str = "", alternative: str = "") -> Path:
    """A certificate with its key beside it; without an issuer an authority's own."""
    path = folder / f"{name}.crt"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={name}",
    ]
    command += ["-keyout", str(path.with_suffix(".key")), "-out", str(path)]
    if issuer:
        signer = folder / f"{issuer}.crt"
        command += [
            "-CA",
            str(signer),
            "-CAkey",
            str(signer.with_suffix(".key")),
            "-addext",
            "basicConstraints=CA:FALSE",
        ]
    if alternative:
        command += ["-addext", f"subjectAltName={alternative}"]
    subprocess.run(command, check=True, capture_output=True)
    path.with_suffix(".key").chmod(0o600)
    return path


def test_another_network_is_refused(disposable_store: Store) -> None:
    played = converge(HOST, ipban_store_clients=["198.51.100.0/24"])
    assert played.returncode == 0, played.output
    with pytest.raises(psycopg.OperationalError, match="rejects connection"):
        disposable_store.connect("reader")
    assert "tcp dport 5432 accept" in disposable_store.host.output("cat /etc/nftables.d/30-ipban_store.nft")
    assert "198.51.100.0/24" in disposable_store.host.output("cat /etc/nftables.d/30-ipban_store.nft")


def test_lists_and_allow_entries_follow_the_data(disposable_store: Store) -> None:
    disposable_store.call("SELECT ipban.allow('{192.0.2.50}', 'by hand')")
    disposable_store.call("SELECT ipban.ban('{192.0.2.1}', 'a test', list => 'web')")
    lists = [{"name": "ssh"}, {"name": "mail", "description": "Mail servers"}]
    played = converge(HOST, ipban_store_lists=lists)
    assert played.returncode != 0
    assert 'list is "web": still has 1 bans; unban them before the list goes' in message(played)
    assert disposable_store.call("SELECT ipban.ban('{192.0.2.2}', 'a test', list => 'web')") == 1
    disposable_store.call("SELECT ipban.unban('{192.0.2.1,192.0.2.2}')")
    allow = [
        {"network": "2001:db8::/48", "reason": "the office"},
        {"network": "192.0.2.60", "reason": "over", "expires_at": "2020-01-01T00:00:00Z"},
    ]
    played = converge(HOST, ipban_store_lists=lists, ipban_store_allow=allow)
    assert played.returncode == 0, played.output
    with pytest.raises(psycopg.Error, match="must be one of all, mail, ssh"):
        disposable_store.call("SELECT ipban.ban('{192.0.2.1}', 'a test', list => 'web')")
    allowed = (
        disposable_store.connect("reader").execute("SELECT text(a) FROM ipban.allowed() AS a").fetchall()
    )
    assert allowed == [("192.0.2.50/32",), ("2001:db8::/48",)]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (
            {"ipban_store_hba_lines": ["hostssl shop shop 198.51.100.0/24 nonsense"]},
            'invalid authentication method "nonsense"',
        ),
        (
            {"ipban_store_server_settings": {"shared_bufers": "64MB"}},
            'unrecognized configuration parameter "shared_bufers"',
        ),
        ({"ipban_store_server_settings": {"max_connections": "many"}}, "max_connections"),
    ],
)
def test_what_the_server_does_not_understand_is_put_back(
    disposable_store: Store, variables: dict[str, Any], said: str
) -> None:
    before = disposable_store.host.output(
        "cat /etc/postgresql/15/main/pg_hba.conf /etc/postgresql/15/main/conf.d/*"
    )
    played = converge(HOST, **variables)
    assert played.returncode != 0
    assert said in message(played)
    assert (
        disposable_store.host.output(
            "cat /etc/postgresql/15/main/pg_hba.conf /etc/postgresql/15/main/conf.d/*"
        )
        == before
    )
    assert disposable_store.connect("reader").execute("SELECT 1").fetchone() == (1,)
    assert disposable_store.sql("SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL") == "0"


def test_removal_leaves_the_data_and_what_was_there_before(disposable_store: Store) -> None:
    disposable_store.call("SELECT ipban.ban('{192.0.2.1}', 'a test')")
    played = converge(HOST, state="absent")
    assert played.returncode == 0, played.output
    left = disposable_store.host.run(
        "find /etc /usr/local /var/lib/groundwork-ipban-store /var/lib/prometheus -name '*ipban*'"
    )
    assert left.stdout == ""
    assert "host    all             all             127.0.0.1/32" in disposable_store.host.output(
        "cat /etc/postgresql/15/main/pg_hba.conf"
    )
    assert disposable_store.host.run("systemctl list-units --all | grep ipban").stdout == ""
    assert disposable_store.sql("SELECT count(*) FROM ipban.ban") == "1"
    assert converge(HOST, state="absent").stats[HOST]["changed"] == 0
    assert converge(HOST).returncode == 0
    assert disposable_store.call("SELECT reason FROM ipban.whois('192.0.2.1')") == "a test"


def test_removal_of_the_data_has_to_be_asked_for(disposable_store: Store) -> None:
    played = converge(HOST, state="absent", ipban_store_remove_data=True)
    assert played.returncode == 0, played.output
    assert disposable_store.sql("SELECT count(*) FROM pg_database WHERE datname = 'ipban'", "postgres") == "0"
    assert (
        disposable_store.sql("SELECT count(*) FROM pg_roles WHERE rolname ~ 'ipban|_test$'", "postgres")
        == "0"
    )


def test_a_server_elsewhere_is_used_and_its_configuration_left_alone(disposable_store: Store) -> None:
    """A second cluster stands for it, with an administrator who is no superuser."""
    converge(HOST, state="absent", ipban_store_remove_data=True)
    disposable_store.host.output(
        "pg_createcluster 15 elsewhere --port 5433 -- --auth-host=scram-sha-256 >/dev/null"
        " && echo 'hostssl all all all scram-sha-256' >> /etc/postgresql/15/elsewhere/pg_hba.conf"
        " && echo \"listen_addresses = '*'\" >> /etc/postgresql/15/elsewhere/conf.d/site.conf"
        " && systemctl daemon-reload && systemctl start postgresql@15-elsewhere"
    )
    keeper = "only-for-the-test-keeper"
    disposable_store.host.run(
        "runuser -u postgres -- psql -qp 5433",
        stdin=f"CREATE ROLE keeper LOGIN CREATEROLE CREATEDB PASSWORD '{keeper}'",
    )
    fingerprint = "sha256sum /etc/postgresql/15/*/*.conf /etc/postgresql/15/*/conf.d/* 2>/dev/null"
    try:
        before = disposable_store.host.output(f"{fingerprint} || true")
        elsewhere = {
            "ipban_store_admin_conninfo": f"host={disposable_store.host.address} port=5433 user=keeper"
            f" password={keeper} dbname=postgres sslmode=require",
            "ipban_store_maintenance_password": "only-for-the-test-timers",
        }
        played = converge(HOST, **elsewhere)
        assert played.returncode == 0, played.output
        assert keeper not in played.output
        assert keeper not in disposable_store.host.output("cat /etc/groundwork/ipban_store/settings.json")
        assert disposable_store.host.output(f"{fingerprint} || true") == before
        assert converge(HOST, **elsewhere).stats[HOST]["changed"] == 0
        # Who is no superuser can't see whether a password is set already.
        again = disposable_store.host.output("groundwork-ipban-store converge").splitlines()
        assert [line for line in again if not line.startswith("set the password of ")] == []
        assert disposable_store.connect("writer", port="5433").execute(
            "SELECT ipban.ban('{192.0.2.1}', 'x')"
        ).fetchone() == (1,)
        disposable_store.host.output(
            "systemctl start groundwork-ipban-store-expire.service groundwork-ipban-store-maintain.service"
        )
        assert "groundwork_ipban_store_up 1\n" in disposable_store.host.output(
            "cat /var/lib/groundwork-ipban-store/metrics.prom"
        )
        disposable_store.host.output(
            "groundwork-ipban-store dump && pg_restore --list /var/backups/groundwork-ipban-store/ipban.dump"
        )
        removed = converge(HOST, state="absent", ipban_store_remove_data=True, **elsewhere)
        assert removed.returncode == 0, removed.output
        assert (
            disposable_store.host.output(
                "runuser -u postgres -- psql -p 5433 -XAtc 'SELECT count(*) FROM pg_database'"
            ).strip()
            == "3"
        )
    finally:
        disposable_store.host.output("pg_dropcluster 15 elsewhere --stop")
