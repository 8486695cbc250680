"""Which of many destinations answer.

Standard input: JSON, a list of [protocol, address, port], and the address to ask from where it matters.
Standard output: JSON, a list of booleans.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import sys
from pathlib import Path

# A SYN that was lost in the crowd is sent again after one second.
PATIENCE = 2.5
ASKED_AGAIN = 0.8
Question = tuple[str, str, int, str]


def family_of(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


async def tcp(address: str, port: int, source: str) -> bool:
    _, writer = await asyncio.open_connection(address, port, local_addr=(source, 0) if source else None)
    writer.close()
    return True


async def ask(talk: socket.socket, question: bytes) -> bool:
    """Send until something comes back; an error that comes back is no answer."""
    loop = asyncio.get_running_loop()
    while True:
        await loop.sock_sendall(talk, question)
        try:
            await asyncio.wait_for(loop.sock_recv(talk, 2048), ASKED_AGAIN)
        except asyncio.TimeoutError:
            continue
        return True


async def udp(address: str, port: int, source: str) -> bool:
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as talk:
        talk.setblocking(False)
        talk.bind((source, 0))
        talk.connect((address, port))
        return await ask(talk, b"anybody?")


async def icmp(address: str, _: int, source: str) -> bool:
    """An echo request. The kernel gives a datagram socket only its own answers, and fills in the checksum."""
    six = ":" in address
    protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    with socket.socket(family_of(address), socket.SOCK_DGRAM, protocol) as talk:
        talk.setblocking(False)
        talk.bind((source, 0))
        talk.connect((address, 0))
        return await ask(talk, struct.pack("!BBHHH", 128 if six else 8, 0, 0, 0, 1) + b"anybody?")


ASK = {"tcp": tcp, "udp": udp, "icmp": icmp}


async def answers(question: Question, crowd: asyncio.Semaphore) -> bool:
    protocol, address, port, source = question
    async with crowd:
        try:
            return await asyncio.wait_for(ASK[protocol](address, port, source), PATIENCE)
        except (OSError, asyncio.TimeoutError):
            return False


async def main(questions: list[Question]) -> list[bool]:
    crowd = asyncio.Semaphore(800)
    return await asyncio.gather(*(answers(question, crowd) for question in questions))


Path("/proc/sys/net/ipv4/ping_group_range").write_text(f"0 {os.getgid() + 1}")
asked: list[Question] = [(*one, "")[:4] for one in json.load(sys.stdin)]
print(json.dumps(asyncio.run(main(asked))))
