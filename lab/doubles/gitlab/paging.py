"""Pages: by number with totals, and by keyset."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from lab.doubles.gitlab.api import Request, bad_parameter
from lab.doubles.gitlab.state import Row

DEFAULT, MOST = 20, 100
# GitLab leaves the totals out above this.
COUNTED = 10_000


def page(
    request: Request, path: str, query: list[tuple[str, str]], rows: list[Row]
) -> tuple[list[Row], dict[str, str]]:
    """The rows of the page that was asked for, and the headers that lead to the others."""
    size = min(_number(request, "per_page", DEFAULT), MOST)
    if request.params.get("pagination") == "keyset":
        return _keyset(request, path, query, rows, size)
    number = _number(request, "page", 1)
    pages = max(1, -(-len(rows) // size))
    headers = {
        "X-Page": str(number),
        "X-Per-Page": str(size),
        "X-Next-Page": str(number + 1) if number < pages else "",
        "X-Prev-Page": str(number - 1) if number > 1 else "",
    }
    links = {"first": 1}
    if number < pages:
        links["next"] = number + 1
    if number > 1:
        links["prev"] = number - 1
    if len(rows) <= COUNTED:
        headers |= {"X-Total": str(len(rows)), "X-Total-Pages": str(pages)}
        links["last"] = pages
    base = request.base_url + path
    headers["Link"] = ", ".join(
        f'<{base}?{_query(query, page=target, per_page=size)}>; rel="{name}"'
        for name, target in links.items()
    )
    return rows[(number - 1) * size : number * size], headers


def _keyset(
    request: Request, path: str, query: list[tuple[str, str]], rows: list[Row], size: int
) -> tuple[list[Row], dict[str, str]]:
    """By id, which the list itself goes on after: rows that come or go between two pages shift nothing."""
    marker = "id_before" if request.get("sort", "desc") == "desc" else "id_after"
    if request.get("order_by") != "id" or marker not in request.route.params:
        raise bad_parameter("Keyset pagination is not yet available for this type of request")
    chosen = rows[:size]
    headers: dict[str, str] = {}
    if len(rows) > size:
        target = _query(query, **{marker: chosen[-1]["id"], "per_page": size})
        headers["Link"] = f'<{request.base_url}{path}?{target}>; rel="next"'
    return chosen, headers


def _number(request: Request, name: str, default: int) -> int:
    value = request.get(name, default)
    try:
        number = int(value)
    except ValueError:
        raise bad_parameter(f"{name} is invalid") from None
    if number < 1:
        raise bad_parameter(f"{name} does not have a valid value")
    return number


def _query(query: list[tuple[str, str]], **replaced: Any) -> str:
    kept = [(name, value) for name, value in query if name not in replaced]
    return urlencode([*kept, *((name, str(value)) for name, value in replaced.items())])
