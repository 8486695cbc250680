"""A TCP connection and datagrams, until the file STOP is there: ``stream.py ADDRESS TCP UDP STOP``.

Prints what became of them: whether the connection lives, its longest silence, and the longest series of lost
datagrams in seconds. All times are of this host's monotonic clock.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

INTERVAL = 0.02


def transfer(address: tuple[str, int], stop: str, said: dict[str, object]) -> None:
    longest, error, received = 0.0, None, 0
    try:
        with socket.create_connection(address, timeout=60) as one:
            said["connected"] = True
            last = time.monotonic()
            while not Path(stop).exists():
                one.sendall(b"x" * 1000)
                wanted = 1000
                while wanted:
                    data = one.recv(wanted)
                    if not data:
                        raise ConnectionError("closed by the other side")
                    wanted -= len(data)
                received += 1000
                now = time.monotonic()
                longest, last = max(longest, now - last), now
                time.sleep(INTERVAL)
    except OSError as failure:
        error = str(failure)
    said["tcp"] = {"error": error, "bytes": received, "silence": longest}


def hear(one: socket.socket, answered: set[int]) -> None:
    """All answers that are there."""
    with suppress(OSError):
        while True:
            answered.add(int(one.recv(64)))


def datagrams(address: tuple[str, int], stop: str, said: dict[str, object]) -> None:
    lost = longest = 0
    number = 0
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(address)
        one.setblocking(False)
        answered: set[int] = set()
        while not Path(stop).exists():
            number += 1
            with suppress(OSError):
                one.send(str(number).encode())
            time.sleep(INTERVAL)
            hear(one, answered)
        time.sleep(0.5)
        hear(one, answered)
    run = 0
    for one_number in range(1, number + 1):
        run = 0 if one_number in answered else run + 1
        lost += one_number not in answered
        longest = max(longest, run)
    said["udp"] = {"sent": number, "lost": lost, "outage": longest * INTERVAL}


def main() -> None:
    host, tcp, udp, stop = sys.argv[1:]
    said: dict[str, object] = {"connected": False}
    threads = [
        threading.Thread(target=transfer, args=((host, int(tcp)), stop, said)),
        threading.Thread(target=datagrams, args=((host, int(udp)), stop, said)),
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    print(json.dumps(said))


main()
