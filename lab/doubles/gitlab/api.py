"""What a route is, what its handler is given, and how an answer is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lab.doubles.gitlab.state import Row, State

# Access levels of members. ADMIN is not one of GitLab's numbers: it stands for an administrator's token.
MINIMAL, GUEST, PLANNER, REPORTER, DEVELOPER, MAINTAINER, OWNER, ADMIN = 5, 10, 15, 20, 30, 40, 50, 60
LEVELS = {
    MINIMAL: "Minimal Access",
    GUEST: "Guest",
    PLANNER: "Planner",
    REPORTER: "Reporter",
    DEVELOPER: "Developer",
    MAINTAINER: "Maintainer",
    OWNER: "Owner",
}
VISIBILITY = ("private", "internal", "public")


class ApiError(Exception):
    """An answer that is not the one asked for. ``body`` is what GitLab would send."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


def not_found(what: str = "") -> ApiError:
    return ApiError(404, {"message": f"404 {what} Not Found" if what else "404 Not found"})


def forbidden(why: str = "") -> ApiError:
    return ApiError(403, {"message": f"403 Forbidden - {why}" if why else "403 Forbidden"})


def bad_request(message: Any) -> ApiError:
    """The model refused it: ``message`` is a text or ``{attribute: [reasons]}``."""
    return ApiError(400, {"message": message})


def bad_parameter(message: str) -> ApiError:
    """The route's declaration refused it: ``visibility does not have a valid value``."""
    return ApiError(400, {"error": message})


def conflict(message: str) -> ApiError:
    return ApiError(409, {"message": message})


@dataclass(frozen=True)
class Raw:
    """An answer that is not JSON."""

    content: bytes
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Upload:
    """A file of a multipart request."""

    filename: str
    content: bytes


@dataclass
class Caller:
    """Who asks: a user, and the token that was shown."""

    user: Row
    token: Row

    @property
    def admin(self) -> bool:
        return bool(self.user.get("is_admin"))


@dataclass
class Request:
    """One request, resolved: its arguments from the path, its parameters, and what it is about."""

    method: str
    args: dict[str, str]
    params: dict[str, Any]
    state: State
    caller: Caller
    edition: str
    version: str
    base_url: str
    route: Route
    project: Row = field(default_factory=dict)
    group: Row = field(default_factory=dict)

    @property
    def owner(self) -> tuple[str, Row]:
        """``("project"|"group", row)`` of what the path names."""
        return ("project", self.project) if self.project else ("group", self.group)

    @property
    def owner_key(self) -> str:
        kind, row = self.owner
        return f"{kind}/{row['id']}" if row else "instance"

    def rows(self, name: str) -> dict[str, Row]:
        """The rows of one kind that belong to what the path names, by their id."""
        return self.state.rows(f"{self.owner_key}/{name}")

    def get(self, name: str, default: Any = None) -> Any:
        value = self.params.get(name)
        return default if value is None else value

    @property
    def ee(self) -> bool:
        return self.edition == "ee"


Handler = Callable[[Request], Any]
Entity = Callable[[Request, Row], Any]
HandlerT = TypeVar("HandlerT", bound=Handler)


@dataclass(frozen=True)
class Route:
    """``template`` is written as in the API document, without ``/api/v4``."""

    method: str
    template: str
    handler: Handler
    status: int
    level: int
    params: frozenset[str]
    required: tuple[str, ...]
    enums: Mapping[str, tuple[Any, ...]]
    entity: Entity | None
    paged: bool
    enterprise: bool
    scopes: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"


ROUTES: dict[tuple[str, int], list[tuple[tuple[str, ...], Route]]] = {}


def routes() -> Iterable[Route]:
    return (route for candidates in ROUTES.values() for _segments, route in candidates)


def add_route(route: Route) -> None:
    segments = tuple(route.template.strip("/").split("/"))
    candidates = ROUTES.setdefault((route.method, len(segments)), [])
    candidates.append((segments, route))
    # Words win over arguments: /runners/all before /runners/{id}.
    candidates.sort(key=lambda entry: [segment.startswith("{") for segment in entry[0]])


def route(
    method: str,
    template: str,
    *,
    status: int | None = None,
    level: int = GUEST,
    params: Iterable[str] = (),
    required: tuple[str, ...] = (),
    enums: Mapping[str, tuple[Any, ...]] | None = None,
    entity: Entity | None = None,
    paged: bool = False,
    enterprise: bool = False,
    scopes: tuple[str, ...] = (),
) -> Callable[[HandlerT], HandlerT]:
    """Serve a route. ``level``: what the caller needs on the project or group that the path names.
    ``scopes``: those of a token that open it beside ``api``; ``anonymous``: it needs no token.
    """

    def register(handler: HandlerT) -> HandlerT:
        default = {"POST": 201, "DELETE": 204}.get(method, 200)
        add_route(
            Route(
                method,
                template,
                handler,
                default if status is None else status,
                level,
                frozenset((*params, *required)),
                required,
                enums or {},
                entity,
                paged,
                enterprise,
                scopes,
            )
        )
        return handler

    return register


def match(method: str, segments: list[str]) -> tuple[Route, dict[str, str]] | None:
    for pattern, candidate in ROUTES.get((method, len(segments)), ()):
        if all(part.startswith("{") or part == given for part, given in zip(pattern, segments)):
            args = {part[1:-1]: given for part, given in zip(pattern, segments) if part.startswith("{")}
            return candidate, args
    return None
