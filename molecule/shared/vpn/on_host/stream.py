"""Talks all the time, by TCP and by UDP, to something that echoes, and writes down when it heard an answer.

stream.py ADDRESS PORT FILE: a line for each answer, "tcp SECONDS" or "udp SECONDS"; "end SECONDS" when the
connection is over.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time
from pathlib import Path

EVERY = 0.02
address, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
stream = socket.create_connection((address, port), timeout=10)
stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
stream.setblocking(False)
datagrams = socket.socket(family, socket.SOCK_DGRAM)
datagrams.connect((address, port))
datagrams.setblocking(False)
heard = selectors.DefaultSelector()
heard.register(stream, selectors.EVENT_READ, "tcp")
heard.register(datagrams, selectors.EVENT_READ, "udp")
due = time.time()
with Path(path).open("w", buffering=1) as diary:
    while True:
        if time.time() >= due:
            due += EVERY
            for talk in (stream, datagrams):
                try:
                    talk.send(b"still there?")
                except BlockingIOError:
                    pass
                except OSError as error:
                    if talk is stream:
                        diary.write(f"end {time.time()} {error}\n")
                        sys.exit(0)
        for key, _ in heard.select(max(0.0, due - time.time())):
            try:
                data = key.fileobj.recv(65536)  # type: ignore[union-attr]
            except OSError as error:
                data = b"" if key.data == "tcp" else b"refused"
                diary.write(f"error {time.time()} {error}\n")
            if key.data == "tcp" and not data:
                diary.write(f"end {time.time()}\n")
                sys.exit(0)
            if data != b"refused":
                diary.write(f"{key.data} {time.time()}\n")
