"""Answers on the ports named, TCP and UDP, with what it is sent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        self.transport.sendto(data, source)  # type: ignore[attr-defined]


async def serve(ports: list[int]) -> None:
    loop = asyncio.get_running_loop()
    for port in ports:
        # One socket for each family: the answer has to come from the address that was asked.
        for family, everywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104  # because all the host's addresses are asked
            await asyncio.start_server(talk, everywhere, port, family=family, backlog=1024)
            datagrams = socket.socket(family, socket.SOCK_DGRAM)
            if family == socket.AF_INET6:
                datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            datagrams.bind((everywhere, port))
            await loop.create_datagram_endpoint(Datagrams, sock=datagrams)
    await asyncio.Event().wait()


asyncio.run(serve([int(port) for port in sys.argv[1:]]))
