"""Sections of a project or a group that are lists of alike things, declared as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.doubles.gitlab.api import (
    GUEST,
    MAINTAINER,
    Entity,
    Handler,
    Request,
    Route,
    add_route,
    bad_request,
    not_found,
)
from lab.doubles.gitlab.state import Row, now

OWNERS = {"projects": "/projects/{id}", "groups": "/groups/{id}", "instance": ""}


def typed(value: Any, default: Any) -> Any:
    """A value of a form as the kind of its default: forms know only texts."""
    if isinstance(default, bool):
        return value.lower() in ("1", "true", "t", "yes", "on") if isinstance(value, str) else bool(value)
    if isinstance(default, int) and isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    if isinstance(default, (list, tuple)) and isinstance(value, str):
        return [each.strip() for each in value.split(",") if each.strip()]
    return value


def nothing(_request: Request, _row: Row, _before: Row | None) -> None:
    """No rule beyond the declaration."""


@dataclass(frozen=True)
class Collection:
    """One section, served at ``path`` below each of ``owners``.

    name: the table of its rows. argument: what the path calls one of them. fields: what may be written, with
    its default; ``fixed``: only at creation; ``later``: only afterwards. unique: no two rows of an owner have
    it alike. check: refuses or completes a row, given what it was before. by_name: the field that names a row
    beside its id. listed: the parameters of the list. enterprise: the owners that CE does not serve it for.
    """

    name: str
    path: str
    argument: str
    fields: Mapping[str, Any]
    entity: Entity
    owners: tuple[str, ...] = ("projects",)
    required: tuple[str, ...] = ()
    fixed: frozenset[str] = frozenset()
    later: Mapping[str, Any] = field(default_factory=dict)
    enums: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    unique: tuple[str, ...] = ()
    read: int = GUEST
    write: int = MAINTAINER
    verbs: tuple[str, ...] = ("list", "get", "create", "update", "delete")
    update: str = "PUT"
    check: Callable[[Request, Row, Row | None], None] = nothing
    by_name: str = ""
    what: str = ""
    enterprise: tuple[str, ...] = ()
    removed: int = 204
    listed: frozenset[str] = frozenset()
    created_entity: Entity | None = None
    detail_entity: Entity | None = None

    def find(self, request: Request) -> Row:
        return self.pick(request, request.args[self.argument])

    def pick(self, request: Request, identity: Any) -> Row:
        rows = request.state.peek(f"{request.owner_key}/{self.name}")
        row = rows.get(str(identity))
        if row is None and self.by_name:
            row = next((each for each in rows.values() if each[self.by_name] == identity), None)
        if row is None:
            raise not_found(self.what)
        return row

    def list(self, request: Request) -> Any:
        return request.state.peek(f"{request.owner_key}/{self.name}").values()

    def create(self, request: Request) -> Row:
        row: Row = {name: typed(request.get(name, default), default) for name, default in self.fields.items()}
        row |= {"created_at": now(), "updated_at": now()}
        self.accept(request, row, None)
        return request.state.insert(f"{request.owner_key}/{self.name}", row)

    def change(self, request: Request) -> Row:
        row = self.find(request)
        writable = {**self.fields, **self.later}
        given = {
            name: typed(value, writable[name])
            for name, value in request.params.items()
            if name in writable and name not in self.fixed
        }
        after = {**row, **given, "updated_at": now()}
        self.accept(request, after, row)
        row.update(after)
        return row

    def accept(self, request: Request, row: Row, before: Row | None) -> None:
        for other in request.state.peek(f"{request.owner_key}/{self.name}").values():
            if before is not None and other["id"] == before["id"]:
                continue
            for name in self.unique:
                if other[name] == row[name]:
                    raise bad_request({name: ["has already been taken"]})
        self.check(request, row, before)

    def delete(self, request: Request) -> Row:
        row = self.find(request)
        del request.rows(self.name)[str(row["id"])]
        return row


def serve(collection: Collection) -> Collection:
    for owner in collection.owners:
        many = f"{OWNERS[owner]}/{collection.path}"
        one = f"{many}/{{{collection.argument}}}"
        enterprise = owner in collection.enterprise
        detail = collection.detail_entity or collection.entity
        created = collection.created_entity or detail
        creatable = frozenset(collection.fields)
        changeable = frozenset((*collection.fields, *collection.later)) - collection.fixed
        declared: dict[str, tuple[str, str, Handler, int, int, frozenset[str], Any, bool]] = {
            "list": (
                "GET",
                many,
                collection.list,
                200,
                collection.read,
                collection.listed,
                collection.entity,
                True,
            ),
            "get": ("GET", one, collection.find, 200, collection.read, frozenset(), detail, False),
            "create": ("POST", many, collection.create, 201, collection.write, creatable, created, False),
            "update": (
                collection.update,
                one,
                collection.change,
                200,
                collection.write,
                changeable,
                detail,
                False,
            ),
            "delete": (
                "DELETE",
                one,
                collection.delete,
                collection.removed,
                collection.write,
                frozenset(),
                None,
                False,
            ),
        }
        for verb in collection.verbs:
            method, template, handler, status, level, params, entity, paged = declared[verb]
            add_route(
                Route(
                    method,
                    template,
                    handler,
                    status,
                    level,
                    params,
                    collection.required if verb == "create" else (),
                    collection.enums if verb in ("create", "update") else {},
                    entity,
                    paged,
                    enterprise,
                    (),
                )
            )
    return collection
