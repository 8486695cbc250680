"""A ban, from the operator's playbook to the packets of the banned on every host, and back."""

from __future__ import annotations

import time

from attack import Target
from conftest import Operator
from waiting import wait_for

SSH = 22
PORT = 8099

ECHO = f"""
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(100):
            self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    address_family = 10
    daemon_threads = True
Server(("::", {PORT}), Echo).serve_forever()
"""

# Opens a connection to each address, then says a word on all of them whenever there is a new file.
TALK = f"""
import os, socket, sys, time
talks = [socket.create_connection((address, {PORT}), timeout=1) for address in sys.argv[1:]]
for word in range(2):
    while not os.path.exists(f"/run/talk-say-{{word}}"):
        time.sleep(0.1)
    for talk in talks:
        try:
            talk.sendall(b"word")
            print("answer" if talk.recv(100) else "end", flush=True)
        except OSError:
            print("silence", flush=True)
"""


def both(host: Target) -> str:
    return f"{host.address},{host.address6}"


def seen(outsider: Target, fleet: tuple[Target, ...], port: int = SSH) -> set[str]:
    return {state for host in fleet for state in outsider.probe(host, port)}


def test_a_ban_cuts_established_connections_and_unban_opens_again(
    fleet: tuple[Target, ...], outsider: Target, operator: Operator
) -> None:
    for host in fleet:
        host.output(
            "cat > /run/echo-server.py; systemd-run --unit=ipban-echo python3 /run/echo-server.py", ECHO
        )
    outsider.output("rm -f /run/talk-say-*; cat > /run/talk.py", TALK)
    addresses = " ".join(f"{host.address} {host.address6}" for host in fleet)
    out = "/run/talk.out"
    try:
        assert wait_for(lambda: seen(outsider, fleet, PORT) == {"open"})
        outsider.output(
            f"systemd-run --unit=ipban-talk --property=StandardOutput=truncate:{out}"
            f" python3 /run/talk.py {addresses}; touch /run/talk-say-0; sleep 2"
        )
        assert outsider.output(f"cat {out}").split() == ["answer"] * 4
        done = operator(ban=both(outsider), reason="talks too much")
        assert done.returncode == 0, done.stdout
        outsider.output("touch /run/talk-say-1; sleep 5")
        assert outsider.output(f"cat {out}").split() == ["answer"] * 4 + ["silence"] * 4
        assert seen(outsider, fleet) == {"silent"}
    finally:
        opened = operator(unban=both(outsider))
        outsider.ssh(command="systemctl stop ipban-talk")
        for host in fleet:
            host.ssh(command="systemctl stop ipban-echo")
    assert opened.returncode == 0, opened.stdout
    assert seen(outsider, fleet) == {"open"}


def test_nobody_else_notices(banned: str, store: Target, importer: Target) -> None:
    assert importer.probe(store, SSH) == ["open", "open"]
    assert store.probe(importer, SSH) == ["open", "open"]


def test_why_tells_reason_actor_source_and_expiry(
    banned: str, fleet: tuple[Target, ...], outsider: Target, operator: Operator
) -> None:
    on_hosts = [host.output(f"ipban why {outsider.address}") for host in fleet]
    for told in (banned, operator(why=outsider.address).stdout, *on_hosts):
        assert "knocks at every door" in told
        assert "operator" in told
        assert time.strftime("%Y-%m-%d", time.gmtime(time.time() + 7200)) in told


def test_a_pause_lets_packets_through_on_one_host_alone(
    banned: str, store: Target, importer: Target, outsider: Target
) -> None:
    try:
        store.output("ipban pause 10m")
        assert outsider.probe(store, SSH) == ["open", "open"]
        assert outsider.probe(importer, SSH) == ["silent", "silent"]
    finally:
        store.output("ipban resume")
    assert outsider.probe(store, SSH) == ["silent", "silent"]


def test_operator_and_allow_list_can_not_be_banned(fleet: tuple[Target, ...], operator: Operator) -> None:
    """The machine that runs this is a management network of the hosts."""
    here = fleet[0].output("echo ${SSH_CONNECTION%% *}")
    try:
        done = operator(ban=f"{here},203.0.113.0/24", reason="by mistake")
        assert done.returncode == 0, done.stdout
        for host in fleet:
            assert f"{here} passes" in host.ssh(command=f"ipban test {here}").stdout
            assert "203.0.113.7 is dropped" in host.ssh(command="ipban test 203.0.113.7").stdout
            assert "203.0.113.200 passes" in host.ssh(command="ipban test 203.0.113.200").stdout
    finally:
        operator(unban=f"{here},203.0.113.0/24")


def test_nonsense_is_refused(operator: Operator) -> None:
    for variables, says in (
        ({}, "must be given as -e ban=ADDRESS"),
        ({"ban": "192.0.2.7"}, "must say why"),
        ({"ban": "192.0.2.7/24", "reason": "x"}, "must be an address, or a network without host bits"),
        ({"ban": "192.0.2.7", "unban": "192.0.2.7", "reason": "x"}, "must be given as -e ban=ADDRESS"),
        ({"ban": "127.0.0.1", "reason": "x"}, "must not touch unspecified, loopback"),
        ({"ban": "45.0.0.0/8", "reason": "x"}, "needs a wide_reason"),
        ({"ban": "192.0.2.7", "reason": "x", "list": "nowhere"}, 'list is "nowhere": must be one of'),
    ):
        done = operator(**variables)
        assert done.returncode != 0, variables
        assert says in " ".join(done.stdout.split()), done.stdout


def test_a_host_that_does_not_follow_is_named(store: Target, importer: Target, operator: Operator) -> None:
    importer.output("systemctl stop groundwork-ipban")
    try:
        done = operator(ban="192.0.2.99", reason="x")
        assert done.returncode != 0
        assert f"agents[{importer.name}]" in done.stdout
        assert f"agents[{store.name}]" not in done.stdout
    finally:
        importer.output("systemctl start groundwork-ipban")
        operator(unban="192.0.2.99")
