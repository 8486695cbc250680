"""A run of a feed against a real HTTP server: what is fetched, kept and handed over, or changes nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import gzip
import hashlib
import http.server
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ipban.importers import feeds, state
from ipban.importers.networks import RefusedError
from ipban.importers.settings import Feed, Settings
from ipban.importers.store import StoreError

GOOD = "\n".join(f"192.0.2.{n}" for n in range(200)) + "\n"


class Server(http.server.ThreadingHTTPServer):
    """Answers with ``files``; counts requests, and 304 answers by ETag."""

    files: dict[str, bytes]
    requests: list[tuple[str, int]]
    redirects: dict[str, str]
    drip: float = 0.0
    cut: bool = False


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path in self.server.redirects:
            self.send_response(302)
            self.send_header("Location", self.server.redirects[self.path])
            self.end_headers()
            return
        content = self.server.files.get(self.path)
        if content is None:
            self._answer(404)
            return
        etag = f'"{hashlib.sha256(content).hexdigest()[:8]}"'
        if self.headers.get("If-None-Match") == etag:
            self._answer(304)
            return
        self.server.requests.append((self.path, 200))
        self.send_response(200)
        self.send_header("ETag", etag)
        if not self.server.drip:
            self.send_header("Content-Length", str(len(content) * (2 if self.server.cut else 1)))
        self.end_headers()
        with contextlib.suppress(OSError):
            for start in range(0, len(content), 64):
                self.wfile.write(content[start : start + 64])
                time.sleep(self.server.drip)

    def _answer(self, code: int) -> None:
        self.server.requests.append((self.path, code))
        self.send_response(code)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class FakeStore:
    """Remembers calls; refuses when told to."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.error: Exception | None = None

    def replace(
        self,
        networks: list[str],
        source: str,
        list_name: str,
        reason: str,
        expires_at: datetime.datetime | None,
        max_change: float | None,
    ) -> int:
        if self.error:
            raise self.error
        self.calls.append(
            {"networks": networks, "expires_at": expires_at, "max_change": max_change}
            | {"source": source, "list": list_name, "reason": reason}
        )
        return len(networks)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as served:
        served.files, served.requests = {"/feed": GOOD.encode()}, []
        served.redirects = {"/redirect": "/feed"}
        threading.Thread(target=served.serve_forever, args=(0.05,), daemon=True).start()
        yield served
        served.shutdown()


@pytest.fixture
def secure(server: Server, feed: Feed, tmp_path: Path) -> Feed:
    """The feed over https, with a certificate that its own file vouches for."""
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "1", "-subj", "/CN=feed", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return dataclasses.replace(feed, url=feed.url.replace("http:", "https:"))


@pytest.fixture
def found(tmp_path: Path) -> Settings:
    return Settings("", ("198.51.100.0/24",), state_directory=tmp_path, textfile_directory=tmp_path)


@pytest.fixture
def feed(server: Server) -> Feed:
    url = f"http://127.0.0.1:{server.server_address[1]}/feed"
    return Feed("drop", url, "drop", "all", "drop list", timeout=5)


def test_the_whole_feed_goes_to_the_store_in_one_call(feed: Feed, found: Settings) -> None:
    store = FakeStore()
    done = feeds.run(feed, found, store)
    (call,) = store.calls
    assert (len(call["networks"]), done.entries, done.changed) == (200, 200, 200)
    assert call["max_change"] == feed.max_change
    assert (call["source"], call["list"], call["reason"]) == ("drop", "all", "drop list")
    left = call["expires_at"] - datetime.datetime.now(datetime.timezone.utc)
    assert left == pytest.approx(datetime.timedelta(days=7), abs=datetime.timedelta(seconds=5))


def test_what_has_not_changed_is_not_fetched_again_but_held_against_the_store(
    feed: Feed, found: Settings, server: Server
) -> None:
    store = FakeStore()
    feeds.run(feed, found, store)
    feeds.run(feed, found, store)
    assert server.requests == [("/feed", 200), ("/feed", 304)]
    # The same expiry again: a second run changes no row.
    assert store.calls[0] == store.calls[1]


def test_the_expiry_is_renewed_when_half_of_it_has_gone(
    feed: Feed, found: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FakeStore()
    feeds.run(feed, found, store)
    now = time.time()
    monkeypatch.setattr(feeds.time, "time", lambda: now + 4 * 86400)
    feeds.run(feed, found, store)
    first, second = (call["expires_at"] for call in store.calls)
    assert second - first == pytest.approx(datetime.timedelta(days=4), abs=datetime.timedelta(seconds=5))


def test_bans_without_an_end(feed: Feed, found: Settings) -> None:
    store = FakeStore()
    feeds.run(dataclasses.replace(feed, expires_in=0), found, store)
    assert store.calls[0]["expires_at"] is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<html><body>502 Bad Gateway</body></html>", "it is a page"),
        (GOOD.encode() + b"10.0.0.1\n", "line 201: 10.0.0.1: must not hold private"),
        (GOOD.encode() + b"198.51.100.7\n", "line 201: 198.51.100.7: must not hold networks of our own"),
        (b"", "must have at least 1 (min_entries)"),
        (
            "".join(f"45.0.{n // 256}.{n % 256}\n" for n in range(2000)).encode(),
            "has 2000 entries after 200: must not change by more than the factor 2",
        ),
    ],
)
def test_a_bad_feed_changes_nothing(
    content: bytes, says: str, feed: Feed, found: Settings, server: Server
) -> None:
    store = FakeStore()
    feeds.run(feed, found, store)
    kept = state.Memory(found, "drop")
    before, succeeded = kept.networks(), kept.state().succeeded_at
    server.files["/feed"] = content
    with pytest.raises(RefusedError) as refused:
        feeds.run(feed, found, store)
    assert says in str(refused.value)
    assert len(store.calls) == 1
    assert kept.networks() == before
    assert (kept.state().succeeded_at, kept.state().error) == (succeeded, str(refused.value))
    # The next good run takes up where the last good one was.
    server.files["/feed"] = GOOD.encode()
    feeds.run(feed, found, store)
    assert kept.state().error == ""


def test_an_unusual_size_can_be_accepted_once(feed: Feed, found: Settings, server: Server) -> None:
    store = FakeStore()
    feeds.run(feed, found, store)
    server.files["/feed"] = "".join(f"45.0.{n // 256}.{n % 256}\n" for n in range(2000)).encode()
    assert feeds.run(feed, found, store, accept=True).entries == 2000
    assert store.calls[-1]["max_change"] is None
    assert feeds.run(feed, found, store).entries == 2000


def test_a_store_that_is_away_leaves_the_last_good_state(feed: Feed, found: Settings) -> None:
    store = FakeStore()
    store.error = StoreError("the store: connection refused")
    with pytest.raises(StoreError):
        feeds.run(feed, found, store)
    assert state.Memory(found, "drop").networks() is None
    store.error = None
    assert feeds.run(feed, found, store).entries == 200


def test_another_way_to_read_a_feed_fetches_it_anew(feed: Feed, found: Settings, server: Server) -> None:
    store = FakeStore()
    feeds.run(feed, found, store)
    feeds.run(dataclasses.replace(feed, ignore=("192.0.2.0/25",)), found, store)
    assert server.requests == [("/feed", 200), ("/feed", 200)]
    assert len(store.calls[1]["networks"]) == 72


def test_a_torn_state_is_no_state(feed: Feed, found: Settings, server: Server) -> None:
    store = FakeStore()
    feeds.run(feed, found, store)
    kept = found.state_directory / "drop.list"
    kept.write_text(kept.read_text()[:100])
    feeds.run(feed, found, store)
    assert server.requests == [("/feed", 200), ("/feed", 200)]


def test_too_many_bytes_end_the_download(feed: Feed, found: Settings, server: Server) -> None:
    with pytest.raises(RefusedError, match="bytes: must have at most 100"):
        feeds.run(dataclasses.replace(feed, max_bytes=100), found, FakeStore())
    server.drip = 0.001
    with pytest.raises(RefusedError, match=r"has more than 100 bytes \(max_bytes\)"):
        feeds.run(dataclasses.replace(feed, max_bytes=100), found, FakeStore())


def test_a_server_that_drips_takes_too_long(feed: Feed, found: Settings, server: Server) -> None:
    server.drip = 0.3
    with pytest.raises(RefusedError, match="took too long"):
        feeds.run(dataclasses.replace(feed, timeout=1), found, FakeStore())


def test_a_short_read_is_an_error(feed: Feed, found: Settings, server: Server) -> None:
    server.cut = True
    with pytest.raises(RefusedError, match=r"ended after|can't be fetched"):
        feeds.run(feed, found, FakeStore())


def test_compressed_feeds_have_the_same_limit(feed: Feed, found: Settings, server: Server) -> None:
    server.files["/feed"] = gzip.compress(GOOD.encode())
    assert feeds.run(feed, found, FakeStore()).entries == 200
    server.files["/feed"] = gzip.compress(b"192.0.2.7\n" * 1_000_000)
    with pytest.raises(RefusedError, match=r"has more than 100000 bytes unpacked"):
        feeds.run(dataclasses.replace(feed, max_bytes=100_000), found, FakeStore())
    server.files["/feed"] = gzip.compress(GOOD.encode())[:-20]
    with pytest.raises(RefusedError, match="the end is missing"):
        feeds.run(feed, found, FakeStore())


def test_checksums(feed: Feed, found: Settings, server: Server) -> None:
    digest = hashlib.sha256(GOOD.encode()).hexdigest()
    published = dataclasses.replace(feed, checksum_url=feed.url + ".sha256")
    server.files["/feed.sha256"] = f"{digest}  feed\n".encode()
    assert feeds.run(published, found, FakeStore()).entries == 200
    server.files["/feed"] = GOOD.encode() + b"192.0.2.250\n"
    with pytest.raises(RefusedError, match=f"has the checksum .*: must have {digest}"):
        feeds.run(published, found, FakeStore())
    server.files["/feed.sha256"] = b"not today"
    with pytest.raises(RefusedError, match="must hold a checksum of SHA-256"):
        feeds.run(published, found, FakeStore())
    with pytest.raises(RefusedError, match="must have 0000"):
        feeds.run(dataclasses.replace(feed, sha256="0" * 64), found, FakeStore())


def test_an_error_of_the_server_is_said(feed: Feed, found: Settings) -> None:
    with pytest.raises(RefusedError, match="the server answered 404"):
        feeds.run(dataclasses.replace(feed, url=feed.url + "/gone"), found, FakeStore())
    with pytest.raises(RefusedError, match="can't be fetched"):
        feeds.run(dataclasses.replace(feed, url="http://127.0.0.1:1/"), found, FakeStore())


def test_https_needs_a_certificate_that_somebody_vouches_for(
    secure: Feed, found: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FakeStore()
    with pytest.raises(RefusedError, match="certificate verify failed"):
        feeds.run(secure, found, store)
    assert not store.calls
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    feeds.run(secure, found, store)
    assert len(store.calls) == 1


def test_https_never_leads_to_http(
    secure: Feed, server: Server, found: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    server.redirects["/feed"] = secure.url.replace("https:", "http:")
    with pytest.raises(RefusedError, match="must stay https"):
        feeds.run(secure, found, FakeStore())


def test_a_redirect_is_followed(feed: Feed, found: Settings) -> None:
    assert feeds.run(
        dataclasses.replace(feed, url=feed.url.replace("/feed", "/redirect")), found, FakeStore()
    )


def test_a_file_is_a_feed(feed: Feed, found: Settings, tmp_path: Path) -> None:
    (tmp_path / "blocklist").write_text(GOOD)
    local = dataclasses.replace(feed, url=f"file://{tmp_path}/blocklist")
    assert feeds.run(local, found, FakeStore()).entries == 200
    with pytest.raises(RefusedError, match="can't be fetched"):
        feeds.run(dataclasses.replace(local, url="file:///nowhere/blocklist"), found, FakeStore())


def test_metrics_tell_of_every_feed(feed: Feed, found: Settings) -> None:
    found = dataclasses.replace(found, feeds=(feed, dataclasses.replace(feed, name="never")))
    feeds.run(feed, found, FakeStore())
    state.write_metrics(found)
    path = found.textfile_directory / "groundwork_ipban_import.prom"
    assert 'groundwork_ipban_import_entries{feed="drop"} 200' in path.read_text().splitlines()
    assert 'groundwork_ipban_import_last_success_timestamp_seconds{feed="never"} 0' in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o644
