"""The agent's own place for Prometheus to ask, for hosts without a node exporter. One request at a time."""

from __future__ import annotations

import socket
from collections.abc import Callable


class Listener:
    def __init__(self, listen: str, metrics: Callable[[], str]) -> None:
        address, _ignored, port = listen.rpartition(":")
        host = address.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._metrics = metrics
        self._socket = socket.create_server((host, int(port)), family=family, backlog=8)
        self._socket.setblocking(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def answer(self) -> None:
        """Answer one that is waiting. Who is slow gets nothing: bans come first."""
        try:
            connection, _ignored = self._socket.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(0.2)
            try:
                request = connection.recv(4096)
                found = request.startswith(b"GET /metrics ")
                body = (self._metrics() if found else "There is /metrics.\n").encode()
                state = "200 OK" if found else "404 Not Found"
                head = (
                    f"HTTP/1.1 {state}\r\nContent-Type: text/plain; version=0.0.4\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                )
                connection.sendall(head.encode() + body)
            except OSError:
                return
