"""Tries what standard input asks for, together: ``[["tcp", "192.0.2.1", 443], ["icmp", "192.0.2.1", null]]``.

Prints for each whether it answered.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading

SECONDS = 1.5


def answers(protocol: str, address: str, port: int | None) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if protocol == "icmp":
        return subprocess.run(["ping", "-c1", "-W1", address], capture_output=True).returncode == 0
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as one:
        one.settimeout(SECONDS)
        try:
            one.connect((address, port))
            one.send(b"hello")
            return one.recv(16) == b"hello"
        except OSError:
            return False


def main() -> None:
    asked = json.load(sys.stdin)
    found: list[bool] = [False] * len(asked)

    def try_one(at: int) -> None:
        found[at] = answers(*asked[at])

    threads = [threading.Thread(target=try_one, args=(at,)) for at in range(len(asked))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    print(json.dumps(found))


main()
