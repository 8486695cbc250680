"""The double is held to GitLab's API document: routes, parameters, statuses, fields."""

from __future__ import annotations

import re
from collections.abc import Iterator

import double_deviations as deviations
import double_document as document
import double_tour as tour
import gitlab.v4.objects
import pytest
from gitlab.base import RESTManager

from lab.doubles.gitlab import Server
from lab.doubles.gitlab.api import routes

ROUTES = {f"{route.method} {document.anonymous(route.template)}": route for route in routes()}


def undocumented(name: str) -> str | None:
    """The prefix by which the route is excused, if it is."""
    path = name.partition(" ")[2]
    return next((each for each in deviations.ROUTES if path == each or path.startswith(f"{each}/")), None)


@pytest.fixture(scope="module", params=["ce", "ee"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server of either edition, after the tour."""
    with Server(edition=request.param) as double:
        double.answers = []
        tour.run(double)
        assert double.errors == []
        yield double


def test_every_route_is_in_the_document() -> None:
    missing = [name for name in ROUTES if name not in document.operations() and not undocumented(name)]
    assert missing == []


def test_no_route_is_excused_without_need() -> None:
    needed = {undocumented(name) for name in ROUTES if name not in document.operations()}
    assert needed == set(deviations.ROUTES)


def test_what_the_document_leaves_out_is_known_to_the_client() -> None:
    managers = [
        manager
        for manager in vars(gitlab.v4.objects).values()
        if isinstance(manager, type) and issubclass(manager, RESTManager) and getattr(manager, "_path", None)
    ]
    known = {document.anonymous(str(manager._path)) for manager in managers}
    unknown = [
        name
        for name in ROUTES
        if name not in document.operations()
        and not any(re.match(rf"{re.escape(path)}(/|$)", name.partition(" ")[2]) for path in known)
    ]
    assert unknown == []


def test_every_parameter_is_in_the_document() -> None:
    surplus = {}
    for name, route in ROUTES.items():
        operation = document.operations().get(name)
        if operation is not None:
            beyond = set(route.params) - document.parameters(operation)
            if beyond:
                surplus[name] = beyond
    assert surplus == {name: names for name, (names, _why) in deviations.PARAMETERS.items()}


def test_every_status_is_in_the_document() -> None:
    other = {
        name: route.status
        for name, route in ROUTES.items()
        if name in document.operations() and str(route.status) not in document.operations()[name]["responses"]
    }
    assert other == {name: status for name, (status, _why) in deviations.STATUSES.items()}


def test_every_route_is_driven_by_the_client(server: Server) -> None:
    driven = {each.route for each in server.requests if each.status < 400 or each.status == 410}
    expected = {route.name for route in routes() if server.edition == "ee" or not route.enterprise}
    assert expected - driven == set()


def test_nothing_but_what_routes_declare_is_sent(server: Server) -> None:
    assert set(server.unknown_parameters) == deviations.SENT


def test_every_field_that_is_answered_is_in_the_document(server: Server) -> None:
    surplus: dict[str, set[str]] = {}
    compared = 0
    for name, status, value in server.answers or []:
        anonymous = document.anonymous(name)
        held_to = deviations.ENTITIES.get(anonymous, (anonymous, ""))[0]
        fields = document.fields(held_to) if 200 <= status < 300 else None
        if fields is None:
            continue
        compared += 1
        beyond = document.surplus(value, fields)
        if beyond:
            surplus.setdefault(anonymous, set()).update(beyond)
    assert compared > 200, "the comparison has to have compared something"
    assert surplus == {name: names for name, (names, _why) in deviations.FIELDS.items()}


@pytest.mark.parametrize("name", sorted(deviations.ENTITIES))
def test_no_entity_is_exchanged_without_need(server: Server, name: str) -> None:
    fields = document.fields(name) or {}
    answers = [value for route, status, value in server.answers or [] if document.anonymous(route) == name]
    assert document.surplus(answers, fields) != set()
