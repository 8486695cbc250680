"""Opens one TCP connection and keeps it, silent: ``hold.py ADDRESS PORT``."""

from __future__ import annotations

import socket
import sys
import time

with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20) as one:
    one.sendall(b"x")
    one.recv(1)
    time.sleep(300)
