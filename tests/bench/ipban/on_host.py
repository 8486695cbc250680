"""Measures on a host what the ban list costs there, and prints one JSON object."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

sys.path.insert(0, "/usr/local/lib/groundwork")
# As in the service's unit.
os.environ["PGPASSFILE"] = "/etc/groundwork/ipban/pgpass"

import psycopg
from ipban import build
from ipban.backends import ipset_messages, nft_messages
from ipban.settings import Settings, load

HERE = Path("/root/bench.py")
ROUNDS = 3
SIZES = {"bench10k": 10_000, "bench100k": 100_000, "bench1m": 1_000_000}
WRITER = "host=10.98.0.11 dbname=ipban user=writer_bench password=only-for-the-benchmark sslmode=require"
READER = "host=10.98.0.11 dbname=ipban user=agent_bench password=only-for-the-benchmark sslmode=require"
CHANGES = 100
DELTAS = 60
SINGLE = 2000
FLEET = 1000
BAN = "SELECT ipban.ban(%s::text[], 'benchmark', %s, %s)"
PEER = """
echo "create peer_$1 hash:ip hashsize $1 maxelem $2 -exist
create peer_new_$1 hash:ip hashsize $1 maxelem $2 -exist
flush peer_new_$1" | ipset restore
runuser -u postgres -- psql -qAt -c "SELECT 'add peer_new_$1 ' || host(ip) FROM peer WHERE size = $1" |
  ipset restore
ipset swap peer_$1 peer_new_$1
ipset destroy peer_new_$1
"""
PEER_TABLE = "DROP TABLE IF EXISTS peer; CREATE TABLE peer (size int, ip inet)"


def addresses(count: int, offset: int = 0) -> list[bytes]:
    """Distinct addresses between 11.0.0.0 and 99.255.255.255 that lie as far apart as random ones."""
    found: list[bytes] = []
    number = offset
    while len(found) < count:
        number += 1
        value = number * 2654435761 % (1 << 32)
        if 11 <= value >> 24 < 100:
            found.append(value.to_bytes(4, "big"))
    return found


def dotted(packed: list[bytes]) -> list[str]:
    return [".".join(map(str, address)) for address in packed]


def seconds(action: Callable[[], object]) -> float:
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


def settings_for(name: str, backend: str) -> Settings:
    """As the role has laid them down, with a list, a backend and a state directory of the benchmark's."""
    return replace(
        load(),
        lists=(name,),
        backend=backend,
        state_directory=mkdtemp(prefix="ipban-bench-"),
        textfile_directory="",
        poll_seconds=3600,
    )


def fill(results: dict[str, Any]) -> None:
    """The lists, by one call each, and the peer's table."""
    with psycopg.connect(WRITER, autocommit=True) as writer:
        for name, count in SIZES.items():
            networks = dotted(addresses(count))
            ban = partial(writer.execute, BAN, (networks, "bench", name))
            results[f"bulk_{name}"] = seconds(ban)
        single = dotted(addresses(SINGLE, offset=50_000_000))
        took = seconds(lambda: [writer.execute(BAN, ([one], "single", "all")) for one in single])
        results["single_bans_per_second"] = SINGLE / took
        writer.execute("SELECT ipban.withdraw('single')")
    psql("postgres", PEER_TABLE)
    for count in SIZES.values():
        lines = "\n".join(f"{count}\t{one}" for one in dotted(addresses(count)))
        psql("postgres", f"COPY peer FROM STDIN;\n{lines}\n\\.\n")
    psql("postgres", "ANALYZE peer")


def psql(database: str, script: str) -> None:
    subprocess.run(
        ["runuser", "-u", "postgres", "--", "psql", "-qAt", "-v", "ON_ERROR_STOP=1", "-d", database],
        input=script,
        text=True,
        check=True,
        cwd="/",
    )


def peer(count: int) -> None:
    """What the field does: text from the database, through a pipe, into ipset restore, then a swap."""
    subprocess.run(["sh", "-eu", "-c", PEER, "peer", str(count), str(count * 2)], check=True, cwd="/")


def floor(backend: Any, packed: bytes) -> float:
    """Seconds of nothing but the kernel's work: a fresh set, prebuilt messages, the swap."""
    loading = backend.begin({"hosts4": len(packed) // 4})
    messages: Any = nft_messages if backend.name == "nft" else ipset_messages
    add = messages.NEW_ELEMENT if backend.name == "nft" else messages.ADD
    target = loading._fresh["hosts4"] if backend.name == "nft" else "groundwork_ban4_new"
    step = 65536 * 4
    ready = [
        list(messages.hosts(add, target, 4, packed[start : start + step]))
        for start in range(0, len(packed), step)
    ]
    send = backend._batch if backend.name == "nft" else backend._send

    def work() -> None:
        for requests in ready:
            send(requests)
        loading.commit()

    return seconds(work)


def loads(name: str, count: int, backend_name: str) -> dict[str, Any]:
    """The same list in turn by the floor, a resident agent, an agent that is started for it, and the peer."""
    packed = b"".join(sorted(addresses(count)))
    settings = settings_for(name, backend_name)
    resident = build.parts(settings)
    resident.engine.start()
    resident.store.connect()
    resident.engine.full("benchmark")
    rows: list[dict[str, float]] = []
    for _ in range(ROUNDS):
        # The one that is started for it has swapped the sets.
        resident.backend.attach()
        row = {"floor": floor(resident.backend, packed)}
        row["resident"] = seconds(lambda: resident.engine.full("benchmark"))
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, str(HERE), "once", name, backend_name],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        row["one_shot"] = time.monotonic() - began
        row["one_shot_peak"] = float(done.stdout)
        if backend_name == "ipset":
            row["peer"] = seconds(lambda: peer(count))
        rows.append(row)
    resident.backend.remove()
    resident.store.close()
    shutil.rmtree(settings.state_directory)
    return {key: [row[key] for row in rows] for key in rows[0]}


def once(name: str, backend_name: str) -> None:
    """One full load by a process that is started for it; prints the most memory that it had, in MiB."""
    settings = settings_for(name, backend_name)
    parts = build.parts(settings)
    parts.engine.start()
    parts.store.connect()
    parts.engine.full("benchmark")
    shutil.rmtree(settings.state_directory)
    print(memory("self")["VmHWM"])


def deltas(backend_name: str) -> dict[str, Any]:
    """Milliseconds from the commit of 100 bans until the kernel has them, with a million banned already."""
    settings = settings_for("bench1m", backend_name)
    path = Path(settings.state_directory) / "agent.json"
    given = json.loads(Path("/etc/groundwork/ipban/agent.json").read_text())
    given.update(
        lists=["bench1m"],
        backend=backend_name,
        state_directory=settings.state_directory,
        textfile_directory="",
        poll_seconds=3600,
    )
    path.write_text(json.dumps(given))
    service = subprocess.Popen(
        ["/usr/local/sbin/ipban", "--settings", str(path), "run"], stderr=subprocess.DEVNULL
    )
    try:
        kernel = build.open_backend(backend_name, build.policy(settings))
        last = addresses(SIZES["bench1m"])[-1]
        until(lambda: kernel.attach() and known(kernel, last), 60)
        # What follows a start (counts, the state file) is over by then.
        time.sleep(3)
        milliseconds = list(changes(kernel))
        used = memory(service.pid)
    finally:
        service.terminate()
        service.wait()
        kernel.remove()
        shutil.rmtree(settings.state_directory)
    return {"milliseconds": milliseconds, "rss": used["VmRSS"], "rss_peak": used["VmHWM"]}


def memory(process: int | str) -> dict[str, float]:
    """MiB by the kernel's names. getrusage() would give a child what its parent had."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if "kB" in line}


def changes(kernel: Any) -> Iterator[float]:
    with psycopg.connect(WRITER, autocommit=True) as writer:
        for number in range(DELTAS):
            packed = addresses(CHANGES, offset=60_000_000 + number * 1000)
            networks = dotted(packed)
            writer.execute(BAN, (networks, "delta", "all"))
            begun = time.monotonic()
            until(partial(known, kernel, packed[-1]), 30)
            yield (time.monotonic() - begun) * 1000
            assert all(known(kernel, one) for one in packed)
            time.sleep(0.05)
        writer.execute("SELECT ipban.withdraw('delta')")


def known(kernel: Any, address: bytes) -> bool:
    return "hosts4" in kernel.contains(address)


def until(holds: Callable[[], bool], limit: float) -> None:
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > limit:
            raise TimeoutError(f"not within {limit} s")
        # A loop that asks all the time would take the processor that the answer needs.
        time.sleep(0.0002)


async def fleet() -> dict[str, float]:
    """So many agents with connections of their own: from a commit until the last has read its delta."""
    connections = []
    for _ in range(FLEET):
        connection = await psycopg.AsyncConnection.connect(READER, autocommit=True)
        await connection.execute("LISTEN ipban")
        connections.append(connection)
    cursor = await connections[0].execute("SELECT generation, stamp FROM ipban.head()")
    head = await cursor.fetchone()

    async def follow(connection: Any) -> float:
        async for _ in connection.notifies(stop_after=1):
            pass
        cursor = await connection.execute("SELECT * FROM ipban.delta(%s, %s, '{all}')", head)
        await cursor.fetchall()
        return time.monotonic()

    tasks = [asyncio.create_task(follow(connection)) for connection in connections]
    await asyncio.sleep(1)
    async with await psycopg.AsyncConnection.connect(WRITER, autocommit=True) as writer:
        await writer.execute("SELECT ipban.ban('{11.22.33.44}', 'benchmark', 'fleet')")
        committed = time.monotonic()
        ended = sorted([await task - committed for task in tasks])
        await writer.execute("SELECT ipban.withdraw('fleet')")
    for connection in connections:
        await connection.close()
    return {"median": statistics.median(ended), "last": ended[-1]}


def main() -> None:
    if sys.argv[1:2] == ["once"]:
        once(*sys.argv[2:4])
        return
    results: dict[str, Any] = {}
    fill(results)
    for backend_name in ("nft", "ipset"):
        results[backend_name] = {
            str(count): loads(name, count, backend_name) for name, count in SIZES.items()
        }
        results[backend_name]["deltas"] = deltas(backend_name)
    results["fleet"] = {"agents": FLEET, **asyncio.run(fleet())}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
