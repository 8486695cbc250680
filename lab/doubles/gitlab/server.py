"""The server: connections that stay open, faults, rate limits, and a record of every request."""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path

from lab.doubles.gitlab.faults import Faults
from lab.doubles.gitlab.seed import seed
from lab.doubles.gitlab.state import State
from lab.doubles.gitlab.wire import Handler

VERSION = "18.10.0"


@dataclass(frozen=True)
class Recorded:
    """A request as it came: ``route`` is the template that it matched, or empty."""

    method: str
    path: str
    route: str
    status: int
    user: str

    @property
    def write(self) -> bool:
        return self.method not in ("GET", "HEAD")


class Requests:
    """All requests since the start or the last :meth:`clear`, in the order in which they were answered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Recorded] = []

    def add(self, recorded: Recorded) -> None:
        with self._lock:
            self._all.append(recorded)

    def clear(self) -> None:
        with self._lock:
            self._all.clear()

    def __iter__(self) -> Iterator[Recorded]:
        with self._lock:
            return iter(list(self._all))

    def __len__(self) -> int:
        with self._lock:
            return len(self._all)

    def count(self, method: str = "", route: str = "", status: int = 0) -> int:
        return sum(
            (not method or each.method == method)
            and (not route or each.route == route)
            and (not status or each.status == status)
            for each in self
        )

    @property
    def writes(self) -> list[Recorded]:
        return [each for each in self if each.write]


@dataclass(frozen=True)
class RateLimit:
    """``requests`` of one token in ``seconds``; what is over it is answered 429 with ``Retry-After``."""

    requests: int
    seconds: float


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    # Connections of a whole pool arrive at once.
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], double: Server) -> None:
        self.double = double
        self.open_connections: set[socket.socket] = set()
        super().__init__(address, Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)  # noqa: S101  # for the type checker: the base class is vague
        self.open_connections.discard(request)
        super().shutdown_request(request)


class Server:
    """The double, in this process. Use it as a context, or call :meth:`start` and :meth:`close`.

    root_token: the administrator's; made up when it is not given. edition: ``ce`` or ``ee``. latency: seconds
    that every answer is kept back, as a network does. file: where the state is kept between two starts.
    certificate: a PEM file with key, for HTTPS. public_url: by what others reach it, for the addresses in
    answers.
    """

    def __init__(
        self,
        address: str = "127.0.0.1",
        port: int = 0,
        *,
        root_token: str = "",
        edition: str = "ce",
        version: str = VERSION,
        latency: float = 0,
        file: Path | None = None,
        rate_limit: RateLimit | None = None,
        certificate: Path | None = None,
        public_url: str = "",
    ) -> None:
        if edition not in ("ce", "ee"):
            raise ValueError(f"edition is {edition}: must be ce or ee")
        self.edition = edition
        self.version = f"{version}-double"
        self.latency = latency
        self.rate_limit = rate_limit
        self.faults = Faults()
        self.requests = Requests()
        # Parameters that no route declares: GitLab ignores them, so that a typing error stays unseen.
        self.unknown_parameters: list[str] = []
        # Tracebacks of mistakes in the double itself; what was asked is answered 500.
        self.errors: list[str] = []
        # (route, status, body) of answers once it is a list: for tests that hold them to the API document.
        self.answers: list[tuple[str, int, object]] | None = None
        self.state = State(file)
        if self.state.empty:
            self.root_token = root_token or f"glpat-{secrets.token_hex(10)}"
            seed(self.state, self.root_token)
        else:
            self.root_token = str(self.state.rows("tokens")["1"]["token"])
        self._spent: dict[str, list[float]] = {}
        self._listener = _Listener((address, port), self)
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._listener.socket = context.wrap_socket(self._listener.socket, server_side=True)
            scheme = "https"
        self.port = int(self._listener.server_address[1])
        self.url = public_url or f"{scheme}://{address}:{self.port}"
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def start(self) -> None:
        for target in (lambda: self._listener.serve_forever(poll_interval=0.05), self._keep):
            thread = threading.Thread(target=target, daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Stop listening, end what is still connected, keep the state."""
        self._stop.set()
        if self._threads:
            self._listener.shutdown()
        self._listener.server_close()
        for connection in list(self._listener.open_connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self.state.save()

    def limited(self, secret: str) -> dict[str, str]:
        """Spend one request of a token: the headers that tell what is left, or ``Retry-After`` in them."""
        if self.rate_limit is None:
            return {}
        moment = time.time()
        with self.state.lock:
            recent = [at for at in self._spent.get(secret, []) if at > moment - self.rate_limit.seconds]
            left = self.rate_limit.requests - len(recent)
            if left > 0:
                recent.append(moment)
            self._spent[secret] = recent
        ends = recent[0] + self.rate_limit.seconds
        headers = {
            "RateLimit-Limit": str(self.rate_limit.requests),
            "RateLimit-Remaining": str(max(left - 1, 0)),
            "RateLimit-Reset": str(int(ends) + 1),
        }
        return headers if left > 0 else headers | {"Retry-After": str(max(1, int(ends - moment) + 1))}

    def _keep(self) -> None:
        """Write the state soon after it changed; not for every change, or a bulk load would write it a
        thousand times."""
        while not self._stop.wait(0.5):
            self.state.save()
