"""From a request on the wire to a route, and from its answer back."""

from __future__ import annotations

import contextlib
import email.parser
import email.policy
import json
import re
import socket
import time
import traceback
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from lab.doubles.gitlab import resources as resources  # imported for its routes
from lab.doubles.gitlab.api import ApiError, Caller, Raw, Request, Upload, bad_parameter, match, not_found
from lab.doubles.gitlab.auth import caller_of, check_level, check_scope
from lab.doubles.gitlab.lookup import find_group, find_project
from lab.doubles.gitlab.paging import page

if TYPE_CHECKING:
    from lab.doubles.gitlab.server import Server

API = "/api/v4"
# Known to every route, whether its declaration lists them or not.
GENERAL = frozenset(("page", "per_page", "pagination"))
HEALTH = {
    "/-/health": b"GitLab OK (double)",
    "/-/liveness": b'{"status":"ok"}',
    "/-/readiness": b'{"status":"ok","master_check":[{"status":"ok"}]}',
}


class Answer:
    """Status, headers and body, ready to be sent."""

    def __init__(self, status: int, body: Any = None, headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.headers = dict(headers or {})
        self.value = None if status == 204 else body
        if isinstance(body, Raw):
            self.content = body.content
            self.headers = {"Content-Type": body.content_type, **body.headers, **self.headers}
        elif body is None or status == 204:
            self.content = b""
        else:
            self.content = json.dumps(body).encode()
            self.headers.setdefault("Content-Type", "application/json")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "gitlab-double"
    disable_nagle_algorithm = True
    wbufsize = -1

    @property
    def double(self) -> Server:
        return self.server.double  # type: ignore[attr-defined, no-any-return]  # the listener that made us

    def setup(self) -> None:
        super().setup()
        self.server.open_connections.add(self.request)  # type: ignore[attr-defined]  # the listener that made us

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are recorded, not printed."""

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        if self.double.latency:
            time.sleep(self.double.latency)
        fault = self.double.faults.take(self.command, self.path)
        route = user = ""
        if fault and fault.delay:
            time.sleep(fault.delay)
        if fault and fault.cut == "before":
            self._record(route, 0, user)
            self._cut()
            return
        if fault and fault.status:
            wait = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            answer = Answer(fault.status, {"message": f"{fault.status} (a fault of the double)"}, wait)
        else:
            answer, route, user = self._answer(body)
        self._record(route, answer.status, user)
        if fault and fault.cut == "after":
            self._cut()
            return
        self._send(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815  # the base calls them

    def _record(self, route: str, status: int, user: str) -> None:
        from lab.doubles.gitlab.server import Recorded

        self.double.requests.add(Recorded(self.command, self.path, route, status, user))

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.content)
        self.wfile.flush()

    def _answer(self, body: bytes) -> tuple[Answer, str, str]:
        path = urlsplit(self.path).path
        if path in HEALTH:
            return Answer(200, Raw(HEALTH[path], "text/plain")), "", ""
        if not path.startswith(f"{API}/"):
            return Answer(404, {"error": "404 Not Found"}), "", ""
        secret = self._secret()
        limits = self.double.limited(secret)
        if "Retry-After" in limits:
            text = Raw(b"Retry later\n", "text/plain")
            return Answer(429, text, limits), "", ""
        found = match(self.command, [unquote(part) for part in path[len(API) :].strip("/").split("/")])
        if found is None or (found[0].enterprise and self.double.edition == "ce"):
            return Answer(404, {"error": "404 Not Found"}, limits), "", ""
        route, args = found
        user = ""
        with self.double.state.lock:
            try:
                open_to_all = "anonymous" in route.scopes
                caller = Caller({}, {}) if open_to_all else caller_of(self.double.state, secret)
                user = str(caller.user.get("username", ""))
                if not open_to_all:
                    check_scope(route, caller)
                query = parse_qsl(urlsplit(self.path).query, keep_blank_values=True)
                request = Request(
                    method=self.command,
                    args=args,
                    params=parameters(query, self.headers.get("Content-Type", ""), body),
                    state=self.double.state,
                    caller=caller,
                    edition=self.double.edition,
                    version=self.double.version,
                    base_url=self.double.url,
                    route=route,
                )
                answer = self._handled(request, path, query)
            except ApiError as error:
                answer = Answer(error.status, error.body, error.headers)
            except Exception:
                # A mistake in the double must not look like a connection that broke.
                self.double.errors.append(traceback.format_exc())
                answer = Answer(500, {"message": "500 Internal Server Error"})
            if self.double.answers is not None:
                self.double.answers.append((route.name, answer.status, answer.value))
        answer.headers |= limits
        return answer, route.name, user

    def _handled(self, request: Request, path: str, query: list[tuple[str, str]]) -> Answer:
        route = request.route
        if route.template.startswith("/projects/{id}"):
            request.project = find_project(request, request.args["id"])
        elif route.template.startswith("/groups/{id}"):
            request.group = find_group(request, request.args["id"])
        check_level(request)
        self._check_parameters(request)
        if request.method not in ("GET", "HEAD"):
            self.double.state.dirty = True
        result = route.handler(request)
        headers: dict[str, str] = {}
        if route.paged:
            result, headers = page(request, path, query, list(result))
        if route.entity is not None and result is not None:
            entity = route.entity
            result = [entity(request, row) for row in result] if route.paged else entity(request, result)
        return Answer(route.status, result, headers)

    def _check_parameters(self, request: Request) -> None:
        missing = [name for name in request.route.required if name not in request.params]
        if missing:
            raise bad_parameter(", ".join(f"{name} is missing" for name in missing))
        for name, allowed in request.route.enums.items():
            value = request.params.get(name)
            given = value if isinstance(value, list) else [] if value is None else [value]
            if any(each not in allowed and str(each) not in map(str, allowed) for each in given):
                raise bad_parameter(f"{name} does not have a valid value")
        unknown = set(request.params) - request.route.params - GENERAL - set(request.args)
        self.double.unknown_parameters += [f"{request.route.name}: {name}" for name in sorted(unknown)]

    def _secret(self) -> str:
        bearer = self.headers.get("Authorization", "").partition("Bearer ")[2]
        return self.headers.get("PRIVATE-TOKEN") or bearer or ""


def parameters(query: list[tuple[str, str]], content_type: str, body: bytes) -> dict[str, Any]:
    """Parameters of query and body as one mapping; ``a[]`` gathers a list, ``a[b]`` a mapping."""
    given: dict[str, Any] = {}
    for name, value in query:
        _place(given, name, value)
    if not body:
        return given
    if content_type.startswith("multipart/form-data"):
        for name, part in _multipart(content_type, body):
            _place(given, name, part)
    elif content_type.startswith("application/x-www-form-urlencoded"):
        for name, value in parse_qsl(body.decode(), keep_blank_values=True):
            _place(given, name, value)
    else:
        try:
            decoded = json.loads(body)
        except ValueError:
            raise bad_parameter("The provided JSON is invalid") from None
        if not isinstance(decoded, dict):
            raise bad_parameter("The provided JSON is invalid")
        given |= decoded
    return given


def _place(given: dict[str, Any], name: str, value: Any) -> None:
    nested = re.fullmatch(r"([^\[\]]+)\[([^\[\]]*)\]", name)
    if nested is None:
        given[name] = value
    elif nested[2]:
        given.setdefault(nested[1], {})[nested[2]] = value
    else:
        given.setdefault(nested[1], []).append(value)


def _multipart(content_type: str, body: bytes) -> list[tuple[str, Any]]:
    head = f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    found: list[tuple[str, Any]] = []
    for part in message.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            raise not_found("Part")
        filename = part.get_filename()
        found.append((name, Upload(filename, content) if filename else content.decode()))
    return found
