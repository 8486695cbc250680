"""Who is protected: the fixed, the found, and who is logged in; not who only knocks."""

from __future__ import annotations

from pathlib import Path

import pytest
from ipban.guards import Guards
from ipban.sessions import Sessions
from ipban.settings import Guard
from ipban_fakes import Clock, Logged, allowed

PEER, KNOCKER = bytes((203, 0, 113, 5)), bytes((198, 51, 100, 9))
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(own_port: int, peer: bytes, port: int = 50000, state: str = "01") -> str:
    return f"   0: 0100007F:{own_port:04X} {peer[::-1].hex().upper()}:{port:04X} {state} 0 0 0 0 0 0\n"


class Machine:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = Clock()
        for folder in ("proc/net", "etc/ssh/sshd_config.d", "run/systemd/sessions"):
            (root / folder).mkdir(parents=True)
        self.sessions = Sessions(self.clock, root)

    def connections(self, *rows: str) -> None:
        (self.root / "proc/net/tcp").write_text(HEAD + "".join(rows))

    def processes(self, *titles: str) -> None:
        for number, title in enumerate(titles):
            folder = self.root / "proc" / str(100 + number)
            folder.mkdir(exist_ok=True)
            (folder / "cmdline").write_bytes(title.encode().replace(b" ", b"\0"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_who_knocks_is_not_logged_in(machine: Machine) -> None:
    machine.connections(row(22, KNOCKER))
    assert machine.sessions.peers() == set()


def test_a_connection_that_outlives_the_grace_time_is_a_session(machine: Machine) -> None:
    machine.connections(row(22, PEER))
    machine.sessions.peers()
    machine.clock.now += 151
    assert machine.sessions.peers() == {PEER}
    machine.connections()
    assert machine.sessions.peers() == set()


def test_one_who_knocks_again_and_again_does_not_get_old(machine: Machine) -> None:
    for port in range(50000, 50004):
        machine.connections(row(22, KNOCKER, port))
        assert machine.sessions.peers() == set()
        machine.clock.now += 100


def test_sessions_that_are_all_proven_count_at_once(machine: Machine) -> None:
    machine.connections(row(22, PEER), row(443, KNOCKER), row(22, KNOCKER, state="06"))
    machine.processes("sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", "sshd: root@pts/0")
    assert machine.sessions.peers() == {PEER}


@pytest.mark.parametrize(
    "title", ["sshd: root [net]", "sshd: [accepted]", "sshd-auth: root [net]", "sshd-session: root [preauth]"]
)
def test_with_one_at_the_door_none_counts_at_once(machine: Machine, title: str) -> None:
    machine.connections(row(22, PEER), row(22, KNOCKER))
    machine.processes("sshd-session: root@notty", title)
    assert machine.sessions.peers() == set()


def test_other_ports_of_sshd(machine: Machine) -> None:
    (machine.root / "etc/ssh/sshd_config.d/10.conf").write_text("# Port 1\nPort 2222\n")
    machine.connections(row(2222, PEER), row(1, KNOCKER))
    machine.processes("sshd: root@pts/0")
    assert machine.sessions.peers() == {PEER}


def test_sessions_of_logind(machine: Machine) -> None:
    folder = machine.root / "run/systemd/sessions"
    (folder / "1").write_text("UID=0\nREMOTE=1\nREMOTE_HOST=203.0.113.5\nSTATE=active\n")
    (folder / "2").write_text("REMOTE=1\nREMOTE_HOST=somewhere.example\nSTATE=active\n")
    (folder / "3").write_text("REMOTE=0\nSTATE=active\n")
    (folder / "4").write_text("REMOTE=1\nREMOTE_HOST=198.51.100.9\nSTATE=closing\n")
    assert machine.sessions.peers() == {PEER}


def test_ipv6_and_what_is_mapped_into_it(machine: Machine) -> None:
    machine.processes("sshd: root@pts/0")
    peer6 = "B80D0120000000000000000007000000"
    mapped = "0000000000000000FFFF0000057100CB"
    zero = "0" * 32
    (machine.root / "proc/net/tcp6").write_text(
        HEAD + f"  0: {zero}:0016 {peer6}:C350 01 0\n" + f"  1: {zero}:0016 {mapped}:C351 01 0\n"
    )
    assert machine.sessions.peers() == {bytes.fromhex("20010db8000000000000000000000007"), PEER}


def test_a_machine_that_shows_nothing(tmp_path: Path) -> None:
    assert Sessions(Clock(), tmp_path / "nowhere").peers() == set()


def guards(settings: Guard, log: Logged | None = None) -> Guards:
    return Guards(
        settings,
        lambda: {PEER},
        log or Logged(),
        own=lambda: {b"\x0a\0\0\2"},
        gateways=lambda: {b"\x0a\0\0\1"},
    )


def test_everything_that_is_protected() -> None:
    found = guards(Guard(networks=("10.90.0.0/24",))).protected(
        allowed("192.0.2.0/24", "192.0.2.9/32", "2001:db8::1/128"), [b"\x0a\0\0\3"]
    )
    assert len(found.networks["allow4"]) == 5 * 7
    assert found.hosts["hosts4"] == sorted(
        [b"\x0a\0\0\1", b"\x0a\0\0\2", b"\x0a\0\0\3", PEER, bytes((192, 0, 2, 9))]
    )
    assert len(found.hosts["hosts6"]) == 1


def test_guards_can_be_switched_off() -> None:
    off = Guard(own_addresses=False, gateway=False, store=False, ssh_peers=False)
    found = guards(off).protected(allowed(), [b"\x0a\0\0\3"])
    assert found.networks == {"allow4": b"", "allow6": b""}


def test_a_source_that_fails_keeps_what_it_gave() -> None:
    answers: list[object] = [{b"\x0a\0\0\2"}, OSError(1, "not permitted")]

    def own() -> set[bytes]:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer  # type: ignore[return-value]

    log = Logged()
    settings = Guard(gateway=False, store=False, ssh_peers=False)
    made = Guards(settings, lambda: set(), log, own=own, gateways=lambda: set())
    first = made.protected(allowed(), [])
    assert made.protected(allowed(), []) == first
    assert log.events() == ["guard_failed"]
