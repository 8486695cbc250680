"""Answers on ports of TCP and UDP: ``echo.py tcp/443 udp/53 ... ADDRESS ...``. What it hears, it says.

Without addresses it listens on all; then answers of UDP may come from another one than was asked.
"""

from __future__ import annotations

import selectors
import socket
import sys


def listening(word: str, address: str) -> socket.socket:
    protocol, port = word.split("/")
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    found = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    if address == "::":
        found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((address, int(port)))
    if protocol == "tcp":
        found.listen(64)
    found.setblocking(False)
    return found


def main() -> None:
    selector = selectors.DefaultSelector()
    words = [word for word in sys.argv[1:] if "/" in word]
    addresses = [word for word in sys.argv[1:] if "/" not in word] or ["::"]
    for word in words:
        for address in addresses:
            selector.register(listening(word, address), selectors.EVENT_READ, word.split("/")[0])
    while True:
        for key, _events in selector.select():
            one = key.fileobj
            assert isinstance(one, socket.socket)
            try:
                if key.data == "tcp":
                    connection, _peer = one.accept()
                    selector.register(connection, selectors.EVENT_READ, "connection")
                elif key.data == "udp":
                    data, peer = one.recvfrom(4096)
                    one.sendto(data, peer)
                elif data := one.recv(65536):
                    one.sendall(data)
                else:
                    selector.unregister(one)
                    one.close()
            except OSError:
                if key.data == "connection":
                    selector.unregister(one)
                    one.close()


main()
